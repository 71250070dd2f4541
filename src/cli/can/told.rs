//! An answer as people read it.

use serde_json::Value;

use crate::cli::api::Api;
use crate::cli::out::{complain, say};

/// The code of an answer that needs the arguments of the call.
const ARGUMENTS_MISSING: &str = "arguments_missing";

/// The answer with what decided and what it hangs on, or as JSON.
pub fn show(api: &Api, told: &Value) {
    if !api.is_for_people() {
        say(&format!("{told:#}"));
        return;
    }
    let context = &told["context"];
    let word = match (told["decision"] == true, context["code"] == ARGUMENTS_MISSING) {
        (true, _) => "yes",
        (false, true) => "it depends",
        (false, false) => "no",
    };
    say(&format!("{word}: {}", context["reason"].as_str().unwrap_or_default()));
    for policy in texts(&context["policies"]) {
        say(&format!("  policy: {policy}"));
    }
    show_conditions(told["decision"] == true, context);
    for fix in context["fix"].as_array().into_iter().flatten() {
        say(&format!("  what would help: {}", fix["detail"].as_str().unwrap_or_default()));
    }
    for ignored in texts(&context["ignored"]) {
        complain(&format!("`{ignored}` did not count: policy does not trust you with it"));
    }
}

/// What an answer hangs on, with the arguments that are looked at: `arguments /amount, time`.
pub fn hangs_on(condition: &Value) -> String {
    let pointers = texts(&condition["arguments"]).collect::<Vec<_>>().join(" ");
    let facts = texts(&condition["hangs_on"]).map(|it| match (it, pointers.is_empty()) {
        ("arguments", false) => format!("arguments {pointers}"),
        (other, _) => other.to_owned(),
    });
    facts.collect::<Vec<_>>().join(", ")
}

/// The conditions, with how they go together: no forbid may apply, and one of the permits must.
fn show_conditions(is_allowed: bool, context: &Value) {
    let is_open = is_allowed || context["code"] == ARGUMENTS_MISSING;
    let of = |effect: &str| {
        let all = context["conditions"].as_array().into_iter().flatten();
        let ours = all.filter(|it| it["effect"] == effect);
        ours.filter(|it| is_open || is_in_the_way(it, context)).collect::<Vec<_>>()
    };
    let (forbids, permits) = (of("forbid"), of("permit"));
    if !forbids.is_empty() {
        say("  none of these may apply:");
        forbids.iter().for_each(|it| show_condition(it));
    }
    if !permits.is_empty() {
        let and = if forbids.is_empty() { "" } else { "and " };
        say(&format!("  {and}at least one of these must apply:"));
        permits.iter().for_each(|it| show_condition(it));
    }
}

/// Whether a plain no comes of this: of a forbid that decided, or of permits none of which applied.
fn is_in_the_way(condition: &Value, context: &Value) -> bool {
    let mut decided = texts(&context["policies"]).peekable();
    match condition["effect"] == "permit" {
        true => decided.peek().is_none(),
        false => decided.any(|it| condition["policy"] == it),
    }
}

fn show_condition(it: &Value) {
    let text = |name: &str| it[name].as_str().unwrap_or_default();
    let [effect, policy, title] = ["effect", "policy", "title"].map(text);
    say(&format!("    hangs on {}: {effect} {policy}, {title}", hangs_on(it)));
    for part in texts(&it["conditions"]) {
        say(&format!("      {part}"));
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
