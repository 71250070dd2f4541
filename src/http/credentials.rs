//! `/api/v1/credentials`, and `/api/v1/tools/{tool}/access`

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::{created, no_content, page, tagged, time};
use crate::authn::Caller;
use crate::authz::{Permit, Visible};
use crate::credentials::attenuate::{Admits, ArgumentCheck};
use crate::credentials::{
    Credential, ListCredentials, RequestCredential, RevokeCredential, ShowCredential, ToolRef, Ttl,
    Validation,
};
use crate::directory::Kind;
use crate::error::FieldFault;
use crate::registry::is_word;
use crate::{App, Error, Result};

const SCOPES_MAX: usize = 64;
const CONSTRAINTS_MAX: usize = 32;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessBody {
    /// The tool's own words, from its `scopes`.
    scopes: BTreeSet<String>,
    /// The server's default, or what the tool allows if that is less, when left out.
    ttl_seconds: Option<u64>,
    /// Conditions on the arguments of every call.
    #[serde(default)]
    constraints: Vec<Constraint>,
    /// The RFC 7638 thumbprint of the key that each use must prove.
    holder_key: Option<String>,
    /// For agents: the id of the user to act for, by the newest mandate that holds.
    on_behalf_of: Option<Uuid>,
}

/// A condition on one argument: exactly one of the comparisons.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// Where the argument is, as a JSON pointer such as `/amount`.
    pointer: String,
    equal: Option<Value>,
    one_of: Option<Vec<Value>>,
    at_most: Option<Number>,
    at_least: Option<Number>,
    prefix: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CredentialBody")]
pub struct RequestBody {
    /// The id or the name of the tool.
    tool: String,
    scopes: BTreeSet<String>,
    ttl_seconds: Option<u64>,
    #[serde(default)]
    constraints: Vec<Constraint>,
    holder_key: Option<String>,
    on_behalf_of: Option<Uuid>,
}

#[derive(Serialize, JsonSchema)]
pub struct AccessAnswer {
    decision_id: Uuid,
    credential: Vended,
}

/// A credential, this once with its token.
#[derive(Serialize, JsonSchema)]
pub struct Vended {
    credential_id: String,
    /// A Biscuit in URL-safe base64.
    token: String,
    scopes: BTreeSet<String>,
    expires_at: Timestamp,
    revocation_ids: Vec<String>,
    root_key_id: u32,
}

