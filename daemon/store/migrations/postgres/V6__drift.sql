-- What differs in a remote from what was delivered or accepted, beside the exceptions of the rules.
CREATE TABLE drift (
    contract    TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,    -- document, entry or milestone; empty: the contract
    milestone   TEXT COLLATE "C",
    leg         TEXT COLLATE "C" NOT NULL,
    detail      TEXT COLLATE "C" NOT NULL,
    opened_on   TEXT COLLATE "C" NOT NULL,
    closed_on   TEXT COLLATE "C",             -- undone, or overruled by a person
    lasts       BOOLEAN NOT NULL,       -- it is so still
    PRIMARY KEY (contract, kind, subject)
);
CREATE INDEX drift_open ON drift (contract) WHERE closed_on IS NULL;

-- What was answered and no poll has shown yet.
CREATE INDEX outbox_unconfirmed ON outbox (target, settled_at)
    WHERE state = 'done' AND confirmed_at IS NULL AND kind IN ('invoice', 'credit_memo', 'journal_entry');

-- A refused fact that a person has closed.
ALTER TABLE fact ADD COLUMN closed_at TEXT COLLATE "C";
