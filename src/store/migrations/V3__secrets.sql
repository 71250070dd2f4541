-- Secrets that tools are called with: sealed here, or where in Vault they are; and what is leased.

CREATE TABLE secrets (
    -- `tools/<id>` or `users/<id>/tools/<id>`.
    path       TEXT PRIMARY KEY,
    tool_id    TEXT NOT NULL,
    user_id    TEXT,
    -- The names of the values (JSON list, sorted): all that anybody is ever shown.
    names      TEXT NOT NULL,
    -- Sealed: which master key wraps the data key, the wrapped data key, and what it seals.
    master     TEXT,
    data_key   BYTEA,
    body       BYTEA,
    -- In Vault: the write that counts, the last part of its place.
    write_id   TEXT,
    revision   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX secrets_tool ON secrets (tool_id);
CREATE INDEX secrets_master ON secrets (master);

-- Which master key wraps what is sealed from now on: one row, empty until the first seal.
CREATE TABLE secret_master (
    id     BIGINT PRIMARY KEY,
    master TEXT NOT NULL
);
INSERT INTO secret_master (id, master) VALUES (1, '');

-- This store's own folder in Vault: one row, empty until there is a Vault.
CREATE TABLE secret_folder (
    id     BIGINT PRIMARY KEY,
    folder TEXT NOT NULL
);
INSERT INTO secret_folder (id, folder) VALUES (1, '');

-- Places in Vault that nothing refers to any more, until they are deleted there.
CREATE TABLE secret_leftovers (
    place   TEXT PRIMARY KEY,
    left_at BIGINT NOT NULL
);

-- What Vault's engines were asked for, written before they are asked.
CREATE TABLE leases (
    id            TEXT PRIMARY KEY,
    vault_path    TEXT NOT NULL,
    -- Names the token that the lease hangs on; revoking that revokes the lease.
    accessor      TEXT NOT NULL,
    call_id       TEXT,
    credential_id TEXT,
    taken_at      BIGINT NOT NULL,
    -- When whoever took it has certainly ended.
    return_by     BIGINT NOT NULL,
    -- When Vault ends it without being asked.
    ends_at       BIGINT NOT NULL
);
CREATE INDEX leases_return ON leases (return_by);
CREATE INDEX leases_credential ON leases (credential_id);
