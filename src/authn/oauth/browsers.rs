//! Browsers that somebody signed in with: a cookie that names a session.

use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::audit::entry::Origin;
use crate::authn::{Authn, Caller, Session, SignIn};
use crate::authz::Permit;
use crate::directory::Kind;
use crate::store::{Row, Statement};
use crate::{Error, Result};

/// How long a browser stays signed in.
pub const BROWSER_LIFE: Duration = Duration::from_secs(8 * 60 * 60);
const ENCODED_CHARS: usize = 43;

/// What a cookie holds: 256 random bits, before and after a sign-in, and never the same ones.
#[derive(Clone)]
pub struct BrowserSecret(SecretString);

impl BrowserSecret {
    pub fn generate() -> Result<BrowserSecret> {
        let mut bytes = [0u8; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(anyhow::Error::from)?;
        Ok(BrowserSecret(BASE64_URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// What came in a cookie; none if that cannot be one of ours.
    pub fn parse(text: &str) -> Option<BrowserSecret> {
        let letter = |it: u8| it.is_ascii_alphanumeric() || b"-_".contains(&it);
        let ours = text.len() == ENCODED_CHARS && text.bytes().all(letter);
        ours.then(|| BrowserSecret(text.into()))
    }

    /// For the cookie that sets it.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.reveal()).to_vec()
    }

    /// What a form of ours carries, so that no other site can send it: only who reads the cookie
    /// can make one. `purpose` is which form it is, `about` what it is filled in for.
    pub fn seal(&self, purpose: &str, about: &str) -> Result<String> {
        let mac = self.mac(purpose, about)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// Whether `seal` was made for this very form, in constant time.
    pub fn fits(&self, seal: &str, purpose: &str, about: &str) -> Result<bool> {
        let Ok(seal) = BASE64_URL_SAFE_NO_PAD.decode(seal) else { return Ok(false) };
        Ok(self.mac(purpose, about)?.verify_slice(&seal).is_ok())
    }

    fn mac(&self, purpose: &str, about: &str) -> Result<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(self.reveal().as_bytes());
        let mut mac = mac.map_err(anyhow::Error::from)?;
        for part in ["gatewright form", purpose, about] {
            mac.update(&part.len().to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(mac)
    }
}

impl Authn {
    /// Opens a session that is kept in a cookie alone, and ends the one that this browser had.
    pub async fn open_browser(
        &self,
        permit: Permit<SignIn>,
        scopes: &[String],
        mut statements: Vec<Statement>,
        replaced: Option<Uuid>,
    ) -> Result<BrowserSecret> {
        let (caller, _, _, warrant) = permit.spend();
        let (session, secret) = (self.clock.new_id(), BrowserSecret::generate()?);
        warrant.note("session", session.to_string());
        statements.push(self.insert_session(session, &caller, scopes, BROWSER_LIFE)?);
        let life = i64::try_from(BROWSER_LIFE.as_micros()).unwrap_or(i64::MAX);
        let insert = Statement::new(
            "INSERT INTO browsers (hash, session_id, expires_at) VALUES ($1, $2, $3)",
        )
        .bind(secret.hash())
        .bind(session)
        .bind(self.clock.micros().saturating_add(life))
        .expect_rows(1);
        statements.push(insert);
        statements.extend(replaced.into_iter().flat_map(|it| self.revoke(it)));
        self.ledger.commit(&warrant, statements).await?;
        if let Some(it) = replaced {
            self.revoked.add(it, self.clock.micros());
        }
        Ok(secret)
    }

    /// Who is signed in with this browser; nobody, where the session has ended.
    pub async fn recognise_browser(
        &self,
        secret: &BrowserSecret,
        origin: Arc<Origin>,
    ) -> Result<Option<Caller>> {
        let rows = self
            .db
            .query(
                "SELECT s.id, s.principal_kind, s.principal_id, s.authenticated_at, s.scopes, s.proof
                 FROM browsers b JOIN sessions s ON s.id = b.session_id
                 WHERE b.hash = $1 AND b.expires_at > $2 AND s.revoked_at IS NULL",
                vec![secret.hash().into(), self.clock.micros().into()],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let Some(kind) = Kind::parse(row.text(1)?) else { return Ok(None) };
        let principal = self.directory.snapshot().principal(kind, row.uuid(2)?);
        let Some(principal) = principal else { return Ok(None) };
        Ok(Some(Caller::new(principal, session(row)?, origin)))
    }

    /// Whether a session has not ended.
    pub(super) async fn is_open(&self, session: Uuid) -> Result<bool> {
        let rows = self
            .db
            .query(
                "SELECT id FROM sessions
                 WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2",
                vec![session.into(), self.clock.micros().into()],
            )
            .await?;
        Ok(!rows.is_empty())
    }
}

fn session(row: &Row) -> Result<Session, Error> {
    Ok(Session {
        id: Some(row.uuid(0)?),
        scopes: Arc::new(row.json(4)?),
        authenticated_at: row.int(3)?,
        reauthenticated_at: None,
        proof: Arc::new(row.json(5)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_fits_its_browser_its_form_and_its_subject() {
        let (mine, yours) =
            (BrowserSecret::generate().unwrap(), BrowserSecret::generate().unwrap());
        let seal = mine.seal("consent", "a").unwrap();
        assert!(mine.fits(&seal, "consent", "a").unwrap());
        assert!(!yours.fits(&seal, "consent", "a").unwrap());
        assert!(!mine.fits(&seal, "sign-in", "a").unwrap());
        assert!(!mine.fits(&seal, "consent", "b").unwrap());
        assert!(!mine.fits(&seal, "consenta", "").unwrap());
        assert!(!mine.fits("", "consent", "a").unwrap());
        assert!(!mine.fits("not base64!", "consent", "a").unwrap());
    }

    #[test]
    fn a_cookie_holds_43_letters_or_is_none_of_ours() {
        let text = BrowserSecret::generate().unwrap().reveal().to_owned();
        assert!(BrowserSecret::parse(&text).is_some());
        for bad in ["", &text[1..], &format!("{text}A"), &format!("{}=", &text[1..])] {
            assert!(BrowserSecret::parse(bad).is_none(), "{bad}");
        }
    }
}
