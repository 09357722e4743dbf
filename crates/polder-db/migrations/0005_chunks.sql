-- The chunks of an object are listed in a file beside its bytes; here is the hash of the tree over them,
-- NULL until they are listed. An object whose bytes were found to be others than its hash says is served
-- to nobody until it is repaired, which makes a new incarnation of it.
ALTER TABLE blob RENAME COLUMN chunks TO xet;
ALTER TABLE blob ADD COLUMN damaged_at BIGINT;
CREATE INDEX blob_unlisted ON blob (id) WHERE xet IS NULL AND state = 'live';
CREATE INDEX blob_damaged ON blob (id) WHERE damaged_at IS NOT NULL AND state = 'live';

ALTER TABLE pack ADD COLUMN damaged_at BIGINT;
CREATE INDEX pack_damaged ON pack (id) WHERE damaged_at IS NOT NULL AND state = 'live';

-- Where the chunks of an object may be found in others: the first of each, and one in 1,024.
CREATE TABLE key_chunk (
    chunk BYTEA  NOT NULL,
    blob  BIGINT NOT NULL REFERENCES blob (id),
    PRIMARY KEY (chunk, blob)
);
CREATE INDEX key_chunk_blob ON key_chunk (blob);
