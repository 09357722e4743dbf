-- Bytes that accounts brought to repositories to which they may not write: objects and packs of their pull
-- requests, until one of these is merged there. They count in the namespace's quota like all others.
CREATE TABLE contributed (
    repo    BIGINT NOT NULL REFERENCES repo (id),
    account BIGINT NOT NULL REFERENCES account (id),
    bytes   BIGINT NOT NULL,
    PRIMARY KEY (repo, account)
);
CREATE INDEX contributed_account ON contributed (account);

-- Who may not write to the repository that the bytes are for; NULL for everyone else.
ALTER TABLE reservation ADD COLUMN contributor BIGINT;
CREATE INDEX reservation_contributor ON reservation (contributor, ns);
