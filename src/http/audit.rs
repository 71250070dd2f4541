//! `/api/v1/audit-events`, `/api/v1/audit/…`

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use warp::http::{HeaderValue, header};
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use crate::audit::query::{ProveConsistency, ProveEntry, ReadAudit, Stored};
use crate::authz::Permit;
use crate::{App, Error, Result};

/// Pages are counted up to here; further back, tokens go on.
const PAGE_MAX: i64 = 10_000;

pub const FILTERS: &[(&str, &str)] = &[
    ("actor_user_id", "Only what this principal did."),
    ("actor", "Only what the principal of this name did."),
    ("action", "Only this event, such as `tool.create`."),
    ("target_id", "Only what was done to this."),
    ("outcome", "`success`, `denied`, `conflict` or `failed`."),
    ("decision_id", "Only this decision."),
    ("from_timestamp", "RFC 3339, inclusive."),
    ("to_timestamp", "RFC 3339, exclusive."),
    ("q", "Part of the entry's text, without regard to case."),
    ("page_size", "1 to 200, 50 by default."),
    ("page_token", "`next_page_token` of the page before."),
    ("page", "The number of the page, from 1, instead of a token."),
];

/// The schema of a page, for the API document: entries are shown as they were written.
#[derive(Serialize, JsonSchema)]
pub struct EventPage {
    items: Vec<Event>,
    next_page_token: String,
}

#[derive(Serialize, JsonSchema)]
pub struct Event {
    /// The entry's place in the tree.
    seq: i64,
    /// Exactly what was hashed into the tree.
    entry: Value,
}

#[derive(Serialize, JsonSchema)]
pub struct InclusionAnswer {
    seq: u64,
    /// Hexadecimal, like all hashes here.
    leaf: String,
    tree_size: u64,
    hashes: Vec<String>,
    /// The signed head that the proof leads to.
    checkpoint: String,
}

#[derive(Serialize, JsonSchema)]
pub struct ConsistencyAnswer {
    from: u64,
    to: u64,
    hashes: Vec<String>,
    checkpoint: String,
}

pub fn parse_read(call: &Call) -> Result<ReadAudit> {
    let mut query = call.query();
    let page_size = query.page_size() as i64;
    let number = query.parsed::<i64>("page", "a number from 1").unwrap_or(1);
    if !(1..=PAGE_MAX).contains(&number) {
        query.fault("page", &format!("must be from 1 to {PAGE_MAX}"));
    }
    let owned = |it: Option<&str>| it.unwrap_or_default().to_owned();
    let instant = "an RFC 3339 timestamp such as 2026-11-21T22:15:00Z";
    let micros = |it: Option<Timestamp>| it.map(Timestamp::as_microsecond);
    let read = ReadAudit {
        actor_id: owned(query.text("actor_user_id")),
        actor: owned(query.text("actor")),
        event: owned(query.text("action")),
        target_id: owned(query.text("target_id")),
        outcome: owned(query.text("outcome")),
        decision_id: owned(query.text("decision_id")),
        from: micros(query.parsed("from_timestamp", instant)).unwrap_or(i64::MIN),
        to: micros(query.parsed("to_timestamp", instant)).unwrap_or(i64::MAX),
        q: owned(query.text("q")),
        before: query.parsed("page_token", "a token from the page before").unwrap_or(i64::MAX),
        skip: (number.clamp(1, PAGE_MAX) - 1) * page_size,
        page_size,
    };
    query.end()?;
    Ok(read)
}

pub async fn read(app: Arc<App>, permit: Permit<ReadAudit>) -> Result<Response> {
    let mut items = app.audit.read(&permit).await?;
    let size = usize::try_from(permit.action().page_size).unwrap_or_default();
    let more = items.len() > size;
    items.truncate(size);
    let last = items.last().filter(|_| more).map(|it| it.seq.to_string());
    #[derive(Serialize)]
    struct Page {
        items: Vec<Stored>,
        next_page_token: String,
    }
    Ok(json(&Page { items, next_page_token: last.unwrap_or_default() }).into_response())
}

pub fn parse_proof(call: &Call) -> Result<ProveEntry> {
    let mut query = call.query();
    let seq = query.parsed("seq", "the place of an entry");
    query.end()?;
    let seq = seq.ok_or_else(|| Error::field("?seq", "is missing: the place of an entry"))?;
    Ok(ProveEntry { seq })
}

pub async fn proof(app: Arc<App>, permit: Permit<ProveEntry>) -> Result<Response> {
    let proof = app.audit.prove_entry(&permit).await?;
    let answer = InclusionAnswer {
        seq: proof.seq,
        leaf: hex::encode(proof.leaf.0),
        tree_size: proof.tree_size,
        hashes: proof.hashes.iter().map(|it| hex::encode(it.0)).collect(),
        checkpoint: proof.checkpoint,
    };
    Ok(json(&answer).into_response())
}

pub fn parse_consistency(call: &Call) -> Result<ProveConsistency> {
    let mut query = call.query();
    let (from, to) = (query.parsed("from", "a tree size"), query.parsed("to", "a tree size"));
    query.end()?;
    let from = from.ok_or_else(|| Error::field("?from", "is missing: the older tree size"))?;
    Ok(ProveConsistency { from, to })
}

pub async fn consistency(app: Arc<App>, permit: Permit<ProveConsistency>) -> Result<Response> {
    let proof = app.audit.prove_consistency(&permit).await?;
    let answer = ConsistencyAnswer {
        from: proof.from,
        to: proof.to,
        hashes: proof.hashes.iter().map(|it| hex::encode(it.0)).collect(),
        checkpoint: proof.checkpoint,
    };
    Ok(json(&answer).into_response())
}

/// Public: whoever keeps a copy can later tell whether the past was changed.
pub async fn checkpoint(app: Arc<App>, _: Call) -> Result<Response> {
    let note = app.audit.checkpoint().await?.ok_or(Error::NotFound)?;
    let mut response = note.into_response();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
