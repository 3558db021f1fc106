-- What people say about something that waits for them; who said it, and when, stands in the audit trail.
CREATE TABLE review (
    subject       TEXT COLLATE "C" PRIMARY KEY,   -- review::subject::Subject as text
    assignee      TEXT COLLATE "C",
    snoozed_until TEXT COLLATE "C",
    note          TEXT COLLATE "C"
);

-- Milestones whose invoice waits for a reviewer. Derived, as exceptions are.
CREATE TABLE approval (
    contract      TEXT COLLATE "C" NOT NULL,
    milestone     TEXT COLLATE "C" NOT NULL,
    since         TEXT COLLATE "C" NOT NULL,
    amount        TEXT COLLATE "C" NOT NULL,
    currency      TEXT COLLATE "C" NOT NULL,
    shown         TEXT COLLATE "C" NOT NULL,      -- what an approval would be of: mapping::fact::Shown as JSON
    void          TEXT COLLATE "C",               -- of what an approval was that is void now, likewise
    PRIMARY KEY (contract, milestone)
);

-- The values behind an exception: a list of mapping::contract::Difference as JSON.
ALTER TABLE exception ADD COLUMN differences TEXT COLLATE "C" NOT NULL DEFAULT '[]';

-- A person has done outside what the delivery was to do.
ALTER TABLE outbox ADD COLUMN by_hand BOOLEAN NOT NULL DEFAULT FALSE;

-- What was given up is found without reading all that was ever delivered.
CREATE INDEX outbox_given_up ON outbox (contract) WHERE state = 'dismissed';
