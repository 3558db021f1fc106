-- Change orders that have brought another customer into a contract: what is summed up by customer, and what halts a customer, goes by
-- them, too.
CREATE INDEX fact_customer ON fact (contract) WHERE position IS NOT NULL AND fact LIKE '%"type":"amended"%"customer":%';
-- The customers for whom contracts were filed, without their states.
CREATE INDEX contract_customer ON contract (customer, id);

-- Which record of an ERP a customer is, as one of two people has said it: it holds once another one has said the same.
CREATE TABLE customer_choice (
    erp         TEXT NOT NULL,
    name        TEXT NOT NULL,              -- as the agreements have it
    remote_id   TEXT NOT NULL,              -- the ERP's id of the record, or new
    reason      TEXT NOT NULL,
    actor       TEXT NOT NULL,
    said_at     TEXT NOT NULL,
    mac         BLOB,
    PRIMARY KEY (erp, name)
) STRICT;
