//! Cedar's values as people and programs read them.

use cedar_policy::{EntityUid, EvalResult};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::authz::uid::{Kind, Reference};
use crate::policy::milliseconds;

/// Where Cedar's instants count from.
const EPOCH: &str = "1970-01-01";

/// A value as JSON: members of closed vocabularies by their word, other entities as `Kind:id`,
/// durations as Cedar writes them, instants as RFC 3339.
pub fn shown(value: &EvalResult) -> Value {
    match value {
        EvalResult::Bool(it) => (*it).into(),
        EvalResult::Long(it) => (*it).into(),
        EvalResult::String(it) => it.as_str().into(),
        EvalResult::EntityUid(it) => entity(it).into(),
        EvalResult::Set(all) => all.iter().map(shown).collect(),
        EvalResult::Record(fields) => {
            let fields = fields.iter().map(|(name, it)| (name.clone(), shown(it)));
            Value::Object(fields.collect::<Map<String, Value>>())
        }
        EvalResult::ExtensionValue(text) => extension(text).into(),
    }
}

fn entity(uid: &EntityUid) -> String {
    let id = uid.id().unescaped();
    let is_closed = |it: Kind| {
        matches!(
            it,
            Kind::ApprovalState
                | Kind::BundleState
                | Kind::BundleTier
                | Kind::Lifecycle
                | Kind::Registry
                | Kind::RiskLevel
                | Kind::Role
                | Kind::Scope
                | Kind::ToolState
                | Kind::Weekday
        )
    };
    match Kind::of(uid.type_name()) {
        Some(kind) if is_closed(kind) => id.to_owned(),
        _ => Reference(uid.clone()).into(),
    }
}

/// `duration("300000ms")`, `decimal("10.0000")`, `datetime("…").offset(duration("…"))`.
fn extension(text: &str) -> String {
    let literals: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    let known = match literals.as_slice() {
        [one] if text.starts_with("duration") => milliseconds(one).map(span),
        [one] => Some((*one).to_owned()),
        [EPOCH, after] => milliseconds(after).and_then(instant),
        _ => None,
    };
    known.unwrap_or_else(|| text.to_owned())
}

fn instant(ms: i64) -> Option<String> {
    Some(Timestamp::from_millisecond(ms).ok()?.to_string())
}

/// Milliseconds as `1h30m`.
fn span(ms: i64) -> String {
    let all = SignedDuration::from_millis(ms).as_millis().unsigned_abs();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let (mut rest, mut text) = (all, String::new());
    for (each, unit) in units {
        if rest >= each {
            text.push_str(&format!("{}{unit}", rest / each));
            rest %= each;
        }
    }
    match (text.is_empty(), ms < 0) {
        (true, _) => "0s".into(),
        (false, true) => format!("-{text}"),
        (false, false) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_write_them() {
        assert_eq!(extension("duration(\"5400000ms\")"), "1h30m");
        assert_eq!(extension("duration(\"0ms\")"), "0s");
        assert_eq!(extension("decimal(\"10.0200\")"), "10.0200");
        assert_eq!(
            extension("datetime(\"1970-01-01\").offset(duration(\"86400000ms\"))"),
            "1970-01-02T00:00:00Z"
        );
    }
}
