-- Invoices, credit memos and entries that an ERP shows and has not posted: they wait for an approval there.
CREATE TABLE unposted (
    system      TEXT NOT NULL,              -- connection
    object      TEXT NOT NULL,              -- the vendor's object type
    remote_id   TEXT NOT NULL,              -- the vendor's id
    contract    TEXT NOT NULL,
    number      TEXT NOT NULL,              -- our number of it
    mac         BYTEA,
    PRIMARY KEY (system, object, remote_id)
);
CREATE INDEX unposted_number ON unposted (number, system);
