-- Dates that are closed for the contracts of an ERP, for good: by its accounting periods, by the configuration, or by a person.
CREATE TABLE closed_dates (
    erp       TEXT NOT NULL,
    through   TEXT NOT NULL,   -- the last closed date
    closed_at TEXT NOT NULL,   -- when that became known
    actor     TEXT NOT NULL,   -- connection, configuration, or person
    mac       BLOB,
    PRIMARY KEY (erp, through)
) STRICT;
