-- Ids that a remote named in a census that is under way.
CREATE TABLE census (
    system      TEXT COLLATE "C" NOT NULL,
    stream      TEXT COLLATE "C" NOT NULL,
    remote_id   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (system, stream, remote_id)
);
