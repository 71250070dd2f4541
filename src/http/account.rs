//! `/api/v1/tools/{tool}/account`

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use warp::reply::Response;

use super::call::Call;
use super::list::no_content;
use crate::authz::Permit;
use crate::error::FieldFault;
use crate::gateway::{ConnectAccount, DisconnectAccount};
use crate::registry::is_free_header;
use crate::{App, Error, Result};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountBody {
    /// Sent to the tool as `Authorization: Bearer`; never shown again.
    #[schemars(with = "Option<String>")]
    token: Option<SecretString>,
    /// Sent to the tool as they are; never shown again.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    headers: BTreeMap<String, SecretString>,
}

pub fn parse_connect(call: &Call) -> Result<ConnectAccount> {
    let AccountBody { token, headers } = call.json()?;
    if token.is_none() && headers.is_empty() {
        return Err(Error::field("/token", "send `token`, `headers`, or both"));
    }
    let values = headers.iter().map(|(name, it)| (format!("/headers/{name}"), name.as_str(), it));
    let values = values.chain(token.iter().map(|it| ("/token".into(), "x-token", it)));
    Error::check(values.map(|(pointer, name, value)| {
        let text = value.expose_secret();
        let fits = is_free_header(name) && !text.is_empty() && HeaderValue::from_str(text).is_ok();
        let detail = "cannot be sent in a header that may be set here".into();
        (!fits).then_some(FieldFault { pointer, detail })
    }))?;
    Ok(ConnectAccount { tool: call.id("tool")?, token, headers })
}

pub async fn connect(app: Arc<App>, permit: Permit<ConnectAccount>) -> Result<Response> {
    app.gateway.connect_account(permit).await?;
    Ok(no_content())
}

pub fn parse_disconnect(call: &Call) -> Result<DisconnectAccount> {
    call.empty()?;
    Ok(DisconnectAccount(call.id("tool")?))
}

pub async fn disconnect(app: Arc<App>, permit: Permit<DisconnectAccount>) -> Result<Response> {
    app.gateway.disconnect_account(permit).await?;
    Ok(no_content())
}
