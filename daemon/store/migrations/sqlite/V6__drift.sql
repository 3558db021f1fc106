-- What differs in a remote from what was delivered or accepted, beside the exceptions of the rules.
CREATE TABLE drift (
    contract    TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,    -- document, entry or milestone; empty: the contract
    milestone   TEXT,
    leg         TEXT NOT NULL,
    detail      TEXT NOT NULL,
    opened_on   TEXT NOT NULL,
    closed_on   TEXT,             -- undone, or overruled by a person
    lasts       INTEGER NOT NULL,       -- it is so still
    PRIMARY KEY (contract, kind, subject)
) STRICT;
CREATE INDEX drift_open ON drift (contract) WHERE closed_on IS NULL;

-- What was answered and no poll has shown yet.
CREATE INDEX outbox_unconfirmed ON outbox (target, settled_at)
    WHERE state = 'done' AND confirmed_at IS NULL AND kind IN ('invoice', 'credit_memo', 'journal_entry');

-- A refused fact that a person has closed.
ALTER TABLE fact ADD COLUMN closed_at TEXT;
