-- One portable file for SQLite and PostgreSQL. Never edited once released: a change is a new file.
-- Instants are microseconds since the Unix epoch, UTC. JSON is TEXT. Ids are UUIDv7 text.

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    username      TEXT NOT NULL,
    username_key  TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    state         TEXT NOT NULL,
    roles         TEXT NOT NULL,
    revision      BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);

CREATE TABLE agents (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL UNIQUE,
    owner       TEXT NOT NULL REFERENCES users (id),
    secret_hash BYTEA NOT NULL,
    state       TEXT NOT NULL,
    roles       TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);

CREATE TABLE sessions (
    id             TEXT PRIMARY KEY,
    principal_kind TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    scopes         TEXT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    revoked_at     BIGINT
);
CREATE INDEX sessions_principal ON sessions (principal_id);
CREATE INDEX sessions_revoked ON sessions (revoked_at);

CREATE TABLE refresh_tokens (
    hash       BYTEA PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id),
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

CREATE TABLE tools (
    id         TEXT PRIMARY KEY,
    name_key   TEXT NOT NULL UNIQUE,
    body       TEXT NOT NULL,
    revision   BIGINT NOT NULL
);

CREATE TABLE credentials (
    id             TEXT PRIMARY KEY,
    decision_id    TEXT NOT NULL,
    tool_id        TEXT NOT NULL,
    tool_name      TEXT NOT NULL,
    tool_owner     TEXT NOT NULL,
    principal_kind TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    agent_owner    TEXT,
    scopes         TEXT NOT NULL,
    root_key_id    BIGINT NOT NULL,
    revocation_ids TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    revoked_at     BIGINT
);
CREATE INDEX credentials_principal ON credentials (principal_id, id);
CREATE INDEX credentials_tool ON credentials (tool_id, id);
CREATE INDEX credentials_expiry ON credentials (expires_at);

-- What the feed says, in the order in which it became true.
CREATE TABLE revocations (
    seq            BIGINT PRIMARY KEY,
    credential_id  TEXT NOT NULL UNIQUE,
    revocation_ids TEXT NOT NULL,
    revoked_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);

-- Settled uses: one row per principal, tool and minute.
CREATE TABLE usage (
    principal_id TEXT NOT NULL,
    tool_id      TEXT NOT NULL,
    minute       BIGINT NOT NULL,
    uses         BIGINT NOT NULL,
    failures     BIGINT NOT NULL,
    cost_micros  BIGINT NOT NULL,
    PRIMARY KEY (principal_id, tool_id, minute)
);
CREATE INDEX usage_minute ON usage (minute);

-- The audit: `body` is the leaf, byte for byte; the other columns only find it.
CREATE TABLE audit (
    seq         BIGINT PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    at          BIGINT NOT NULL,
    actor_id    TEXT NOT NULL,
    actor_name  TEXT NOT NULL,
    event       TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    body        TEXT NOT NULL,
    leaf        BYTEA NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_actor ON audit (actor_id, seq);
CREATE INDEX audit_event ON audit (event, seq);
CREATE INDEX audit_target ON audit (target_id, seq);

-- Roots of complete subtrees of 256^level leaves: what proofs are made of (RFC 6962, C2SP tiles).
CREATE TABLE audit_tiles (
    level BIGINT NOT NULL,
    idx   BIGINT NOT NULL,
    hash  BYTEA NOT NULL,
    PRIMARY KEY (level, idx)
);

-- The head of the tree: one row, signed anew with every commit.
CREATE TABLE audit_head (
    id         BIGINT PRIMARY KEY,
    size       BIGINT NOT NULL,
    edge       BYTEA NOT NULL,
    checkpoint TEXT NOT NULL
);
INSERT INTO audit_head (id, size, edge, checkpoint) VALUES (1, 0, '', '');
