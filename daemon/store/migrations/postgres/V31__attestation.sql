-- Rows that are acted on bear a code that only the house's key makes; what the code covers stands in attest.rs. The head of
-- the audit trail is sealed, with the sums of the codes of each table: a row that is gone, put in or put back is noticed.
ALTER TABLE source_record ADD COLUMN mac BYTEA;
ALTER TABLE fact ADD COLUMN mac BYTEA;
ALTER TABLE contract ADD COLUMN mac BYTEA;
ALTER TABLE leg_part ADD COLUMN mac BYTEA;
ALTER TABLE leg ADD COLUMN mac BYTEA;
ALTER TABLE document ADD COLUMN mac BYTEA;
ALTER TABLE exception ADD COLUMN mac BYTEA;
ALTER TABLE approval ADD COLUMN mac BYTEA;
ALTER TABLE event ADD COLUMN mac BYTEA;
ALTER TABLE outbox ADD COLUMN mac BYTEA;
ALTER TABLE mail ADD COLUMN mac BYTEA;
ALTER TABLE drift ADD COLUMN mac BYTEA;
ALTER TABLE review ADD COLUMN mac BYTEA;
ALTER TABLE pause ADD COLUMN mac BYTEA;
ALTER TABLE mark ADD COLUMN mac BYTEA;
ALTER TABLE agreement_file ADD COLUMN mac BYTEA;
ALTER TABLE saved_view ADD COLUMN mac BYTEA;
ALTER TABLE token ADD COLUMN mac BYTEA;
ALTER TABLE account ADD COLUMN mac BYTEA;
ALTER TABLE session ADD COLUMN mac BYTEA;
ALTER TABLE one_time ADD COLUMN mac BYTEA;
ALTER TABLE watermark ADD COLUMN mac BYTEA;

-- What a line is about: table and SHA-256 of the row, for each.
ALTER TABLE audit ADD COLUMN attests TEXT COLLATE "C";
-- Empty: rows of before this version are attested at the next start, once.
ALTER TABLE audit_head ADD COLUMN sealed TEXT COLLATE "C" NOT NULL DEFAULT '';

DROP TRIGGER audit_keeps_chained ON audit;
CREATE TRIGGER audit_keeps_chained BEFORE UPDATE OF seq, at, action, contract, subject, personal, attests, hash ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
