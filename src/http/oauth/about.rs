//! What `/oauth/introspect` and `/oauth/revoke` are asked: about which token, and by whom.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::super::call::Call;
use super::client::Fields;
use super::client_auth::{Asker, AskerKind, recognise};
use super::fault::Fault;
use crate::App;
use crate::authn::KnownToken;

#[derive(Deserialize, JsonSchema)]
pub struct AboutForm {
    /// An access token, a refresh token or an API key.
    #[schemars(with = "String")]
    pub token: SecretString,
    /// Read and not needed: every token shows what it is.
    #[serde(rename = "token_type_hint")]
    _hint: Option<String>,
    client_id: Option<String>,
    #[schemars(with = "Option<String>")]
    client_secret: Option<SecretString>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`
    client_assertion_type: Option<String>,
    /// A JWT that the client signed with a key it registered (`private_key_jwt`).
    #[schemars(with = "Option<String>")]
    client_assertion: Option<SecretString>,
}

impl AboutForm {
    fn client(&self) -> Fields<'_> {
        Fields {
            client_id: self.client_id.as_deref(),
            client_secret: self.client_secret.as_ref(),
            client_assertion_type: self.client_assertion_type.as_deref(),
            client_assertion: self.client_assertion.as_ref(),
        }
    }
}

/// Who asks, and what is known of the token; none when it is not good.
pub async fn about(app: &App, call: &Call) -> Result<(AskerKind, Option<KnownToken>), Fault> {
    let form: AboutForm = call.form()?;
    let Asker { kind, used } = recognise(app, call, &form.client()).await?;
    if let Some(proof) = used {
        app.authn.use_up(proof).await?;
    }
    Ok((kind, app.known_token(&form.token, &call.origin).await?))
}
