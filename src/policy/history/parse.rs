//! Reading the declaration, every fault of it at once.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::super::fault::{Fault, position};
use super::super::load::SourceFile;
use super::fact::{Count, Counted, Ending, Fact, Per};
use super::fields::{Fields, Table};

const FACTS_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 64;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// The longest window: what it takes to remember more is nobody's burden by accident.
const WITHIN_MAX: i64 = 90 * DAY;
/// Names that Cedar keeps for itself.
const RESERVED: [&str; 9] = ["true", "false", "if", "then", "else", "in", "is", "like", "has"];
const FIELDS: [&str; 8] = ["action", "tool", "set", "outcome", "count", "of", "per", "within"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    history: BTreeMap<Spanned<String>, Table>,
}

#[derive(Clone, Copy)]
enum How {
    Calls,
    Distinct,
    Sum,
}

const HOW: [(&str, How); 3] =
    [("calls", How::Calls), ("distinct", How::Distinct), ("sum", How::Sum)];

/// The facts that `file` declares, by name.
pub(super) fn facts(file: &SourceFile) -> Result<Vec<Fact>, Vec<Fault>> {
    let written: Written = toml::from_str(&file.text).map_err(|error| {
        let offset = error.span().map_or(0, |it| it.start);
        vec![Fault::at(file, offset, error.message().to_owned())]
    })?;
    if written.history.len() > FACTS_MAX {
        let problem = format!("more than {FACTS_MAX} facts");
        return Err(vec![Fault::whole(&file.path, problem).fixed_by("declare fewer")]);
    }
    let (mut facts, mut faults) = (Vec::new(), Vec::new());
    for (name, table) in written.history {
        let mut fields = Fields { file, at: name.span(), table, faults: Vec::new() };
        facts.extend(fact(name.get_ref(), &mut fields));
        faults.append(&mut fields.faults);
    }
    if faults.is_empty() { Ok(facts) } else { Err(faults) }
}

fn fact(name: &str, fields: &mut Fields<'_>) -> Option<Fact> {
    if !is_sayable(name) {
        let fix = "letters, digits and `_`, no digit first, and no word of Cedar's own";
        fields.lacks(format!("a policy cannot say `context.history.{name}`"), fix);
    }
    let action = if fields.table.contains_key("action") {
        fields.word("action", &Counted::WORDS)
    } else {
        fields.lacks(format!("`{name}` does not say what it counts"), "add `action = \"invoke\"`");
        None
    };
    let (tool, set) = (fields.text("tool"), fields.text("set"));
    if let (Some(_), Some((at, _))) = (&tool, &set) {
        fields.fault(*at, "both `tool` and `set`", "name one of them");
    }
    let ending = fields.word("outcome", &Ending::WORDS).unwrap_or(Ending::Any);
    let how = fields.word("count", &HOW).unwrap_or(How::Calls);
    let count = count(how, fields);
    let per = fields.word("per", &Per::WORDS).unwrap_or(Per::Principal);
    let within = window(per, fields);
    if action == Some(Counted::RequestCredential) {
        expect_of_credentials(ending, count.as_ref(), fields);
    }
    fields.refuse_rest(&FIELDS);
    Some(Fact {
        name: name.to_owned(),
        line: position(&fields.file.text, fields.at.start).0,
        action: action?,
        tool: tool.map(|(_, it)| it.to_lowercase()),
        set: set.map(|(_, it)| it),
        ending,
        count: count?,
        per,
        within,
    })
}

fn is_sayable(name: &str) -> bool {
    let word = |it: char| it.is_ascii_alphanumeric() || it == '_';
    name.chars().all(word)
        && name.chars().next().is_some_and(|it| !it.is_ascii_digit())
        && name.len() <= NAME_CHARS_MAX
        && !name.starts_with("__")
        && !RESERVED.contains(&name)
}

fn count(how: How, fields: &mut Fields<'_>) -> Option<Count> {
    let of = fields.text("of");
    if let Some((at, of)) = &of
        && !is_pointer(of)
    {
        fields.fault(*at, format!("`{of}` is no JSON pointer"), "write it like `/customer_id`");
        return None;
    }
    match (how, of) {
        (How::Calls, None) => Some(Count::Calls),
        (How::Calls, Some((at, _))) => {
            let fix = "say `count = \"distinct\"` or `count = \"sum\"`, or take it out";
            fields.fault(at, "`of` says what to look at, and calls are only counted", fix);
            None
        }
        (How::Distinct, Some((_, of))) => Some(Count::Distinct(of)),
        (How::Sum, Some((_, of))) => Some(Count::Sum(of)),
        (How::Distinct | How::Sum, None) => {
            let fix = "point at an argument: `of = \"/customer_id\"`";
            fields.lacks("it does not say of what", fix);
            None
        }
    }
}

/// RFC 6901, but for the empty one: the arguments as a whole.
fn is_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    text.starts_with('/') && escapes.all(|it| it.starts_with(['0', '1']))
}

/// How far back; none for as long as the session lasts, or where there is a fault.
fn window(per: Per, fields: &mut Fields<'_>) -> Option<i64> {
    let Some((at, text)) = fields.text("within") else {
        if per != Per::Session {
            let fix = "add `within = \"1h\"`, or count per session";
            fields.lacks("it does not say how far back it looks", fix);
        }
        return None;
    };
    let within = span(&text);
    match within {
        None => fields.fault(
            at,
            format!("`{text}` is no time"),
            "write it like `30s`, `15m`, `1h` or `7d`",
        ),
        Some(it) if !(SECOND..=WITHIN_MAX).contains(&it) => {
            fields.fault(
                at,
                format!("`{text}` is not between 1s and 90d"),
                "choose another window",
            );
        }
        Some(_) => {}
    }
    within
}

/// `15m` in microseconds.
fn span(text: &str) -> Option<i64> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let plain = digits.bytes().all(|it| it.is_ascii_digit());
    let number: i64 = digits.parse().ok().filter(|_| plain)?;
    number.checked_mul(seconds)?.checked_mul(SECOND)
}

/// A credential has no arguments, and once it was allowed it does not fail.
fn expect_of_credentials(ending: Ending, count: Option<&Count>, fields: &mut Fields<'_>) {
    if count.is_some_and(|it| it.pointer().is_some()) {
        fields.lacks("a credential has no arguments to look at", "count `invoke`");
    }
    if ending == Ending::Failed {
        fields.lacks("a credential that was allowed does not fail", "count `invoke`");
    }
}
