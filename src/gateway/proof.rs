//! What Gatewright proves itself to a tool by, for one call: secrets on their way from their home
//! into the call, and out of whatever comes back.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::Gateway;
use super::failure::{Failure, FailureKind};
use super::upstream::Outgoing;
use crate::Error;
use crate::authz::Warrant;
use crate::directory::Principal;
use crate::registry::{Auth, Connection, HEADER, KeyIn, KeyPlace};
use crate::secrets::{Scrubber, SecretPath, Values};

/// What is shorter is taken for no secret.
pub(super) const SECRET_BYTES_MIN: usize = 6;

/// Headers and query parameters that hold secrets.
pub(super) struct Proof {
    pub headers: HeaderMap,
    pub query: Option<(String, SecretString)>,
    pub scrubber: Scrubber,
}

/// How a service wants its key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carried {
    /// If it wants one at all.
    AsBearer,
    InHeader(&'static str),
}

/// The same while it is being put together.
#[derive(Default)]
struct Draft {
    headers: HeaderMap,
    query: Option<(String, SecretString)>,
    /// Everything secret that goes along.
    secrets: Vec<SecretString>,
}

impl Gateway {
    /// Gets what the call is to carry: the tool's own secrets, the user's where the tool wants
    /// them, a leased one, or the credential that was minted for it.
    pub(super) async fn prove(
        &self,
        warrant: &Warrant,
        outgoing: &Outgoing<'_>,
    ) -> Result<Proof, Failure> {
        let reached = outgoing.called.reached();
        let connection = &reached.definition.connection;
        let mut draft = Draft::default();
        let values = match reached.secrets.is_empty() {
            true => Values::default(),
            false => self.read(warrant, SecretPath::tool(reached.id)).await?,
        };
        draft.set_headers(&values)?;
        self.add(warrant, connection.auth(), &values, outgoing, &mut draft).await?;
        if matches!(connection, Connection::Remote(it) if it.requires_per_user_auth) {
            let user =
                user(outgoing).ok_or_else(|| not_ready("a user whose account it can use"))?;
            let values = self.read(warrant, SecretPath::of_user(user, reached.id)).await?;
            if values.is_empty() {
                return Err(not_ready(
                    "the user's own account: store it with PUT /api/v1/tools/{tool}/account",
                ));
            }
            draft.add_headers(&values)?;
            if let Some(token) = values.get("token") {
                draft.bearer(token)?;
            }
        }
        Ok(draft.done())
    }

    /// The same for a tool that this server runs itself: the secret `api_key`, if there is one.
    pub(super) async fn prove_by_key(
        &self,
        warrant: &Warrant,
        carried: Carried,
        outgoing: &Outgoing<'_>,
    ) -> Result<Proof, Failure> {
        let tool = &outgoing.called.tool;
        let values = match tool.secrets.is_empty() {
            true => Values::default(),
            false => self.read(warrant, SecretPath::tool(tool.id)).await?,
        };
        let mut draft = Draft::default();
        match (values.get("api_key"), carried) {
            (Some(key), Carried::AsBearer) => draft.bearer(key)?,
            (Some(key), Carried::InHeader(name)) => draft.set(name, key)?,
            (None, Carried::AsBearer) => {}
            (None, Carried::InHeader(_)) => return Err(not_ready("its secret `api_key`")),
        }
        Ok(draft.done())
    }

    async fn read(&self, warrant: &Warrant, path: SecretPath) -> Result<Values, Failure> {
        self.secrets.read(warrant, path).await.map_err(|error| match error {
            Error::Unavailable { .. } => not_ready("its secrets, and their store does not answer"),
            other => {
                tracing::error!(error = %other, "a secret cannot be read");
                not_ready("its secrets")
            }
        })
    }

