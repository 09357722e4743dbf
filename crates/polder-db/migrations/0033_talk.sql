-- What happened in discussions that webhooks are still to be told, written with it; gone when each webhook has its
-- delivery. Only where somebody watches.
CREATE TABLE talk (
    id         BIGINT NOT NULL PRIMARY KEY,
    repo       BIGINT NOT NULL REFERENCES repo (id),
    facts      TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
