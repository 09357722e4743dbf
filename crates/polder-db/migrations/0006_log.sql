-- Signed logs: this hub's own, and those of other hubs, all in the same tables.

CREATE TABLE log (
    id              BIGINT  NOT NULL PRIMARY KEY,
    origin          TEXT    NOT NULL,
    -- By which mirrors name the log's origin in URLs.
    origin_sha256   BYTEA   NOT NULL,
    epoch           BIGINT  NOT NULL,
    own             BOOLEAN NOT NULL,
    -- The key that signs its checkpoints now, as a C2SP verifier key.
    vkey            TEXT    NOT NULL,
    -- The highest version of a leaf in it.
    version         BIGINT  NOT NULL,
    -- The tree over all leaves that are here.
    size            BIGINT  NOT NULL,
    root            BYTEA   NOT NULL,
    peaks           BYTEA   NOT NULL,
    -- The newest signed note over leaves that are here, and how many: what is given out.
    checkpoint      TEXT,
    checkpoint_size BIGINT  NOT NULL,
    -- Leaves before this index are no longer kept.
    min_index       BIGINT  NOT NULL,
    -- The last fact that the own log tells of.
    fact_seq        BIGINT  NOT NULL,
    appended_at     BIGINT  NOT NULL,
    -- Who may append to the own log, and since how many of them.
    holder          BIGINT,
    lease_until     BIGINT  NOT NULL,
    fence           BIGINT  NOT NULL,
    created_at      BIGINT  NOT NULL,
    UNIQUE (origin, epoch)
);
CREATE INDEX log_origin ON log (origin_sha256, epoch);

-- Level -1 holds leaves, level n >= 0 the hashes of C2SP tiles; 256 in each but the last, which is
-- written again as it grows.
CREATE TABLE log_tile (
    log   BIGINT NOT NULL REFERENCES log (id),
    level BIGINT NOT NULL,
    idx   BIGINT NOT NULL,
    data  BYTEA  NOT NULL,
    PRIMARY KEY (log, level, idx)
);

-- NULL when erased; a body that was never here has no row.
CREATE TABLE log_body (
    sha256 BYTEA NOT NULL PRIMARY KEY,
    body   BYTEA
);

-- The newest leaf of every repository (by rid) and of every namespace (by nsid).
CREATE TABLE log_head (
    log  BIGINT NOT NULL REFERENCES log (id),
    rid  BYTEA  NOT NULL,
    idx  BIGINT NOT NULL,
    leaf BYTEA  NOT NULL,
    PRIMARY KEY (log, rid)
);

-- Every operation of every namespace.
CREATE TABLE ns_op (
    log         BIGINT NOT NULL REFERENCES log (id),
    nsid        BYTEA  NOT NULL,
    seq         BIGINT NOT NULL,
    idx         BIGINT NOT NULL,
    body_sha256 BYTEA  NOT NULL,
    PRIMARY KEY (log, nsid, seq, idx)
);

-- What bodies name by a hash: ref maps and manifests (owner: the rid), parts of snapshots (owner: zeros).
CREATE TABLE log_file (
    log    BIGINT NOT NULL REFERENCES log (id),
    owner  BYTEA  NOT NULL,
    sha256 BYTEA  NOT NULL,
    kind   TEXT   NOT NULL CHECK (kind IN ('refs', 'manifest', 'snapshot')),
    idx    BIGINT NOT NULL,
    data   BYTEA  NOT NULL,
    PRIMARY KEY (log, owner, sha256)
);

-- What the own log has said of the repositories of this hub, and of their namespaces.
CREATE TABLE published (
    repo        BIGINT  NOT NULL PRIMARY KEY REFERENCES repo (id),
    rid         BYTEA   NOT NULL UNIQUE,
    rseq        BIGINT  NOT NULL,
    prev        BYTEA   NOT NULL,
    -- What it said last: up to which generation, whether it can be read, the path, the refs.
    gen         BIGINT  NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('open', 'private', 'deleted', 'takedown')),
    path        TEXT    NOT NULL,
    refs_sha256 BYTEA   NOT NULL,
    -- Since when it could be read without interruption.
    open_since  BIGINT  NOT NULL
);
CREATE TABLE published_ns (
    account BIGINT NOT NULL PRIMARY KEY REFERENCES account (id),
    nsid    BYTEA  NOT NULL UNIQUE,
    seq     BIGINT NOT NULL,
    head    BYTEA  NOT NULL
);
