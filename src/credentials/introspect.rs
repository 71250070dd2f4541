//! Online verification: for tools that want to know about revocation this very moment.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::verify::{Refusal, Request, Revocations, Signed, Verified, Verifier};
use super::{Credential, Credentials, RequestCredential};
use crate::audit::Entry;
use crate::authz::case::Case;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Authz, Permit, World};
use crate::directory::{Kind, Lifecycle};
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
            Validation::Valid(_) if permit.action().signed.is_online_only() => {
                self.decide(authz, permit).await?
            }
            answer => answer,
        };
        let outcome = match &answer {
            Validation::Valid(_) => "valid",
            Validation::Invalid { .. } => "invalid",
        };
        metrics::verified(outcome, started.elapsed());
        permit.warrant().note("verified", outcome);
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
    /// facts that it was issued on.
    async fn decide(
        &self,
        authz: &Authz,
        permit: &Permit<IntrospectCredential>,
    ) -> Result<Validation> {
        let (action, credential) = (permit.action(), permit.resource());
        let Some(tool) = authz.world().registry.catalogue().tool(credential.tool_id).cloned()
        else {
            return Ok(inactive("tool", credential));
        };
        let rows = self
            .db
            .query("SELECT body FROM audit WHERE id = $1", vec![credential.decision_id.into()])
            .await?;
        let entry = rows.first().map(|it| it.json::<Entry>(0)).transpose()?;
        let issue = entry.and_then(|it| Case::of_entry(&it).ok());
        let arguments = action.arguments.clone().unwrap_or_else(|| json!({}));
        let call = RequestCredential::call(&tool, arguments);
        let refused = match issue {
            Some(issue) => authz.refuses_use(issue, &tool, call, &credential.whose()).await?,
            None => Some("the decision that it was issued on cannot be made again".to_owned()),
        };
        match refused {
            // What it would say, it said when it was judged.
            None => self.judge(authz.world(), permit),
            Some(why) => {
                permit.warrant().note("refused", why);
                Ok(Validation::Invalid {
                    reason: "denied".into(),
                    detail: "the policies do not allow this use".into(),
                    credential_id: Some(credential.id.to_string()),
                })
            }
        }
    }

    pub(super) fn verifier(&self) -> Result<Verifier> {
        Ok(Verifier::new(&self.keys_document(), &self.issuer).map_err(anyhow::Error::from)?)
    }
}
