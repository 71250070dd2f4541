//! `gatewright can …`: what the policies would say, and to whom.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

mod told;
mod unknown;
mod words;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::told::{hangs_on, show};
use self::unknown::{Unknown, probe};
use self::words::{named, thing};
use super::api::{Api, ApiArgs, Failure, end};
use super::exit;
use super::out::complain;

const SUBJECTS: [&str; 2] = ["user", "agent"];
/// The column of what an answer hangs on.
const HANGS_ON: &str = "hangs_on";
/// A thing that is there on every server.
const REGISTRY: &str = "registry:registry";
/// What is done with tools.
const USES: [&str; 2] = ["invoke", "request_credential"];

#[derive(Debug, Args)]
#[command(
    after_help = "A subject is `user:NAME`, `agent:NAME`, `me`, or a name; a resource is `TYPE:NAME`, \
                  or the name of a tool. Exit code 0 says yes, 3 says no; 2 says that nothing is known by \
                  such a name, or that there is no such action."
)]
pub struct CanArgs {
    /// SUBJECT ACTION RESOURCE; with --who ACTION RESOURCE; with --what SUBJECT [ACTION]
    #[arg(value_name = "WORD", required = true, num_args = 1..=3)]
    words: Vec<String>,
    /// Show everybody who can
    #[arg(long, conflicts_with = "what")]
    who: bool,
    /// Show every tool that somebody can use
    #[arg(long)]
    what: bool,
    /// An argument of the call; JSON, or else text
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = argument)]
    arguments: Vec<(String, Value)>,
    /// Suppose that a person confirmed the effects
    #[arg(long)]
    confirm: bool,
    /// A scope of the credential; all that the tool offers when left out
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// How long the credential is to live
    #[arg(long = "ttl", value_name = "SECONDS")]
    ttl_seconds: Option<u64>,
    /// Suppose another time (RFC 3339); counts for those whom policy trusts with it
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Suppose this address; counts for those whom policy trusts with it
    #[arg(long)]
    ip: Option<IpAddr>,
    #[command(flatten)]
    api: ApiArgs,
}

/// What is asked for, by the words that are given.
enum Wanted<'a> {
    Answer { subject: &'a str, action: &'a str, resource: &'a str },
    Subjects { action: &'a str, resource: &'a str },
    Tools { subject: &'a str, actions: Vec<&'a str> },
}

pub async fn run(args: &CanArgs) -> ExitCode {
    let Some(wanted) = args.wanted() else {
        complain(
            "say SUBJECT ACTION RESOURCE, or --who ACTION RESOURCE, or --what SUBJECT [ACTION]",
        );
        return ExitCode::from(exit::USAGE);
    };
    match act(args, wanted).await {
        Ok(Said::Yes) => ExitCode::from(exit::DONE),
        Ok(Said::No) => ExitCode::from(exit::DENIED),
        Ok(Said::Unknown) => ExitCode::from(exit::USAGE),
        Err(failure) => end(Err(failure)),
    }
}

/// How a question was answered; a list is always a yes.
enum Said {
    Yes,
    No,
    /// Something that it names is not known.
    Unknown,
}

async fn act(args: &CanArgs, wanted: Wanted<'_>) -> Result<Said, Failure> {
    let api = Api::open(&args.api).await?;
    match wanted {
        Wanted::Answer { subject, action, resource } => {
            let body = json!({
                "subject": named(&api, subject).await?, "action": args.verb(action),
                "resource": thing(resource), "context": args.context(),
            });
            let told = api.post("/access/v1/evaluation", &body).await?;
            if let Some(unknown) = Unknown::of(&told) {
                if !api.is_for_people() {
                    show(&api, &told);
                }
                unknown.tell(&api, [subject, action, resource]).await?;
                return Ok(Said::Unknown);
            }
            show(&api, &told);
            Ok(if told["decision"] == true { Said::Yes } else { Said::No })
        }
        Wanted::Subjects { action, resource } => {
            let mut found = Vec::new();
            let words = ["me", action, resource];
            for kind in SUBJECTS {
                let body = json!({
                    "subject": { "type": kind }, "action": args.verb(action),
                    "resource": thing(resource), "context": args.context(),
                });
                found.extend(all(&api, "subject", body).await?);
            }
            if found.is_empty() && is_unknown(&api, args, words).await? {
                return Ok(Said::Unknown);
            }
            api.show_all(&flat(found, None), &["type", "name", HANGS_ON, "id"]);
            Ok(Said::Yes)
        }
        Wanted::Tools { subject, actions } => {
            let named = named(&api, subject).await?;
            let mut found = Vec::new();
            let words = [subject, actions.first().copied().unwrap_or_default(), REGISTRY];
            for action in actions {
                let body = json!({
                    "subject": named, "action": args.verb(action),
                    "resource": { "type": "tool" }, "context": args.context(),
                });
                found.extend(flat(all(&api, "resource", body).await?, Some(action)));
            }
            if found.is_empty() && is_unknown(&api, args, words).await? {
                return Ok(Said::Unknown);
            }
            api.show_all(&found, &["name", "action", HANGS_ON, "id"]);
            Ok(Said::Yes)
        }
    }
}

