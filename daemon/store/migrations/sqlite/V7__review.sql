-- What people say about something that waits for them; who said it, and when, stands in the audit trail.
CREATE TABLE review (
    subject       TEXT PRIMARY KEY,   -- review::subject::Subject as text
    assignee      TEXT,
    snoozed_until TEXT,
    note          TEXT
) STRICT;

-- Milestones whose invoice waits for a reviewer. Derived, as exceptions are.
CREATE TABLE approval (
    contract      TEXT NOT NULL,
    milestone     TEXT NOT NULL,
    since         TEXT NOT NULL,
    amount        TEXT NOT NULL,
    currency      TEXT NOT NULL,
    shown         TEXT NOT NULL,      -- what an approval would be of: mapping::fact::Shown as JSON
    void          TEXT,               -- of what an approval was that is void now, likewise
    PRIMARY KEY (contract, milestone)
) STRICT;

-- The values behind an exception: a list of mapping::contract::Difference as JSON.
ALTER TABLE exception ADD COLUMN differences TEXT NOT NULL DEFAULT '[]';

-- A person has done outside what the delivery was to do.
ALTER TABLE outbox ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;

-- What was given up is found without reading all that was ever delivered.
CREATE INDEX outbox_given_up ON outbox (contract) WHERE state = 'dismissed';