#[derive(Serialize, JsonSchema)]
pub struct CredentialView {
    id: Uuid,
    decision_id: Uuid,
    tool_id: Uuid,
    tool: String,
    principal_kind: Kind,
    principal_id: Uuid,
    /// The user in whose name an agent holds it.
    on_behalf_of: Option<Uuid>,
    mandate_id: Option<Uuid>,
    scopes: BTreeSet<String>,
    root_key_id: u32,
    revocation_ids: Vec<String>,
    /// `issued` or `revoked`; whether it has expired, `expires_at` tells.
    state: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
    expires_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateBody {
    #[schemars(with = "String")]
    token: SecretString,
    /// The name of the tool that was shown the token.
    tool: String,
    scope: String,
    /// What the call passes. Credentials that were narrowed to certain arguments need it, and those
    /// that are `online_only`: of these, every yes counts as a call with these arguments.
    arguments: Option<Value>,
}

#[derive(Default, Serialize, JsonSchema)]
pub struct ValidateAnswer {
    valid: bool,
    /// One word; only when not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<String>,
    /// The id of the principal that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_name: Option<String>,
    /// The user in whose name it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<String>,
    /// What it admits after every narrowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

pub const FILTERS: &[(&str, &str)] = &[
    ("principal", "Only those of this principal."),
    ("tool", "Only those for the tool with this id."),
    ("page_size", "1 to 200, 50 by default."),
    ("page_token", "`next_page_token` of the page before."),
];

pub fn parse_access(call: &Call) -> Result<RequestCredential> {
    let AccessBody { scopes, ttl_seconds, constraints, holder_key, on_behalf_of } = call.json()?;
    let ttl = ttl(call, ttl_seconds);
    let constraints = conditions(constraints)?;
    let tool = ToolRef::Id(call.id("tool")?);
    checked(RequestCredential { tool, scopes, ttl, on_behalf_of, holder_key, constraints })
}

pub fn parse_request(call: &Call) -> Result<RequestCredential> {
    let body: RequestBody = call.json()?;
    let RequestBody { tool, scopes, ttl_seconds, constraints, holder_key, on_behalf_of } = body;
    let ttl = ttl(call, ttl_seconds);
    let constraints = conditions(constraints)?;
    let tool = tool.parse().map_or(ToolRef::Name(tool), ToolRef::Id);
    checked(RequestCredential { tool, scopes, ttl, on_behalf_of, holder_key, constraints })
}

/// How long is too long is for the policies to say; Cedar just has to be able to say it.
fn ttl(call: &Call, asked: Option<u64>) -> Ttl {
    match asked {
        Some(it) => Ttl::Seconds(it.min(u64::from(u32::MAX))),
        None => Ttl::AtMost(call.credential_ttl_seconds),
    }
}

fn conditions(constraints: Vec<Constraint>) -> Result<Vec<ArgumentCheck>> {
    if constraints.len() > CONSTRAINTS_MAX {
        return Err(Error::field("/constraints", format!("holds more than {CONSTRAINTS_MAX}")));
    }
    let one = |(index, it): (usize, Constraint)| {
        let mut given = [
            it.equal.map(Admits::Equal),
            it.one_of.map(Admits::OneOf),
            it.at_most.map(Admits::AtMost),
            it.at_least.map(Admits::AtLeast),
            it.prefix.map(Admits::Prefix),
        ]
        .into_iter()
        .flatten();
        match (given.next(), given.next()) {
            (Some(_), None) if !it.pointer.starts_with('/') => Err(Error::field(
                &format!("/constraints/{index}/pointer"),
                "must be a JSON pointer that begins with `/`, such as `/amount`",
            )),
            (Some(admits), None) => Ok(ArgumentCheck { pointer: it.pointer, admits }),
            _ => Err(Error::field(
                &format!("/constraints/{index}"),
                "must hold exactly one of equal, one_of, at_most, at_least, prefix",
            )),
        }
    };
    constraints.into_iter().enumerate().map(one).collect()
}

fn checked(request: RequestCredential) -> Result<RequestCredential> {
    let mut faults = Vec::new();
    if request.scopes.len() > SCOPES_MAX || !request.scopes.iter().all(|it| is_word(it)) {
        faults.push(FieldFault {
            pointer: "/scopes".into(),
            detail: format!("must be at most {SCOPES_MAX} words such as `read`"),
        });
    }
    if request.holder_key.as_deref().is_some_and(|it| !is_thumbprint(it)) {
        faults.push(FieldFault {
            pointer: "/holder_key".into(),
            detail: "must be a SHA-256 thumbprint (RFC 7638): 43 characters of base64url".into(),
        });
    }
    if faults.is_empty() { Ok(request) } else { Err(Error::Invalid(faults)) }
}

fn is_thumbprint(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
}

pub async fn issue(app: Arc<App>, permit: Permit<RequestCredential>) -> Result<Response> {
    let life = app.credentials.life(&permit)?;
    let call = RequestCredential::call(permit.resource(), json!({}));
    let left = app.authz.residual(&permit, call, life);
    let issued = app.credentials.issue(permit, life, &left).await?;
    let it = issued.credential;
    let answer = AccessAnswer {
        decision_id: it.decision_id,
        credential: Vended {
            credential_id: it.id.to_string(),
            token: issued.minted.token.expose_secret().to_owned(),
            scopes: it.scopes,
            expires_at: time(it.expires_at),
            revocation_ids: it.revocation_ids,
            root_key_id: it.root_key_id,
        },
    };
    Ok(created(json(&answer).into_response(), &format!("/api/v1/credentials/{}", it.id)))
}

pub fn parse_list(call: &Call) -> Result<ListCredentials> {
    let mut query = call.query();
    let list = ListCredentials {
        principal: query.parsed("principal", "the id of a principal"),
        tool: query.parsed("tool", "the id of a tool"),
        after: query.parsed("page_token", "a token from the page before"),
        page_size: query.page_size(),
    };
    query.end()?;
    Ok(list)
}

pub fn list(visible: &Visible<ListCredentials>) -> Response {
    page(visible, |it| view(it))
}

pub fn parse_show(call: &Call) -> Result<ShowCredential> {
    Ok(ShowCredential(call.id("credential")?))
}

pub async fn get(_: Arc<App>, permit: Permit<ShowCredential>) -> Result<Response> {
    let credential = permit.resource();
    Ok(tagged(&view(credential), credential.revision(), StatusCode::OK))
}

pub fn parse_revoke(call: &Call) -> Result<RevokeCredential> {
    call.empty()?;
    Ok(RevokeCredential { credential: call.id("credential")?, if_match: call.if_match()? })
}

pub async fn revoke(app: Arc<App>, permit: Permit<RevokeCredential>) -> Result<Response> {
    app.credentials.revoke(permit).await?;
    Ok(no_content())
}

/// A token that is none has nothing to decide on: it is answered like any other bad one, and
/// written down.
pub async fn validate(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let body: ValidateBody = call.json()?;
    let token = body.token.expose_secret();
    let action = match app.credentials.open(token, body.tool, body.scope, body.arguments)? {
        Ok(it) => it,
        Err(refusal) => {
            let event = "credential.validate";
            app.authz.note_refusal(&caller, event, refusal.reason.as_str()).await?;
            return Ok(answer(refusal.into()));
        }
    };
    let permit = app.authz.authorize(caller, action).await?;
    let validated = app.credentials.validate(&app.authz, &permit);
    Ok(answer(app.authz.settled(permit.warrant().record(), validated).await?))
}

fn answer(validation: Validation) -> Response {
    let answer = match validation {
        Validation::Valid(it) => ValidateAnswer {
            valid: true,
            credential_id: Some(it.credential_id),
            agent: Some(it.agent),
            agent_name: Some(it.agent_name),
            on_behalf_of: it.on_behalf_of,
            scopes: Some(it.scopes),
            expires_at: Some(it.expires_at),
            ..ValidateAnswer::default()
        },
        Validation::Invalid { reason, detail, credential_id } => ValidateAnswer {
            reason: Some(reason),
            detail: Some(detail),
            credential_id,
            ..ValidateAnswer::default()
        },
    };
    json(&answer).into_response()
}

fn view(it: &Credential) -> CredentialView {
    CredentialView {
        id: it.id,
        decision_id: it.decision_id,
        tool_id: it.tool_id,
        tool: it.tool_name.clone(),
        principal_kind: it.principal_kind,
        principal_id: it.principal_id,
        on_behalf_of: it.on_behalf_of,
        mandate_id: it.mandate_id,
        scopes: it.scopes.clone(),
        root_key_id: it.root_key_id,
        revocation_ids: it.revocation_ids.clone(),
        state: if it.revoked_at.is_some() { "revoked" } else { "issued" },
        created_at: time(it.created_at),
        updated_at: time(it.revoked_at.unwrap_or(it.created_at)),
        expires_at: time(it.expires_at),
        revoked_at: it.revoked_at.map(time),
    }
}
