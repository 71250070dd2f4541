//! Callers that are known by a credential of ours: who holds it shows it, and nothing else.

use std::sync::Arc;

use uuid::Uuid;

use super::{Authn, Caller, Delegated, Proof, Session, Via};
use crate::audit::entry::Origin;
use crate::directory::{Kind, Snapshot};
use crate::{Result, Unproven};

/// What is known of a credential whose signatures were found good.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    pub credential: Uuid,
    pub kind: Kind,
    pub principal: Uuid,
    /// When it was vended; microseconds.
    pub since: i64,
    /// The user in whose name it is held, and the mandate for that.
    pub behalf: Option<(Uuid, Option<Uuid>)>,
}

impl Presented {
    /// A mandate that is gone leaves nobody to ask, and then nothing is allowed. Of a longer chain
    /// the ends are known; when one in between is suspended, its credentials are revoked.
    fn delegation(&self, known: &Snapshot) -> Option<Delegated> {
        let (user, mandate) = self.behalf?;
        let first = mandate.and_then(|it| known.mandate(it)).map(|it| it.agent);
        let mut chain = vec![first.unwrap_or(self.principal), self.principal];
        chain.dedup();
        let mandate = mandate.unwrap_or_default();
        Some(Delegated { mandate, user, chain, under: Vec::new() })
    }
}

impl Authn {
    /// Whom a credential stands for that somebody shows. It carries no scopes of an access token.
    ///
    /// # Errors
    /// Its holder is gone.
    pub fn presenter(&self, it: &Presented, origin: Arc<Origin>) -> Result<Caller> {
        let known = self.directory.snapshot();
        let principal = known.principal(it.kind, it.principal).ok_or(Unproven::BadToken)?;
        let delegation = it.delegation(&known);
        let proof = Proof { via: Via::Credential(it.credential), delegation, ..Proof::default() };
        let session = Session {
            id: None,
            scopes: Arc::default(),
            authenticated_at: it.since,
            reauthenticated_at: None,
            proof: Arc::new(proof),
        };
        Ok(Caller::new(principal, session, origin))
    }
}
