-- Whom a hub trusts besides accounts: jobs that an issuer speaks for, which get short tokens (RFC 8693).
CREATE TABLE publisher (
    id         BIGINT NOT NULL PRIMARY KEY,
    -- The one repository that its tokens may write to; NULL: they read what the account may.
    repo       BIGINT REFERENCES repo (id),
    -- For whom they act.
    account    BIGINT NOT NULL REFERENCES account (id),
    issuer     TEXT   NOT NULL,
    -- A subject, or the beginning of some and a star.
    subject    TEXT   NOT NULL,
    -- What else must be claimed, a JSON object of texts.
    claims     TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX publisher_repo ON publisher (repo, id);
CREATE INDEX publisher_account ON publisher (account, id);

-- The publisher that a token was given to; it stays when that goes.
ALTER TABLE token ADD COLUMN publisher BIGINT;
CREATE INDEX token_publisher ON token (publisher, expires) WHERE publisher IS NOT NULL;
