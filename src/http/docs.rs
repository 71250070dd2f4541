//! The API document and the page that shows it; everything is served from the binary.

use std::sync::{Arc, LazyLock};

use utoipa_swagger_ui::Config;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response};

use super::call::Call;
use super::{openapi, routes};
use crate::{App, Error, Result};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::document(&routes()).to_string());
static PAGE: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").try_it_out_enabled(true)));

/// Scripts and styles come from here and nowhere else; the page cannot be framed.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

pub async fn document(_: Arc<App>, _: Call) -> Result<Response> {
    Ok(typed(DOCUMENT.as_str().into_response(), "application/json"))
}

/// The page asks for its files beside itself, so it must be at a path that ends in a slash or a name.
pub async fn index(_: Arc<App>, _: Call) -> Result<Response> {
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    let index = HeaderValue::from_static("/docs/index.html");
    response.headers_mut().insert(header::LOCATION, index);
    Ok(response)
}

pub async fn file(_: Arc<App>, call: Call) -> Result<Response> {
    let file = utoipa_swagger_ui::serve(call.param("file")?, PAGE.clone());
    let file = file.map_err(|error| anyhow::anyhow!("the page at /docs: {error}"))?;
    let file = file.ok_or(Error::NotFound)?;
    Ok(typed(file.bytes.into_owned().into_response(), &file.content_type))
}

fn typed(mut response: Response, media_type: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(media_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}
