-- Everybody who brought a signed document or decided about a value of it, also where another one decided about it later.
CREATE TABLE reading_hand (
    reading     TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    since       TEXT COLLATE "C" NOT NULL,
    mac         BYTEA,
    PRIMARY KEY (reading, actor)
);
