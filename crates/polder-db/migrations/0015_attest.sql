-- What hubs have said of logs that are here: how long they are, and their roots.
CREATE TABLE attest (
    log         BIGINT  NOT NULL REFERENCES log (id),
    -- The log that says it; this hub's own for what it has said itself.
    by_log      BIGINT  NOT NULL REFERENCES log (id),
    size        BIGINT  NOT NULL,
    root        BYTEA   NOT NULL,
    -- Whether it is not what is here: kept until the operator follows one of both anew.
    contradicts BOOLEAN NOT NULL,
    PRIMARY KEY (log, by_log)
);
