-- Who is signed in. Secrets stand here by their digest alone.

CREATE TABLE session (
    digest           TEXT COLLATE "C" PRIMARY KEY,      -- SHA-256 of the cookie, hex
    person           TEXT COLLATE "C" NOT NULL,
    way              TEXT COLLATE "C" NOT NULL CHECK (way IN ('provider', 'account', 'link')),
    rights           TEXT COLLATE "C" NOT NULL,         -- JSON list: what the groups of the provider, the account or the link give
    address          TEXT COLLATE "C" NOT NULL,         -- from where it was opened
    agent            TEXT COLLATE "C" NOT NULL,         -- with what, as the browser says
    authenticated_at TEXT COLLATE "C" NOT NULL,
    opened_at        TEXT COLLATE "C" NOT NULL,
    used_at          TEXT COLLATE "C" NOT NULL
);
CREATE INDEX session_person ON session (person);

-- What is used once: sign-ins that were begun, links that sign in, invitations.
CREATE TABLE one_time (
    digest     TEXT COLLATE "C" PRIMARY KEY,
    purpose    TEXT COLLATE "C" NOT NULL CHECK (purpose IN ('sign_in', 'link', 'invitation')),
    content    TEXT COLLATE "C" NOT NULL,               -- JSON
    expires_at TEXT COLLATE "C" NOT NULL
);

CREATE TABLE account (
    person      TEXT COLLATE "C" PRIMARY KEY,
    password    TEXT COLLATE "C" NOT NULL,              -- Argon2id, PHC string
    factor      TEXT COLLATE "C" NOT NULL,              -- secret of the second factor
    factor_step BIGINT NOT NULL DEFAULT 0, -- the newest step of the clock that was used
    rights      TEXT COLLATE "C" NOT NULL,              -- JSON list
    made_at     TEXT COLLATE "C" NOT NULL,
    closed_at   TEXT COLLATE "C"
);
