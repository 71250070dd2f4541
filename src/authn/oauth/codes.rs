//! Authorization codes: given to a client by way of a person's browser, redeemed once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::client::Client;
use super::metadata::Grant;
use super::pkce::Challenge;
use super::request::AuthorizationRequest;
use super::tokens::Granted;
use crate::audit::Actor;
use crate::audit::entry::Origin;
use crate::authn::proofs::KeyProof;
use crate::authn::single_use::{Found, Kind as Use};
use crate::authn::{Authn, Caller, Proof, Session};
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, TheRegistry, World};
use crate::directory::{Kind, Principal};
use crate::store::Statement;
use crate::{Error, Result, Unproven};

/// How long a client has to redeem a code.
const LIFE: Duration = Duration::from_secs(300);

/// A person lets a client act in their name.
#[derive(Debug)]
pub struct AuthorizeClient {
    pub client: Client,
    pub request: AuthorizationRequest,
    /// What the person lets it hold.
    pub scopes: BTreeSet<String>,
}

impl Action for AuthorizeClient {
    const NAME: &'static str = "authorize_client";
    const EVENT: &'static str = "client.authorize";
    type Resource = Client;

    async fn find(&self, _: &World) -> Result<Option<Client>> {
        Ok(Some(self.client.clone()))
    }

    fn particulars(&self, _: &Client) -> Particulars {
        Particulars::Token
    }
}

/// What a code stands for.
#[derive(Debug, Serialize, Deserialize)]
struct Code {
    redirect_uri: String,
    challenge: Challenge,
    scopes: BTreeSet<String>,
    user: Uuid,
    /// The browser's session: where that ends, nothing more begins by it.
    browser: Uuid,
    authenticated_at: i64,
    /// How the person had proven who they are; what the client's tokens will say, too.
    proof: Proof,
}

/// What a client sends to redeem a code.
pub struct Redemption<'a> {
    pub verifier: &'a SecretString,
    /// OAuth 2.0 clients repeat it; those of OAuth 2.1 need not.
    pub redirect_uri: Option<&'a str>,
    /// What proves the key that the client holds (RFC 9449).
    pub key: Option<&'a KeyProof>,
}

/// Opening a client's session with a code: decided like a sign-in, on who the person is by now.
#[derive(Debug)]
pub struct RedeemCode {
    found: Found,
    scopes: Vec<String>,
    with_refresh: WithRefresh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WithRefresh {
    Yes,
    No,
}

impl RedeemCode {
    /// What the person agreed to.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }
}

impl Action for RedeemCode {
    const NAME: &'static str = "sign_in";
    const EVENT: &'static str = "auth.code";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }

    fn particulars(&self, _: &Self::Resource) -> Particulars {
        Particulars::Base
    }
}

impl Authn {
    /// Gives a code for what the permit allows; `agreed` is what the person's answer changes.
    pub async fn give_code(
        &self,
        permit: Permit<AuthorizeClient>,
        agreed: Vec<Statement>,
    ) -> Result<SecretString> {
        let (caller, action, client, warrant) = permit.spend();
        let Some(browser) = caller.session().id else {
            return Err(Error::internal("a code without a session"));
        };
        let AuthorizationRequest { redirect_uri, challenge, audience, key, .. } = action.request;
        let resource = Some(audience).filter(|it| *it != self.rules.audience);
        let proof = Proof {
            client: Some(client.id.clone()),
            resource,
            key,
            ..Proof::clone(&caller.session().proof)
        };
        let code = Code {
            redirect_uri: redirect_uri.into(),
            challenge,
            scopes: action.scopes,
            user: caller.principal().id(),
            browser,
            authenticated_at: caller.session().authenticated_at,
            proof,
        };
        warrant.note("client", client.id.as_str());
        warrant.note("scopes", Vec::from_iter(code.scopes.iter().cloned()));
        let (token, insert) =
            self.single_use.issue(Use::AuthorizationCode, &client.id, &code, LIFE)?;
        let mut statements = agreed;
        statements.push(insert);
        self.ledger.commit(&warrant, statements).await?;
        Ok(token)
    }

    /// Looks a code up.
    pub async fn recall_code(&self, code: &SecretString) -> Result<Option<Found>> {
        self.single_use.recall(Use::AuthorizationCode, code).await
    }

