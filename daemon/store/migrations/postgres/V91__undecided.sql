-- Contracts about which no decision could be made or kept, each since when and why.
CREATE TABLE undecided (
    contract    TEXT PRIMARY KEY,
    problem     TEXT NOT NULL,
    since       TEXT NOT NULL,
    mac         BYTEA
);
