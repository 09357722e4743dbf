-- What was selected of namespaces where they were, which stays so where they have moved to.
CREATE TABLE carried_rule (
    log     BIGINT NOT NULL,
    nsid    BYTEA  NOT NULL,
    place   BIGINT NOT NULL,
    pattern TEXT   NOT NULL,
    mode    TEXT   NOT NULL,
    PRIMARY KEY (log, nsid, place)
);
CREATE INDEX carried_rule_nsid ON carried_rule (nsid);
