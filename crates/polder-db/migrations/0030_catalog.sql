-- What a tag says: `license`, `language`, `library` and so on, or `other`. Those of the types `app` and `model` are
-- looked for only, and of spaces `dataset`.
ALTER TABLE catalog_tag ADD COLUMN type TEXT NOT NULL DEFAULT 'other';
-- Which reading of the files wrote the entry; what an older one wrote is written anew.
ALTER TABLE catalog ADD COLUMN reading BIGINT NOT NULL DEFAULT 0;
CREATE INDEX repo_like_repo ON repo_like (repo, liked_at);
