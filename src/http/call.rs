//! What a route gets to see of a request.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use warp::http::{HeaderMap, Method, header};

use super::distinct;
use crate::audit::entry::Origin;
use crate::authn::{Request, Service};
use crate::credentials::Presented;
use crate::error::FieldFault;
use crate::patience::Patience;
use crate::{Error, Result};

/// Longer than any id, name or phrase; databases bound what they compare.
const QUERY_CHARS_MAX: usize = 500;
pub const PAGE_SIZE_MAX: usize = 200;
pub const PAGE_SIZE_DEFAULT: usize = 50;

pub struct Call {
    /// Asked for by what waits for a tool; for work that the route spawns.
    pub patience: Patience,
    /// What it is sent to.
    pub service: Service,
    /// As it was sent: a route of `GET` is asked with `HEAD` as well.
    pub method: Method,
    /// As it was sent, without query.
    pub path: String,
    pub params: Vec<(&'static str, String)>,
    pub query: Vec<(String, String)>,
    /// The names that the route's query may hold.
    pub asks: &'static [(&'static str, &'static str)],
    pub headers: HeaderMap,
    pub body: Bytes,
    pub origin: Arc<Origin>,
    /// Whoever sent it has hung up before the answer began.
    pub hung_up: CancellationToken,
    /// The credential that was shown in the place of an access token, where the route takes one.
    pub presented: Option<Presented>,
    /// How long a credential lives whose request does not say.
    pub credential_ttl_seconds: u64,
}

impl Call {
    /// What shows who sent it.
    pub fn request(&self) -> Request<'_> {
        let Call { headers, method, path, service, .. } = self;
        Request { headers, method, path, service: *service, server: None }
    }

    /// The value of a brace in the route's path.
    pub fn param(&self, name: &str) -> Result<&str> {
        let found = self.params.iter().find(|(it, _)| *it == name);
        found.map(|(_, value)| value.as_str()).ok_or(Error::NotFound)
    }

    /// An id in the path. One that cannot be an id is the id of nothing.
    pub fn id(&self, name: &str) -> Result<Uuid> {
        self.param(name)?.parse().map_err(|_| Error::NotFound)
    }

    /// The body as JSON of exactly this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        self.expect_type("application/json")?;
        if let Some(pointer) = distinct::repeated(&self.body) {
            return Err(Error::field(&pointer, "is given more than once"));
        }
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(shape)?;
        reader.end().map_err(|error| Error::Malformed(format!("not one JSON value: {error}")))?;
        Ok(value)
    }

    /// The body as a form of exactly this shape.
    pub fn form<T: DeserializeOwned>(&self) -> Result<T> {
        self.expect_type("application/x-www-form-urlencoded")?;
        serde_urlencoded::from_bytes(&self.body).map_err(|it| Error::Malformed(it.to_string()))
    }

    /// Refuses a body of any other media type.
    pub fn expect_type(&self, expected: &'static str) -> Result<()> {
        let given = self.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        match given.map(media_type) {
            Some(it) if it == expected => Ok(()),
            _ => Err(Error::UnsupportedMediaType { expected }),
        }
    }

    /// Refuses a body where none is expected.
    pub fn empty(&self) -> Result<()> {
        match self.body.is_empty() {
            true => Ok(()),
            false => Err(Error::Malformed("this request takes no body".into())),
        }
    }

    /// A query that asks for a page and nothing else: behind which id it begins, and its size.
    pub fn page(&self) -> Result<(Option<Uuid>, usize)> {
        let mut query = self.query();
        let after = query.parsed("page_token", "a token from the page before");
        let page_size = query.page_size();
        query.end()?;
        Ok((after, page_size))
    }

    /// What stands in the query before `name`. What comes after was written by somebody else.
    pub fn query_before(&self, name: &str) -> Query<'_> {
        let ours = self.query.iter().take_while(|(it, _)| it != name);
        Query { pairs: ours.collect(), faults: Vec::new() }
    }

    /// The query, of which nothing may be left unread.
    pub fn query(&self) -> Query<'_> {
        Query { pairs: self.query.iter().collect(), faults: Vec::new() }
    }

    /// The value of a header that is there once and is text.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok().map(str::to_owned),
            _ => None,
        }
    }

    /// The revision in `If-Match`, when it is there; `*` asks for nothing in particular.
    pub fn if_match(&self) -> Result<Option<i64>> {
        let Some(value) = self.headers.get(header::IF_MATCH) else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        let revision = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        // An entity tag that was never ours matches nothing.
        revision.and_then(|it| it.parse().ok()).map(Some).ok_or(Error::PreconditionFailed)
    }
}

