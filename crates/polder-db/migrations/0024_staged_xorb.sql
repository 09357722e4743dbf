-- Xorbs that a client of Xet sent, whole, and of which no file was made yet: that it sent them is what lets it
-- name them. id names the file; the bytes are promised of the namespace's quota as to an upload.
CREATE TABLE staged_xorb (
    id      BIGINT NOT NULL PRIMARY KEY,
    repo    BIGINT NOT NULL REFERENCES repo (id),
    account BIGINT NOT NULL REFERENCES account (id),
    xorb    BYTEA  NOT NULL,
    size    BIGINT NOT NULL,
    chunks  BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE UNIQUE INDEX staged_xorb_lease ON staged_xorb (repo, account, xorb);
CREATE INDEX staged_xorb_account ON staged_xorb (account);
CREATE INDEX staged_xorb_expires ON staged_xorb (expires);

-- Where chunks of xorbs that clients sent lie now: so many of them, from the first on, in an object, which has them
-- from a byte on. They are chunks of the object's own list from at_chunk on, or, where the client cut the object
-- otherwise, those of list. Clients remember for three weeks what they sent, and name it without sending it again.
CREATE TABLE xorb_piece (
    xorb        BYTEA  NOT NULL,
    first_chunk BIGINT NOT NULL,
    sha256      BYTEA  NOT NULL,
    chunks      BIGINT NOT NULL,
    at_byte     BIGINT NOT NULL,
    at_chunk    BIGINT,
    list        BYTEA,
    PRIMARY KEY (xorb, first_chunk, sha256)
);
CREATE INDEX xorb_piece_object ON xorb_piece (sha256);
