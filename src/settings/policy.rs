//! Settings of the policy bundle.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The policies that decide.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Folder of the Cedar policies.
    pub dir: PathBuf,
    /// Folder of the Cedar schema.
    pub schema_dir: PathBuf,
    /// Whether a change in these folders is taken up while the server runs.
    pub watch: bool,
    /// IANA time zone in which policies read hours and weekdays.
    #[serde(deserialize_with = "time_zone")]
    #[schemars(schema_with = "time_zone_schema")]
    pub home_time_zone: TimeZone,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            dir: PathBuf::from("policies"),
            schema_dir: PathBuf::from("schemas"),
            watch: true,
            home_time_zone: TimeZone::UTC,
        }
    }
}

fn time_zone<'de, D: Deserializer<'de>>(from: D) -> Result<TimeZone, D::Error> {
    let name = String::deserialize(from)?;
    TimeZone::get(&name)
        .map_err(|_| D::Error::custom(format!("`{name}` is no time zone that this machine knows")))
}

fn time_zone_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "default": "UTC" })
}
