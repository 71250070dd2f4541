//! What came back from outside.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use url::Url;

use super::failure::Failure;

/// An answer, whole, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body of a 200 that says it is JSON.
    ///
    /// # Errors
    /// Another status, a redirect among them; another type than `application/json` or one that ends
    /// in `+json`; a body that is not `T`. The words of the parser stay here: they quote the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let url = || self.url.to_string();
        if self.status != StatusCode::OK {
            return Err(Failure::Status { url: url(), status: self.status });
        }
        if !self.is_json() {
            return Err(Failure::NotJson { url: url() });
        }
        serde_json::from_slice(&self.body).map_err(|it| {
            let detail = format!("line {}, column {}", it.line(), it.column());
            Failure::Unreadable { url: url(), detail }
        })
    }

    fn is_json(&self) -> bool {
        let essence = media_type(&self.headers);
        let suffixed = essence.starts_with("application/") && essence.ends_with("+json");
        essence == "application/json" || suffixed
    }
}

/// The type of a body without its parameters, in lower case; empty where none is said.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(status: u16, content_type: &'static str, body: &'static str) -> Result<Value, Failure> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
        let url = "https://one.example/keys".parse().unwrap();
        let (status, body) = (StatusCode::from_u16(status).unwrap(), Bytes::from(body));
        Answer { url, status, headers, body }.json()
    }

    #[test]
    fn json_is_what_says_so_and_is_so() {
        for good in
            ["application/json", "Application/JSON; charset=utf-8", "application/jwk-set+json"]
        {
            assert_eq!(read(200, good, "{}").unwrap(), serde_json::json!({}), "{good}");
        }
        for bad in [
            "",
            "text/html",
            "text/json",
            "image/svg+json",
            "application/jsonp",
            "x, application/json",
        ] {
            assert!(matches!(read(200, bad, "{}"), Err(Failure::NotJson { .. })), "{bad}");
        }
        for status in [201, 204, 301, 302, 307, 401, 500] {
            let answer = read(status, "application/json", "{}");
            assert!(matches!(answer, Err(Failure::Status { .. })), "{status}");
        }
    }

    #[test]
    fn what_came_is_not_in_the_error() {
        let error = read(200, "application/json", "{\n\"it\": sesame}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`https://one.example/keys` does not hold what it should: line 2, column 7"
        );
    }
}
