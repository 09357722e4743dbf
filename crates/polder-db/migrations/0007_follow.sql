-- Repositories of other hubs that are here, too.

-- The log that tells of it, where it is a mirror; then only its home hub takes changes.
ALTER TABLE repo ADD COLUMN upstream BIGINT;
-- Why nobody but the administrators of this hub may know of it.
ALTER TABLE repo ADD COLUMN withheld TEXT;

-- Namespaces of other hubs. Which namespace a handle means is written down once.
CREATE TABLE remote_namespace (
    account BIGINT NOT NULL PRIMARY KEY REFERENCES account (id),
    nsid    BYTEA  NOT NULL,
    origin  TEXT   NOT NULL,
    fold    TEXT   NOT NULL,
    -- Base of its URLs at home.
    home    TEXT   NOT NULL,
    UNIQUE (origin, fold)
);

-- Short names for them, which never pass to another.
CREATE TABLE namespace_alias (
    fold    TEXT   NOT NULL PRIMARY KEY,
    name    TEXT   NOT NULL,
    account BIGINT NOT NULL REFERENCES remote_namespace (account)
);
