-- Which contracts were decided about since somebody looked: found without reading their states.
CREATE INDEX contract_revision ON contract (id, revision);

-- Parts of the queue that people gave a name: the filter as it stands in the address of the page.
CREATE TABLE saved_view (
    name        TEXT PRIMARY KEY,
    filter      TEXT NOT NULL,
    actor       TEXT NOT NULL,
    saved_at    TEXT NOT NULL
) STRICT;
