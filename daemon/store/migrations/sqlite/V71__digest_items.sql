-- What each reader was told by the last digest, so that the next one says what is new, what is still open, and what is resolved.
CREATE TABLE digest_item (
    recipient   TEXT NOT NULL,
    subject     TEXT NOT NULL,              -- name of what waits, as the queue has it
    title       TEXT NOT NULL,
    first_told  TEXT NOT NULL,
    mac         BLOB,
    PRIMARY KEY (recipient, subject)
) STRICT;
