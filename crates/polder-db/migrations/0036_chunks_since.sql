-- Since when all chunks that clients of Xet sent for a repository, or were told of, can be named there, in milliseconds:
-- what they remember from before is void. 0 as long as none was lost.
ALTER TABLE repo ADD COLUMN chunks_since BIGINT NOT NULL DEFAULT 0;
