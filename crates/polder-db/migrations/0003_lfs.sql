-- Grows with every lock that is made: a push that looked at the locks before its transaction sees
-- there whether one came since.
ALTER TABLE repo ADD COLUMN lock_gen BIGINT NOT NULL DEFAULT 0;
CREATE INDEX lock_page ON lock (repo, id);

-- Large objects that arrive in parts; until now nothing wrote here. id names the directory of the parts.
DROP TABLE upload;
CREATE TABLE upload (
    id         BIGINT NOT NULL PRIMARY KEY,
    repo       BIGINT NOT NULL REFERENCES repo (id),
    account    BIGINT REFERENCES account (id),
    sha256     BYTEA  NOT NULL,
    size       BIGINT NOT NULL,
    part_size  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    active_at  BIGINT NOT NULL
);
CREATE INDEX upload_repo ON upload (repo);
CREATE INDEX upload_active ON upload (active_at);

-- The parts that are here, whole; id names the file. A part sent again takes the row over.
CREATE TABLE upload_part (
    upload BIGINT NOT NULL REFERENCES upload (id),
    number BIGINT NOT NULL,
    id     BIGINT NOT NULL,
    size   BIGINT NOT NULL,
    PRIMARY KEY (upload, number)
);
