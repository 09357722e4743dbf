-- Operations that move a namespace from one hub's log to another's, as this hub has heard of them.
CREATE TABLE ns_move (
    nsid    BYTEA  NOT NULL,
    -- Its place among the operations of the namespace, and its body: there may be two in one place.
    seq     BIGINT NOT NULL,
    op      BYTEA  NOT NULL,
    -- The log that ends to speak for the namespace, if it is here, and at what size it does.
    old_log BIGINT,
    cut     BIGINT NOT NULL,
    new_log BIGINT NOT NULL,
    -- followed; asked or frozen or rival until the operator decides; refused.
    state   TEXT   NOT NULL,
    -- By this hub's clock.
    held_at BIGINT NOT NULL,
    PRIMARY KEY (nsid, seq, op)
);
CREATE INDEX ns_move_old ON ns_move (old_log);
CREATE INDEX ns_move_new ON ns_move (new_log);
CREATE INDEX remote_namespace_nsid ON remote_namespace (nsid);
