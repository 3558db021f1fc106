-- What is open of all contracts, in their order, without a look at what was closed; what was learned within a month; and rejections,
-- of which a report counts all.
CREATE INDEX exception_open_contract ON exception (contract, ordinal) WHERE closed_on IS NULL;
CREATE INDEX fact_learned ON fact (learned_at);
CREATE INDEX fact_rejected ON fact (id) WHERE position IS NOT NULL AND fact LIKE '%"type":"rejected"%';