    /// Recognises a code in the hands of `client`. A code that was used already ends what it gave:
    /// somebody else holds a copy (RFC 6749 section 4.1.2).
    pub async fn prove_code(
        &self,
        found: Option<Found>,
        client: &Client,
        sent: Redemption<'_>,
        origin: Arc<Origin>,
    ) -> Result<(Caller, RedeemCode)> {
        let Some(found) = found else {
            return Err(self.refuse_code(Actor::anonymous("unknown"), "unknown", &origin).await);
        };
        let code: Code = found.body()?;
        let Some(principal) = self.directory.snapshot().principal(Kind::User, code.user) else {
            return Err(self.refuse_code(Actor::anonymous("unknown"), "gone", &origin).await);
        };
        if let (true, Some(given)) = (found.is_used(), found.session()) {
            self.end(given, &principal, "code_reused").await?;
        }
        if let Some(reason) = self.fault_of(&found, &code, client, &sent).await? {
            return Err(self.refuse_code(principal.actor(), reason, &origin).await);
        }
        let caller = caller(principal, &code, origin);
        let with_refresh = match client.may(Grant::RefreshToken) {
            true => WithRefresh::Yes,
            false => WithRefresh::No,
        };
        let scopes = code.scopes.into_iter().collect();
        Ok((caller, RedeemCode { found, scopes, with_refresh }))
    }

    async fn fault_of(
        &self,
        found: &Found,
        code: &Code,
        client: &Client,
        sent: &Redemption<'_>,
    ) -> Result<Option<&'static str>> {
        let holds = |key: &String| sent.key.is_some_and(|it| it.is_by(key));
        let bound_to_another = code.proof.key.as_ref().is_some_and(|it| !holds(it));
        Ok(if found.is_used() {
            Some("reused")
        } else if !found.is_good_for(&client.id) {
            Some("ended_or_of_another_client")
        } else if sent.redirect_uri.is_some_and(|it| it != code.redirect_uri) {
            Some("other_redirect_uri")
        } else if !code.challenge.fits(sent.verifier) {
            Some("wrong_verifier")
        } else if bound_to_another {
            Some("wrong_key")
        } else if !self.is_open(code.browser).await? {
            Some("signed_out")
        } else {
            None
        })
    }

    /// Opens the client's session; the code is spent in the same commit.
    pub async fn redeem(
        &self,
        permit: Permit<RedeemCode>,
        scopes: Vec<String>,
        mut statements: Vec<Statement>,
    ) -> Result<Granted> {
        let (caller, RedeemCode { found, with_refresh, .. }, _, warrant) = permit.spend();
        let session = self.clock.new_id();
        statements.push(found.spend(Some(session)));
        let granted = match with_refresh {
            WithRefresh::Yes => {
                let ttl = self.rules.refresh_ttl;
                statements.push(self.insert_session(session, &caller, &scopes, ttl)?);
                self.pair(&warrant, &caller, session, scopes, &mut statements)?.into()
            }
            WithRefresh::No => {
                let ttl = self.rules.access_ttl;
                statements.push(self.insert_session(session, &caller, &scopes, ttl)?);
                let of = (caller.principal(), caller.session());
                self.access_token(&warrant, of, session, scopes, ttl)?.into()
            }
        };
        match self.ledger.commit(&warrant, statements).await {
            Ok(()) => Ok(granted),
            // Somebody spent it between our look and our commit: the same as a reuse.
            Err(Error::Conflict(_)) => {
                if let Some(given) = self.single_use.outcome(&found).await? {
                    self.end(given, caller.principal(), "code_reused").await?;
                }
                Err(Error::Unauthenticated(Unproven::BadGrant))
            }
            Err(error) => Err(error),
        }
    }

    async fn refuse_code(&self, actor: Actor, reason: &str, origin: &Origin) -> Error {
        match self.refuse("auth.code", actor, reason, origin).await {
            Error::Unauthenticated(_) => Error::Unauthenticated(Unproven::BadGrant),
            other => other,
        }
    }
}

fn caller(principal: Principal, code: &Code, origin: Arc<Origin>) -> Caller {
    let session = Session {
        id: None,
        scopes: Arc::default(),
        authenticated_at: code.authenticated_at,
        reauthenticated_at: None,
        proof: Arc::new(code.proof.clone()),
    };
    Caller::new(principal, session, origin)
}
