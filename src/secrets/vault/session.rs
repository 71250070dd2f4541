//! Signed in to Vault: by a token that stands in a file, or as an AppRole.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustify::clients::reqwest::Client as HttpClient;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use vaultrs::api::{AuthInfo, EndpointMiddleware};
use vaultrs::client::{Client as _, VaultClient, VaultClientSettings};
use zeroize::Zeroizing;

use super::failure::Failure;

const FILE_BYTES_MAX: u64 = 4096;
const GROUP_AND_OTHERS: u32 = 0o077;
/// A session is not begun anything with that ends as soon as this.
const MARGIN: Duration = Duration::from_millis(500);

/// Where Vault is, and the one client that reaches it.
#[derive(Clone)]
pub struct Door {
    pub http: reqwest::Client,
    pub url: Url,
    pub namespace: Option<String>,
}

/// How Gatewright proves itself to Vault.
#[derive(Clone, Debug)]
pub enum Identity {
    Token { file: PathBuf },
    AppRole { mount: String, role_id: String, secret_id_file: PathBuf },
}

/// A token of Vault, and for how long it is good.
pub struct Session {
    pub client: VaultClient,
    life: Option<Life>,
}

/// Of a token that ends.
#[derive(Clone, Copy)]
struct Life {
    granted: Duration,
    ends: Instant,
    renewable: bool,
}

impl Door {
    /// A client that sends this token; one that sends none when it is empty.
    pub fn client(&self, token: &str) -> VaultClient {
        let address = self.url.as_str().trim_end_matches('/');
        let middle = EndpointMiddleware {
            token: token.to_owned(),
            version: "v1".to_owned(),
            wrap: None,
            namespace: self.namespace.clone(),
        };
        // Every field by hand: the builder's defaults come from the environment of the process.
        let settings = VaultClientSettings {
            address: self.url.clone(),
            ca_certs: Vec::new(),
            identity: None,
            timeout: None,
            token: String::new(),
            verify: true,
            version: 1,
            wrapping: false,
            namespace: self.namespace.clone(),
            proxy: None,
        };
        VaultClient { http: HttpClient::new(address, self.http.clone()), middle, settings }
    }
}

impl Identity {
    /// Signs in.
    ///
    /// # Errors
    /// The file cannot be used, or Vault does not know what stands in it.
    pub async fn sign_in(&self, door: &Door, now: Instant) -> Result<Session, Failure> {
        match self {
            Identity::Token { file } => {
                let token = read(file)?;
                let client = door.client(token.expose_secret());
                let said = client.lookup().await.map_err(|error| match Failure::from(error) {
                    Failure::Refused => refused("the token is not good any more", file),
                    other => other,
                })?;
                let renewable = said.renewable.unwrap_or_default();
                let life = said.expire_time.map(|_| Life::new(said.ttl, renewable, now));
                let session = Session { client, life };
                // Nobody knows how much of its life it has spent in the file.
                Ok(session.renewed(door, now).await.ok().flatten().unwrap_or(session))
            }
            Identity::AppRole { mount, role_id, secret_id_file } => {
                let secret_id = read(secret_id_file)?;
                let client = door.client("");
                let said = vaultrs::auth::approle::login(
                    &client,
                    mount,
                    role_id,
                    secret_id.expose_secret(),
                )
                .await
                .map_err(|error| match Failure::from(error) {
                    Failure::Status(400) | Failure::Refused => {
                        refused("the role or its secret id is not known", secret_id_file)
                    }
                    other => other,
                })?;
                Ok(Session::of(door, &said, now))
            }
        }
    }
}

impl Session {
    fn of(door: &Door, said: &AuthInfo, now: Instant) -> Session {
        let seconds = said.lease_duration;
        let life = (seconds > 0).then(|| Life::new(seconds, said.renewable, now));
        Session { client: door.client(&said.client_token), life }
    }

    /// Whether something can still be begun with it.
    pub fn is_good(&self, now: Instant) -> bool {
        self.life.is_none_or(|it| it.ends > now + MARGIN)
    }

    /// For how much longer it is good; none when it does not end.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        self.life.map(|it| it.ends.saturating_duration_since(now))
    }

    /// Whether half of its life is over.
    pub fn is_due(&self, now: Instant) -> bool {
        self.life.is_some_and(|it| it.ends.saturating_duration_since(now) < it.granted / 2)
    }

    /// The same token with a new life, where Vault gives it one that is worth it: near the end of
    /// all renewals it does not.
    pub async fn renewed(&self, door: &Door, now: Instant) -> Result<Option<Session>, Failure> {
        let Some(life) = self.life.filter(|it| it.renewable) else { return Ok(None) };
        let said = self.client.renew(None).await?;
        let worth = Duration::from_secs(said.lease_duration) * 2 >= life.granted;
        Ok(worth.then(|| Session::of(door, &said, now)))
    }
}

impl Life {
    /// Of a token with so many seconds left.
    fn new(seconds: u64, renewable: bool, now: Instant) -> Life {
        let granted = Duration::from_secs(seconds);
        Life { granted, ends: now + granted, renewable }
    }
}

fn refused(what: &str, file: &Path) -> Failure {
    Failure::NotSignedIn(format!("{what}; put a good one into `{}`", file.display()))
}

/// The first line of a file that is its owner's alone.
fn read(file: &Path) -> Result<SecretString, Failure> {
    let bad = |why: String| Failure::NotSignedIn(format!("`{}`: {why}", file.display()));
    let open = std::fs::File::open(file).map_err(|it| bad(it.to_string()))?;
    let mode = open.metadata().map_err(|it| bad(it.to_string()))?.permissions().mode();
    if mode & GROUP_AND_OTHERS != 0 {
        return Err(bad("others than its owner may read it: `chmod 600` it".to_owned()));
    }
    let mut text = Zeroizing::new(String::new());
    open.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|it| bad(it.to_string()))?;
    let word = text.trim();
    // It becomes part of a header.
    match !word.is_empty() && word.bytes().all(|it| it.is_ascii_graphic()) {
        true => Ok(word.into()),
        false => Err(bad("it does not hold one word".to_owned())),
    }
}
