//! Who is asking: a principal whose identity was proven, and how.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::risk::Reason;
use crate::audit::entry::Origin;
use crate::authz::facts::Risk;
use crate::directory::Principal;
use crate::{Error, Result};

/// Proof of identity for one request. Made only in `authn`.
#[derive(Clone, Debug)]
pub struct Caller {
    principal: Principal,
    session: Session,
    origin: Arc<Origin>,
}

/// What is known of how and when the principal proved who it is. Instants are microseconds.
#[derive(Clone, Debug)]
pub struct Session {
    /// The session's id; none while it is being opened, and for keys, which have none.
    pub id: Option<Uuid>,
    /// What the access token holds.
    pub scopes: Arc<BTreeSet<String>>,
    pub authenticated_at: i64,
    /// When the password was proven again, for tokens that came from `elevate`.
    pub reauthenticated_at: Option<i64>,
    pub proof: Arc<Proof>,
}

/// What a session was opened on: the same for all its tokens. Its JSON is kept with the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Proof {
    pub via: Via,
    /// How risky the sign-in was rated.
    pub risk: Risk,
    /// Why. Kept with the session; tokens do not carry it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risk_reasons: Vec<Reason>,
    /// When a second factor was last proven: microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa_at: Option<i64>,
    /// Whether a machine proved a key of its own, or a workload's identity.
    pub attested: bool,
    /// The OAuth client that the token was given to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The resource that the token is for, where it is not this API (RFC 8707).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// On whose behalf an agent acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Delegated>,
    /// The thumbprint of the key that the tokens are bound to (RFC 9449, RFC 7638).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How somebody proved who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    #[default]
    Password,
    /// An external provider's word (OpenID Connect).
    Federation,
    /// A client secret.
    Secret,
    /// A signed assertion: `private_key_jwt`, or a workload's token.
    Assertion,
    /// Another token, exchanged (RFC 8693).
    Exchange,
    ApiKey(Uuid),
    /// A credential for one tool, shown to Gatewright itself.
    Credential {
        id: Uuid,
        /// What it was asked for with.
        root: Option<Root>,
    },
    /// A line of the tokens file.
    TokensFile,
    /// The bootstrap token.
    Bootstrap,
    /// Nothing at all.
    Nothing,
}

/// What is given to somebody hangs on this, and ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    Session(Uuid),
    ApiKey(Uuid),
}

impl Root {
    pub fn id(self) -> Uuid {
        match self {
            Root::Session(id) | Root::ApiKey(id) => id,
        }
    }
}

/// A mandate at work: who is acted for, and by which agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegated {
    pub mandate: Uuid,
    pub user: Uuid,
    /// From the agent that has the mandate to the one that acts now.
    pub chain: Vec<Uuid>,
    /// The sessions that this one was opened on, the nearest last: it ends with each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub under: Vec<Uuid>,
}

impl Default for Proof {
    fn default() -> Proof {
        Proof {
            via: Via::default(),
            risk: Risk::Low,
            risk_reasons: Vec::new(),
            mfa_at: None,
            attested: false,
            client: None,
            resource: None,
            delegation: None,
            key: None,
        }
    }
}

impl Session {
    /// NIST SP 800-63B assurance level: 2 with two factors, or a machine's own key; else 1.
    pub fn assurance_level(&self) -> u8 {
        match self.proof.mfa_at.is_some() || self.proof.attested {
            true => 2,
            false => 1,
        }
    }

    /// What everything that is given in this session hangs on: the session itself, or the API key.
    /// Of a credential, what it hangs on itself, whether or not that session still lasts.
    pub fn root(&self) -> Option<Root> {
        match self.proof.via {
            Via::ApiKey(key) => Some(Root::ApiKey(key)),
            Via::Credential { root, .. } => root,
            _ => self.id.map(Root::Session),
        }
    }

    /// The session that somebody opened by signing in.
    ///
    /// # Errors
    /// A conflict for API keys and their like, which have none.
    pub fn opened(&self) -> Result<Uuid> {
        let none = "a token that was not signed in for has no session; revoke an API key instead";
        self.id.ok_or(Error::Conflict(none.into()))
    }
}

impl Caller {
    pub(super) fn new(principal: Principal, session: Session, origin: Arc<Origin>) -> Caller {
        Caller { principal, session, origin }
    }

    /// Somebody whose token says this; for tests of what comes after.
    #[cfg(test)]
    pub(crate) fn of(principal: Principal, session: Session, ip: std::net::IpAddr) -> Caller {
        let (id, method, route) = ("request".into(), "GET".into(), "/".into());
        let origin = Origin { id, ip, user_agent: String::new(), method, route };
        Caller::new(principal, session, Arc::new(origin))
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The same caller with these scopes and no others.
    pub(super) fn holding(mut self, scopes: BTreeSet<String>) -> Caller {
        self.session.scopes = Arc::new(scopes);
        self
    }

    /// The same caller on a changed proof.
    pub(super) fn proving(mut self, change: impl FnOnce(&mut Proof)) -> Caller {
        change(Arc::make_mut(&mut self.session.proof));
        self
    }
}
