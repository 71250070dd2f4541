//! `gatewright token …`: look into a credential, narrow it, check it; no server needed.

mod arguments;
pub(super) mod fetch;
mod keys;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use crate::clock::Clock;
use crate::credentials::attenuate::{ArgumentCheck, Narrowing, attenuate};
use crate::credentials::inspect::inspect;
use crate::credentials::verify::{TOKEN_BYTES_MAX, Verifier};

/// Done as asked.
const DONE: u8 = 0;
/// Could not be done.
const FAILED: u8 = 1;
/// Asked for in a way that makes no sense.
const USAGE: u8 = 2;
/// The credential does not admit the call.
const DENIED: u8 = 3;
/// A URL that was named does not answer.
const UNREACHABLE: u8 = 5;

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Show what a token says, without verifying anything
    Inspect(Inspect),
    /// Narrow a token offline: fewer scopes, sooner expiry, certain arguments, another key
    Attenuate(Box<Attenuate>),
    /// Check a token offline, as a tool does
    Verify(Box<verify::Verify>),
}

#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    token: TokenText,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Args)]
pub struct Attenuate {
    #[command(flatten)]
    token: TokenText,
    /// With a key named, a token that the issuer did not sign is refused; narrowing needs none
    #[command(flatten)]
    keys: keys::KeySource,
    /// Keep this scope; give it once per scope to keep
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Expire at this instant (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "ttl_seconds")]
    expires_at: Option<Timestamp>,
    /// Expire so many seconds from now
    #[arg(long, value_name = "SECONDS")]
    ttl_seconds: Option<u32>,
    /// Admit only such a value: amount<=500, lang=de, lang=["de","fr"], url^=https://
    #[arg(long = "argument", value_name = "CONDITION", value_parser = arguments::condition)]
    arguments: Vec<ArgumentCheck>,
    /// Admit only who proves the key with this JWK thumbprint (RFC 7638)
    #[arg(long, value_name = "THUMBPRINT")]
    holder: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// A token is given as an argument or, out of sight of other users, on standard input.
#[derive(Args)]
struct TokenText {
    /// The token, or `-` to read it from standard input
    token: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Text,
    Json,
}

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenText(..)")
    }
}

impl TokenText {
    fn read(&self) -> anyhow::Result<String> {
        if self.token != "-" {
            return Ok(self.token.clone());
        }
        let mut text = String::new();
        // Base64 adds a third, and the newline one more.
        let longest = 2 * TOKEN_BYTES_MAX as u64;
        io::stdin().take(longest).read_to_string(&mut text).context("cannot read the token")?;
        Ok(text.trim().to_owned())
    }
}

/// Runs one command; its findings go to standard output. The exit code is the contract's, an
/// error is for the caller to print.
pub async fn run(command: TokenCommand, clock: &Clock) -> anyhow::Result<ExitCode> {
    let mut out = Vec::new();
    let code = answer(command, clock, &mut out).await?;
    io::stdout().lock().write_all(&out)?;
    Ok(ExitCode::from(code))
}

async fn answer(command: TokenCommand, clock: &Clock, out: &mut impl Write) -> anyhow::Result<u8> {
    let answered = match command {
        TokenCommand::Inspect(it) => it.run(out),
        TokenCommand::Attenuate(it) => it.run(out, clock).await,
        TokenCommand::Verify(it) => it.run(out, clock).await,
    };
    match answered {
        Err(it) if it.is::<fetch::Unreachable>() => {
            writeln!(io::stderr(), "{it:#}")?;
            Ok(UNREACHABLE)
        }
        it => it,
    }
}

impl Inspect {
    fn run(&self, out: &mut impl Write) -> anyhow::Result<u8> {
        let inspection = inspect(&self.token.read()?)?;
        match self.output {
            Output::Text => write!(out, "{inspection}")?,
            Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&inspection)?)?,
        }
        Ok(DONE)
    }
}

impl Attenuate {
    async fn run(&self, out: &mut impl Write, clock: &Clock) -> anyhow::Result<u8> {
        let narrowing = self.narrowing(clock.now())?;
        if narrowing == Narrowing::default() {
            writeln!(io::stderr(), "name at least one thing to narrow; see --help")?;
            return Ok(USAGE);
        }
        let token = self.token.read()?;
        if let Some(keys) = self.keys.read(&token).await? {
            let opened = match keys {
                Ok(it) => Verifier::new(&it, &it.issuer)?.open(&token, clock.now()).map(drop),
                Err(it) => Err(it),
            };
            if let Err(it) = opened {
                writeln!(io::stderr(), "refused: {it}")?;
                return Ok(DENIED);
            }
        }
        let token = attenuate(&token, &narrowing)?;
        match self.output {
            Output::Text => writeln!(out, "{}", token.expose_secret())?,
            Output::Json => {
                let inspection = inspect(token.expose_secret())?;
                let expires_at = inspection.credential.map(|it| it.expires_at);
                let answer = serde_json::json!({
                    "token": token.expose_secret(),
                    "expires_at": expires_at,
                    "blocks": inspection.blocks.len(),
                    "revocation_ids":
                        inspection.blocks.iter().map(|it| &it.revocation_id).collect::<Vec<_>>(),
                });
                writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
            }
        }
        Ok(DONE)
    }

    fn narrowing(&self, now: Timestamp) -> anyhow::Result<Narrowing> {
        let scopes: BTreeSet<String> = self.scopes.iter().cloned().collect();
        let in_a_while = |seconds: u32| now.checked_add(SignedDuration::from_secs(seconds.into()));
        let expires_at = match self.ttl_seconds {
            Some(it) => Some(in_a_while(it)?),
            None => self.expires_at,
        };
        Ok(Narrowing {
            scopes: Some(scopes).filter(|it| !it.is_empty()),
            expires_at,
            arguments: self.arguments.clone(),
            holder: self.holder.clone(),
        })
    }
}
