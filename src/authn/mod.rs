//! Proving who is asking. Proof makes a [`Caller`]; what a caller may do is not decided here.

mod access_token;
pub mod api_keys;
mod caller;
mod endings;
mod exchange;
pub mod factors;
pub mod federation;
mod holder;
pub mod jwks;
mod known;
mod limits;
mod machine;
pub mod oauth;
mod ongoing;
mod password;
mod presented;
pub mod proofs;
mod proving;
mod prune;
mod refresh;
mod request;
mod revoked;
pub mod risk;
mod session;
pub mod single_use;
mod standing;
mod token_pair;
pub mod tokens_file;

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use self::access_token::{AccessTokens, Checked};
use self::proofs::Dpop;
use self::revoked::Revoked;
use self::single_use::SingleUse;
use crate::audit::entry::{Decision, Entry, Origin, Outcome, Target};
use crate::audit::{Actor, Ledger};
use crate::clock::Clock;
use crate::directory::{Directory, Principal, Snapshot};
use crate::store::Database;
use crate::{Error, Result, Unproven, metrics};

pub use access_token::{Act, Claims, Confirmation, JwksDocument};
pub use caller::{Caller, Delegated, Proof, Root, Session, Via};
pub use endings::{ends_sessions_of, ends_sessions_under};
pub use exchange::{ActFor, BadSubject, Subject, SubjectToken};
pub use holder::NotHolder;
pub use known::{IntrospectToken, KnownToken, TokenKind};
pub use limits::{ProbeLimits, SignInLimits};
pub use machine::IssueToken;
pub use ongoing::Proven;
pub use password::{Passwords, fault as password_fault};
pub use refresh::{Holder, RecalledRefresh, RefreshSession};
pub use request::{Request, Service};
pub use session::{Elevate, SignIn, SignOut, ViewSelf};
pub use standing::Standing;
pub use token_pair::{AccessToken, TokenPair};

const SECOND: i64 = 1_000_000;

/// How long tokens live, and in whose name they are given.
#[derive(Clone, Debug)]
pub struct TokenRules {
    pub issuer: String,
    /// Of tokens for the API.
    pub audience: String,
    /// Of tokens for the MCP server.
    pub mcp_audience: String,
    pub access_ttl: Duration,
    pub refresh_ttl: Duration,
    pub elevated_ttl: Duration,
    /// Where callers reach the service: what they sign names it.
    pub server: crate::settings::Origin,
    /// What stands for whoever sets the service up.
    pub bootstrap_token: Option<SecretString>,
}

impl TokenRules {
    /// The audience of tokens for this service.
    fn audience_of(&self, service: Service) -> &str {
        match service {
            Service::Api => &self.audience,
            Service::Mcp => &self.mcp_audience,
        }
    }
}

pub struct Authn {
    directory: Arc<Directory>,
    db: Arc<dyn Database>,
    ledger: Ledger,
    clock: Clock,
    rules: TokenRules,
    tokens: AccessTokens,
    passwords: Passwords,
    revoked: Revoked,
    single_use: SingleUse,
    dpop: Dpop,
    bootstrap: Option<Digest>,
}

impl Authn {
    pub async fn load(
        directory: Arc<Directory>,
        db: Arc<dyn Database>,
        ledger: Ledger,
        clock: Clock,
        rules: TokenRules,
        key: &SigningKey,
    ) -> Result<Authn> {
        let revoked = Revoked::load(&*db, &rules, clock.micros()).await?;
        let tokens = AccessTokens::new(key, &rules)?;
        let passwords = Passwords::new();
        let single_use = SingleUse::new(db.clone(), clock.clone());
        let dpop = Dpop::new(rules.server.clone(), key, clock.micros() / SECOND);
        let bootstrap = rules.bootstrap_token.as_ref().map(digest);
        Ok(Authn {
            directory,
            db,
            ledger,
            clock,
            rules,
            tokens,
            passwords,
            revoked,
            single_use,
            dpop,
            bootstrap,
        })
    }