/// The words of a query, taken one by one.
pub struct Query<'a> {
    pairs: Vec<&'a (String, String)>,
    faults: Vec<FieldFault>,
}

impl<'a> Query<'a> {
    /// The value of `name`; given twice it is a fault.
    pub fn text(&mut self, name: &str) -> Option<&'a str> {
        let (found, rest): (Vec<_>, Vec<_>) =
            self.pairs.drain(..).partition(|(key, _)| key == name);
        self.pairs = rest;
        if found.len() > 1 {
            self.fault(name, "is given more than once");
        }
        let text = found.first().map(|(_, value)| value.as_str()).filter(|it| !it.is_empty())?;
        if text.chars().count() > QUERY_CHARS_MAX || text.contains(char::is_control) {
            self.fault(name, &format!("must be at most {QUERY_CHARS_MAX} printable characters"));
        }
        Some(text)
    }

    /// The value of `name`, parsed.
    pub fn parsed<T: std::str::FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fault(name, &format!("must be {expected}"));
        }
        parsed
    }

    /// The value of `name` as one of a closed list of JSON strings.
    pub fn word<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        match serde_json::from_value(text.into()) {
            Ok(it) => Some(it),
            Err(error) => {
                self.fault(name, &error.to_string());
                None
            }
        }
    }

    pub fn page_size(&mut self) -> usize {
        let size = self.parsed::<usize>("page_size", "a number").unwrap_or(PAGE_SIZE_DEFAULT);
        if !(1..=PAGE_SIZE_MAX).contains(&size) {
            self.fault("page_size", &format!("must be from 1 to {PAGE_SIZE_MAX}"));
        }
        size
    }

    pub fn fault(&mut self, name: &str, detail: &str) {
        self.faults.push(FieldFault { pointer: format!("?{name}"), detail: detail.to_owned() });
    }

    /// Refuses what was wrong, and every word that nobody asked for: a filter with a typing error
    /// must not become no filter.
    pub fn end(mut self) -> Result<()> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            let name: String = name.chars().take(40).collect();
            self.fault(&name, "is not a parameter of this request");
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Error::Invalid(self.faults)) }
    }
}

/// Splits a query string (WHATWG form encoding).
pub fn split_query(query: &str) -> Result<Vec<(String, String)>> {
    serde_urlencoded::from_str(query)
        .map_err(|error| Error::Malformed(format!("the query cannot be read: {error}")))
}

/// A path segment without its percent encoding; none when it is not UTF-8.
pub fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(segment).decode_utf8().ok()
}

fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What is no JSON is malformed; what is JSON of another shape is invalid, and says where.
fn shape(error: serde_path_to_error::Error<serde_json::Error>) -> Error {
    let path = error.path().iter().map(|segment| match segment {
        serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
        serde_path_to_error::Segment::Map { key } => {
            format!("/{}", key.replace('~', "~0").replace('/', "~1"))
        }
        serde_path_to_error::Segment::Enum { variant } => format!("/{variant}"),
        serde_path_to_error::Segment::Unknown => String::new(),
    });
    let pointer: String = path.collect();
    let inner = error.into_inner();
    match inner.classify() {
        serde_json::error::Category::Data => Error::field(&pointer, untold(&inner.to_string())),
        _ => Error::Malformed(format!("the body is not JSON: {inner}")),
    }
}

/// Serde's sentence without what was sent, which may be a secret in the wrong place, and without
/// line and column, for there is a pointer.
fn untold(sentence: &str) -> String {
    let sentence = sentence.rsplit_once(" at line ").map_or(sentence, |(it, _)| it);
    match sentence.rsplit_once(", expected ") {
        Some((wrong, expected)) if wrong.starts_with("invalid ") => format!("must be {expected}"),
        _ => sentence.to_owned(),
    }
}
