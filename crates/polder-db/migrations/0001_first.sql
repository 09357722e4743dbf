-- One text for SQLite and PostgreSQL: ids are made by the program, times are milliseconds since
-- 1970, hashes are binary, JSON is text. A PostgreSQL database must have collation C.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE account (
    id         BIGINT  NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL CHECK (kind IN ('user', 'org')),
    name       TEXT    NOT NULL,
    fold       TEXT    NOT NULL UNIQUE,
    is_admin   BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL
);

CREATE TABLE member (
    org     BIGINT NOT NULL REFERENCES account (id),
    user_id BIGINT NOT NULL REFERENCES account (id),
    role    TEXT   NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    PRIMARY KEY (org, user_id)
);
CREATE INDEX member_user ON member (user_id);

CREATE TABLE token (
    id         BIGINT  NOT NULL PRIMARY KEY,
    hash       BYTEA   NOT NULL UNIQUE,
    account    BIGINT  NOT NULL REFERENCES account (id),
    scope      TEXT    NOT NULL CHECK (scope IN ('read', 'write', 'admin')),
    repos      TEXT,
    expires    BIGINT,
    revoked    BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL
);
CREATE INDEX token_account ON token (account);

CREATE TABLE repo (
    id          BIGINT NOT NULL PRIMARY KEY,
    rid         BYTEA  NOT NULL UNIQUE,
    kind        TEXT   NOT NULL CHECK (kind IN ('model', 'dataset', 'space', 'kernel')),
    ns          BIGINT NOT NULL REFERENCES account (id),
    name        TEXT   NOT NULL,
    visibility  TEXT   NOT NULL CHECK (visibility IN ('public', 'private')),
    head        TEXT   NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('live', 'deleted')),
    gen         BIGINT NOT NULL,
    gc_epoch    BIGINT NOT NULL,
    rewind_gen  BIGINT NOT NULL,
    cache_epoch BIGINT NOT NULL,
    rseq        BIGINT NOT NULL,
    ref_count   BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
);
CREATE INDEX repo_ns ON repo (ns);

-- Every name a repository ever had. A row never goes away and never passes to another repository.
CREATE TABLE repo_name (
    kind  TEXT   NOT NULL,
    fold  TEXT   NOT NULL,
    repo  BIGINT NOT NULL REFERENCES repo (id),
    state TEXT   NOT NULL CHECK (state IN ('live', 'moved', 'retired')),
    PRIMARY KEY (kind, fold)
);
CREATE INDEX repo_name_repo ON repo_name (repo);

CREATE TABLE ref (
    repo   BIGINT NOT NULL REFERENCES repo (id),
    name   TEXT   NOT NULL,
    oid    BYTEA  NOT NULL,
    peeled BYTEA,
    class  TEXT   NOT NULL CHECK (class IN ('branch', 'tag', 'hidden', 'other')),
    gen    BIGINT NOT NULL,
    PRIMARY KEY (repo, name)
);

-- What every ref was: a node that knows generation g needs only the rows after g.
CREATE TABLE ref_log (
    repo    BIGINT NOT NULL REFERENCES repo (id),
    gen     BIGINT NOT NULL,
    name    TEXT   NOT NULL,
    old_oid BYTEA,
    new_oid BYTEA,
    actor   BIGINT,
    time    BIGINT NOT NULL,
    PRIMARY KEY (repo, gen, name)
);

-- id names the file, if there is one; small packs are here (data, index_data).
CREATE TABLE pack (
    id           BIGINT NOT NULL PRIMARY KEY,
    repo         BIGINT NOT NULL REFERENCES repo (id),
    hash         BYTEA  NOT NULL,
    bytes        BIGINT NOT NULL,
    objects      BIGINT NOT NULL,
    class        TEXT   NOT NULL CHECK (class IN ('push', 'base', 'side')),
    cert_gen     BIGINT,
    state        TEXT   NOT NULL CHECK (state IN ('live', 'condemned')),
    condemned_at BIGINT,
    data         BYTEA,
    index_data   BYTEA
);
CREATE INDEX pack_repo ON pack (repo);
CREATE INDEX pack_condemned ON pack (condemned_at) WHERE state = 'condemned';

-- One row per incarnation; id names the file.
CREATE TABLE blob (
    id           BIGINT NOT NULL PRIMARY KEY,
    sha256       BYTEA  NOT NULL,
    size         BIGINT NOT NULL,
    chunks       BYTEA,
    state        TEXT   NOT NULL CHECK (state IN ('live', 'condemned')),
    condemned_at BIGINT,
    created_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX blob_live ON blob (sha256) WHERE state = 'live';
CREATE INDEX blob_condemned ON blob (condemned_at) WHERE state = 'condemned';

CREATE TABLE repo_blob (
    repo        BIGINT NOT NULL REFERENCES repo (id),
    sha256      BYTEA  NOT NULL,
    pointer_oid BYTEA,
    added_at    BIGINT NOT NULL,
    PRIMARY KEY (repo, sha256)
);
CREATE INDEX repo_blob_sha256 ON repo_blob (sha256);

CREATE TABLE event (
    seq       BIGINT NOT NULL PRIMARY KEY,
    repo      BIGINT NOT NULL REFERENCES repo (id),
    rseq      BIGINT NOT NULL,
    time      BIGINT NOT NULL,
    actor     BIGINT,
    type      TEXT   NOT NULL,
    facts     TEXT   NOT NULL,
    log_index BIGINT,
    UNIQUE (repo, rseq)
);

CREATE TABLE job (
    id          BIGINT  NOT NULL PRIMARY KEY,
    kind        TEXT    NOT NULL,
    dedup       TEXT    NOT NULL UNIQUE,
    payload     TEXT    NOT NULL,
    due         BIGINT  NOT NULL,
    lease_until BIGINT,
    attempt     BIGINT  NOT NULL,
    again       BOOLEAN NOT NULL,
    last_error  TEXT,
    created_at  BIGINT  NOT NULL
);
CREATE INDEX job_due ON job (due);

-- LFS file locks.
CREATE TABLE lock (
    id        BIGINT NOT NULL PRIMARY KEY,
    repo      BIGINT NOT NULL REFERENCES repo (id),
    path      TEXT   NOT NULL,
    ref_name  TEXT,
    owner     BIGINT NOT NULL REFERENCES account (id),
    locked_at BIGINT NOT NULL,
    UNIQUE (repo, path)
);

-- Large objects that arrive in parts.
CREATE TABLE upload (
    id         BIGINT NOT NULL PRIMARY KEY,
    repo       BIGINT NOT NULL REFERENCES repo (id),
    account    BIGINT REFERENCES account (id),
    sha256     BYTEA  NOT NULL,
    size       BIGINT NOT NULL,
    state      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX upload_repo ON upload (repo);
