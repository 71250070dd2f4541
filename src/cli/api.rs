//! What the commands of the API share: which server, as whom, and how its answers are told.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::env::VarError;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::exit;
use super::host::password;
use super::out::{complain, say};
use super::token::fetch::url;

#[derive(Debug, Args)]
pub struct ApiArgs {
    /// The server
    #[arg(long, global = true, env = "GATEWRIGHT_URL", default_value = "http://127.0.0.1:8080",
          value_parser = url)]
    url: Url,
    /// File that holds an access token or an API key; without it, the variable GATEWRIGHT_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Prove the password again, for what needs an elevated token: one line of standard input
    #[arg(long, global = true)]
    password_stdin: bool,
    /// A code of the second factor, where one is enrolled
    #[arg(long, global = true, requires = "password_stdin", value_name = "CODE")]
    otp: Option<String>,
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

/// A server, and how to show what it says.
pub struct Api {
    client: Client,
    output: Output,
}

/// Nobody says who asks.
#[derive(Debug, thiserror::Error)]
#[error(
    "nobody is signed in: give an access token or an API key, in the variable GATEWRIGHT_TOKEN or as \
     --token-file FILE; POST /api/v1/auth/login answers with a token, and `gatewright key create` \
     makes keys"
)]
struct NotSignedIn;

/// Why a command did not do what it is for.
#[derive(Debug)]
pub enum Failure {
    /// The server said so.
    Refused {
        status: u16,
        problem: Value,
    },
    /// What was asked for can be read in more than one way.
    Usage(String),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Other(error)
    }
}

impl ApiArgs {
    /// Whether a table is asked for, not JSON.
    pub fn is_for_people(&self) -> bool {
        self.output == Output::Table
    }
}

impl Api {
    /// Elevates the token first, where the password came with it.
    pub async fn open(args: &ApiArgs) -> Result<Api, Failure> {
        let token = token(args.token_file.as_deref())?;
        let client = Client::new(args.url.as_str())?.with_bearer(&token);
        let api = Api { client, output: args.output };
        if !args.password_stdin {
            return Ok(api);
        }
        let mut proof = json!({ "password": password()?.expose_secret() });
        if let Some(otp) = &args.otp {
            proof["otp"] = otp.as_str().into();
        }
        let elevated = api.post("/api/v1/auth/elevate", &proof).await?;
        Ok(Api { client: api.client.with_token(&elevated)?, ..api })
    }

    /// A server that is only asked, for commands that can do without one.
    pub fn at(url: &Url, token_file: Option<&Path>) -> Result<Api, Failure> {
        let client = Client::new(url.as_str())?.with_bearer(&token(token_file)?);
        Ok(Api { client, output: Output::Json })
    }

    /// The same, for answers that take a while.
    pub fn patient(self) -> Api {
        Api { client: self.client.patient(), ..self }
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        done(self.client.get(path).await?)
    }

    /// What there is for people to read.
    pub async fn text(&self, path: &str) -> Result<String, Failure> {
        match self.client.plain(path).await? {
            (status, text) if status.is_success() => Ok(text),
            (status, text) => {
                let problem = serde_json::from_str(&text).unwrap_or_default();
                Err(Failure::Refused { status: status.as_u16(), problem })
            }
        }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        done(self.client.post(path, body).await?)
    }

    /// A `POST` whose answer takes work; without a body where `body` is null.
    pub async fn work(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        done(self.client.work(path, body).await?)
    }

    /// A `POST` that takes no body.
    pub async fn act(&self, path: &str) -> Result<Value, Failure> {
        done(self.client.act(path).await?)
    }

    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        done(self.client.delete(path).await?)
    }

    /// Every member of a list; `query` begins with `&`, where there is one.
    pub async fn list(&self, path: &str, query: &str) -> Result<Vec<Value>, Failure> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}?page_size=200&page_token={token}{query}")).await?;
            all.extend(page["items"].as_array().into_iter().flatten().cloned());
            token = text(&page["next_page_token"]);
            if token.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Whether a table is asked for, not JSON.
    pub fn is_for_people(&self) -> bool {
        self.output == Output::Table
    }

    /// Members as a table of these fields, or as JSON.
    pub fn show_all(&self, members: &[Value], fields: &[&str]) {
        match self.output {
            Output::Json => say(&format!("{:#}", Value::from(members.to_vec()))),
            Output::Table => say(table(members, fields).trim_end()),
        }
    }

    /// One member: its fields below each other, or as JSON.
    pub fn show(&self, member: &Value) {
        match (self.output, member.as_object()) {
            (Output::Table, Some(fields)) => {
                let width = fields.keys().map(String::len).max().unwrap_or_default();
                for (name, value) in fields.iter().filter(|(_, it)| !it.is_null()) {
                    say(&format!("{name:width$}  {}", text(value)));
                }
            }
            _ => say(&format!("{member:#}")),
        }
    }
}

