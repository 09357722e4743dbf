-- Repositories and collections that somebody put together.
CREATE TABLE collection (
    id          BIGINT  NOT NULL PRIMARY KEY,
    ns          BIGINT  NOT NULL REFERENCES account (id),
    title       TEXT    NOT NULL,
    description TEXT,
    private     BOOLEAN NOT NULL,
    theme       TEXT    NOT NULL,
    -- In the list of its namespace.
    place       BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL,
    UNIQUE (ns, title)
);
CREATE INDEX collection_updated ON collection (updated_at, id);

-- A repository or another collection in one; `place` orders them, with gaps where some went.
CREATE TABLE collection_item (
    id         BIGINT NOT NULL PRIMARY KEY,
    collection BIGINT NOT NULL REFERENCES collection (id),
    place      BIGINT NOT NULL,
    repo       BIGINT REFERENCES repo (id),
    inside     BIGINT REFERENCES collection (id),
    note       TEXT
);
CREATE INDEX collection_item_collection ON collection_item (collection, place);
CREATE UNIQUE INDEX collection_item_repo ON collection_item (repo, collection) WHERE repo IS NOT NULL;
CREATE UNIQUE INDEX collection_item_inside ON collection_item (inside, collection) WHERE inside IS NOT NULL;
