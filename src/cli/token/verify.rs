//! `gatewright token verify`: the same check that a tool makes, with its reasons.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{ArgGroup, Args};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::keys::{KeySource, file};
use super::{DENIED, DONE, FAILED, Output, TokenText, arguments, fetch};
use crate::clock::Clock;
use crate::credentials::verify::feed::SignedPage;
use crate::credentials::verify::{
    KeysDocument, Reason, Refusal, Request, RevocationList, Revocations, Verified, Verifier,
};

#[derive(Debug, Args)]
#[command(group(
    ArgGroup::new("believed").required(true).args(["root_key", "keys_url", "keys_file"])
))]
pub struct Verify {
    #[command(flatten)]
    token: TokenText,
    #[command(flatten)]
    keys: KeySource,
    #[command(flatten)]
    feed: FeedSource,
    /// The issuer's URL; without it, the one that the keys come with
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The tool that the call goes to
    #[arg(long)]
    tool: String,
    /// The digest of the tool's definition, sha256:…
    #[arg(long)]
    tool_digest: Option<String>,
    /// The scope that the call needs
    #[arg(long)]
    scope: String,
    /// An argument of the call, as name=value or /json/pointer=value
    #[arg(long = "argument", value_name = "NAME=VALUE", value_parser = arguments::argument)]
    arguments: Vec<(String, Value)>,
    /// The thumbprint of a key that the caller proved to hold
    #[arg(long = "holder", value_name = "THUMBPRINT")]
    holders: Vec<String>,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What has been revoked. Without a feed this is not checked, and the answer says so.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Feed {
    /// A file with a page of the revocation feed, or an array of pages
    #[arg(long, value_name = "FILE")]
    feed_file: Option<PathBuf>,
    /// The issuer's revocation feed, …/api/v1/revocations
    #[arg(long, value_name = "URL", value_parser = fetch::url)]
    feed_url: Option<Url>,
}

#[derive(Debug, Args)]
struct FeedSource {
    #[command(flatten)]
    source: Feed,
    /// Refuse when the feed is older than this
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    max_feed_age: u32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Pages {
    One(Box<SignedPage>),
    Many(Vec<SignedPage>),
}

impl Verify {
    pub(super) async fn run(&self, out: &mut impl Write, clock: &Clock) -> anyhow::Result<u8> {
        let token = self.token.read()?;
        match self.answer(&token, clock).await? {
            Ok(it) => {
                self.admitted(out, &it, clock.now())?;
                Ok(DONE)
            }
            Err(it) => {
                self.refused(out, &it)?;
                Ok(if it.reason == Reason::Limits { FAILED } else { DENIED })
            }
        }
    }

    async fn answer(
        &self,
        token: &str,
        clock: &Clock,
    ) -> anyhow::Result<Result<Verified, Refusal>> {
        let keys = match self.keys.read(token).await?.context("no key was named")? {
            Ok(it) => it,
            Err(it) => return Ok(Err(it)),
        };
        let list = self.feed.read(&keys, clock).await?;
        let revocations = list.as_ref().map_or(Revocations::Unchecked, Revocations::Listed);
        let verifier = Verifier::new(&keys, self.issuer.as_deref().unwrap_or(&keys.issuer))?
            .tool(&self.tool, self.tool_digest.as_deref())
            .max_feed_age(SignedDuration::from_secs(self.feed.max_feed_age.into()));
        let request = self.request()?;
        Ok(verifier.verify(token, &request, revocations, clock.now()))
    }

    fn request(&self) -> anyhow::Result<Request> {
        let request = self.holders.iter().fold(Request::new(&self.scope), Request::holder_proved);
        let mut arguments = self.arguments.iter();
        Ok(arguments.try_fold(request, |it, (pointer, value)| it.argument(pointer, value))?)
    }

    fn admitted(&self, out: &mut impl Write, it: &Verified, now: Timestamp) -> anyhow::Result<()> {
        let feed_age = it.feed_age.map(|it| it.as_secs());
        if self.output == Output::Json {
            let answer = json!({
                "valid": true,
                "credential_id": it.credential_id,
                "decision_id": it.decision_id,
                "agent": it.agent,
                "agent_name": it.agent_name,
                "on_behalf_of": it.on_behalf_of,
                "scopes": it.scopes,
                "expires_at": it.expires_at,
                "holder": it.holder,
                "revocation_ids": it.revocation_ids,
                "feed_age_seconds": feed_age,
            });
            writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
            return Ok(());
        }
        let scopes: Vec<&str> = it.scopes.iter().map(String::as_str).collect();
        let left = now.duration_until(it.expires_at).as_secs();
        writeln!(out, "valid")?;
        writeln!(out, "credential  {}", it.credential_id)?;
        writeln!(out, "agent       {} ({})", it.agent_name.escape_debug(), it.agent)?;
        if let Some(user) = &it.on_behalf_of {
            writeln!(out, "for         {user}")?;
        }
        writeln!(out, "scopes      {}", scopes.join(" "))?;
        writeln!(out, "expires     {} (in {left} s)", it.expires_at)?;
        match feed_age {
            Some(age) => writeln!(out, "revocation  not on the feed of {age} s ago")?,
            None => writeln!(out, "revocation  not checked: no feed was named")?,
        }
        Ok(())
    }

    fn refused(&self, out: &mut impl Write, it: &Refusal) -> anyhow::Result<()> {
        match self.output {
            Output::Text => writeln!(out, "refused: {it}")?,
            Output::Json => {
                let answer = json!({
                    "valid": false,
                    "reason": it.reason,
                    "detail": it.detail,
                    "credential_id": it.credential_id,
                });
                writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
            }
        }
        Ok(())
    }
}

impl FeedSource {
    async fn read(
        &self,
        keys: &KeysDocument,
        clock: &Clock,
    ) -> anyhow::Result<Option<RevocationList>> {
        if let Some(url) = &self.source.feed_url {
            return Ok(Some(fetch::feed(url, keys, clock).await?));
        }
        let Some(path) = &self.source.feed_file else { return Ok(None) };
        let pages = match file(path)? {
            Pages::One(it) => vec![*it],
            Pages::Many(it) => it,
        };
        let mut list = RevocationList::default();
        for page in pages {
            list.apply(page.check(keys, clock.now())?)?;
        }
        Ok(Some(list))
    }
}
