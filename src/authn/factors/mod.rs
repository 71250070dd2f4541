//! Second factors: authenticator apps, passkeys, and the recovery codes for when they are lost.
//!
//! What a proof or an enrolment writes is given as statements, for the commit of whatever it was for;
//! so a code is used up if and only if it was good for something.

mod actions;
mod enrol;
mod passkeys;
mod recovery;
mod seal;
mod stored;
#[cfg(test)]
mod tests;
mod totp;

use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use uuid::Uuid;
use webauthn_rs::Webauthn;

use self::recovery::RecoveryCode;
use self::seal::Seal;
use self::totp::{Code, TotpSecret};
use crate::audit::Ledger;
use crate::authz::{Permit, Warrant};
use crate::clock::Clock;
use crate::directory::Principal;
use crate::keys::Seed;
use crate::settings::Origin;
use crate::store::{Database, Statement};
use crate::{Error, Result};

pub use actions::{AddFactor, EnrollFactor, ListFactors, RemoveFactor, RenewRecovery};
pub use enrol::{APP, Confirmed, NewTotp, RecoverySet};
pub use passkeys::{Ceremony, CeremonyState};
pub use stored::{Factor, FactorKind, FactorState};
pub use totp::Provisioning;

/// The second factors of all users.
pub struct Factors {
    db: Arc<dyn Database>,
    ledger: Ledger,
    clock: Clock,
    seal: Seal,
    /// What an authenticator app shows beside the account.
    issuer: String,
    /// Where people reach this server.
    public_url: String,
    /// None where the public URL has no name that a passkey could be bound to.
    relying_party: Option<Webauthn>,
}

/// What a user has enrolled.
#[derive(Debug, Default)]
pub struct Enrolled {
    /// Oldest first; pending ones, too.
    pub factors: Vec<Factor>,
    /// How many recovery codes are unused.
    pub recovery_left: i64,
    /// Whether the server has a name, without which no browser uses a passkey.
    passkeys_work: bool,
}

/// What became of a second factor that somebody showed.
#[derive(Debug)]
pub enum Tried {
    Proven(Proven),
    /// It is the user's, and was used before: somebody may have looked over a shoulder.
    Used,
    Wrong,
}

/// A second factor that was proven. Good for whatever commits its statements, of which a second
/// use is a conflict.
#[derive(Debug)]
#[must_use = "a factor counts when the commit that it is proven for carries its statements"]
pub struct Proven {
    pub means: Means,
    pub statements: Vec<Statement>,
}

/// What a second factor is proven with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    Totp,
    RecoveryCode,
    Passkey,
}

impl Means {
    /// The audit's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Means::Totp => "totp",
            Means::RecoveryCode => "recovery_code",
            Means::Passkey => "passkey",
        }
    }
}

/// Forgets every factor and recovery code of a user who has lost them.
pub fn forget_all(user: Uuid) -> Vec<Statement> {
    ["DELETE FROM factors WHERE user_id = $1", "DELETE FROM recovery_codes WHERE user_id = $1"]
        .map(|sql| Statement::new(sql).bind(user))
        .into()
}

impl Enrolled {
    /// Whether a second factor can be asked for.
    pub fn is_active(&self) -> bool {
        self.active(FactorKind::Totp).next().is_some() || self.has_passkeys()
    }

    /// Whether one of them is a passkey.
    pub fn has_passkeys(&self) -> bool {
        self.active(FactorKind::Passkey).next().is_some()
    }

    /// What a second factor can be proven with.
    pub fn means(&self) -> Vec<Means> {
        let totp = self.active(FactorKind::Totp).next().map(|_| Means::Totp);
        let passkey = (self.has_passkeys() && self.passkeys_work).then_some(Means::Passkey);
        let recovery = (self.recovery_left > 0).then_some(Means::RecoveryCode);
        [totp, passkey, recovery].into_iter().flatten().collect()
    }

    fn active(&self, kind: FactorKind) -> impl Iterator<Item = &Factor> {
        self.factors.iter().filter(move |it| it.is_active(kind))
    }
}

impl Factors {
    /// Takes the key that factors are sealed with and the address that people see in their browser.
    pub fn new(
        db: Arc<dyn Database>,
        ledger: Ledger,
        clock: Clock,
        key: &Seed,
        public_url: &Origin,
    ) -> anyhow::Result<Factors> {
        let relying_party = passkeys::relying_party(public_url)?;
        // A colon would end the issuer in an otpauth URI.
        let issuer = format!("Gatewright {}", public_url.host().replace(':', "."));
        Ok(Factors {
            db,
            ledger,
            clock,
            seal: Seal::new(key),
            issuer,
            public_url: public_url.to_string(),
            relying_party,
        })
    }

    /// Whether the key is the one that the stored factors were sealed with.
    pub async fn check_key(&self) -> Result<()> {
        let newest = self.select(stored::NEWEST, Vec::new()).await?;
        newest.iter().try_for_each(|it| self.seal.open(it.purpose(), &it.body).map(drop))
    }

