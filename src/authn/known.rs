//! Tokens that somebody asks about, or wants ended: what each of them is, whoever sent it.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::access_token::Checked;
use super::api_keys::ApiKey;
use super::proofs::BadAssertion;
use super::refresh::REFRESH_PREFIX;
use super::{Authn, Caller, Claims, SECOND};
use crate::audit::entry::Origin;
use crate::authz::facts::Particulars;
use crate::authz::{Action, TheRegistry, Warrant, World};
use crate::store::Statement;
use crate::{Error, Result, Unproven};

/// A token that is good now.
#[derive(Debug)]
pub struct KnownToken {
    /// Whom it stands for, as if it had come with a request.
    pub bearer: Caller,
    pub kind: TokenKind,
}

#[derive(Debug)]
pub enum TokenKind {
    Access(Box<Claims>),
    /// Good until then; seconds since the epoch.
    Refresh {
        expires_at: i64,
    },
    ApiKey(Arc<ApiKey>),
    /// A line of the tokens file.
    Line,
}

impl KnownToken {
    /// Whether it was given to this client, or stands for it.
    pub fn is_of(&self, client: &str) -> bool {
        let bearer = &self.bearer;
        bearer.session().proof.client.as_deref() == Some(client)
            || bearer.principal().id().to_string() == client
    }
}

/// Asking what somebody else's token is good for (RFC 7662).
#[derive(Debug)]
pub struct IntrospectToken;

impl Action for IntrospectToken {
    const NAME: &'static str = "introspect_token";
    const EVENT: &'static str = "token.introspect";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }

    fn particulars(&self, _: &Self::Resource) -> Particulars {
        Particulars::Token
    }
}

impl Authn {
    /// An access token, whomever it is for, or a refresh token; none when it is not good any more.
    pub async fn known_token(
        &self,
        token: &SecretString,
        origin: Arc<Origin>,
    ) -> Result<Option<KnownToken>> {
        if token.expose_secret().starts_with(REFRESH_PREFIX) {
            let found = self.recall_refresh(token).await?.bearer(origin);
            return Ok(found.map(|(bearer, expires_at)| {
                let kind = TokenKind::Refresh { expires_at: expires_at / SECOND };
                KnownToken { bearer, kind }
            }));
        }
        let now = self.clock.micros();
        let Some(claims) = self.tokens.read(token.expose_secret(), now) else { return Ok(None) };
        let checked = Checked::from(claims.clone());
        let bearer = |principal| Caller::new(principal, checked.session(), origin);
        let kind = TokenKind::Access(Box::new(claims));
        Ok(self.living(&checked, now).map(|it| KnownToken { bearer: bearer(it), kind }))
    }

    /// Uses up a client's proof that travels with nothing else.
    ///
    /// # Errors
    /// It was used before.
    #[expect(
        clippy::disallowed_methods,
        reason = "a proof is used up whatever becomes of what was asked with it"
    )]
    pub(crate) async fn use_up(&self, proof: Statement) -> Result<()> {
        let warrant = Warrant::system("use_client_proof", &self.clock);
        self.ledger.commit(&warrant, vec![proof]).await.map_err(|error| match error {
            Error::Conflict(_) => Unproven::Assertion(BadAssertion::Used).into(),
            other => other,
        })
    }
}
