-- Files that accounts attach to what they write, each at an address that nobody guesses.
CREATE TABLE attachment (
    -- The digits of its address.
    id         TEXT   NOT NULL PRIMARY KEY,
    account    BIGINT NOT NULL REFERENCES account (id),
    sha256     BYTEA  NOT NULL,
    size       BIGINT NOT NULL,
    -- The media type of its bytes.
    media      TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX attachment_account ON attachment (account, sha256);
CREATE INDEX attachment_object ON attachment (sha256);
