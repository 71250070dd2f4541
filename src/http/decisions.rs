//! `/api/v1/decisions`

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::tagged;
use crate::audit::{Actor, Decision, Entry};
use crate::authz::Permit;
use crate::authz::explain::{Explanation, Sight};
use crate::decisions::{ExplainDecision, Explained, ShowDecision, Told};
use crate::policy::Bundle;
use crate::{App, Error, Result};

/// A decision as it was recorded.
#[derive(Serialize, JsonSchema)]
pub struct DecisionView {
    id: Uuid,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// In the API's words, such as `tool.invoke`.
    event: String,
    /// The action as policies know it.
    action: String,
    /// `allow` or `deny`.
    decision: &'static str,
    /// How it ended: `success`, `denied`, `conflict` or `failed`.
    outcome: &'static str,
    actor: Party,
    /// What it was about; without its name for whoever may not see it.
    target: Party,
    /// In whose name it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<String>,
    /// The policies that decided.
    policies: Vec<PolicyThatDecided>,
    /// The digest of the bundle that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<String>,
    /// What the policies were told besides who asked what about whom: what the request itself says
    /// and comes with.
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Value>,
    /// Principals and resource as they were, for auditors, in Cedar's JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Value>,
    /// What failed while deciding, for auditors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    errors: Vec<String>,
    /// Why it cannot be made again, where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_replayable: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Party {
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
}

