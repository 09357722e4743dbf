-- Who may read the source, where that was seen and is not anyone: 'gated' or 'private'. The copy here is that too, or
-- less open still, unless
ALTER TABLE pull_mirror ADD COLUMN closed_there TEXT;
-- the operator said that it may be public whatever the source is.
ALTER TABLE pull_mirror ADD COLUMN stays_open BOOLEAN NOT NULL DEFAULT FALSE;
