-- Which contracts were decided about since somebody looked: found without reading their states.
CREATE INDEX contract_revision ON contract (id, revision);

-- Parts of the queue that people gave a name: the filter as it stands in the address of the page.
CREATE TABLE saved_view (
    name        TEXT COLLATE "C" PRIMARY KEY,
    filter      TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    saved_at    TEXT COLLATE "C" NOT NULL
);
