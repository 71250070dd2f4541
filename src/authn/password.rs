//! Passwords: Argon2id (RFC 9106), on a pool of its own so that sign-ins never starve decisions.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::Result;
use crate::error::FieldFault;

const HASHING_MAX: usize = 2;
const CHARS_MIN: usize = 12;
/// Hashing is linear in the length; this is far beyond what anybody types.
const BYTES_MAX: usize = 1024;

/// Hashes and verifies, a few at a time.
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// What an unknown name is checked against, so that it takes as long as a known one.
    decoy: tokio::sync::OnceCell<String>,
}

impl Default for Passwords {
    fn default() -> Self {
        Passwords { turns: Arc::new(Semaphore::new(HASHING_MAX)), decoy: Default::default() }
    }
}

impl Passwords {
    pub fn new() -> Passwords {
        Passwords::default()
    }

    /// The PHC string of an acceptable password.
    pub async fn hash(&self, password: SecretString) -> Result<String> {
        self.blocking(move || {
            let hash = Argon2::default().hash_password(password.expose_secret().as_bytes());
            hash.map(|it| it.to_string()).map_err(|error| anyhow::anyhow!("argon2: {error}").into())
        })
        .await
    }

    /// Whether the password fits the hash; with no hash, no, after the same work.
    pub async fn verify(&self, password: SecretString, hash: Option<SecretString>) -> Result<bool> {
        if password.expose_secret().len() > BYTES_MAX {
            return Ok(false);
        }
        let known = hash.is_some();
        let hash = match hash {
            Some(it) => it,
            None => self.decoy().await?,
        };
        let fits = self
            .blocking(move || {
                let hash = PasswordHash::new(hash.expose_secret())
                    .map_err(|error| anyhow::anyhow!("a stored password hash: {error}"))?;
                let password = password.expose_secret().as_bytes();
                Ok(Argon2::default().verify_password(password, &hash).is_ok())
            })
            .await?;
        Ok(fits && known)
    }

    async fn decoy(&self) -> Result<SecretString> {
        let decoy = self.decoy.get_or_try_init(|| self.hash("nobody's password".into())).await?;
        Ok(decoy.as_str().into())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = self.turns.clone().acquire_owned().await.map_err(anyhow::Error::from)?;
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(anyhow::Error::from)?
    }
}

/// What is wrong with a password that is too easy to be one.
pub fn fault(username: &str, password: &SecretString) -> Option<FieldFault> {
    let text = password.expose_secret();
    let detail = if text.chars().count() < CHARS_MIN {
        format!("must have at least {CHARS_MIN} characters")
    } else if text.len() > BYTES_MAX {
        format!("must have at most {BYTES_MAX} bytes")
    } else if text.to_lowercase().contains(&username.to_lowercase()) {
        "must not contain the username".into()
    } else if distinct(text) < 5 {
        "must have at least 5 different characters".into()
    } else {
        return None;
    };
    Some(FieldFault { pointer: "/password".into(), detail })
}

fn distinct(text: &str) -> usize {
    text.chars().collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        let hash = || Some(SecretString::from(hash.as_str()));
        assert!(passwords.verify("correct horse battery".into(), hash()).await.unwrap());
        assert!(!passwords.verify("correct horse batterz".into(), hash()).await.unwrap());
        assert!(!passwords.verify("nobody's password".into(), None).await.unwrap());
        assert!(!passwords.verify("x".repeat(2000).into(), hash()).await.unwrap());
    }

    #[test]
    fn easy_passwords_are_refused() {
        for (password, ok) in [
            ("short", false),
            ("aaaaaaaaaaaaaaaa", false),
            ("alice-alice-alice", false),
            ("StrongPassword123!", true),
        ] {
            assert_eq!(fault("alice", &password.into()).is_none(), ok, "{password}");
        }
    }
}
