-- Bundles of policies: what each holds, what was found about it, who reviewed it, which one decides.

CREATE TABLE bundles (
    id              TEXT PRIMARY KEY,
    -- SHA-256 over its files, the root tier of the release that stored it included.
    digest          TEXT NOT NULL UNIQUE,
    -- JSON object: text by path. Without the root tier, which every release brings itself.
    sources         TEXT NOT NULL,
    -- 'draft', 'checked', 'active' or 'retired'.
    state           TEXT NOT NULL,
    -- 'api', 'directory' or 'starter'.
    origin          TEXT NOT NULL,
    -- The id of a user, or 'host' for what was read from a directory.
    author          TEXT NOT NULL,
    author_name     TEXT NOT NULL,
    -- The digest of the bundle that was active when it was drafted; empty for the first.
    base            TEXT NOT NULL,
    note            TEXT,
    -- JSON: what the last check found.
    report          TEXT NOT NULL,
    -- The digest of the bundle that was active then.
    checked_against TEXT NOT NULL,
    tests_green     BOOLEAN NOT NULL,
    invariants_hold BOOLEAN NOT NULL,
    widens          BOOLEAN NOT NULL,
    -- How many recorded decisions it would turn; null as long as none were replayed.
    flips           BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    activated_at    BIGINT,
    retired_at      BIGINT,
    -- When it was last read from a directory and made the active one.
    taken_at        BIGINT,
    revision        BIGINT NOT NULL
);
CREATE INDEX bundles_state ON bundles (state);

-- The last word of each reviewer.
CREATE TABLE bundle_reviews (
    bundle_id       TEXT NOT NULL REFERENCES bundles (id),
    reviewer        TEXT NOT NULL,
    reviewer_name   TEXT NOT NULL,
    -- 'yes' or 'no'.
    verdict         TEXT NOT NULL,
    reason          TEXT NOT NULL,
    reviewed_at     BIGINT NOT NULL,
    PRIMARY KEY (bundle_id, reviewer)
);

-- One row, once there is a bundle that decides. Its revision is what an activation compares and sets.
CREATE TABLE bundle_head (
    id              BIGINT PRIMARY KEY,
    bundle_id       TEXT NOT NULL REFERENCES bundles (id),
    digest          TEXT NOT NULL,
    revision        BIGINT NOT NULL,
    -- What was last taken from a directory.
    directory       TEXT,
    updated_at      BIGINT NOT NULL
);
