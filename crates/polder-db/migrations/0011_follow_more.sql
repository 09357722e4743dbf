-- Tables of what is followed, made anew without lists of their words, which the program checks, and with
-- what budgets, windows, other sources and purging need.

CREATE TABLE new_upstream (
    log         BIGINT  NOT NULL PRIMARY KEY REFERENCES log (id),
    -- Base of its URLs, without a trailing slash.
    url         TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    -- Two contradictory notes that its hub signed.
    evidence    TEXT,
    -- Events that its hub is known to have signed, and when it last answered.
    signed      BIGINT  NOT NULL,
    heard_at    BIGINT,
    last_error  TEXT,
    created_at  BIGINT  NOT NULL,
    -- Most bytes of its mirrors, most bytes a second from it, and the hours of the day (UTC) in which
    -- anything large is fetched; NULL for no limit.
    budget      BIGINT,
    rate        BIGINT,
    hours       TEXT,
    -- What was hidden before this time may be purged, however much that is.
    purge_until BIGINT
);
INSERT INTO new_upstream (log, url, state, evidence, signed, heard_at, last_error, created_at)
    SELECT log, url, state, evidence, signed, heard_at, last_error, created_at FROM upstream;

CREATE TABLE new_follow_rule (
    log     BIGINT NOT NULL,
    place   BIGINT NOT NULL,
    pattern TEXT   NOT NULL,
    mode    TEXT   NOT NULL,
    PRIMARY KEY (log, place)
);
INSERT INTO new_follow_rule (log, place, pattern, mode) SELECT log, place, pattern, mode FROM follow_rule;

CREATE TABLE new_mirror (
    log        BIGINT  NOT NULL,
    rid        BYTEA   NOT NULL,
    -- The repository here, once there is one.
    repo       BIGINT,
    path       TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
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
    -- Since when it is hidden, by this hub's clock.
    hidden_at  BIGINT,
    PRIMARY KEY (log, rid)
);
INSERT INTO new_mirror (log, rid, repo, path, mode, state, rseq, body, ready_rseq, due, running, attempt, failures,
        last_error, changed_at, hidden_at)
    SELECT log, rid, repo, path, mode, state, rseq, body, ready_rseq, due, running, attempt, failures, last_error,
        changed_at, CASE WHEN state = 'hidden' THEN changed_at END FROM mirror;

DROP TABLE mirror;
DROP TABLE follow_rule;
DROP TABLE upstream;
ALTER TABLE new_upstream RENAME TO upstream;
ALTER TABLE new_follow_rule RENAME TO follow_rule;
ALTER TABLE new_mirror RENAME TO mirror;
CREATE INDEX mirror_due ON mirror (log, due);
CREATE INDEX mirror_hidden ON mirror (log, hidden_at);
CREATE INDEX mirror_repo ON mirror (repo);

-- Where else what a hub signed can be had: other hubs that mirror it.
CREATE TABLE follow_source (
    log        BIGINT NOT NULL,
    url        TEXT   NOT NULL,
    -- Named by the operator, or learnt of.
    named      BOOLEAN NOT NULL,
    heard_at   BIGINT,
    last_error TEXT,
    PRIMARY KEY (log, url)
);
