-- Repositories that are brought up to date from another git server by the clock.
CREATE TABLE pull_mirror (
    repo          BIGINT  NOT NULL PRIMARY KEY REFERENCES repo (id),
    url           TEXT    NOT NULL,
    user_name     TEXT,
    -- Where the token is; the token itself is in no row.
    token_file    TEXT,
    every_seconds BIGINT  NOT NULL,
    -- Whether tips that are deleted or rewritten there are kept here.
    keeps_tips    BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    -- When it is next pulled; while it is, when it is pulled again if the one who does it dies.
    due           BIGINT  NOT NULL,
    -- How often it was taken up: the result of an older attempt has no effect.
    attempt       BIGINT  NOT NULL,
    running       BOOLEAN NOT NULL,
    tried_at      BIGINT,
    worked_at     BIGINT,
    -- In a row.
    failures      BIGINT  NOT NULL,
    last_result   TEXT
);
CREATE INDEX pull_mirror_due ON pull_mirror (due);
