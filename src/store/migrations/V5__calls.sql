-- Calls of tools through the gateway. `answer` is kept for those alone that may be sent again.

CREATE TABLE calls (
    id              TEXT PRIMARY KEY,
    tool_id         TEXT NOT NULL,
    principal_kind  TEXT NOT NULL,
    principal_id    TEXT NOT NULL,
    digest          TEXT NOT NULL,
    -- SHA-256 over the caller and its Idempotency-Key.
    idempotency_key TEXT UNIQUE,
    state           TEXT NOT NULL,
    answer          TEXT,
    started_at      BIGINT NOT NULL,
    give_up_at      BIGINT NOT NULL,
    finished_at     BIGINT,
    expires_at      BIGINT NOT NULL
);
CREATE INDEX calls_state ON calls (state, give_up_at);
CREATE INDEX calls_expiry ON calls (expires_at);

-- Of the uses, those that were calls: a credential is a use, too.
ALTER TABLE usage ADD COLUMN calls BIGINT NOT NULL DEFAULT 0;
