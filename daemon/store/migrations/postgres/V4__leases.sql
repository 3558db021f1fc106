-- Who does what, where several daemons share the database. The epoch grows whenever a duty changes hands: what the
-- former owner still writes names an older one, and is refused.
CREATE TABLE lease (
    name        TEXT COLLATE "C" PRIMARY KEY,
    owner       TEXT COLLATE "C" NOT NULL,
    epoch       BIGINT NOT NULL,
    until       TEXT COLLATE "C" NOT NULL
);
