-- Grants: links of templates that are made while the service runs.

CREATE TABLE grants (
    id              TEXT PRIMARY KEY,
    template        TEXT NOT NULL,
    principal_kind  TEXT NOT NULL,
    principal_id    TEXT NOT NULL,
    resource_kind   TEXT NOT NULL,
    resource_id     TEXT NOT NULL,
    created_by      TEXT NOT NULL,
    created_at      BIGINT NOT NULL
);
-- The same is granted once.
CREATE UNIQUE INDEX grants_what
    ON grants (template, principal_kind, principal_id, resource_kind, resource_id);
