-- What is due, and what waits, is found without looking at what is not.
CREATE INDEX hint_due ON hint (system, due_at) WHERE done_at IS NULL;
DROP INDEX hint_open;
CREATE INDEX contract_legs ON contract (id) WHERE legs_changed;
CREATE INDEX outbox_unsettled ON outbox (ordinal) WHERE state IN ('pending', 'sending', 'unknown', 'parked');
DROP INDEX outbox_open;
CREATE INDEX fact_parked ON fact (id) WHERE problem IS NOT NULL;
-- SQLite takes a partial index only for the very condition that it was made with.
CREATE INDEX source_record_new ON source_record (id) WHERE state = 'new';
CREATE INDEX source_record_parked ON source_record (id) WHERE state = 'parked';
DROP INDEX source_record_open;
