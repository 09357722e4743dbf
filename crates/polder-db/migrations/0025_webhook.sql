-- Whom accounts have told of what happens in repositories.
CREATE TABLE webhook (
    id            BIGINT  NOT NULL PRIMARY KEY,
    account       BIGINT  NOT NULL REFERENCES account (id),
    url           TEXT    NOT NULL,
    -- Sent along, so it is kept as it is.
    secret        TEXT,
    repo_events   BOOLEAN NOT NULL,
    talk_events   BOOLEAN NOT NULL,
    disabled      BOOLEAN NOT NULL,
    -- Facts up to this one were there before it was made or enabled.
    after_seq     BIGINT  NOT NULL,
    failing_since BIGINT,
    last_error    TEXT,
    created_at    BIGINT  NOT NULL
);
CREATE INDEX webhook_account ON webhook (account);

-- The accounts and repositories that a webhook is about; their ids are from one source.
CREATE TABLE webhook_watch (
    webhook BIGINT NOT NULL REFERENCES webhook (id),
    place   BIGINT NOT NULL,
    target  BIGINT NOT NULL,
    PRIMARY KEY (webhook, place)
);
CREATE INDEX webhook_watch_target ON webhook_watch (target, webhook);

-- What is still to be told: the fact `seq`, or what `told` says. Gone when it was taken, or given up.
CREATE TABLE webhook_delivery (
    id       BIGINT NOT NULL PRIMARY KEY,
    webhook  BIGINT NOT NULL REFERENCES webhook (id),
    repo     BIGINT NOT NULL REFERENCES repo (id),
    seq      BIGINT,
    told     TEXT,
    attempts BIGINT NOT NULL
);
CREATE INDEX webhook_delivery_webhook ON webhook_delivery (webhook, id);
