-- The xorbs that this hub cuts objects into when it serves them chunk by chunk: all of an object's, or none.
-- Clients remember for weeks what an xorb's chunks are, and send its hash in their place.
CREATE TABLE xorb_run (
    blob        BIGINT NOT NULL REFERENCES blob (id),
    first_chunk BIGINT NOT NULL,
    chunks      BIGINT NOT NULL,
    at_byte     BIGINT NOT NULL,
    size        BIGINT NOT NULL,
    xorb        BYTEA  NOT NULL,
    PRIMARY KEY (blob, first_chunk)
);
CREATE INDEX xorb_run_xorb ON xorb_run (xorb);
CREATE INDEX blob_xet ON blob (xet) WHERE xet IS NOT NULL AND state = 'live';
