-- Hubs that are followed: each is known by its log.
CREATE TABLE upstream (
    log        BIGINT  NOT NULL PRIMARY KEY REFERENCES log (id),
    -- Base of its URLs, without a trailing slash.
    url        TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('following', 'frozen', 'unfollowed')),
    -- Two contradictory notes that its hub signed.
    evidence   TEXT,
    -- Events that its hub is known to have signed, and when it last answered.
    signed     BIGINT  NOT NULL,
    heard_at   BIGINT,
    last_error TEXT,
    created_at BIGINT  NOT NULL
);

-- What is taken of it: the first rule that fits decides.
CREATE TABLE follow_rule (
    log     BIGINT NOT NULL REFERENCES upstream (log),
    place   BIGINT NOT NULL,
    pattern TEXT   NOT NULL,
    mode    TEXT   NOT NULL CHECK (mode IN ('metadata', 'full', 'archive')),
    PRIMARY KEY (log, place)
);

-- Every repository of it that a rule fits.
CREATE TABLE mirror (
    log        BIGINT  NOT NULL REFERENCES upstream (log),
    rid        BYTEA   NOT NULL,
    -- The repository here, once there is one.
    repo       BIGINT,
    path       TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('known', 'waiting', 'ready', 'retry', 'quarantined', 'blocked', 'hidden')),
    -- The newest event and its body, and the event whose state is served.
    rseq       BIGINT  NOT NULL,
    body       BYTEA   NOT NULL,
    ready_rseq BIGINT  NOT NULL,
    -- When it is next worked on; while it is, when it is taken up again if the one who does it dies.
    due        BIGINT,
    running    BOOLEAN NOT NULL,
    attempt    BIGINT  NOT NULL,
    failures   BIGINT  NOT NULL,
    last_error TEXT,
    changed_at BIGINT  NOT NULL,
    PRIMARY KEY (log, rid)
);
CREATE INDEX mirror_due ON mirror (log, due);