    /// The only address at which browsers will use the passkeys of this server.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// What this user has enrolled.
    pub async fn of(&self, user: Uuid) -> Result<Enrolled> {
        let factors = self.select(stored::OF_USER, vec![user.into()]).await?;
        let left = "SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL";
        let rows = self.db.query(left, vec![user.into()]).await?;
        let recovery_left = rows.first().map_or(Ok(0), |it| it.int(0))?;
        let passkeys_work = self.relying_party.is_some();
        Ok(Enrolled { factors, recovery_left, passkeys_work })
    }

    /// What this principal has enrolled; machines have no second factors.
    pub async fn of_principal(&self, principal: &Principal) -> Result<Enrolled> {
        match principal {
            Principal::User(user) => self.of(user.id).await,
            Principal::Agent(_) => Ok(Enrolled::default()),
        }
    }

    /// Tries what somebody typed: the code of an app or a recovery code. The caller counts tries.
    pub async fn prove(&self, user: Uuid, otp: &SecretString) -> Result<Tried> {
        let typed = otp.expose_secret();
        match (Code::parse(typed), RecoveryCode::parse(typed)) {
            (Some(code), _) => self.prove_code(user, &code).await,
            (None, Some(code)) => self.prove_recovery(user, &code).await,
            (None, None) => Ok(Tried::Wrong),
        }
    }

    async fn prove_code(&self, user: Uuid, code: &Code) -> Result<Tried> {
        let now = self.clock.micros();
        let mut tried = Tried::Wrong;
        for factor in self.of(user).await?.active(FactorKind::Totp) {
            let Some(step) = self.secret_of(factor)?.step_of(code, now)? else {
                continue;
            };
            if step > factor.last_step {
                let statements = vec![factor.use_step(step, now)];
                tried = Tried::Proven(Proven { means: Means::Totp, statements });
            } else if matches!(tried, Tried::Wrong) {
                tried = Tried::Used;
            }
        }
        Ok(tried)
    }

    async fn prove_recovery(&self, user: Uuid, code: &RecoveryCode) -> Result<Tried> {
        let hash = code.hash(user);
        let rows = self
            .db
            .query(
                "SELECT used_at FROM recovery_codes WHERE user_id = $1 AND hash = $2",
                vec![user.into(), hash.clone().into()],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(Tried::Wrong);
        };
        if row.opt_int(0)?.is_some() {
            return Ok(Tried::Used);
        }
        let spend = Statement::new(
            "UPDATE recovery_codes SET used_at = $3
             WHERE user_id = $1 AND hash = $2 AND used_at IS NULL",
        )
        .bind(user)
        .bind(hash)
        .bind(self.clock.micros())
        .expect_rows(1);
        Ok(Tried::Proven(Proven { means: Means::RecoveryCode, statements: vec![spend] }))
    }

    /// Writes what a step of an enrolment or of a proof changes.
    pub async fn write(&self, warrant: &Warrant, statements: Vec<Statement>) -> Result<()> {
        self.ledger.commit(warrant, statements).await
    }

    /// Removes one of the caller's factors, and the recovery codes with the last of them.
    pub async fn remove(&self, permit: Permit<RemoveFactor>) -> Result<()> {
        let (user, factor) = (permit.caller().principal().id(), permit.action().0);
        permit.warrant().note("factor", factor.to_string());
        let statements = self.removal(user, factor).await?;
        self.ledger.commit(permit.warrant(), statements).await
    }

    async fn removal(&self, user: Uuid, factor: Uuid) -> Result<Vec<Statement>> {
        let enrolled = self.of(user).await?;
        let factor = enrolled.factors.iter().find(|it| it.id == factor).ok_or(Error::NotFound)?;
        let codes = Statement::new(
            "DELETE FROM recovery_codes WHERE user_id = $1 AND NOT EXISTS
             (SELECT 1 FROM factors WHERE user_id = $1 AND state = 'active')",
        );
        Ok(vec![factor.delete(), codes.bind(user)])
    }

    /// New recovery codes for the caller; those of before are worth nothing any more.
    pub async fn renew_recovery(&self, permit: Permit<RenewRecovery>) -> Result<Vec<SecretString>> {
        let user = permit.caller().principal().id();
        if !self.of(user).await?.is_active() {
            return Err(Error::Conflict(
                "recovery codes stand in for a second factor: enrol one first".into(),
            ));
        }
        let RecoverySet { codes, statements } = self.new_recovery(user)?;
        self.ledger.commit(permit.warrant(), statements).await?;
        Ok(codes)
    }

    fn secret_of(&self, factor: &Factor) -> Result<TotpSecret> {
        let bytes = self.seal.open(factor.purpose(), &factor.body)?;
        Ok(TotpSecret::from_bytes(&bytes))
    }

    async fn select(
        &self,
        sql: &'static str,
        params: Vec<crate::store::Value>,
    ) -> Result<Vec<Factor>> {
        let rows = self.db.query(sql, params).await?;
        Ok(rows.iter().map(Factor::from_row).collect::<Result<_, _>>()?)
    }
}
