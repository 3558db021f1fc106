-- What each reader was told by the last digest, so that the next one says what is new, what is still open, and what is resolved.
CREATE TABLE digest_item (
    recipient   TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,              -- name of what waits, as the queue has it
    title       TEXT COLLATE "C" NOT NULL,
    first_told  TEXT COLLATE "C" NOT NULL,
    mac         BYTEA,
    PRIMARY KEY (recipient, subject)
);
