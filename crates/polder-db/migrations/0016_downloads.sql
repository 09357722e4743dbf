-- How often repositories were downloaded here, by UTC day.
CREATE TABLE download (
    repo   BIGINT NOT NULL REFERENCES repo (id),
    -- Days since 1970.
    day    BIGINT NOT NULL,
    times  BIGINT NOT NULL,
    -- How many of them the home of a mirror is told of.
    told   BIGINT NOT NULL,
    PRIMARY KEY (repo, day)
);
-- What the home of a log is told of the downloads of its mirrors here up to a day.
CREATE TABLE download_statement (
    log       BIGINT  NOT NULL REFERENCES log (id),
    day       BIGINT  NOT NULL,
    statement BYTEA   NOT NULL,
    -- Whether it has taken it, or there is nothing to tell.
    taken     BOOLEAN NOT NULL,
    PRIMARY KEY (log, day)
);
-- What hubs that mirror this one have told.
CREATE TABLE heard_statement (
    origin TEXT   NOT NULL,
    day    BIGINT NOT NULL,
    sha256 BYTEA  NOT NULL,
    PRIMARY KEY (origin, day)
);
CREATE TABLE relayed_download (
    repo   BIGINT NOT NULL REFERENCES repo (id),
    origin TEXT   NOT NULL,
    day    BIGINT NOT NULL,
    times  BIGINT NOT NULL,
    PRIMARY KEY (repo, origin, day)
);
