-- Ground state: what the outside told us. Append-only but for the columns that say what became of a row.

CREATE TABLE source_record (
    id          INTEGER PRIMARY KEY,
    system      TEXT NOT NULL,
    object      TEXT NOT NULL,
    remote_id   TEXT NOT NULL,
    version     TEXT NOT NULL,
    changed_at  TEXT NOT NULL,
    seen_at     TEXT NOT NULL,
    record      TEXT NOT NULL,              -- mapping::record::SourceRecord as JSON, or the raw text where unreadable
    state       TEXT NOT NULL CHECK (state IN ('new', 'read', 'parked', 'dismissed')),
    contract    TEXT,
    issues      TEXT NOT NULL DEFAULT '[]',
    UNIQUE (system, object, remote_id, version)
) STRICT;
CREATE INDEX source_record_open ON source_record (state, id) WHERE state IN ('new', 'parked');

CREATE TABLE watermark (
    system        TEXT NOT NULL,
    stream        TEXT NOT NULL,
    cursor        TEXT NOT NULL,
    fresh_through TEXT,                     -- the source was read completely up to here
    polled_at     TEXT,
    due_at        TEXT,
    fault         TEXT,                     -- why the last poll failed; NULL after a good one
    fault_since   TEXT,
    attempts      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (system, stream)
) STRICT;

CREATE TABLE hint (
    id          INTEGER PRIMARY KEY,
    system      TEXT NOT NULL,
    delivery    TEXT NOT NULL,
    object      TEXT NOT NULL,
    remote_id   TEXT NOT NULL,
    received_at TEXT NOT NULL,
    due_at      TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    done_at     TEXT,
    UNIQUE (system, delivery, object, remote_id)
) STRICT;
CREATE INDEX hint_open ON hint (due_at) WHERE done_at IS NULL;

CREATE TABLE agreement_file (
    path        TEXT PRIMARY KEY,
    digest      TEXT NOT NULL,
    contract    TEXT,
    problem     TEXT,                       -- NULL: read and taken
    seen_at     TEXT NOT NULL
) STRICT;

CREATE TABLE fact (
    id          INTEGER PRIMARY KEY,
    contract    TEXT NOT NULL,
    identity    TEXT NOT NULL,              -- the same thing told twice has one identity
    at          TEXT NOT NULL,              -- when it happened, as its source says
    effective_at TEXT,                      -- when it took effect in the contract's history: never before what was decided
    learned_at  TEXT NOT NULL,
    fact        TEXT NOT NULL,
    actor       TEXT NOT NULL,
    origin      INTEGER REFERENCES source_record (id),
    position    INTEGER,                    -- place in the contract's history; NULL: not decided yet
    problem     TEXT,                       -- why it is parked
    UNIQUE (contract, identity),
    UNIQUE (contract, position)
) STRICT;
CREATE INDEX fact_pending ON fact (contract, at, id) WHERE position IS NULL AND problem IS NULL;

-- Derived state: rebuilt from terms and facts by `milestoned replay`.

