//! Whether one value fits its setting.

use serde_json::{Value, json};

use super::Settings;
use super::keys::{Key, Kind};

/// Why a value does not fit.
pub struct Misfit {
    /// The setting, and inside it the place: `risk.blocked_networks[1]`.
    pub place: String,
    pub problem: String,
}

/// Text from a variable, a flag or a file as the value it stands for; text that stands for none
/// stays text, which [`misfit`] then refuses.
pub fn from_text(kind: &Kind, text: &str) -> Value {
    match kind {
        Kind::Text | Kind::Choice(_) => Value::from(text),
        Kind::Number { .. } => text.parse::<u64>().map_or_else(|_| text.into(), Value::from),
        Kind::Switch => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
        Kind::List | Kind::Lists => {
            text.split(',').map(str::trim).filter(|it| !it.is_empty()).collect()
        }
        Kind::Tables if text.trim().is_empty() => json!([]),
        Kind::Tables => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

/// What is wrong with `value` for the setting `key` under `name`, which differs from the key's own
/// for an entry of named lists. Never shows a secret.
pub fn misfit(key: &Key, name: &str, value: &Value) -> Option<Misfit> {
    let problem = match &key.kind {
        Kind::Text | Kind::Choice(_) => match value.as_str() {
            None => Some("is not a text"),
            Some("") => Some("is empty"),
            Some(_) => None,
        },
        Kind::Number { min, max } => match value.as_u64() {
            None => Some("is not a whole number"),
            Some(it) if it < *min || it > *max => Some("is out of range"),
            Some(_) => None,
        },
        Kind::Switch => (!value.is_boolean()).then_some("is neither `true` nor `false`"),
        Kind::List | Kind::Lists => (!value.is_array()).then_some("is not a list"),
        Kind::Tables => (!value.is_array()).then_some("is not a list of tables"),
    };
    if let Some(problem) = problem {
        let problem = format!("{} {problem}", shown(key, value));
        return Some(Misfit { place: name.to_owned(), problem });
    }
    if key.fills.is_some() {
        return None;
    }
    unread(key, name, value)
}

/// Reads settings that consist of this value alone, so that each value's fault is found by itself.
fn unread(key: &Key, name: &str, value: &Value) -> Option<Misfit> {
    let document = name.rsplit('.').fold(value.clone(), |inner, part| json!({ part: inner }));
    let error = serde_path_to_error::deserialize::<_, Settings>(document).err()?;
    let place = error.path().to_string();
    let cause = error.into_inner().to_string();
    // The types of this module name what they refuse; those of others are helped out. Of a secret
    // only this module's own words remain, since its kind was checked above.
    let says_it = key.secret || cause.contains('`');
    let problem = if says_it { cause } else { format!("{}: {cause}", shown(key, value)) };
    Some(Misfit { place: if place.starts_with(name) { place } else { name.to_owned() }, problem })
}

fn shown(key: &Key, value: &Value) -> String {
    match value {
        _ if key.secret => "the value".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}
