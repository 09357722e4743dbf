-- `cache.db`: what may be lost with the last second before a power cut.

CREATE TABLE counter (
    repo  BIGINT NOT NULL,
    name  TEXT   NOT NULL,
    hour  BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (repo, name, hour)
);