CREATE TABLE contract (
    id          TEXT PRIMARY KEY,
    agreement   TEXT NOT NULL,              -- terms and options as they were given
    digest      TEXT NOT NULL,
    source      TEXT NOT NULL,              -- file or API caller
    opened_on   TEXT NOT NULL,              -- first day of the run
    opened_at   TEXT NOT NULL,
    state       TEXT NOT NULL,              -- mapping::contract::Contract
    history     INTEGER NOT NULL,           -- facts in the state
    as_of       TEXT NOT NULL,
    wake_at     TEXT,                       -- instant at which time alone may change something
    planned_documents INTEGER NOT NULL,
    journal_through TEXT,                   -- journal entries up to this date are in the outbox
    legs_changed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX contract_wake ON contract (wake_at);

CREATE TABLE leg_part (
    system      TEXT NOT NULL,
    object      TEXT NOT NULL,
    remote_id   TEXT NOT NULL,
    contract    TEXT NOT NULL,
    leg         TEXT NOT NULL,
    milestone   TEXT,
    part        TEXT NOT NULL,
    PRIMARY KEY (system, object, remote_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX leg_part_contract ON leg_part (contract, leg);

CREATE TABLE leg (
    contract    TEXT NOT NULL,
    leg         TEXT NOT NULL,
    record      TEXT NOT NULL,
    PRIMARY KEY (contract, leg)
) STRICT, WITHOUT ROWID;

CREATE TABLE document (
    number      TEXT PRIMARY KEY,
    contract    TEXT NOT NULL,
    ordinal     INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    milestone   TEXT NOT NULL,
    date        TEXT NOT NULL,
    due_on      TEXT NOT NULL,
    currency    TEXT NOT NULL,
    amount      TEXT NOT NULL,
    target      TEXT NOT NULL,
    posting     TEXT NOT NULL,
    cause       INTEGER                     -- position of the fact that set it off, where a fact did
) STRICT;
CREATE INDEX document_contract ON document (contract, ordinal);

CREATE TABLE exception (
    contract    TEXT NOT NULL,
    ordinal     INTEGER NOT NULL,
    code        TEXT NOT NULL,
    milestone   TEXT,
    leg         TEXT,
    severity    TEXT NOT NULL,
    opened_on   TEXT NOT NULL,
    closed_on   TEXT,
    held        TEXT,
    currency    TEXT NOT NULL,
    PRIMARY KEY (contract, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX exception_open ON exception (code) WHERE closed_on IS NULL;

CREATE TABLE event (
    seq         INTEGER PRIMARY KEY,
    identity    TEXT NOT NULL UNIQUE,
    at          TEXT NOT NULL,
    type        TEXT NOT NULL,
    contract    TEXT NOT NULL,
    milestone   TEXT,
    body        TEXT NOT NULL
) STRICT;

-- Effects: what is to be said to whom, once.

CREATE TABLE outbox (
    key         TEXT PRIMARY KEY,           -- idempotency key: kept for ever
    ordinal     INTEGER NOT NULL UNIQUE,
    contract    TEXT NOT NULL,
    target      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,              -- number or record; a newer status of a subject supersedes the older
    command     TEXT NOT NULL,
    digest      TEXT NOT NULL,
    after       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'unknown', 'done', 'parked', 'superseded', 'dismissed')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      TEXT NOT NULL,
    lease_until TEXT,
    created_at  TEXT NOT NULL,
    settled_at  TEXT,
    confirmed_at TEXT,                      -- seen in the remote by a later poll
    receipt     TEXT,
    fault       TEXT,
    remedy      TEXT
) STRICT;
CREATE INDEX outbox_open ON outbox (target, due_at) WHERE state IN ('pending', 'sending', 'unknown');
CREATE INDEX outbox_subject ON outbox (target, subject);
CREATE INDEX outbox_contract ON outbox (contract, ordinal);

CREATE TABLE mail (
    key         TEXT PRIMARY KEY,
    recipients  TEXT NOT NULL,
    subject     TEXT NOT NULL,
    message     BLOB NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'unknown', 'sent', 'refused')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    settled_at  TEXT,
    fault       TEXT
) STRICT;

CREATE TABLE token (
    connection  TEXT NOT NULL,
    name        TEXT NOT NULL,
    value       TEXT NOT NULL,
    stored_at   TEXT NOT NULL,
    PRIMARY KEY (connection, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY,
    at          TEXT NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    contract    TEXT,
    subject     TEXT NOT NULL,
    detail      TEXT NOT NULL,
    hash        TEXT NOT NULL               -- SHA-256 over the previous hash and this row
) STRICT;
CREATE INDEX audit_contract ON audit (contract, seq);

-- Where a schedule stands.
CREATE TABLE mark (
    name        TEXT PRIMARY KEY,
    at          TEXT NOT NULL
) STRICT, WITHOUT ROWID;
