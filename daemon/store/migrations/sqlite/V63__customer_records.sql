-- Which record of an ERP is which customer, where a person has to say it, or has said it.
CREATE TABLE customer_record (
    erp         TEXT NOT NULL,              -- connection
    name        TEXT NOT NULL,              -- the customer's name in the agreements
    remote_id   TEXT,                       -- the ERP's id, or 'new'; absent: nobody has said it yet
    alike       TEXT NOT NULL,              -- records that are called alike: milestoned_connector_kit::customers::Known as JSON
    actor       TEXT NOT NULL,              -- who said it; before that the connection
    decided_at  TEXT NOT NULL,
    mac         BLOB,
    PRIMARY KEY (erp, name)
) STRICT;
