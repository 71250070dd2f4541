//! What all lists and single resources share.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response, json};

use crate::authz::{Listing, Visible};
use crate::clock::instant;

/// One page.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Send it as `page_token` for the next page; empty when there is none.
    pub next_page_token: String,
}

/// The page of what may be seen, each member through its view.
pub fn page<L: Listing, T: Serialize>(visible: &Visible<L>, view: fn(&L::Item) -> T) -> Response {
    let items = visible.items().iter().map(view).collect();
    json(&Page { items, next_page_token: visible.next_page_token().to_owned() }).into_response()
}

/// One resource with its `ETag`.
pub fn tagged<T: Serialize>(view: &T, revision: i64, status: StatusCode) -> Response {
    let mut response = json(view).into_response();
    *response.status_mut() = status;
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub fn created(mut response: Response, path: &str) -> Response {
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

pub fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// A stored instant as the API shows it.
pub fn time(micros: i64) -> Timestamp {
    instant(micros)
}
