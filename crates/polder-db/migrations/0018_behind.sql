-- How long a mirror has been behind its home, by the times that the home signed.

-- When the oldest event happened that is not served, and the oldest of those that came since the one being
-- fetched was taken up.
ALTER TABLE mirror ADD COLUMN behind_since BIGINT;
ALTER TABLE mirror ADD COLUMN next_since BIGINT;
-- Of those that are behind already, when this hub last had to do with them is the best that is known.
UPDATE mirror SET behind_since = changed_at WHERE rseq > ready_rseq AND state NOT IN ('hidden', 'kept');
-- Counted again and again, for /metrics.
CREATE INDEX mirror_state ON mirror (log, state, behind_since);
