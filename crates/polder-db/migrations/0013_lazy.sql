-- Large objects that a mirror needs and that are fetched when somebody first asks for one. A row stays when
-- its object has come: what is then linked counts.
CREATE TABLE lazy_object (
    repo        BIGINT NOT NULL REFERENCES repo (id),
    sha256      BYTEA  NOT NULL,
    size        BIGINT NOT NULL,
    -- The signed hash of the tree over its chunks, if there is one.
    xet         BYTEA,
    -- The git blob that points to it.
    pointer_oid BYTEA  NOT NULL,
    PRIMARY KEY (repo, sha256)
);
