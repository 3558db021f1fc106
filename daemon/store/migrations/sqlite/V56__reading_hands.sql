-- Everybody who brought a signed document or decided about a value of it, also where another one decided about it later.
CREATE TABLE reading_hand (
    reading     TEXT NOT NULL,
    actor       TEXT NOT NULL,
    since       TEXT NOT NULL,
    mac         BLOB,
    PRIMARY KEY (reading, actor)
) STRICT;
