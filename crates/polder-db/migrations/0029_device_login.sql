-- What a token is for, where the hub gave it to a client by itself.
ALTER TABLE token ADD COLUMN name TEXT;

-- A client that waits until somebody says for whom it may act (RFC 8628).
CREATE TABLE device_login (
    id          BIGINT NOT NULL PRIMARY KEY,
    device_hash BYTEA  NOT NULL UNIQUE,
    user_hash   BYTEA  NOT NULL UNIQUE,
    client      TEXT   NOT NULL,
    agent       TEXT   NOT NULL,
    address     TEXT,
    state       TEXT   NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'done')),
    created_at  BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    polled_at   BIGINT,
    -- For whom, and the most it may do, once somebody said so.
    account     BIGINT REFERENCES account (id),
    scope       TEXT CHECK (scope IN ('read', 'write', 'admin')),
    repos       TEXT,
    ends        BIGINT,
    approver    BIGINT REFERENCES token (id)
);
CREATE INDEX device_login_expires ON device_login (expires, address);

-- Wrong codes that an account tried, since the first of them until then.
CREATE TABLE device_guess (
    account BIGINT NOT NULL PRIMARY KEY REFERENCES account (id),
    until   BIGINT NOT NULL,
    times   BIGINT NOT NULL
);

-- What renews a token: one secret stays and names it, the other is new each time.
CREATE TABLE token_refresh (
    token   BIGINT NOT NULL PRIMARY KEY REFERENCES token (id),
    family  BYTEA  NOT NULL UNIQUE,
    latest  BYTEA  NOT NULL,
    client  TEXT   NOT NULL,
    expires BIGINT NOT NULL,
    -- Nothing of it works after that.
    ends    BIGINT
);
CREATE INDEX token_refresh_expires ON token_refresh (expires);
