-- What the identity provider gave with a session: whom it vouched for, until when that counts, and what it is asked again with.
CREATE TABLE provider_grant (
    digest        TEXT COLLATE "C" PRIMARY KEY, -- the session's
    issuer        TEXT COLLATE "C" NOT NULL,
    subject       TEXT COLLATE "C" NOT NULL,    -- the provider's own id of the person
    refresh_token TEXT COLLATE "C",             -- sealed; absent: the provider gave none
    confirmed_at  TEXT COLLATE "C" NOT NULL,    -- when the provider last said what the person's groups are, UTC
    asked_at      TEXT COLLATE "C" NOT NULL,    -- when it was last asked, UTC
    mac           BYTEA
);
