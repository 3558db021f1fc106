-- Dates that are closed for the contracts of an ERP, for good: by its accounting periods, by the configuration, or by a person.
CREATE TABLE closed_dates (
    erp       TEXT COLLATE "C" NOT NULL,
    through   TEXT COLLATE "C" NOT NULL,   -- the last closed date
    closed_at TEXT COLLATE "C" NOT NULL,   -- when that became known
    actor     TEXT COLLATE "C" NOT NULL,   -- connection, configuration, or person
    mac       BYTEA,
    PRIMARY KEY (erp, through)
);
