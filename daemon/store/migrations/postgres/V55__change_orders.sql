-- Change orders as they were filed, with what each puts at stake: those that wait for an approval take no effect before it.
CREATE TABLE change_order (
    contract    TEXT COLLATE "C" NOT NULL,
    identity    TEXT COLLATE "C" NOT NULL,   -- that of the fact which it becomes
    fact        TEXT COLLATE "C" NOT NULL,   -- JSON
    actor       TEXT COLLATE "C" NOT NULL,   -- who filed it
    filed_at    TEXT COLLATE "C" NOT NULL,
    customer    TEXT COLLATE "C" NOT NULL,   -- for whom the contract was filed
    stake       TEXT COLLATE "C" NOT NULL,   -- amount in the contract's currency
    currency    TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL,   -- free, waiting, approved, refused
    first_by    TEXT COLLATE "C",            -- who approved it first, where two people are needed
    first_of    BIGINT,                        -- at which version of the contract
    decided_by  TEXT COLLATE "C",
    decided_at  TEXT COLLATE "C",
    mac         BYTEA,
    PRIMARY KEY (contract, identity)
);
CREATE INDEX change_order_customer ON change_order (customer, filed_at);
CREATE INDEX change_order_waiting ON change_order (contract) WHERE state = 'waiting';
