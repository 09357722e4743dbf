-- Discussions about a repository, and the pull requests among them. They share one count from 1.
CREATE TABLE discussion (
    repo            BIGINT  NOT NULL REFERENCES repo (id),
    num             BIGINT  NOT NULL,
    title           TEXT    NOT NULL,
    author          BIGINT  NOT NULL REFERENCES account (id),
    status          TEXT    NOT NULL CHECK (status IN ('draft', 'open', 'closed', 'merged')),
    is_pull_request BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    -- How many events it has, and how many bytes of text are in them.
    events          BIGINT  NOT NULL,
    text_bytes      BIGINT  NOT NULL,
    -- The branch that a pull request is for, a full ref name; where that was when it was opened, and once it
    -- is merged, before that.
    base            TEXT,
    base_oid        BYTEA,
    -- What the branch was moved to when it was merged.
    merge_oid       BYTEA,
    PRIMARY KEY (repo, num)
);
CREATE INDEX discussion_author ON discussion (author);

-- What happened in a discussion, in the order of the ids. An `edit` is what a comment said before.
CREATE TABLE discussion_event (
    id         BIGINT  NOT NULL PRIMARY KEY,
    repo       BIGINT  NOT NULL,
    num        BIGINT  NOT NULL,
    type       TEXT    NOT NULL CHECK (type IN ('comment', 'edit', 'status-change', 'commit', 'title-change')),
    author     BIGINT  NOT NULL REFERENCES account (id),
    created_at BIGINT  NOT NULL,
    -- What a comment says, the status, a commit's subject, or the new title.
    text       TEXT    NOT NULL,
    -- The former title.
    was        TEXT,
    commit_oid BYTEA,
    -- The comment that an `edit` is of.
    comment    BIGINT,
    edited_at  BIGINT,
    hidden     BOOLEAN NOT NULL,
    FOREIGN KEY (repo, num) REFERENCES discussion (repo, num)
);
CREATE INDEX discussion_event_num ON discussion_event (repo, num, id);
