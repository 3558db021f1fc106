-- How an ERP calls the record of a customer: what it was called when it was first looked at, and now.
CREATE TABLE customer_name (
    erp         TEXT NOT NULL,              -- connection
    name        TEXT NOT NULL,              -- the customer's name in the agreements
    remote_id   TEXT NOT NULL,              -- the ERP's id
    called_before TEXT NOT NULL,            -- its name there before
    called_now  TEXT,                       -- its name there now; absent: the ERP does not show it any more
    mac         BLOB,
    PRIMARY KEY (erp, name)
) STRICT;
