-- Workbooks that came back: what their cells say differently, and what became of it.
CREATE TABLE workbook_import (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    actor        TEXT NOT NULL,              -- who brought it
    brought_at   TEXT NOT NULL,
    digest       TEXT NOT NULL,              -- SHA-256 of the file's bytes
    about        TEXT NOT NULL,              -- what it was exported with and how much was read, as JSON
    edits        TEXT NOT NULL,              -- milestoned_workbook::merge::Edit, a list as JSON
    confirmed_at TEXT,
    outcome      TEXT,                       -- what each edit came to, as JSON; absent until all are done
    mac          BYTEA
);
