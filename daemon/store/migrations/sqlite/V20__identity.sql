-- Who is signed in. Secrets stand here by their digest alone.

CREATE TABLE session (
    digest           TEXT PRIMARY KEY,      -- SHA-256 of the cookie, hex
    person           TEXT NOT NULL,
    way              TEXT NOT NULL CHECK (way IN ('provider', 'account', 'link')),
    rights           TEXT NOT NULL,         -- JSON list: what the groups of the provider, the account or the link give
    address          TEXT NOT NULL,         -- from where it was opened
    agent            TEXT NOT NULL,         -- with what, as the browser says
    authenticated_at TEXT NOT NULL,
    opened_at        TEXT NOT NULL,
    used_at          TEXT NOT NULL
) STRICT;
CREATE INDEX session_person ON session (person);

-- What is used once: sign-ins that were begun, links that sign in, invitations.
CREATE TABLE one_time (
    digest     TEXT PRIMARY KEY,
    purpose    TEXT NOT NULL CHECK (purpose IN ('sign_in', 'link', 'invitation')),
    content    TEXT NOT NULL,               -- JSON
    expires_at TEXT NOT NULL
) STRICT;

CREATE TABLE account (
    person      TEXT PRIMARY KEY,
    password    TEXT NOT NULL,              -- Argon2id, PHC string
    factor      TEXT NOT NULL,              -- secret of the second factor
    factor_step INTEGER NOT NULL DEFAULT 0, -- the newest step of the clock that was used
    rights      TEXT NOT NULL,              -- JSON list
    made_at     TEXT NOT NULL,
    closed_at   TEXT
) STRICT;
