//! What a client without a good token is told, so that it finds out by itself how to get one.

use warp::http::{HeaderValue, header};
use warp::reply::Response;

/// Adds to every challenge for a token where the metadata of this resource is (RFC 9728 section
/// 5.1), which names the authorization server.
pub fn complete(response: &mut Response, metadata_url: &str) {
    let headers = response.headers_mut();
    let header::Entry::Occupied(found) = headers.entry(header::WWW_AUTHENTICATE) else { return };
    let values: Vec<HeaderValue> = found.iter().map(|it| completed(it, metadata_url)).collect();
    found.remove();
    for value in values {
        headers.append(header::WWW_AUTHENTICATE, value);
    }
}

fn completed(value: &HeaderValue, metadata_url: &str) -> HeaderValue {
    let text = value.to_str().unwrap_or_default();
    if !text.starts_with("Bearer ") && !text.starts_with("DPoP ") {
        return value.clone();
    }
    let text = format!("{text}, resource_metadata=\"{metadata_url}\"");
    HeaderValue::from_str(&text).unwrap_or_else(|_| value.clone())
}

#[cfg(test)]
mod tests {
    use warp::reply::Reply as _;

    use super::*;

    #[test]
    fn challenges_for_a_token_say_where_to_get_one_and_others_do_not() {
        let mut response = warp::reply::reply().into_response();
        for value in ["Bearer realm=\"gatewright\"", "Basic realm=\"gatewright\""] {
            let value = HeaderValue::from_static(value);
            response.headers_mut().append(header::WWW_AUTHENTICATE, value);
        }
        complete(&mut response, "https://gate.example/.well-known/oauth-protected-resource");
        let values = response.headers().get_all(header::WWW_AUTHENTICATE);
        let values: Vec<&str> = values.iter().map(|it| it.to_str().unwrap()).collect();
        assert_eq!(
            values,
            [
                "Bearer realm=\"gatewright\", \
                 resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource\"",
                "Basic realm=\"gatewright\"",
            ]
        );
    }
}
