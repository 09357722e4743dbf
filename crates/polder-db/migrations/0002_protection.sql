-- Rules for branches, and a way to find what refs pointed at a moment ago.

-- Who may do what to the branches that a pattern matches.
CREATE TABLE protection (
    repo         BIGINT  NOT NULL REFERENCES repo (id),
    pattern      TEXT    NOT NULL,
    allow_force  BOOLEAN NOT NULL,
    allow_delete BOOLEAN NOT NULL,
    push_role    TEXT CHECK (push_role IN ('write', 'admin')),
    created_at   BIGINT  NOT NULL,
    PRIMARY KEY (repo, pattern)
);

-- Users and organisations that may push there, whatever their role.
CREATE TABLE protection_account (
    repo    BIGINT NOT NULL,
    pattern TEXT   NOT NULL,
    account BIGINT NOT NULL REFERENCES account (id),
    PRIMARY KEY (repo, pattern, account),
    FOREIGN KEY (repo, pattern) REFERENCES protection (repo, pattern)
);

CREATE INDEX ref_log_time ON ref_log (repo, time);
