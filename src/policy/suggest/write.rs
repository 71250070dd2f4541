//! The suggestion as a policy file: forbids only, so that it can never allow anything new.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::used::Used;
use crate::policy::replay::Known;

/// What the file is about, and what was found.
pub struct Proposal<'a> {
    pub agent: &'a Known,
    /// What a reader has to know of the window, line by line.
    pub preface: Vec<String>,
    pub used: &'a [Used],
    /// Further conditions that held for every use, with what was observed.
    pub bounds: Vec<(String, String)>,
}

/// What the ids of this agent's policies begin with.
pub fn prefix(agent: &Known) -> String {
    format!("suggest.{}.", slug(&agent.name))
}

/// A file name, and the part of policy ids that stands for the agent.
pub fn slug(name: &str) -> String {
    let plain = |it: char| if it.is_ascii_alphanumeric() || ".-_@".contains(it) { it } else { '-' };
    name.chars().map(plain).collect::<String>().to_ascii_lowercase()
}

/// What a tool's policies go by: its name, where no other of its name was used.
pub fn short(used: &Used, all: &[Used]) -> String {
    let name = slug(&used.tool.name);
    let is_other = |it: &&Used| it.tool.id != used.tool.id && slug(&it.tool.name) == name;
    match all.iter().find(is_other) {
        None => name,
        Some(_) => format!("{name}.{}", used.tool.id),
    }
}

/// The ids of the policies that are suggested for these uses.
pub fn ids(agent: &Known, used: &[Used]) -> Vec<String> {
    let asked = used.iter().filter(|it| it.ttl_seconds.is_some());
    let narrower = asked.flat_map(|it| {
        let short = short(it, used);
        ["scopes", "ttl"].map(|rest| format!("{short}.{rest}"))
    });
    let all = std::iter::once("only".to_owned()).chain(narrower);
    all.map(|rest| format!("{}{rest}", prefix(agent))).collect()
}

/// Calls go by the group: a tool that some policy names is called by an action of its own.
fn covering(action: &str) -> &str {
    if action == "invoke" { "call" } else { action }
}

/// `Gatewright::Tool::"calc"`, with whatever an id may hold.
pub fn literal(kind: &str, id: &str) -> String {
    format!("Gatewright::{kind}::\"{}\"", escaped(id))
}

/// Text for between the quotes of Cedar: what is neither plain nor printable is escaped.
fn escaped(text: &str) -> String {
    text.chars().flat_map(char::escape_debug).collect()
}

impl Proposal<'_> {
    /// The file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.preface {
            let _ = writeln!(text, "// {}", line.replace(char::is_control, " "));
        }
        self.only(&mut text);
        for used in self.used {
            self.narrower(used, &mut text);
        }
        self.options(&mut text);
        text
    }

    fn id(&self, rest: &str) -> String {
        format!("{}{rest}", prefix(self.agent))
    }

    fn head(&self, rest: &str, title: &str, fix: Option<&str>) -> String {
        let mut head = format!("\n@id(\"{}\")\n@title(\"{}\")\n", self.id(rest), escaped(title));
        if let Some(fix) = fix {
            head += &format!("@fix(\"{fix}\")\n");
        }
        head
    }

    /// Closes every use but those that were seen.
    fn only(&self, text: &mut String) {
        let title = format!("Agent {} uses only what it was seen to use", self.agent.name);
        *text += &self.head("only", &title, None);
        let agent = literal("Agent", &self.agent.id);
        let use_ = literal("Action", "use");
        let _ = write!(
            text,
            "forbid (principal == {agent}, action in {use_}, resource is Gatewright::Tool)"
        );
        let mut by_tool: BTreeMap<&str, Vec<&Used>> = BTreeMap::new();
        for used in self.used {
            by_tool.entry(&used.tool.id).or_default().push(used);
        }
        if by_tool.is_empty() {
            *text += ";\n";
            return;
        }
        *text += "\nunless {\n";
        let last = by_tool.len();
        for (number, (id, uses)) in by_tool.into_iter().enumerate() {
            let told = uses.iter().map(|it| format!("{} {} time(s)", it.action, it.times));
            let told = told.collect::<Vec<_>>().join(", ");
            let actions = uses.iter().map(|it| literal("Action", covering(&it.action)));
            let actions = actions.collect::<Vec<_>>().join(", ");
            let or = if number + 1 < last { " ||" } else { "" };
            let name = uses.first().map(|it| it.tool.name.replace(char::is_control, " "));
            let _ = writeln!(text, "  // {}: {told}", name.unwrap_or_default());
            let tool = literal("Tool", id);
            let _ = writeln!(text, "  (resource == {tool} && action in [{actions}]){or}");
        }
        *text += "};\n";
    }

    /// Holds credentials to the scopes and the life that were asked for.
    fn narrower(&self, used: &Used, text: &mut String) {
        let Some(ttl) = used.ttl_seconds else { return };
        let (agent, tool) = (literal("Agent", &self.agent.id), literal("Tool", &used.tool.id));
        let action = literal("Action", &used.action);
        let scope =
            format!("forbid (principal == {agent}, action == {action}, resource == {tool})");
        let (name, short) = (&used.tool.name, short(used, self.used));
        let title = format!(
            "Agent {} asks for {name} with the scopes it was seen to ask for",
            self.agent.name
        );
        *text += &self.head(&format!("{short}.scopes"), &title, Some("scopes"));
        let scopes = used.scopes.iter().map(|it| literal("Scope", it)).collect::<Vec<_>>();
        let scopes = scopes.join(", ");
        let _ = writeln!(text, "{scope}\nunless {{ [{scopes}].containsAll(context.ask.scopes) }};");
        let title = format!("Agent {} asks for {name} for {ttl} seconds at most", self.agent.name);
        *text += &self.head(&format!("{short}.ttl"), &title, Some("ttl"));
        let _ = writeln!(text, "{scope}\nwhen {{ context.ask.ttl > duration(\"{ttl}s\") }};");
    }

    /// What the figures would bear as well, for somebody to decide on.
    fn options(&self, text: &mut String) {
        if self.bounds.is_empty() {
            return;
        }
        *text += "\n// Not taken up: take the `//` away from those that are meant to hold.\n";
        let agent = literal("Agent", &self.agent.id);
        let use_ = literal("Action", "use");
        for (number, (observed, condition)) in self.bounds.iter().enumerate() {
            let title = format!("Agent {} is held to where and when it was seen", self.agent.name);
            let head = self.head(&format!("option-{}", number + 1), &title, None);
            let policy = format!(
                "{head}forbid (principal == {agent}, action in {use_}, resource is Gatewright::Tool)\n\
                 unless {{ {condition} }};"
            );
            let _ = writeln!(text, "//\n// {observed}:");
            for line in policy.trim_start().lines() {
                let _ = writeln!(text, "// {line}");
            }
        }
    }
}
