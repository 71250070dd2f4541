//! Who is asking: a principal whose identity was proven, and how.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::audit::entry::Origin;
use crate::directory::Principal;

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
    /// The session's id; none while it is being opened.
    pub id: Option<Uuid>,
    /// What the access token holds.
    pub scopes: Arc<BTreeSet<String>>,
    pub authenticated_at: i64,
    /// When the password was proven again, for tokens that came from `elevate`.
    pub reauthenticated_at: Option<i64>,
    /// NIST SP 800-63B assurance level, 1 to 3.
    pub assurance_level: u8,
}

impl Caller {
    pub(super) fn new(principal: Principal, session: Session, origin: Arc<Origin>) -> Caller {
        Caller { principal, session, origin }
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
}
