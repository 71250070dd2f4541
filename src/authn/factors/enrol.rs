//! Enrolling an authenticator app, and giving out recovery codes.

use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::recovery::RecoveryCode;
use super::totp::{Code, Provisioning, TotpSecret};
use super::{Enrolled, Factor, FactorKind, FactorState, Factors};
use crate::directory::User;
use crate::store::Statement;
use crate::{Error, Result};

/// More devices than anybody carries.
const FACTORS_MAX: usize = 20;
/// How long a secret that nobody has confirmed waits for its first code.
const PENDING_MICROS_MAX: i64 = 15 * 60 * 1_000_000;
/// What an app is called whose owner calls it nothing.
pub const APP: &str = "authenticator app";

/// An authenticator app that is to be enrolled: pending until its first code confirms it.
#[derive(Debug)]
pub struct NewTotp {
    pub id: Uuid,
    pub provisioning: Provisioning,
    pub statements: Vec<Statement>,
}

/// A factor that has proven itself and is active with the commit of its statements.
#[derive(Debug)]
pub struct Confirmed {
    pub factor: Uuid,
    /// A set for those who had no factor; empty for others.
    pub recovery_codes: Vec<SecretString>,
    pub statements: Vec<Statement>,
}

/// New recovery codes, for the one answer that shows them.
#[derive(Debug)]
pub struct RecoverySet {
    pub codes: Vec<SecretString>,
    /// Stores them, and ends those of before.
    pub statements: Vec<Statement>,
}

impl Factors {
    /// A new secret for an authenticator app. One that was begun before and never confirmed makes
    /// way for it.
    pub async fn begin_totp(&self, user: &User, name: String) -> Result<NewTotp> {
        room_for_one_more(&self.of(user.id).await?)?;
        let mut new = self.new_totp(user, name, FactorState::Pending)?;
        let unconfirmed =
            Statement::new("DELETE FROM factors WHERE user_id = $1 AND state = 'pending'");
        new.statements.insert(0, unconfirmed.bind(user.id));
        Ok(new)
    }

    fn new_totp(&self, user: &User, name: String, state: FactorState) -> Result<NewTotp> {
        let (id, secret) = (self.clock.new_id(), TotpSecret::generate()?);
        let factor = Factor {
            id,
            user: user.id,
            kind: FactorKind::Totp,
            name,
            state,
            created_at: self.clock.micros(),
            used_at: None,
            body: self.seal.seal(FactorKind::Totp.purpose(id, user.id), secret.as_bytes())?,
            last_step: 0,
        };
        Ok(NewTotp {
            id,
            provisioning: secret.provisioning(&self.issuer, &user.username)?,
            statements: vec![factor.insert(None)],
        })
    }

    /// An app for somebody who registers: they are shown the secret before anybody else can sign in
    /// as them, so it counts at once. With a set of recovery codes.
    pub fn with_registration(&self, user: &User) -> Result<(NewTotp, RecoverySet)> {
        let mut new = self.new_totp(user, APP.to_owned(), FactorState::Active)?;
        let mut codes = self.new_recovery(user.id)?;
        new.statements.append(&mut codes.statements);
        Ok((new, codes))
    }

    /// Makes a pending app an active factor by its first code; none when the code does not fit.
    pub async fn confirm_totp(
        &self,
        user: Uuid,
        factor: Uuid,
        otp: &SecretString,
    ) -> Result<Option<Confirmed>> {
        let (enrolled, now) = (self.of(user).await?, self.clock.micros());
        let waits = |it: &&Factor| {
            it.id == factor
                && it.state == FactorState::Pending
                && now - it.created_at <= PENDING_MICROS_MAX
        };
        let factor = enrolled.factors.iter().find(waits).ok_or(Error::NotFound)?;
        let Some(code) = Code::parse(otp.expose_secret()) else {
            return Ok(None);
        };
        let Some(step) = self.secret_of(factor)?.step_of(&code, now)? else {
            return Ok(None);
        };
        let use_step = factor.use_step(step, now);
        self.with_first_recovery(factor, &enrolled, use_step).map(Some)
    }

    /// A set of recovery codes that takes the place of every earlier one.
    pub(super) fn new_recovery(&self, user: Uuid) -> Result<RecoverySet> {
        let codes = RecoveryCode::new_set()?;
        let mut statements =
            vec![Statement::new("DELETE FROM recovery_codes WHERE user_id = $1").bind(user)];
        statements.extend(codes.iter().map(|it| {
            Statement::new("INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)")
                .bind(user)
                .bind(it.hash(user))
                .expect_rows(1)
        }));
        Ok(RecoverySet { codes: codes.iter().map(RecoveryCode::reveal).collect(), statements })
    }

    /// The factor that `statement` makes active, with recovery codes when it is the first. Whoever
    /// was let enrol it because there was none is refused when there is one by then.
    pub(super) fn with_first_recovery(
        &self,
        factor: &Factor,
        enrolled: &Enrolled,
        statement: Statement,
    ) -> Result<Confirmed> {
        let (factor, user) = (factor.id, factor.user);
        if enrolled.is_active() {
            let (recovery_codes, statements) = (Vec::new(), vec![statement]);
            return Ok(Confirmed { factor, recovery_codes, statements });
        }
        let RecoverySet { codes: recovery_codes, mut statements } = self.new_recovery(user)?;
        let first = Statement::new(
            "UPDATE users SET id = id WHERE id = $1 AND NOT EXISTS
             (SELECT 1 FROM factors WHERE user_id = $1 AND state = 'active')",
        );
        statements.extend([first.bind(user).expect_rows(1), statement]);
        Ok(Confirmed { factor, recovery_codes, statements })
    }
}

/// Refuses another factor to those who have very many.
pub(super) fn room_for_one_more(enrolled: &Enrolled) -> Result<()> {
    if enrolled.factors.len() < FACTORS_MAX {
        return Ok(());
    }
    Err(Error::Conflict(
        format!("there are {FACTORS_MAX} second factors already; remove one first").into(),
    ))
}
