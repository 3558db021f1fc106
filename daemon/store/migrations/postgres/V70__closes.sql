-- Month-end closes: who looks after which step of a month, and the month's package, which is frozen once it is signed.
CREATE TABLE close_step (
    month       TEXT COLLATE "C" NOT NULL,              -- 2026-03
    step        TEXT COLLATE "C" NOT NULL,
    owner       TEXT COLLATE "C",                       -- who looks after it
    done_by     TEXT COLLATE "C",                       -- who has looked at it
    done_at     TEXT COLLATE "C",
    note        TEXT COLLATE "C" NOT NULL,
    mac         BYTEA,
    PRIMARY KEY (month, step)
);
CREATE TABLE close_package (
    month       TEXT COLLATE "C" PRIMARY KEY,           -- 2026-03
    prepared_by TEXT COLLATE "C" NOT NULL,
    prepared_at TEXT COLLATE "C" NOT NULL,
    figures     TEXT COLLATE "C" NOT NULL,              -- report::close::Figures as JSON: all that the package says
    digest      TEXT COLLATE "C" NOT NULL,              -- SHA-256 of the figures, in hexadecimal
    signed_by   TEXT COLLATE "C",
    signed_at   TEXT COLLATE "C",
    public_key  TEXT COLLATE "C",                       -- the house's, in hexadecimal
    signature   TEXT COLLATE "C",
    mac         BYTEA
);
