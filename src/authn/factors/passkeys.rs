//! Passkeys (W3C Web Authentication, level 3): the ceremonies that enrol one and prove one.
//!
//! A ceremony has two halves, and what the server must remember between them is a sealed text: the
//! caller keeps it for one use, bound to the browser that began.

use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    AuthenticationResult, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::enrol::room_for_one_more;
use super::seal::Purpose;
use super::{Confirmed, Factor, FactorKind, FactorState, Factors, Means, Proven, Tried};
use crate::directory::User;
use crate::settings::Origin;
use crate::{Error, Result};

const PRODUCT: &str = "Gatewright";
const ENROLMENT: &str = "passkey enrolment";
const PROOF: &str = "passkey proof";

/// The first half of a ceremony.
#[derive(Debug)]
pub struct Ceremony {
    /// For the browser: the options of `navigator.credentials.create` or `.get`, as JSON.
    pub options: serde_json::Value,
    /// For the second half.
    pub state: CeremonyState,
}

/// What the server remembers between the halves. Opens for the user who began it, and only there.
#[derive(Debug, Serialize, Deserialize)]
pub struct CeremonyState(String);

#[derive(Serialize, Deserialize)]
struct Enrolment {
    name: String,
    registration: PasskeyRegistration,
}

/// Passkeys are bound to the name that browsers know this server by, which an address is not.
pub fn relying_party(public_url: &Origin) -> anyhow::Result<Option<Webauthn>> {
    let name = public_url.host();
    if name.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    let origin = Url::parse(&public_url.to_string())?;
    Ok(Some(WebauthnBuilder::new(name, &origin)?.rp_name(PRODUCT).build()?))
}

impl Factors {
    /// Begins to enrol a passkey that its owner calls `name`.
    pub async fn begin_passkey(&self, user: &User, name: String) -> Result<Ceremony> {
        let enrolled = self.of(user.id).await?;
        room_for_one_more(&enrolled)?;
        let known = enrolled.active(FactorKind::Passkey).map(|it| self.passkey_of(it));
        let known: Vec<Passkey> = known.collect::<Result<_>>()?;
        let known = known.iter().map(|it| it.cred_id().clone()).collect();
        let (options, registration) = self
            .relying_party()?
            .start_passkey_registration(user.id, &user.username, &user.username, Some(known))
            .map_err(anyhow::Error::from)?;
        let state = self.keep(ENROLMENT, user.id, &Enrolment { name, registration })?;
        Ok(Ceremony { options: json(&options)?, state })
    }

    /// Enrols the passkey that the browser has made; a conflict when it is enrolled already.
    pub async fn finish_passkey(
        &self,
        user: Uuid,
        state: &CeremonyState,
        made: &RegisterPublicKeyCredential,
    ) -> Result<Confirmed> {
        let Enrolment { name, registration } = self.recall(ENROLMENT, user, state)?;
        let passkey = self
            .relying_party()?
            .finish_passkey_registration(made, &registration)
            .map_err(|error| Error::field("/credential", unacceptable(&error)))?;
        let (id, now) = (self.clock.new_id(), self.clock.micros());
        let factor = Factor {
            id,
            user,
            kind: FactorKind::Passkey,
            name,
            state: FactorState::Active,
            created_at: now,
            used_at: None,
            body: self.seal.seal(FactorKind::Passkey.purpose(id, user), &bytes(&passkey)?)?,
            last_step: 0,
        };
        let fingerprint = Sha256::digest(passkey.cred_id()).to_vec();
        let insert = factor.insert(Some(fingerprint));
        self.with_first_recovery(&factor, &self.of(user).await?, insert)
    }

