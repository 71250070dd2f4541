//! One request as log and figures know it, from its header to its answer.

use std::time::Instant;

use tracing::Span;
use warp::http::{HeaderMap, HeaderValue, Method, header};
use warp::reply::Response;

use crate::clock::Clock;
use crate::metrics;

const REQUEST_ID_CHARS_MAX: usize = 128;

/// Ids by which a request is found again, and when it began.
pub struct Trace {
    /// The caller's own id for the request where it is fit to be repeated, else a new one.
    pub request_id: String,
    /// The distributed trace that the caller is part of (W3C Trace Context).
    trace_id: Option<String>,
    method: &'static str,
    began: Instant,
}

impl Trace {
    pub fn begin(clock: &Clock, method: &Method, headers: &HeaderMap) -> Trace {
        let request_id = single(headers, "x-request-id").filter(|it| is_request_id(it));
        Trace {
            request_id: request_id.map_or_else(|| clock.new_id().to_string(), str::to_owned),
            trace_id: single(headers, "traceparent").and_then(trace_id).map(str::to_owned),
            method: metric_method(method),
            began: clock.monotonic(),
        }
    }

    /// What the request's own events stand in. At the highest level, so that none loses it.
    pub fn span(&self) -> Span {
        tracing::error_span!("request", request_id = self.request_id, trace_id = self.trace_id)
    }

    /// Counts and logs the answer, and gives it the headers that every answer carries.
    pub fn end(self, route: &'static str, response: &mut Response) {
        let (status, took) = (response.status().as_u16(), self.began.elapsed());
        metrics::request(self.method, route, status, took);
        tracing::info!(
            request_id = self.request_id,
            trace_id = self.trace_id,
            method = self.method,
            route,
            status,
            micros = took.as_micros() as u64,
            "answered"
        );
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert("x-request-id", id);
        }
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn is_request_id(text: &str) -> bool {
    (1..=REQUEST_ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.:".contains(&it))
}

/// The trace id of a `traceparent`: version, trace, parent and flags in lower-case hexadecimal,
/// parted by `-`. Versions after 00 may add more parts.
fn trace_id(text: &str) -> Option<&str> {
    let mut parts = text.split('-');
    let (version, trace) = (hexadecimal(parts.next()?, 2)?, hexadecimal(parts.next()?, 32)?);
    let (parent, _flags) = (hexadecimal(parts.next()?, 16)?, hexadecimal(parts.next()?, 2)?);
    let ends = version != "00" || parts.next().is_none();
    let said = |it: &str| it.bytes().any(|it| it != b'0');
    (ends && version != "ff" && said(trace) && said(parent)).then_some(trace)
}

fn hexadecimal(text: &str, length: usize) -> Option<&str> {
    let digits = text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it));
    (text.len() == length && digits).then_some(text)
}

/// Methods are a closed list, so that nobody can invent a label.
fn metric_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_traceparent_names_a_trace() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        const PARENT: &str = "00f067aa0ba902b7";
        let zeros = "0".repeat(32);
        for (text, valid) in [
            (format!("00-{TRACE}-{PARENT}-01"), true),
            (format!("00-{TRACE}-{PARENT}-00"), true),
            (format!("cc-{TRACE}-{PARENT}-01-what-comes-later"), true),
            (format!("00-{TRACE}-{PARENT}-01-more"), false),
            (format!("ff-{TRACE}-{PARENT}-01"), false),
            (format!("00-{}-{PARENT}-01", TRACE.to_uppercase()), false),
            (format!("00-{zeros}-{PARENT}-01"), false),
            (format!("00-{TRACE}-{}-01", &zeros[..16]), false),
            (format!("00-{TRACE}-{PARENT}"), false),
            (format!("00-{}-{PARENT}-01", &TRACE[1..]), false),
            (format!(" 00-{TRACE}-{PARENT}-01"), false),
            (String::new(), false),
        ] {
            assert_eq!(trace_id(&text), valid.then_some(TRACE), "{text}");
        }
    }

    #[test]
    fn a_request_id_is_repeated_only_when_it_is_harmless() {
        for (text, fit) in [
            ("r-1", true),
            ("01a200c5-03db-78dd:9b3b_70.d", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("<script>", false),
            ("ä", false),
        ] {
            assert_eq!(is_request_id(text), fit, "{text}");
        }
        assert!(is_request_id(&"x".repeat(REQUEST_ID_CHARS_MAX)));
        assert!(!is_request_id(&"x".repeat(REQUEST_ID_CHARS_MAX + 1)));
    }
}
