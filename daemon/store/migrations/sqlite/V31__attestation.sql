-- Rows that are acted on bear a code that only the house's key makes; what the code covers stands in attest.rs. The head of
-- the audit trail is sealed, with the sums of the codes of each table: a row that is gone, put in or put back is noticed.
ALTER TABLE source_record ADD COLUMN mac BLOB;
ALTER TABLE fact ADD COLUMN mac BLOB;
ALTER TABLE contract ADD COLUMN mac BLOB;
ALTER TABLE leg_part ADD COLUMN mac BLOB;
ALTER TABLE leg ADD COLUMN mac BLOB;
ALTER TABLE document ADD COLUMN mac BLOB;
ALTER TABLE exception ADD COLUMN mac BLOB;
ALTER TABLE approval ADD COLUMN mac BLOB;
ALTER TABLE event ADD COLUMN mac BLOB;
ALTER TABLE outbox ADD COLUMN mac BLOB;
ALTER TABLE mail ADD COLUMN mac BLOB;
ALTER TABLE drift ADD COLUMN mac BLOB;
ALTER TABLE review ADD COLUMN mac BLOB;
ALTER TABLE pause ADD COLUMN mac BLOB;
ALTER TABLE mark ADD COLUMN mac BLOB;
ALTER TABLE agreement_file ADD COLUMN mac BLOB;
ALTER TABLE saved_view ADD COLUMN mac BLOB;
ALTER TABLE token ADD COLUMN mac BLOB;
ALTER TABLE account ADD COLUMN mac BLOB;
ALTER TABLE session ADD COLUMN mac BLOB;
ALTER TABLE one_time ADD COLUMN mac BLOB;
ALTER TABLE watermark ADD COLUMN mac BLOB;

-- What a line is about: table and SHA-256 of the row, for each.
ALTER TABLE audit ADD COLUMN attests TEXT;
-- Empty: rows of before this version are attested at the next start, once.
ALTER TABLE audit_head ADD COLUMN sealed TEXT NOT NULL DEFAULT '';

DROP TRIGGER audit_keeps_chained;
CREATE TRIGGER audit_keeps_chained BEFORE UPDATE OF seq, at, action, contract, subject, personal, attests, hash ON audit
    BEGIN SELECT raise(ABORT, 'the audit trail is append-only'); END;
