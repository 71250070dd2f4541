//! Online verification: for tools that want to know about revocation this very moment.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::verify::{Reason, Refusal, Request, Revocations, Signed, Verified, Verifier};
use super::{Credential, Credentials, RequestCredential};
use crate::audit::Entry;
use crate::authz::case::Case;
use crate::authz::facts::{History, Particulars};
use crate::authz::uses::OneUse;
use crate::authz::{Action, Authz, Permit, World};
use crate::directory::{Kind, Lifecycle};
use crate::error::FieldFault;
use crate::{Error, Result, metrics};

/// Asking whether a credential, whose signatures were found good, admits a use.
#[derive(Debug)]
pub struct IntrospectCredential {
    signed: Signed,
    /// The name of the tool that asks.
    pub tool: String,
    pub scope: String,
    pub arguments: Option<Value>,
}

impl Action for IntrospectCredential {
    const NAME: &'static str = "introspect_credential";
    const EVENT: &'static str = "credential.validate";
    type Resource = Arc<Credential>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Credential>>> {
        match self.signed.credential_id().parse::<Uuid>() {
            Ok(id) => world.credentials.find(id).await,
            Err(_) => Ok(None),
        }
    }

    fn particulars(&self, _: &Arc<Credential>) -> Particulars {
        Particulars::Token
    }
}

/// What the tool is told.
#[derive(Debug)]
pub enum Validation {
    Valid(Box<Verified>),
    /// One word, and one sentence for people.
    Invalid {
        reason: String,
        detail: String,
        credential_id: Option<String>,
    },
}

impl From<Refusal> for Validation {
    fn from(it: Refusal) -> Validation {
        Validation::Invalid {
            reason: it.reason.to_string(),
            detail: it.detail,
            credential_id: it.credential_id,
        }
    }
}

fn inactive(what: &str, credential: &Credential) -> Validation {
    Validation::Invalid {
        reason: "inactive".into(),
        detail: format!("the {what} is not active"),
        credential_id: Some(credential.id.to_string()),
    }
}

fn denied(permit: &Permit<IntrospectCredential>, why: String) -> Validation {
    permit.warrant().note("refused", why);
    Validation::Invalid {
        reason: "denied".into(),
        detail: "the policies do not allow this use".into(),
        credential_id: Some(permit.resource().id.to_string()),
    }
}

/// The gateway refuses such a call in the same words.
fn uncountable(faults: &[FieldFault], credential: &Credential) -> Validation {
    let said: Vec<_> = faults.iter().map(|it| format!("`{}`: {}", it.pointer, it.detail)).collect();
    Validation::Invalid {
        reason: Reason::Argument.to_string(),
        detail: said.join("; "),
        credential_id: Some(credential.id.to_string()),
    }
}

/// Puts down the counts that a use was decided on.
fn told(permit: &Permit<IntrospectCredential>, history: &History) {
    if *history != History::default() {
        permit.warrant().note("history", json!(history));
    }
}

impl Credentials {
    /// Reads a token and checks its signatures, so that there is something to decide on.
    pub fn open(
        &self,
        token: &str,
        tool: String,
        scope: String,
        arguments: Option<Value>,
    ) -> Result<Result<IntrospectCredential, Refusal>> {
        let opened = self.verifier()?.open(token, self.clock.now());
        Ok(opened.map(|signed| IntrospectCredential { signed, tool, scope, arguments }))
    }

    /// Verifies like an offline verifier would, and against what only this server knows: that the
    /// credential is not revoked, and that its tool and its holder are active.
    pub async fn validate(
        &self,
        authz: &Authz,
        permit: &Permit<IntrospectCredential>,
    ) -> Result<Validation> {
        let started = self.clock.monotonic();
        let answer = match self.judge(authz.world(), permit)? {
            Validation::Valid(it) if permit.action().signed.is_online_only() => {
                self.decide(authz, permit, it).await?
            }
            answer => answer,
        };
        let outcome = match &answer {
            Validation::Valid(_) => "valid",
            Validation::Invalid { .. } => "invalid",
        };
        metrics::verified(outcome, started.elapsed());
        permit.warrant().note("verified", outcome);
        // A use that is counted is counted before the tool learns that it may be.
        self.ledger.commit(permit.warrant(), Vec::new()).await?;
        Ok(answer)
    }

