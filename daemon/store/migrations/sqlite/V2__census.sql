-- Ids that a remote named in a census that is under way.
CREATE TABLE census (
    system      TEXT NOT NULL,
    stream      TEXT NOT NULL,
    remote_id   TEXT NOT NULL,
    PRIMARY KEY (system, stream, remote_id)
) STRICT, WITHOUT ROWID;
