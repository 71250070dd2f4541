-- How principals prove who they are: second factors, keys, clients of OAuth, mandates, and the
-- history that a sign-in is rated by.

ALTER TABLE users ADD COLUMN groups TEXT NOT NULL DEFAULT '[]';
ALTER TABLE agents ADD COLUMN groups TEXT NOT NULL DEFAULT '[]';
-- Public keys that the agent proves itself by (JWK set), and the secret that a rotation replaced.
ALTER TABLE agents ADD COLUMN keys TEXT NOT NULL DEFAULT '{"keys":[]}';
ALTER TABLE agents ADD COLUMN previous_secret_hash BYTEA;
ALTER TABLE agents ADD COLUMN previous_secret_until BIGINT;

-- How the session was proven (JSON), through which client it was opened, by whose mandate it acts.
ALTER TABLE sessions ADD COLUMN proof TEXT NOT NULL DEFAULT '{}';
ALTER TABLE sessions ADD COLUMN client_id TEXT;
ALTER TABLE sessions ADD COLUMN mandate_id TEXT;
-- The session that this one was opened on, and ends with.
ALTER TABLE sessions ADD COLUMN parent_id TEXT;
CREATE INDEX sessions_mandate ON sessions (mandate_id);
CREATE INDEX sessions_parent ON sessions (parent_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

ALTER TABLE credentials ADD COLUMN session_id TEXT;
ALTER TABLE credentials ADD COLUMN mandate_id TEXT;
ALTER TABLE credentials ADD COLUMN on_behalf_of TEXT;
CREATE INDEX credentials_session ON credentials (session_id);
CREATE INDEX credentials_mandate ON credentials (mandate_id);
CREATE INDEX credentials_user ON credentials (on_behalf_of);

-- Whatever works once: authorization codes, sign-ins that wait for a second factor, ceremonies.
CREATE TABLE single_use (
    kind       TEXT NOT NULL,
    hash       BYTEA NOT NULL,
    bound_to   TEXT NOT NULL,
    body       TEXT NOT NULL,
    session_id TEXT,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    PRIMARY KEY (kind, hash)
);
CREATE INDEX single_use_expiry ON single_use (expires_at);

-- The body is sealed; the fingerprint tells a passkey that was enrolled before, by anybody. The
-- last step is that of the last code, or the signature counter of a passkey.
CREATE TABLE factors (
    id          TEXT PRIMARY KEY,
    user_id     TEXT NOT NULL REFERENCES users (id),
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    body        BYTEA NOT NULL,
    fingerprint BYTEA UNIQUE,
    state       TEXT NOT NULL,
    last_step   BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    used_at     BIGINT
);
CREATE INDEX factors_user ON factors (user_id);

CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id),
    hash    BYTEA NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (user_id, hash)
);

-- Where and with what each principal has signed in before.
CREATE TABLE known_contexts (
    principal_id TEXT NOT NULL,
    network      TEXT NOT NULL,
    user_agent   BYTEA NOT NULL,
    country      TEXT,
    times        BIGINT NOT NULL,
    first_at     BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    PRIMARY KEY (principal_id, network, user_agent)
);
CREATE TABLE known_hours (
    principal_id TEXT NOT NULL,
    hour         BIGINT NOT NULL,
    times        BIGINT NOT NULL,
    PRIMARY KEY (principal_id, hour)
);

-- People whose first sign-in sets what is known of them: those made on the host itself.
CREATE TABLE trusted_first_uses (principal_id TEXT PRIMARY KEY);

CREATE TABLE api_keys (
    id             TEXT PRIMARY KEY,
    principal_kind TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    body           TEXT NOT NULL,
    hash           BYTEA NOT NULL UNIQUE,
    previous_hash  BYTEA UNIQUE,
    previous_until BIGINT,
    state          TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    expires_at     BIGINT,
    last_used_at   BIGINT,
    revision       BIGINT NOT NULL
);
CREATE INDEX api_keys_principal ON api_keys (principal_id);

CREATE TABLE oauth_clients (
    id          TEXT PRIMARY KEY,
    body        TEXT NOT NULL,
    secret_hash BYTEA,
    created_by  TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE consents (
    user_id    TEXT NOT NULL REFERENCES users (id),
    client_id  TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id)
);

-- Browsers that are signed in: the cookie's hash names a session.
CREATE TABLE browsers (
    hash       BYTEA PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id),
    expires_at BIGINT NOT NULL
);

CREATE TABLE mandates (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id),
    agent_id   TEXT NOT NULL REFERENCES agents (id),
    body       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX mandates_user ON mandates (user_id);

-- Who an external provider's subject is here.
CREATE TABLE identities (
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    user_id   TEXT NOT NULL REFERENCES users (id),
    linked_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_user ON identities (user_id);
