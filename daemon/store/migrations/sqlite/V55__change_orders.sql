-- Change orders as they were filed, with what each puts at stake: those that wait for an approval take no effect before it.
CREATE TABLE change_order (
    contract    TEXT NOT NULL,
    identity    TEXT NOT NULL,   -- that of the fact which it becomes
    fact        TEXT NOT NULL,   -- JSON
    actor       TEXT NOT NULL,   -- who filed it
    filed_at    TEXT NOT NULL,
    customer    TEXT NOT NULL,   -- for whom the contract was filed
    stake       TEXT NOT NULL,   -- amount in the contract's currency
    currency    TEXT NOT NULL,
    state       TEXT NOT NULL,   -- free, waiting, approved, refused
    first_by    TEXT,            -- who approved it first, where two people are needed
    first_of    INTEGER,                       -- at which version of the contract
    decided_by  TEXT,
    decided_at  TEXT,
    mac         BLOB,
    PRIMARY KEY (contract, identity)
) STRICT;
CREATE INDEX change_order_customer ON change_order (customer, filed_at);
CREATE INDEX change_order_waiting ON change_order (contract) WHERE state = 'waiting';
