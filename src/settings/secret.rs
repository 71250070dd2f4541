//! How a secret setting is read: from text, into a type that never shows it.

use schemars::{Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

/// Takes text; what it gives prints as redacted.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(SecretString::from))
}

/// Marks the setting `writeOnly`: its value is kept out of every message, and it can be given as
/// a file (`…_file`) as well.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "writeOnly": true })
}
