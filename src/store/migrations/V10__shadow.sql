-- The bundle that decides beside the active one: one row, or none.

CREATE TABLE policy_shadow (
    id              BIGINT PRIMARY KEY,
    bundle_id       TEXT NOT NULL,
    -- Which part of all decisions is decided again: 1 to 100.
    sample_percent  BIGINT NOT NULL,
    since           BIGINT NOT NULL
);
