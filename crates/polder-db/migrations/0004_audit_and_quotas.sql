-- What each namespace may store, and what it stores: bytes of its repositories' packs and of the large
-- objects that they link, an object counted once for a namespace. Every change of these numbers updates
-- this row first, which makes it the lock under which they are compared with the limit.
CREATE TABLE quota (
    ns             BIGINT NOT NULL PRIMARY KEY REFERENCES account (id),
    -- NULL is the limit in quota_default; the largest BIGINT is no limit.
    bytes_max      BIGINT,
    blob_bytes     BIGINT NOT NULL,
    pack_bytes     BIGINT NOT NULL,
    reserved_bytes BIGINT NOT NULL
);

CREATE TABLE quota_default (
    id        BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    bytes_max BIGINT NOT NULL
);

-- Bytes promised to an upload that has not ended; their sum for a namespace is its reserved_bytes.
CREATE TABLE reservation (
    id       BIGINT  NOT NULL PRIMARY KEY,
    ns       BIGINT  NOT NULL REFERENCES account (id),
    bytes    BIGINT  NOT NULL,
    -- Whether it outlives the process that made it: parts of an upload on disk do, a request does not.
    survives BOOLEAN NOT NULL,
    expires  BIGINT  NOT NULL
);
CREATE INDEX reservation_expires ON reservation (expires);

INSERT INTO quota_default (id, bytes_max) VALUES (1, 9223372036854775807);
INSERT INTO quota (ns, blob_bytes, pack_bytes, reserved_bytes) SELECT a.id,
    COALESCE((SELECT SUM(held.size) FROM (SELECT DISTINCT b.sha256, b.size FROM repo r
        JOIN repo_blob l ON l.repo = r.id JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live'
        WHERE r.ns = a.id) held), 0),
    COALESCE((SELECT SUM(p.bytes) FROM repo r JOIN pack p ON p.repo = r.id AND p.state = 'live'
        WHERE r.ns = a.id), 0),
    0 FROM account a;

-- Who did what, written with the change itself. Rows get their place in the chain, and its hash, later:
-- one after another, by whoever holds the row of audit_head.
CREATE TABLE audit (
    id           BIGINT NOT NULL PRIMARY KEY,
    time         BIGINT NOT NULL,
    actor        TEXT   NOT NULL CHECK (actor IN ('account', 'anonymous', 'operator', 'hub')),
    account      BIGINT,
    account_name TEXT,
    token        BIGINT,
    address      TEXT,
    action       TEXT   NOT NULL,
    repo         BIGINT,
    repo_name    TEXT,
    result       TEXT   NOT NULL CHECK (result IN ('ok', 'refused', 'failed')),
    request      TEXT,
    detail       TEXT   NOT NULL,
    chain_index  BIGINT UNIQUE,
    chain_hash   TEXT
);
CREATE INDEX audit_unchained ON audit (id) WHERE chain_index IS NULL;

-- The end of the chain, and the last row before it that is no longer kept.
CREATE TABLE audit_head (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    last_index BIGINT NOT NULL,
    last_hash  TEXT   NOT NULL,
    gone_index BIGINT NOT NULL,
    gone_hash  TEXT   NOT NULL
);
INSERT INTO audit_head (id, last_index, last_hash, gone_index, gone_hash) VALUES (1,
    0, '0000000000000000000000000000000000000000000000000000000000000000',
    0, '0000000000000000000000000000000000000000000000000000000000000000');
