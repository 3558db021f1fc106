-- What the identity provider gave with a session: whom it vouched for, until when that counts, and what it is asked again with.
CREATE TABLE provider_grant (
    digest        TEXT PRIMARY KEY,         -- the session's
    issuer        TEXT NOT NULL,
    subject       TEXT NOT NULL,            -- the provider's own id of the person
    refresh_token TEXT,                     -- sealed; absent: the provider gave none
    confirmed_at  TEXT NOT NULL,            -- when the provider last said what the person's groups are, UTC
    asked_at      TEXT NOT NULL,            -- when it was last asked, UTC
    mac           BLOB
) STRICT;
