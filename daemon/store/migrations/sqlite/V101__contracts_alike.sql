-- A contract whose id differs from another one in case alone is found at filing.
CREATE INDEX contract_alike ON contract (lower(id));
