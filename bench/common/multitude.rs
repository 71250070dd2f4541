//! Fills a store with very many tools and agents: copies of one of each, made by the store itself.

use std::path::Path;

use rusqlite::Connection;

/// Adds `count` copies of the store's first tool and of its first agent. The agents share one
/// client secret. Nobody may have the store open.
pub fn grow(store: &Path, count: u32) -> rusqlite::Result<()> {
    let connection = Connection::open(store)?;
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO tools (id, name_key, body, revision)
         SELECT printf('00000000-0000-7000-8000-%012x', i), name_key || '_' || i,
                json_set(body, '$.id', printf('00000000-0000-7000-8000-%012x', i),
                         '$.definition.name',
                         json_extract(body, '$.definition.name') || '_' || i),
                revision
         FROM n, (SELECT * FROM tools ORDER BY id LIMIT 1)",
        [count],
    )?;
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO agents (id, name, name_key, owner, secret_hash, state, roles, revision,
                             created_at, updated_at)
         SELECT printf('00000000-0000-7000-9000-%012x', i), name || '_' || i, name_key || '_' || i,
                owner, secret_hash, state, roles, revision, created_at, updated_at
         FROM n, (SELECT * FROM agents ORDER BY id LIMIT 1)",
        [count],
    )?;
    Ok(())
}
