//! Who somebody from elsewhere is here.

use std::sync::Arc;

use uuid::Uuid;

use super::{Person, Provider};
use crate::Result;
use crate::audit::entry::Origin;
use crate::authn::{Authn, Caller, SECOND, Via};
use crate::directory::{Principal, User};
use crate::store::Statement;

impl Authn {
    /// The user that the provider's subject is; none who was never here.
    pub async fn identity(&self, provider: &Provider, subject: &str) -> Result<Option<Uuid>> {
        let rows = self
            .db
            .query(
                "SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2",
                vec![provider.issuer().into(), subject.into()],
            )
            .await?;
        Ok(rows.first().map(|it| it.uuid(0)).transpose()?)
    }

    /// Makes the provider's subject this user, from now on.
    pub fn link(&self, provider: &Provider, subject: &str, user: Uuid) -> Statement {
        Statement::new(
            "INSERT INTO identities (issuer, subject, user_id, linked_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(provider.issuer())
        .bind(subject)
        .bind(user)
        .bind(self.clock.micros())
        .expect_rows(1)
    }

    /// Somebody whom a provider vouched for just now, and whose second factor it saw, if it did.
    pub fn vouched_for(&self, user: Arc<User>, person: &Person, origin: Arc<Origin>) -> Caller {
        let caller = self.fresh(Principal::User(user), Via::Federation, origin);
        let now = self.clock.micros();
        let seen_at = person.second_factor_at.map(|it| it.saturating_mul(SECOND).min(now));
        caller.proving(|it| it.mfa_at = seen_at)
    }

    /// Writes down that a provider vouched for somebody who is nobody here.
    pub async fn refuse_unknown_person(&self, origin: &Origin) -> crate::Error {
        self.distrust(super::sign_in::EVENT, &super::untrusted::Untrusted::UnknownPerson, origin)
            .await
    }
}