    async fn add(
        &self,
        warrant: &Warrant,
        auth: &Auth,
        values: &Values,
        outgoing: &Outgoing<'_>,
        draft: &mut Draft,
    ) -> Result<(), Failure> {
        match auth {
            Auth::None => Ok(()),
            Auth::ApiKey(place) => draft.api_key(place, needed(values, "api_key")?),
            Auth::Bearer => draft.bearer(needed(values, "token")?),
            Auth::Basic(it) => draft.basic(&it.username, needed(values, "password")?),
            Auth::Oauth2(it) => {
                let secret = needed(values, "client_secret")?;
                let token = self.machine_token(warrant, it, secret, outgoing).await?;
                draft.secrets.push(secret.clone());
                draft.bearer(&token)
            }
            Auth::Vault(it) => {
                let leased = outgoing.leased.as_ref().ok_or_else(|| not_ready("its lease"))?;
                for (header, name) in &it.headers {
                    draft.set(header, needed(leased, name)?)?;
                }
                draft.secrets.extend(leased.iter().map(|(_, value)| value.clone()));
                match it.basic {
                    true => {
                        let username = needed(leased, "username")?.expose_secret().to_owned();
                        draft.basic(&username, needed(leased, "password")?)
                    }
                    false => Ok(()),
                }
            }
            Auth::Biscuit => match &outgoing.credential {
                Some(token) => draft.bearer(token),
                None => Err(not_ready("its credential")),
            },
        }
    }
}

impl Draft {
    /// Puts in the static headers.
    fn set_headers(&mut self, values: &Values) -> Result<(), Failure> {
        for (name, value) in values.iter() {
            if let Some(header) = name.as_str().strip_prefix(HEADER) {
                self.set(header, value)?;
            }
        }
        Ok(())
    }

    /// Puts in a user's own headers, where the publisher has set none.
    fn add_headers(&mut self, values: &Values) -> Result<(), Failure> {
        for (name, value) in values.iter() {
            match name.as_str().strip_prefix(HEADER) {
                Some(header) if !self.headers.contains_key(header) => self.set(header, value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn set(&mut self, header: &str, value: &SecretString) -> Result<(), Failure> {
        let name = HeaderName::try_from(header).map_err(|_| not_ready("a header's name"))?;
        self.headers.insert(name, hidden(value.expose_secret())?);
        self.secrets.push(value.clone());
        Ok(())
    }

    fn bearer(&mut self, token: &SecretString) -> Result<(), Failure> {
        let value = SecretString::from(format!("Bearer {}", token.expose_secret()));
        self.headers.insert(AUTHORIZATION, hidden(value.expose_secret())?);
        self.secrets.push(token.clone());
        Ok(())
    }

    /// `Authorization: Basic` (RFC 7617).
    fn basic(&mut self, username: &str, password: &SecretString) -> Result<(), Failure> {
        let pair = SecretString::from(format!("{username}:{}", password.expose_secret()));
        let encoded = SecretString::from(BASE64_STANDARD.encode(pair.expose_secret()));
        let value = SecretString::from(format!("Basic {}", encoded.expose_secret()));
        self.headers.insert(AUTHORIZATION, hidden(value.expose_secret())?);
        self.secrets.extend([password.clone(), encoded]);
        Ok(())
    }

    fn api_key(&mut self, place: &KeyPlace, key: &SecretString) -> Result<(), Failure> {
        match place.place {
            KeyIn::Header => self.set(&place.name, key),
            KeyIn::Query => {
                self.query = Some((place.name.clone(), key.clone()));
                self.secrets.push(key.clone());
                Ok(())
            }
        }
    }

    fn done(self) -> Proof {
        // A version or a flag in a header is no secret, and stands everywhere.
        let secrets = self.secrets.iter().filter(|it| it.expose_secret().len() >= SECRET_BYTES_MIN);
        let scrubber = Scrubber::new(secrets);
        Proof { headers: self.headers, query: self.query, scrubber }
    }
}

/// The user whose account a call may use: who calls, or in whose name.
fn user(outgoing: &Outgoing<'_>) -> Option<uuid::Uuid> {
    match (outgoing.on_behalf_of, outgoing.caller.principal()) {
        (Some(user), _) => Some(user),
        (None, Principal::User(it)) => Some(it.id),
        (None, Principal::Agent(_)) => None,
    }
}

fn needed<'a>(values: &'a Values, name: &str) -> Result<&'a SecretString, Failure> {
    values.get(name).ok_or_else(|| not_ready("a secret that was taken away; tell its owner"))
}

/// A header that no log of the client's may print.
fn hidden(text: &str) -> Result<HeaderValue, Failure> {
    let unfit = |_| not_ready("a secret that can stand in a header");
    let mut value = HeaderValue::from_str(text).map_err(unfit)?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn not_ready(what: &str) -> Failure {
    Failure::unsent(FailureKind::NotReady, format!("the tool cannot be called without {what}"))
}
