-- Events of repositories of a followed log whose bodies no source has given yet: nothing newer of such a
-- repository is shown.
CREATE TABLE missing_body (
    log         BIGINT NOT NULL,
    rid         BYTEA  NOT NULL,
    -- The place of the event in the log, and its leaf.
    idx         BIGINT NOT NULL,
    leaf        BYTEA  NOT NULL,
    -- The event of the repository before it; NULL for none.
    before_rseq BIGINT,
    before_body BYTEA,
    PRIMARY KEY (log, rid, idx)
);