#[derive(Serialize, JsonSchema)]
pub struct PolicyThatDecided {
    id: String,
    /// Missing where no bundle at hand has the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

/// Why a decision is what it is.
#[derive(Serialize, JsonSchema)]
pub struct ExplainAnswer {
    id: Uuid,
    created_at: Timestamp,
    event: String,
    /// As it was decided then.
    recorded: &'static str,
    /// The digest of the bundle that decided.
    bundle: Option<String>,
    /// The digest of the bundle that was asked again.
    explained_by: Option<String>,
    /// None where the decision cannot be made again; the notes say why.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
    /// The policies that were recorded.
    policies: Vec<PolicyThatDecided>,
    /// What the policies were told, where there is no explanation that tells of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    notes: Vec<String>,
}

pub fn parse_show(call: &Call) -> Result<ShowDecision> {
    Ok(ShowDecision(call.id("decision")?))
}

pub async fn get(app: Arc<App>, permit: Permit<ShowDecision>) -> Result<Response> {
    let told = permit.resource();
    let case = told.case();
    let sight = app.authz.sight(permit.caller(), told, case.as_ref().ok())?;
    let entry = &*told.entry;
    let view = DecisionView {
        id: entry.id,
        created_at: entry.at,
        updated_at: entry.at,
        event: entry.event.clone(),
        action: entry.action.clone().unwrap_or_default(),
        decision: said(entry.decision),
        outcome: entry.outcome.as_str(),
        actor: actor(&entry.actor),
        target: target(told, &sight),
        on_behalf_of: text(entry, "on_behalf_of"),
        policies: policies(&app.authz.bundle(), entry),
        bundle: entry.bundle.clone(),
        facts: facts(entry, &sight)?,
        asked: everything(entry, &sight)?,
        errors: if sight.everything { entry.errors.clone() } else { Vec::new() },
        not_replayable: case.err().map(|it| it.to_string()),
    };
    // What was decided never changes.
    Ok(tagged(&view, 1, StatusCode::OK))
}

pub fn parse_explain(call: &Call) -> Result<ExplainDecision> {
    let as_text = call.header("accept").is_some_and(|it| wants_text(&it));
    Ok(ExplainDecision { id: call.id("decision")?, as_text })
}

pub async fn explain(app: Arc<App>, permit: Permit<ExplainDecision>) -> Result<Response> {
    let told = permit.resource();
    let case = told.case();
    let sight = app.authz.sight(permit.caller(), told, case.as_ref().ok())?;
    let explained = match case {
        Ok(case) => app.explain(permit.caller(), told, (case, sight.clone())).await?,
        Err(why) => Explained {
            explanation: None,
            bundle: app.authz.bundle(),
            notes: vec![format!("the decision cannot be made again: {why}")],
        },
    };
    let answer = answer(told, explained, &sight)?;
    if !permit.action().as_text {
        return Ok(json(&answer).into_response());
    }
    let mut response = answer.text().into_response();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Whether plain text is asked for, and JSON is not.
fn wants_text(accept: &str) -> bool {
    let kinds = || accept.split(',').map(|it| it.split(';').next().unwrap_or_default().trim());
    kinds().any(|it| it == "text/plain") && !kinds().any(|it| it == "application/json")
}

fn answer(told: &Told, explained: Explained, sight: &Sight) -> Result<ExplainAnswer> {
    let entry = &*told.entry;
    let Explained { explanation, bundle, notes } = explained;
    let facts = match &explanation {
        Some(_) => None,
        None => facts(entry, sight)?,
    };
    Ok(ExplainAnswer {
        id: entry.id,
        created_at: entry.at,
        event: entry.event.clone(),
        recorded: said(entry.decision),
        bundle: entry.bundle.clone(),
        explained_by: explanation.as_ref().map(|_| bundle.digest().to_owned()),
        policies: policies(&bundle, entry),
        explanation,
        facts,
        notes,
    })
}

impl ExplainAnswer {
    fn text(&self) -> String {
        let mut text = format!("{} {} at {}\n", self.event, self.id, self.created_at);
        match &self.explanation {
            Some(it) => text.push_str(&it.to_string()),
            None => {
                text.push_str(&format!("recorded: {}\n", self.recorded));
                for it in &self.policies {
                    let title = it.title.as_deref().unwrap_or("is not in force any more");
                    text.push_str(&format!("  {}: {title}\n", it.id));
                }
                if let Some(facts) = &self.facts {
                    text.push_str(&format!("facts: {facts}\n"));
                }
            }
        }
        for it in &self.notes {
            text.push_str(&format!("note: {it}\n"));
        }
        text
    }
}

fn said(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
    }
}

fn actor(it: &Actor) -> Party {
    Party { kind: it.kind.clone(), id: it.id.clone(), name: it.name.clone() }
}

fn target(told: &Told, sight: &Sight) -> Party {
    let it = &told.entry.target;
    let is_seen = |id: &str| sight.of.iter().any(|seen| seen.id().unescaped() == id);
    match sight.everything || is_seen(&it.id) {
        true => Party { kind: it.kind.clone(), id: it.id.clone(), name: it.name.clone() },
        false => Party { kind: it.kind.clone(), id: String::new(), name: String::new() },
    }
}

fn policies(bundle: &Bundle, entry: &Entry) -> Vec<PolicyThatDecided> {
    let links = entry.asked.iter().flat_map(|it| &it.links);
    let templates: Vec<_> = links.map(|it| (it.id.clone(), it.template.clone())).collect();
    let named = |id: &String| {
        let template = templates.iter().find(|(link, _)| link == id).map(|it| &it.1);
        let title = bundle.meta(template.unwrap_or(id)).map(|it| it.title.clone());
        PolicyThatDecided { id: id.clone(), title }
    };
    entry.reasons.iter().map(named).collect()
}

fn text(entry: &Entry, key: &str) -> Option<String> {
    entry.details.get(key)?.as_str().map(str::to_owned)
}

/// The facts; of an approval, not who gave it, but for auditors.
fn facts(entry: &Entry, sight: &Sight) -> Result<Option<Value>> {
    let Some(facts) = &entry.facts else { return Ok(None) };
    let mut facts: Value = serde_json::from_str(facts.get()).map_err(anyhow::Error::from)?;
    let approval = facts.pointer_mut("/particulars/approval").and_then(Value::as_object_mut);
    if let (false, Some(approval)) = (sight.everything, approval) {
        approval.retain(|key, _| ["id", "state", "digest", "expires_at"].contains(&key.as_str()));
    }
    Ok(Some(facts))
}

fn everything(entry: &Entry, sight: &Sight) -> Result<Option<Value>> {
    let asked = entry.asked.as_ref().filter(|_| sight.everything);
    let asked = asked.map(serde_json::to_value).transpose();
    asked.map_err(|it| Error::Internal(it.into()))
}
