-- What a tool was: its definitions, each pinned by its digest and never changed again. `number` is the
-- revision of the tool that the definition came with.
CREATE TABLE tool_versions (
    tool_id     TEXT NOT NULL,
    number      BIGINT NOT NULL,
    version     TEXT NOT NULL,
    digest      TEXT NOT NULL,
    definition  TEXT NOT NULL,
    -- The entry of the audit that says who made it; none for what was there before versions were.
    decision_id TEXT,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tool_id, number)
);

-- What probes of MCP servers found.
CREATE TABLE tool_probes (
    id      TEXT PRIMARY KEY,
    tool_id TEXT NOT NULL,
    body    TEXT NOT NULL
);
CREATE INDEX tool_probes_tool ON tool_probes (tool_id, id);
