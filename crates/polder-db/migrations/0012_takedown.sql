-- Repositories of which what the log has said is being erased: leaves from here on are still to be looked at.
CREATE TABLE erasure (
    repo       BIGINT NOT NULL PRIMARY KEY REFERENCES repo (id),
    next_index BIGINT NOT NULL
);
