-- Who decides on requests to read the repository: NULL (there is no gate), 'auto' or 'manual'.
ALTER TABLE repo ADD COLUMN gate TEXT;
-- Whether anyone may know of it though not read it: a gate is on what would be public. Its visibility is 'private'
-- then, so that nothing that asks for 'public' takes it for that.
ALTER TABLE repo ADD COLUMN shown BOOLEAN NOT NULL DEFAULT FALSE;

-- Who asked to read a gated repository, or was given access, and what became of it.
CREATE TABLE access_request (
    id         BIGINT NOT NULL PRIMARY KEY,
    repo       BIGINT NOT NULL REFERENCES repo (id),
    account    BIGINT NOT NULL REFERENCES account (id),
    status     TEXT   NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected')),
    created_at BIGINT NOT NULL,
    decided_at BIGINT,
    reason     TEXT,
    -- What the form asked, a JSON object.
    fields     TEXT   NOT NULL
);
CREATE UNIQUE INDEX access_request_account ON access_request (repo, account);
CREATE INDEX access_request_status ON access_request (repo, status, id);
CREATE INDEX access_request_asker ON access_request (account);