    fn judge(&self, world: &World, permit: &Permit<IntrospectCredential>) -> Result<Validation> {
        let (action, credential) = (permit.action(), permit.resource());
        let tool = world.registry.catalogue().tool(credential.tool_id).cloned();
        let digest = tool.as_ref().map(|it| it.digest().to_owned());
        let verifier = self.verifier()?.tool(&action.tool, digest.as_deref()).asks_gatewright();
        let mut request = Request::new(action.scope.as_str());
        if let Some(arguments) = &action.arguments {
            request = request
                .arguments(arguments)
                .map_err(|error| Error::field("/arguments", error.to_string()))?;
        }
        if credential.revoked_at.is_some() {
            return Ok(Validation::Invalid {
                reason: "revoked".into(),
                detail: "the credential was revoked".into(),
                credential_id: Some(credential.id.to_string()),
            });
        }
        let verified =
            verifier.admit(&action.signed, &request, Revocations::Unchecked, self.clock.now());
        let verified = match verified {
            Ok(it) => it,
            Err(refusal) => return Ok(refusal.into()),
        };
        if !tool.is_some_and(|it| it.is_active()) {
            return Ok(inactive("tool", credential));
        }
        let directory = world.directory.snapshot();
        let state = match credential.principal_kind {
            Kind::User => directory.user(credential.principal_id).map(|it| it.state),
            Kind::Agent => directory.agent(credential.principal_id).map(|it| it.state),
        };
        if state != Some(Lifecycle::Active) {
            return Ok(inactive("holder", credential));
        }
        Ok(Validation::Valid(Box::new(verified)))
    }

    /// Decides on a use that the credential itself cannot decide on: by the policies of now, on the
    /// facts that it was issued on. Every such yes is a use, as if the call had come this way: a tool
    /// that does not say the arguments asks about a call that has none.
    async fn decide(
        &self,
        authz: &Authz,
        permit: &Permit<IntrospectCredential>,
        verified: Box<Verified>,
    ) -> Result<Validation> {
        let (action, credential) = (permit.action(), permit.resource());
        let Some(tool) = authz.world().registry.catalogue().tool(credential.tool_id).cloned()
        else {
            return Ok(inactive("tool", credential));
        };
        let Some(issue) = self.issue_of(credential).await? else {
            let why = "the decision that it was issued on cannot be made again".to_owned();
            return Ok(denied(permit, why));
        };
        let arguments = action.arguments.clone().unwrap_or_else(|| json!({}));
        let call = RequestCredential::call(&tool, arguments);
        Ok(match authz.decide_use(issue, &tool, call, credential.whose()).await? {
            OneUse::Allowed { history, recorded } => {
                told(permit, &history);
                permit.warrant().leave(recorded);
                Validation::Valid(verified)
            }
            OneUse::Denied { history, why } => {
                told(permit, &history);
                denied(permit, why)
            }
            OneUse::Uncountable(faults) => uncountable(&faults, credential),
        })
    }

    /// The decision that it was issued on, if it can be made again.
    async fn issue_of(&self, credential: &Credential) -> Result<Option<Case>> {
        let rows = self
            .db
            .query("SELECT body FROM audit WHERE id = $1", vec![credential.decision_id.into()])
            .await?;
        let entry = rows.first().map(|it| it.json::<Entry>(0)).transpose()?;
        Ok(entry.and_then(|it| Case::of_entry(&it).ok()))
    }

    pub(super) fn verifier(&self) -> Result<Verifier> {
        Ok(Verifier::new(&self.keys_document(), &self.issuer).map_err(anyhow::Error::from)?)
    }
}
