//! Proving a second factor: a code that is typed, or a passkey that signs.

use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;
use webauthn_rs::prelude::PublicKeyCredential;

use crate::authn::Caller;
use crate::authn::factors::{Ceremony, Means, Proven, Tried};
use crate::authn::single_use::Kind as Use;
use crate::authz::Warrant;
use crate::error::Challenge;
use crate::store::Statement;
use crate::{App, Error, Result};

/// How long a browser may take to have its user touch a key.
pub const CEREMONY_TIME_MAX: Duration = Duration::from_secs(300);

/// A second factor, as it was shown.
pub enum Shown {
    /// The code of an app, or a recovery code.
    Otp(SecretString),
    Passkey(Box<SignedProof>),
}

/// What a browser brings back from a ceremony.
pub struct SignedProof {
    /// The ceremony that it answers.
    pub ceremony: SecretString,
    pub credential: PublicKeyCredential,
}

/// A factor that was proven: what uses it up, for the commit of what it was proven for.
#[derive(Debug, Default)]
pub struct Spent {
    pub statements: Vec<Statement>,
    means: Option<Means>,
}

/// The first half of proving a passkey.
pub struct BegunProof {
    /// Goes on with it; good once.
    pub ceremony: SecretString,
    /// For `navigator.credentials.get`, as JSON.
    pub options: serde_json::Value,
}

impl Spent {
    /// Says in the audit what it was proven with.
    pub fn note(&self, warrant: &Warrant) {
        if let Some(means) = self.means {
            warrant.note("second_factor", means.as_str());
        }
    }
}

impl App {
    /// What an elevation has to prove besides the password: a factor, where one is enrolled.
    pub async fn proven_again(
        &self,
        caller: Caller,
        shown: Option<&Shown>,
    ) -> Result<(Caller, Spent)> {
        if let Some(shown) = shown {
            return self.with_factor(caller, shown, "auth.elevate").await;
        }
        let enrolled = self.factors.of_principal(caller.principal()).await?;
        if !enrolled.is_active() {
            return Ok((caller, Spent::default()));
        }
        let proof = &caller.session().proof;
        let (risk, risk_reasons) = (proof.risk, proof.risk_reasons.clone());
        let challenge = Challenge { token: None, risk, risk_reasons, means: enrolled.means() };
        Err(Error::SecondFactor(Box::new(challenge)))
    }

    /// The caller with this factor proven, and what uses it up; the caller of this counts tries.
    pub async fn with_factor(
        &self,
        caller: Caller,
        shown: &Shown,
        event: &'static str,
    ) -> Result<(Caller, Spent)> {
        let user = caller.principal().id();
        let tried = match shown {
            Shown::Otp(otp) => self.factors.prove(user, otp).await?,
            Shown::Passkey(signed) => self.tried_passkey(user, signed).await?,
        };
        match tried {
            Tried::Proven(Proven { means, statements }) => {
                let spent = Spent { statements, means: Some(means) };
                Ok((self.authn.with_factor_proven(caller), spent))
            }
            Tried::Used => Err(self.authn.refuse_factor_of(&caller, event, "used_factor").await),
            Tried::Wrong => Err(self.authn.refuse_factor_of(&caller, event, "wrong_factor").await),
        }
    }

    async fn tried_passkey(&self, user: Uuid, signed: &SignedProof) -> Result<Tried> {
        let found = self.authn.single_use().recall(Use::PasskeyProof, &signed.ceremony).await?;
        let Some(begun) = found.filter(|it| it.bound_to() == user.to_string()) else {
            return Ok(Tried::Wrong);
        };
        if !begun.is_good_for(&user.to_string()) {
            return Ok(Tried::Used);
        }
        let tried = self.factors.finish_proof(user, &begun.body()?, &signed.credential).await?;
        Ok(match tried {
            Tried::Proven(mut proven) => {
                proven.statements.push(begun.spend(None));
                Tried::Proven(proven)
            }
            other => other,
        })
    }

    /// Begins to prove one of the caller's passkeys, under the warrant of what it is proven for.
    pub async fn begin_proof(&self, warrant: &Warrant, caller: &Caller) -> Result<BegunProof> {
        let user = caller.principal().id();
        let Some(Ceremony { options, state }) = self.factors.begin_proof(user).await? else {
            return Err(Error::Conflict("no passkey is enrolled; send a code instead".into()));
        };
        let (ceremony, insert) = self.authn.single_use().issue(
            Use::PasskeyProof,
            &user.to_string(),
            &state,
            CEREMONY_TIME_MAX,
        )?;
        warrant.note("second_factor", "begun");
        self.factors.write(warrant, vec![insert]).await?;
        Ok(BegunProof { ceremony, options })
    }
}
