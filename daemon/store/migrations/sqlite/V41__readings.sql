-- Signed documents that were read for a person to confirm, and what people have decided about each value.
CREATE TABLE reading (
    id          TEXT PRIMARY KEY,           -- SHA-256 of the file's bytes
    name        TEXT NOT NULL,
    actor       TEXT NOT NULL,              -- who brought it
    read_at     TEXT NOT NULL,
    document    TEXT NOT NULL,              -- milestoned_documents::block::Document as JSON
    proposal    TEXT NOT NULL,              -- milestoned_documents::proposal::Proposal as JSON
    contract    TEXT,                       -- the contract that was filed from it
    mac         BLOB
) STRICT;
CREATE INDEX reading_contract ON reading (contract) WHERE contract IS NOT NULL;

CREATE TABLE reading_verdict (
    reading     TEXT NOT NULL,
    path        TEXT NOT NULL,              -- where the value stands in the terms
    verdict     TEXT NOT NULL,              -- milestoned_documents::confirm::Verdict as JSON
    actor       TEXT NOT NULL,
    decided_at  TEXT NOT NULL,
    mac         BLOB,
    PRIMARY KEY (reading, path)
) STRICT;
