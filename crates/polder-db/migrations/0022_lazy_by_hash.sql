-- Other hubs ask for objects by hash alone.
CREATE INDEX lazy_object_sha256 ON lazy_object (sha256);