/// Whether a search found nobody because something that it names, SUBJECT ACTION RESOURCE, is not
/// known; then that is told. A search does not say, the answer to one question does.
async fn is_unknown(api: &Api, args: &CanArgs, words: [&str; 3]) -> Result<bool, Failure> {
    let [subject, action, resource] = words;
    let body = json!({
        "subject": named(api, subject).await?, "action": args.verb(action),
        "resource": thing(resource), "context": args.context(),
    });
    let unknown = probe(api, &body).await?;
    if let Some(unknown) = &unknown {
        unknown.tell(api, words).await?;
    }
    Ok(unknown.is_some())
}

impl CanArgs {
    fn wanted(&self) -> Option<Wanted<'_>> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        Some(match (self.who, self.what, words.as_slice()) {
            (false, false, [subject, action, resource]) => {
                Wanted::Answer { subject, action, resource }
            }
            (true, _, [action, resource]) => Wanted::Subjects { action, resource },
            (_, true, [subject]) => Wanted::Tools { subject, actions: USES.to_vec() },
            (_, true, [subject, action]) => Wanted::Tools { subject, actions: vec![action] },
            _ => return None,
        })
    }

    fn verb(&self, name: &str) -> Value {
        let mut properties = Map::new();
        if !self.arguments.is_empty() {
            let arguments: Map<String, Value> = self.arguments.iter().cloned().collect();
            properties.insert("arguments".into(), arguments.into());
        }
        if self.confirm {
            properties.insert("confirm_consequential".into(), true.into());
        }
        if !self.scopes.is_empty() {
            properties.insert("scopes".into(), json!(self.scopes));
        }
        if let Some(seconds) = self.ttl_seconds {
            properties.insert("ttl_seconds".into(), seconds.into());
        }
        json!({ "name": name, "properties": properties })
    }

    fn context(&self) -> Value {
        let mut context = Map::new();
        if let Some(at) = self.at {
            context.insert("time".into(), at.to_string().into());
        }
        if let Some(ip) = self.ip {
            context.insert("ip".into(), ip.to_string().into());
        }
        context.into()
    }
}

/// Every result of a search, page by page, and with their conditions those that hang on arguments.
async fn all(api: &Api, of: &str, mut body: Value) -> Result<Vec<Value>, Failure> {
    let mut found = Vec::new();
    loop {
        let page = api.post(&format!("/access/v1/search/{of}"), &body).await?;
        found.extend(page["results"].as_array().into_iter().flatten().cloned());
        for it in page["context"]["conditional"].as_array().into_iter().flatten() {
            let mut result = it["result"].clone();
            result["conditions"] = it["conditions"].clone();
            found.push(result);
        }
        match page["page"]["next_token"].as_str() {
            None | Some("") => return Ok(found),
            Some(token) => body["page"] = json!({ "token": token }),
        }
    }
}

/// Results as rows of a table: what goes by a name, with its id.
fn flat(found: Vec<Value>, action: Option<&str>) -> Vec<Value> {
    let row = |it: Value| {
        let mut row = json!({
            "type": it["type"], "name": it["id"], "id": it["properties"]["id"],
        });
        if let Some(action) = action {
            row["action"] = action.into();
        }
        if let Some(conditions) = it["conditions"].as_array() {
            let all: BTreeSet<String> = conditions.iter().map(hangs_on).collect();
            row[HANGS_ON] = Vec::from_iter(all).join("; ").into();
            row["conditions"] = it["conditions"].clone();
        }
        row
    };
    found.into_iter().map(row).collect()
}

fn argument(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}
