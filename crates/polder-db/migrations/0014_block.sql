-- What the operator will not have here. Nobody else is told.
CREATE TABLE block (
    -- repo, namespace, origin or object, and how it is listed.
    kind       TEXT   NOT NULL,
    what       TEXT   NOT NULL,
    -- The hub whose it is, and what `/` and the id of a repository there are like; NULL for an object.
    origin     TEXT,
    pattern    TEXT,
    -- The object; or the repository's name between hubs, once it is known, so that no other name helps it.
    sha256     BYTEA,
    reason     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (kind, what)
);
CREATE INDEX block_origin ON block (origin);
CREATE INDEX block_sha256 ON block (sha256);
