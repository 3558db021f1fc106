-- Under which name each account of the identity provider is known here: a name that the provider shows otherwise one day is no other
-- person, and nobody else comes in under it.
CREATE TABLE provider_account (
    issuer      TEXT NOT NULL,
    subject     TEXT NOT NULL,              -- the provider's own id, which never passes to somebody else
    person      TEXT NOT NULL,
    since       TEXT NOT NULL,
    mac         BYTEA,
    PRIMARY KEY (issuer, subject)
);