    /// Somebody who shows nothing.
    pub fn guest(&self, origin: Arc<Origin>) -> Result<Caller> {
        Ok(self.fresh(Principal::guest()?, Via::Nothing, origin))
    }

    /// Who sent this request, by its access token.
    pub fn identify(&self, request: Request<'_>, origin: Arc<Origin>) -> Result<Caller> {
        self.recognise(request, origin).inspect_err(|_| metrics::unauthenticated())
    }

    fn recognise(&self, request: Request<'_>, origin: Arc<Origin>) -> Result<Caller> {
        let (scheme, token) = request.token()?;
        let caller = self.bearer_of(&token, request.service, origin)?;
        self.expect_holder(&caller, scheme, &token, request)?;
        Ok(caller)
    }

    /// Whom the token stands for, whoever sent it.
    fn bearer_of(
        &self,
        token: &SecretString,
        service: Service,
        origin: Arc<Origin>,
    ) -> Result<Caller> {
        if self.bootstrap.is_some_and(|it| bool::from(it.ct_eq(&digest(token)))) {
            return Ok(self.fresh(Principal::bootstrap()?, Via::Bootstrap, origin));
        }
        let now = self.clock.micros();
        let (checked, principal) = self.checked(token.expose_secret(), service, now)?;
        Ok(Caller::new(principal, checked.session(), origin))
    }

    /// What an access token of ours says, if it is good at `now` and for this service, and whose it
    /// is.
    fn checked(
        &self,
        token: &str,
        service: Service,
        now: i64,
    ) -> Result<(Arc<Checked>, Principal)> {
        let checked = self.tokens.verify(token, self.rules.audience_of(service), now)?;
        let principal = self.living(&checked, now);
        Ok((checked, principal.ok_or(Error::Unauthenticated(Unproven::BadToken))?))
    }

    /// Whose token it is, unless its session has ended, or what that one stands on. Who is gone
    /// since the token was made is as good as never there.
    fn living(&self, token: &Checked, now: i64) -> Option<Principal> {
        let known = self.directory.snapshot();
        let ended = self.revoked.contains(token.sid)
            || token.delegation().is_some_and(|it| self.has_ended(it, &known, now));
        if ended { None } else { known.principal(token.kind, token.sub) }
    }

    /// Whether the mandate, or a session that the delegation stands on, holds no more.
    fn has_ended(&self, it: &Delegated, known: &Snapshot, now: i64) -> bool {
        let holds = known.mandate(it.mandate).is_some_and(|it| it.is_live(now));
        !holds || it.under.iter().any(|it| self.revoked.contains(*it))
    }

    /// The public keys of access tokens (RFC 7517).
    pub fn jwks(&self) -> &JwksDocument {
        self.tokens.jwks()
    }

    pub fn single_use(&self) -> &SingleUse {
        &self.single_use
    }

    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Writes down that somebody failed to prove who they are, and gives the one answer for it.
    async fn refuse(
        &self,
        event: &'static str,
        actor: Actor,
        reason: &str,
        origin: &Origin,
    ) -> Error {
        let entry = Entry {
            id: self.clock.new_id(),
            at: self.clock.now(),
            event: event.into(),
            action: None,
            target: Target { kind: "Registry".into(), id: "registry".into(), name: String::new() },
            actor,
            decision: Decision::Deny,
            outcome: Outcome::Denied,
            reasons: Vec::new(),
            errors: Vec::new(),
            bundle: None,
            request: Some(origin.clone()),
            asked: None,
            facts: None,
            details: [("reason".to_owned(), reason.into())].into(),
        };
        metrics::unauthenticated();
        match self.ledger.record(entry).await {
            Ok(()) => Error::Unauthenticated(Unproven::BadSecret),
            Err(error) => error,
        }
    }
}

type Digest = [u8; 32];

fn digest(token: &SecretString) -> Digest {
    Sha256::digest(token.expose_secret()).into()
}
