//! Tokens that stand until somebody ends them: API keys, and the lines of the tokens file. Whom
//! they stand for, and what they hold by now.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::api_keys::{self, ApiKey, ApiKeys, PrincipalId};
use super::request::{Request, Scheme};
use super::tokens_file::{FileToken, TokensFile};
use super::{Caller, KnownToken, Proof, Session, TokenKind, Via};
use crate::audit::entry::Origin;
use crate::authz::Authz;
use crate::clock::Clock;
use crate::directory::{Directory, Lifecycle, Principal, User};
use crate::policy::Bundle;
use crate::watch::{Pace, Watch};
use crate::{Error, Result, Unproven};

const REMEMBERED_MAX: u64 = 100_000;
/// What a token holds may depend on the hour, too: it is asked again after this time, whatever
/// changed.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Recognises tokens that need no signing in.
pub struct Standing {
    keys: Arc<ApiKeys>,
    file: Option<Arc<TokensFile>>,
    directory: Arc<Directory>,
    clock: Clock,
    /// What each token was last found to hold: a decision for every scope costs more than the rest
    /// of a request.
    held: Cache<(Which, IpAddr), Arc<Held>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Which {
    Key(Uuid),
    Line([u8; 32]),
}

struct Held {
    /// Of the token, and of its principal.
    revisions: (i64, i64),
    bundle: Arc<Bundle>,
    session: Session,
}

/// A token that is good, before its scopes are looked at.
struct Token {
    which: Which,
    revision: i64,
    via: Via,
    /// When it was made; microseconds.
    since: i64,
    /// All that the principal may hold, when it names none.
    scopes: Option<Arc<BTreeSet<String>>>,
    principal: Principal,
}

impl Token {
    fn is_active(&self) -> bool {
        self.principal.state() == Lifecycle::Active
    }
}

impl Standing {
    pub fn new(
        keys: Arc<ApiKeys>,
        file: Option<Arc<TokensFile>>,
        directory: Arc<Directory>,
        clock: Clock,
    ) -> Standing {
        let held = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build();
        Standing { keys, file, directory, clock, held }
    }

    /// Follows the tokens file, where there is one.
    pub fn watch(&self, pace: Pace) -> notify::Result<Option<Watch>> {
        self.file.clone().map(|it| it.watch(pace)).transpose()
    }

    /// Who sent this request, if its token is one that stands; none where it is of another kind.
    pub fn identify(
        &self,
        request: Request<'_>,
        origin: &Arc<Origin>,
        authz: &Authz,
    ) -> Option<Result<Caller>> {
        // None of them is bound to a key.
        let (Scheme::Bearer, sent) = request.token().ok()? else { return None };
        let token = self.recognise(&sent)?;
        Some(token.and_then(|it| self.caller(it, origin.clone(), authz)))
    }

    /// Somebody with a new key for this principal: whom to ask what such a key may hold.
    pub fn holder(&self, principal: Principal, origin: Arc<Origin>) -> Caller {
        let session = session(Via::ApiKey(Uuid::nil()), self.clock.micros());
        Caller::new(principal, session, origin)
    }

    /// This user, as if just signed in with all there is to prove; with all that it may hold.
    pub fn unasked(&self, user: Arc<User>, origin: Arc<Origin>, authz: &Authz) -> Result<Caller> {
        let now = self.clock.micros();
        let session = Session { reauthenticated_at: Some(now), ..session(Via::Nothing, now) };
        let bare = Caller::new(Principal::User(user), session, origin);
        let scopes = Vec::from_iter(authz.bundle().token_scopes().iter().cloned());
        let held = authz.holdable(&bare, &scopes)?;
        Ok(bare.holding(held.into_iter().collect()))
    }

    /// What a token is that somebody asks about: none where it is of another kind, nothing where
    /// it is not good. Asking is no use of it.
    pub fn known_token(
        &self,
        sent: &SecretString,
        origin: &Arc<Origin>,
        authz: &Authz,
    ) -> Option<Result<Option<KnownToken>>> {
        let found = self.find(sent)?.filter(|(token, _)| token.is_active());
        let known = found.map(|(token, kind)| {
            let bearer = self.caller(token, origin.clone(), authz)?;
            Ok(KnownToken { bearer, kind })
        });
        Some(known.transpose())
    }

    /// One answer to whatever is wrong with a token: expired, disabled, revoked, rotated out, or
    /// of a principal that is suspended or gone.
    fn recognise(&self, sent: &SecretString) -> Option<Result<Token>> {
        let found = self.find(sent)?.filter(|(token, _)| token.is_active());
        if let Some((_, TokenKind::ApiKey(key))) = &found {
            key.note_use(self.clock.micros());
        }
        let token = found.map(|(token, _)| token);
        Some(token.ok_or(Error::Unauthenticated(Unproven::BadToken)))
    }

    /// The token, whatever has become of its principal; none at all where it is of another kind.
    fn find(&self, sent: &SecretString) -> Option<Option<(Token, TokenKind)>> {
        if sent.expose_secret().starts_with(api_keys::PREFIX) {
            let key = self.keys.find(sent, self.clock.micros());
            return Some(key.and_then(|it| Some((self.of_key(&it)?, TokenKind::ApiKey(it)))));
        }
        let line = self.file.as_ref()?.recognise(sent)?;
        Some(self.of_line(&line).map(|it| (it, TokenKind::Line)))
    }

    fn of_key(&self, key: &ApiKey) -> Option<Token> {
        let PrincipalId { kind, id } = key.principal;
        Some(Token {
            which: Which::Key(key.id),
            revision: key.revision,
            via: Via::ApiKey(key.id),
            since: key.created_at,
            scopes: Some(key.scopes.clone()),
            principal: self.directory.snapshot().principal(kind, id)?,
        })
    }

    fn of_line(&self, token: &FileToken) -> Option<Token> {
        Some(Token {
            which: Which::Line(token.digest),
            revision: token.read_at,
            via: Via::TokensFile,
            since: token.read_at,
            scopes: token.line.scopes.clone(),
            principal: self.directory.snapshot().named(&token.line.principal)?,
        })
    }

    /// The caller, with the scopes that the token has and its principal may still hold.
    fn caller(&self, token: Token, origin: Arc<Origin>, authz: &Authz) -> Result<Caller> {
        let (bundle, place) = (authz.bundle(), (token.which, origin.ip));
        let revisions = (token.revision, token.principal.revision());
        if let Some(it) = self.held.get(&place)
            && it.revisions == revisions
            && Arc::ptr_eq(&it.bundle, &bundle)
        {
            return Ok(Caller::new(token.principal, it.session.clone(), origin));
        }
        let bare = Caller::new(token.principal, session(token.via, token.since), origin);
        let scopes = match &token.scopes {
            Some(it) => authz.holdable(&bare, &Vec::from_iter(it.iter().cloned()))?,
            None => {
                authz.holdable(&bare, &Vec::from_iter(bundle.token_scopes().iter().cloned()))?
            }
        };
        let caller = bare.holding(scopes.into_iter().collect());
        let session = caller.session().clone();
        self.held.insert(place, Arc::new(Held { revisions, bundle, session }));
        Ok(caller)
    }
}

/// The session that there is none of: proven by the token itself, since it was made.
fn session(via: Via, authenticated_at: i64) -> Session {
    Session {
        id: None,
        scopes: Arc::default(),
        authenticated_at,
        reauthenticated_at: None,
        proof: Arc::new(Proof { via, ..Proof::default() }),
    }
}
