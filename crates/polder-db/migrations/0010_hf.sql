-- What each repository is looked for by: its card and files at the tip of its default branch, written with
-- the push that moved the tip.
CREATE TABLE catalog (
    repo       BIGINT NOT NULL PRIMARY KEY REFERENCES repo (id),
    -- The commit that it describes; NULL while there is none, or nobody looked yet.
    commit_oid BYTEA,
    changed_at BIGINT NOT NULL,
    likes      BIGINT NOT NULL,
    parameters BIGINT,
    -- A JSON object: card, tags, config, numbers of parameters.
    facts      TEXT   NOT NULL
);
CREATE INDEX catalog_changed ON catalog (changed_at, repo);

CREATE TABLE catalog_tag (
    repo BIGINT NOT NULL REFERENCES repo (id),
    tag  TEXT   NOT NULL,
    PRIMARY KEY (repo, tag)
);
CREATE INDEX catalog_tag_tag ON catalog_tag (tag, repo);

CREATE TABLE repo_like (
    repo     BIGINT NOT NULL REFERENCES repo (id),
    account  BIGINT NOT NULL REFERENCES account (id),
    liked_at BIGINT NOT NULL,
    PRIMARY KEY (repo, account)
);
CREATE INDEX repo_like_account ON repo_like (account, repo);

INSERT INTO catalog (repo, changed_at, likes, facts)
    SELECT r.id, r.created_at, 0, '{}' FROM repo r WHERE r.state = 'live';
