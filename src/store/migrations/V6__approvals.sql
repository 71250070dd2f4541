-- Approvals of calls: one row for each request that a person is asked about.

CREATE TABLE approvals (
    id              TEXT PRIMARY KEY,
    -- The refusal that it is asked for.
    decision_id     TEXT NOT NULL,
    -- Of who asks and for whom, tool, definition and arguments.
    digest          TEXT NOT NULL,
    state           TEXT NOT NULL,
    principal_kind  TEXT NOT NULL,
    principal_id    TEXT NOT NULL,
    principal_name  TEXT NOT NULL,
    on_behalf_of    TEXT,
    -- JSON lists of ids: agents, and users.
    chain           TEXT NOT NULL,
    parties         TEXT NOT NULL,
    tool_id         TEXT NOT NULL,
    tool_name       TEXT NOT NULL,
    tool_owner      TEXT NOT NULL,
    tool_digest     TEXT NOT NULL,
    risk            TEXT NOT NULL,
    cost_micros     BIGINT NOT NULL,
    arguments       TEXT NOT NULL,
    -- JSON list of the ids of the policies that refused.
    reasons         TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    -- Until when it can be decided, or once it is approved, used.
    expires_at      BIGINT NOT NULL,
    decided_by      TEXT,
    decided_at      BIGINT,
    reason          TEXT,
    -- The call that used it.
    call_id         TEXT,
    revision        BIGINT NOT NULL
);
-- The same request is asked about once at a time.
CREATE UNIQUE INDEX approvals_live ON approvals (digest) WHERE state IN ('pending', 'approved');
CREATE INDEX approvals_principal ON approvals (principal_id, state);
CREATE INDEX approvals_state ON approvals (state, expires_at);
CREATE INDEX approvals_updated ON approvals (updated_at);

-- What is still to be told to the operator's webhook.
CREATE TABLE approval_notices (
    approval_id     TEXT PRIMARY KEY,
    attempts        BIGINT NOT NULL,
    next_at         BIGINT NOT NULL
);

-- Idempotency keys of the access-request endpoint. `body` is a SHA-256 of what was sent with it.
CREATE TABLE access_requests (
    request_key     TEXT PRIMARY KEY,
    body            TEXT NOT NULL,
    approval_id     TEXT NOT NULL,
    expires_at      BIGINT NOT NULL
);
CREATE INDEX access_requests_expiry ON access_requests (expires_at);
