-- A decision counts its contract's revision up: one that was made from an older revision does not land.
ALTER TABLE contract ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contract ADD COLUMN customer TEXT NOT NULL DEFAULT '';
UPDATE contract SET customer = coalesce(json_extract(agreement, '$.terms.customer'), '');

-- Who did it, and what they wrote, can be removed later: the chain holds a salted digest of the two. Lines from before it
-- have neither salt nor digest, and stay whole.
ALTER TABLE audit ADD COLUMN salt TEXT;         -- removed with the text
ALTER TABLE audit ADD COLUMN personal TEXT;     -- SHA-256 over salt, actor and detail

-- The chain's newest line, so that its loss is noticed.
CREATE TABLE audit_head (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    seq         INTEGER NOT NULL,
    hash        TEXT NOT NULL
) STRICT;
INSERT INTO audit_head (id, seq, hash)
    SELECT 1, coalesce(max(seq), 0), coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), '') FROM audit;

CREATE TRIGGER audit_keeps_lines BEFORE DELETE ON audit
    BEGIN SELECT raise(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_keeps_chained BEFORE UPDATE OF seq, at, action, contract, subject, personal, hash ON audit
    BEGIN SELECT raise(ABORT, 'the audit trail is append-only'); END;

-- What a person has halted.
CREATE TABLE pause (
    scope       TEXT NOT NULL CHECK (scope IN ('contract', 'customer', 'target')),
    name        TEXT NOT NULL,
    since       TEXT NOT NULL,
    actor       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

-- Claims take the oldest first, whatever waits behind them.
CREATE INDEX outbox_claim ON outbox (target, ordinal) WHERE state IN ('pending', 'unknown');
CREATE INDEX outbox_lease ON outbox (target, lease_until) WHERE state = 'sending';
