-- Contracts whose state was written by a version that kept it otherwise: it is rebuilt from terms and facts before anything
-- else is done with them, and the row goes. One that cannot be rebuilt stays here with the reason, and is set aside.
CREATE TABLE rebuild (
    contract    TEXT PRIMARY KEY,
    problem     TEXT
);
INSERT INTO rebuild (contract) SELECT id FROM contract;
