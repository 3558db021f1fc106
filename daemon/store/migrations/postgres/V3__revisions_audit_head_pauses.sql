-- A decision counts its contract's revision up: one that was made from an older revision does not land.
ALTER TABLE contract ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE contract ADD COLUMN customer TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE contract SET customer = coalesce(CAST(agreement AS json) -> 'terms' ->> 'customer', '');

-- Who did it, and what they wrote, can be removed later: the chain holds a salted digest of the two. Lines from before it
-- have neither salt nor digest, and stay whole.
ALTER TABLE audit ADD COLUMN salt TEXT COLLATE "C";         -- removed with the text
ALTER TABLE audit ADD COLUMN personal TEXT COLLATE "C";     -- SHA-256 over salt, actor and detail

-- The chain's newest line, so that its loss is noticed. Who appends holds this row until it commits: lines stand in the
-- order of their commits, as they do by nature where there is one writer.
CREATE TABLE audit_head (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    seq         BIGINT NOT NULL,
    hash        TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 10);
INSERT INTO audit_head (id, seq, hash)
    SELECT 1, coalesce(max(seq), 0), coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), '') FROM audit;

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$;
CREATE TRIGGER audit_keeps_lines BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_keeps_chained BEFORE UPDATE OF seq, at, action, contract, subject, personal, hash ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();

-- What a person has halted.
CREATE TABLE pause (
    scope       TEXT COLLATE "C" NOT NULL CHECK (scope IN ('contract', 'customer', 'target')),
    name        TEXT COLLATE "C" NOT NULL,
    since       TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, name)
);

-- Claims take the oldest first, whatever waits behind them.
CREATE INDEX outbox_claim ON outbox (target, ordinal) WHERE state IN ('pending', 'unknown');
CREATE INDEX outbox_lease ON outbox (target, lease_until) WHERE state = 'sending';
