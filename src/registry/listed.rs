//! Tools that an MCP server lists, as tools of the registry.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::connection::{Auth, Connection, Member};
use super::definition::{Definition, NAME_CHARS_MAX, TEXT_CHARS_MAX};
use super::drift::Change;
use crate::gateway::mcp::ListedTool;
use crate::{Error, Result};

/// Between the name of a server and that of a tool on it.
const SEPARATOR: &str = "__";
/// Hexadecimal digits that tell two tools apart whose names would be one.
const MARK_CHARS: usize = 8;

/// A tool of a server that cannot be one here, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Unusable {
    pub name: String,
    pub detail: String,
}

/// A name for each of these tools of a server: `weather__forecast`.
pub(super) fn names<'a>(server: &str, listed: &'a [ListedTool]) -> BTreeMap<&'a str, String> {
    distinct(&format!("{server}{SEPARATOR}"), listed.iter().map(|it| it.name.as_str()))
}

/// A name for each of these words behind `prefix`. What a name cannot hold becomes `_`; where that
/// makes two words one, or the name too long, a piece of a hash tells them apart.
pub(super) fn distinct<'a>(
    prefix: &str,
    words: impl Iterator<Item = &'a str> + Clone,
) -> BTreeMap<&'a str, String> {
    let plain = |word: &str| format!("{prefix}{}", worded(word));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for word in words.clone() {
        *counts.entry(plain(word).to_lowercase()).or_default() += 1;
    }
    let name = |word: &'a str| {
        let plain = plain(word);
        let alone = counts.get(&plain.to_lowercase()) == Some(&1);
        let fits = alone && plain.len() <= NAME_CHARS_MAX;
        (word, if fits { plain } else { marked(&plain, word) })
    };
    words.map(name).collect()
}

fn worded(name: &str) -> String {
    name.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect()
}

fn marked(plain: &str, name: &str) -> String {
    let mut mark = hex::encode(Sha256::digest(name));
    mark.truncate(MARK_CHARS);
    let kept: String = plain.chars().take(NAME_CHARS_MAX - MARK_CHARS - 1).collect();
    format!("{kept}_{mark}")
}

/// The tool of `server` that is listed like this. It begins with what was decided for the server.
///
/// # Errors
/// Why it cannot be a tool.
pub(super) fn definition(
    (server, id): (&Definition, Uuid),
    listed: &ListedTool,
    name: String,
) -> Result<Definition, Unusable> {
    let unusable = |detail: String| Unusable { name: listed.name.clone(), detail };
    let Connection::Remote(remote) = &server.connection else {
        return Err(unusable("its server is none".into()));
    };
    let mut remote = remote.clone();
    // The server's own: its tools are called as it is.
    remote.static_headers = BTreeMap::new();
    remote.auth = Auth::None;
    remote.member = Some(Member { server: id, remote_name: listed.name.clone() });
    let definition = Definition {
        connection: Connection::Remote(remote),
        name,
        display_name: title(listed),
        description: tidy(&listed.description),
        input_schema: listed.input_schema.clone(),
        ..server.clone()
    };
    definition.checked().map_err(|error| match error {
        Error::Invalid(faults) => {
            let first = faults.first().map(|it| format!("`{}` {}", it.pointer, it.detail));
            unusable(first.unwrap_or_default())
        }
        other => unusable(other.to_string()),
    })
}

/// The definition once what its server says of it now is taken for good. What its publisher wrote in
/// the place of the server's words stays.
pub(super) fn taken_over(
    definition: &Definition,
    before: &ListedTool,
    after: &ListedTool,
) -> Definition {
    let mut next = definition.clone();
    if next.display_name == title(before) {
        next.display_name = title(after);
    }
    if next.description == tidy(&before.description) {
        next.description = tidy(&after.description);
    }
    next.input_schema = after.input_schema.clone();
    next
}

/// What is different between two descriptions of one tool.
pub(super) fn differences(before: &ListedTool, after: &ListedTool) -> Vec<Change> {
    let value = |it: &ListedTool| serde_json::to_value(it).unwrap_or(Value::Null);
    super::drift::changes(&value(before), &value(after))
}

fn title(listed: &ListedTool) -> String {
    tidy(listed.title.as_deref().unwrap_or_default())
}

/// A text as a definition may hold it: without control characters, and not too long.
pub(super) fn tidy(text: &str) -> String {
    let plain = |it: char| match it {
        '\n' => Some(it),
        '\t' => Some(' '),
        it if it.is_control() => None,
        it => Some(it),
    };
    text.chars().filter_map(plain).take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn listed(name: &str) -> ListedTool {
        ListedTool {
            name: name.into(),
            title: None,
            description: String::new(),
            input_schema: json!({ "type": "object" }),
            output_schema: None,
            annotations: None,
        }
    }

    #[test]
    fn every_tool_gets_a_name_of_its_own() {
        let long = "x".repeat(80);
        let all = ["forecast", "a.b", "a-b", "A_B", "été", &long].map(listed);
        let names = names("weather", &all);
        assert_eq!(names["forecast"], "weather__forecast");
        assert_eq!(names["été"], "weather___t_");
        let distinct: BTreeSet<_> = names.values().map(|it| it.to_lowercase()).collect();
        assert_eq!(distinct.len(), all.len(), "{names:?}");
        assert!(names.values().all(|it| it.len() <= NAME_CHARS_MAX), "{names:?}");
        assert!(names["a.b"].starts_with("weather__a_b_"));
    }

    #[test]
    fn words_of_a_publisher_outlive_those_of_the_server() {
        let mut before = listed("a");
        before.description = "Old.".into();
        let mut after = before.clone();
        after.description = "New.\u{7}\tNow.".into();
        after.input_schema = json!({ "type": "object", "properties": {} });
        let definition: Definition = serde_json::from_value(json!({
            "tool_type": "function", "name": "a", "version": "1", "input_schema": {},
            "risk_level": "low", "scopes": ["use"], "max_ttl_seconds": 60, "description": "Old.",
        }))
        .unwrap();
        let next = taken_over(&definition, &before, &after);
        assert_eq!(
            (next.description.as_str(), &next.input_schema),
            ("New. Now.", &after.input_schema)
        );
        let own = Definition { description: "Mine.".into(), ..definition };
        assert_eq!(taken_over(&own, &before, &after).description, "Mine.");
    }
}
