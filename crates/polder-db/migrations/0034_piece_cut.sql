-- The list that at_chunk counts in: the hash of the tree over its chunks. An object can come to be cut otherwise,
-- and then these are not its chunks any more.
ALTER TABLE xorb_piece ADD COLUMN cut BYTEA;
UPDATE xorb_piece SET cut = (SELECT b.xet FROM blob b WHERE b.sha256 = xorb_piece.sha256 AND b.state = 'live')
    WHERE at_chunk IS NOT NULL;
DELETE FROM xorb_piece WHERE at_chunk IS NOT NULL AND cut IS NULL;