    /// Begins to prove one of the user's passkeys; none when there is none.
    pub async fn begin_proof(&self, user: Uuid) -> Result<Option<Ceremony>> {
        let enrolled = self.of(user).await?;
        let passkeys = enrolled.active(FactorKind::Passkey).map(|it| self.passkey_of(it));
        let passkeys: Vec<Passkey> = passkeys.collect::<Result<_>>()?;
        if passkeys.is_empty() {
            return Ok(None);
        }
        let (options, authentication) = self
            .relying_party()?
            .start_passkey_authentication(&passkeys)
            .map_err(anyhow::Error::from)?;
        let state = self.keep(PROOF, user, &authentication)?;
        Ok(Some(Ceremony { options: json(&options)?, state }))
    }

    /// Checks what the browser has signed.
    pub async fn finish_proof(
        &self,
        user: Uuid,
        state: &CeremonyState,
        signed: &PublicKeyCredential,
    ) -> Result<Tried> {
        let authentication: PasskeyAuthentication = self.recall(PROOF, user, state)?;
        match self.relying_party()?.finish_passkey_authentication(signed, &authentication) {
            Ok(result) => self.used(user, &result).await,
            Err(WebauthnError::CredentialPossibleCompromise) => Ok(Tried::Used),
            Err(error) => {
                tracing::debug!(%user, %error, "a passkey was not proven");
                Ok(Tried::Wrong)
            }
        }
    }

    /// The use of a passkey that may have been removed, or used, since its ceremony began.
    async fn used(&self, user: Uuid, result: &AuthenticationResult) -> Result<Tried> {
        let counter = i64::from(result.counter());
        for factor in self.of(user).await?.active(FactorKind::Passkey) {
            let mut passkey = self.passkey_of(factor)?;
            if passkey.update_credential(result).is_none() {
                continue;
            }
            // Passkeys that live on many devices count nothing, and stay at zero.
            if counter <= factor.last_step && (counter, factor.last_step) != (0, 0) {
                return Ok(Tried::Used);
            }
            let body = self.seal.seal(factor.purpose(), &bytes(&passkey)?)?;
            let statements = vec![factor.use_counter(counter, body, self.clock.micros())];
            return Ok(Tried::Proven(Proven { means: Means::Passkey, statements }));
        }
        Ok(Tried::Wrong)
    }

    fn passkey_of(&self, factor: &Factor) -> Result<Passkey> {
        let body = self.seal.open(factor.purpose(), &factor.body)?;
        Ok(serde_json::from_slice(&body).map_err(anyhow::Error::from)?)
    }

    fn relying_party(&self) -> Result<&Webauthn> {
        self.relying_party.as_ref().ok_or_else(|| {
            Error::Conflict(
                "passkeys need a server with a name: its `public_url` holds an address".into(),
            )
        })
    }

    fn keep(
        &self,
        what: &'static str,
        user: Uuid,
        state: &impl Serialize,
    ) -> Result<CeremonyState> {
        let sealed = self.seal.seal(ceremony(what, user), &bytes(state)?)?;
        Ok(CeremonyState(BASE64_STANDARD.encode(sealed)))
    }

    fn recall<T: DeserializeOwned>(
        &self,
        what: &'static str,
        user: Uuid,
        state: &CeremonyState,
    ) -> Result<T> {
        let sealed = BASE64_STANDARD.decode(&state.0).map_err(anyhow::Error::from)?;
        let state = self.seal.open(ceremony(what, user), &sealed)?;
        Ok(serde_json::from_slice(&state).map_err(anyhow::Error::from)?)
    }
}

fn unacceptable(error: &WebauthnError) -> String {
    match error {
        // The library has one error for both.
        WebauthnError::CredentialAlteredAlgFromRequest => {
            "is enrolled already, or signs in a way that this server did not offer".into()
        }
        other => format!("is not acceptable; begin again: {other}"),
    }
}

fn ceremony(what: &'static str, user: Uuid) -> Purpose {
    Purpose { what, id: Uuid::nil(), user }
}

fn bytes(it: &impl Serialize) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(it).map_err(anyhow::Error::from)?)
}

fn json(it: &impl Serialize) -> Result<serde_json::Value> {
    Ok(serde_json::to_value(it).map_err(anyhow::Error::from)?)
}
