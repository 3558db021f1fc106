-- Who does what, where several daemons share the database. The epoch grows whenever a duty changes hands: what the
-- former owner still writes names an older one, and is refused.
CREATE TABLE lease (
    name        TEXT PRIMARY KEY,
    owner       TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    until       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
