-- Operations that move namespaces of followed hubs to hubs which are not followed.
CREATE TABLE ns_elsewhere (
    nsid     BYTEA   NOT NULL,
    op       BYTEA   NOT NULL,
    -- Its place among the operations of the namespace.
    seq      BIGINT  NOT NULL,
    -- The log that told of the namespace so far, the name it has there, and the origin of its new home.
    old_log  BIGINT  NOT NULL,
    handle   TEXT    NOT NULL,
    origin   TEXT    NOT NULL,
    -- Whether that log's word of it counts no longer.
    voids    BOOLEAN NOT NULL,
    -- By this hub's clock.
    heard_at BIGINT  NOT NULL,
    PRIMARY KEY (nsid, op)
);
CREATE INDEX ns_elsewhere_old ON ns_elsewhere (old_log);
