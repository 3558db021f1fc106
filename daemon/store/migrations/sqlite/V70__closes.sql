-- Month-end closes: who looks after which step of a month, and the month's package, which is frozen once it is signed.
CREATE TABLE close_step (
    month       TEXT NOT NULL,              -- 2026-03
    step        TEXT NOT NULL,
    owner       TEXT,                       -- who looks after it
    done_by     TEXT,                       -- who has looked at it
    done_at     TEXT,
    note        TEXT NOT NULL,
    mac         BLOB,
    PRIMARY KEY (month, step)
) STRICT;
CREATE TABLE close_package (
    month       TEXT PRIMARY KEY,           -- 2026-03
    prepared_by TEXT NOT NULL,
    prepared_at TEXT NOT NULL,
    figures     TEXT NOT NULL,              -- report::close::Figures as JSON: all that the package says
    digest      TEXT NOT NULL,              -- SHA-256 of the figures, in hexadecimal
    signed_by   TEXT,
    signed_at   TEXT,
    public_key  TEXT,                       -- the house's, in hexadecimal
    signature   TEXT,
    mac         BLOB
) STRICT;