/// The exit code for how a command ended, once what went wrong is told.
pub fn end(ended: Result<(), Failure>) -> ExitCode {
    let code = match ended {
        Ok(()) => exit::DONE,
        Err(Failure::Refused { status, problem }) => {
            tell(status, &problem);
            match status {
                401 => exit::UNAUTHENTICATED,
                403 => exit::DENIED,
                _ => exit::FAILED,
            }
        }
        Err(Failure::Usage(why)) => {
            complain(&why);
            exit::USAGE
        }
        Err(Failure::Other(error)) => {
            complain(&format!("{error:#}"));
            let sent = error.downcast_ref::<reqwest::Error>();
            match sent.is_some_and(|it| it.is_connect() || it.is_timeout()) {
                true => exit::UNREACHABLE,
                false if error.is::<NotSignedIn>() => exit::UNAUTHENTICATED,
                false => exit::FAILED,
            }
        }
    };
    ExitCode::from(code)
}

/// What is wrong, and what would mend it.
fn tell(status: u16, problem: &Value) {
    let detail = problem["detail"].as_str().unwrap_or("without saying why");
    complain(&format!("the server answered {status}: {detail}"));
    for fault in problem["errors"].as_array().into_iter().flatten() {
        complain(&format!("  {} {}", text(&fault["pointer"]), text(&fault["detail"])));
    }
    for fix in problem["fix"].as_array().into_iter().flatten() {
        let how = match fix["kind"].as_str() {
            Some("reauth") => "add --password-stdin, and --otp where a second factor is enrolled",
            _ => fix["detail"].as_str().unwrap_or_default(),
        };
        complain(&format!("  what would help: {how}"));
    }
}

fn done(Answer { status, body }: Answer) -> Result<Value, Failure> {
    match status.is_success() {
        true => Ok(body),
        false => Err(Failure::Refused { status: status.as_u16(), problem: body }),
    }
}

fn token(file: Option<&Path>) -> anyhow::Result<SecretString> {
    let given = match file {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the token file `{}`", path.display()))?,
        None => match std::env::var("GATEWRIGHT_TOKEN") {
            Err(VarError::NotPresent) => return Err(NotSignedIn.into()),
            given => given.context("GATEWRIGHT_TOKEN holds no token")?,
        },
    };
    let token = given.trim();
    if token.is_empty() {
        return Err(NotSignedIn.into());
    }
    // Anything else would be no header, and the complaint about it might show it.
    anyhow::ensure!(token.bytes().all(|it| it.is_ascii_graphic()), "what is given is no token");
    Ok(token.into())
}

/// Rows under a header, in columns as wide as they must be.
fn table(members: &[Value], fields: &[&str]) -> String {
    let row = |it: &Value| fields.iter().map(|field| text(&it[field])).collect::<Vec<String>>();
    let header = fields.iter().map(|it| it.to_uppercase()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(members.iter().map(row)).collect();
    let widths: Vec<usize> = (0..fields.len())
        .map(|column| {
            rows.iter().filter_map(|it| it.get(column)).map(|it| it.chars().count()).max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// A value as people read it: a list as its members, nothing for what is not there.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(it) => it.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest() {
        let members = [
            json!({ "id": "1", "name": "a long name", "scopes": ["x", "y"] }),
            json!({ "id": "22", "name": "ä", "scopes": [], "more": 1 }),
        ];
        let shown = table(&members, &["id", "name", "scopes"]);
        assert_eq!(shown, "ID  NAME         SCOPES\n1   a long name  x y\n22  ä\n");
    }
}
