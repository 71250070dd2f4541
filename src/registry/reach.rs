//! What may be said about how a tool is reached: the rules that can be judged without calling it.

use std::collections::BTreeSet;

use http::HeaderName;
use serde_json::Value;
use url::Url;

use super::connection::{Auth, Connection, HttpTool, KeyIn, Place, Remote};

const URL_CHARS_MAX: usize = 2_000;
const HEADERS_MAX: usize = 32;
const WORD_CHARS_MAX: usize = 200;

/// Headers that belong to the connection or to the message, not to its publisher.
const OURS: [&str; 12] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept",
    "accept-encoding",
    "proxy-authorization",
];

type Faults = Vec<(String, String)>;

/// What is wrong with a connection, as (pointer, sentence).
pub(super) fn faults(connection: &Connection, input_schema: &Value) -> Faults {
    let mut faults = Vec::new();
    match connection {
        Connection::Function | Connection::Builtin { .. } => {}
        Connection::Remote(it) => remote(it, &mut faults),
        Connection::Http(it) => http(it, input_schema, &mut faults),
    }
    auth(connection.auth(), &mut faults);
    faults
}

/// Whether a publisher may set this header.
pub(crate) fn is_header(name: &str) -> bool {
    let known = HeaderName::try_from(name);
    known.is_ok_and(|it| {
        !OURS.contains(&it.as_str()) && !it.as_str().starts_with("mcp-") && name.len() <= 100
    })
}

fn remote(it: &Remote, faults: &mut Faults) {
    url("/server_url", &it.server_url, faults);
    if it.static_headers.len() > HEADERS_MAX {
        faults.push(("/static_headers".into(), format!("holds more than {HEADERS_MAX}")));
    }
    for name in it.static_headers.keys().filter(|it| !is_header(it)) {
        let name: String = name.chars().take(40).collect();
        faults.push((
            "/static_headers".into(),
            format!("`{name}` is not a header that may be set here"),
        ));
    }
    if !matches!(
        it.auth,
        Auth::None | Auth::Bearer | Auth::Oauth2(_) | Auth::Biscuit | Auth::Vault(_)
    ) {
        let detail = "must be `none`, `bearer`, `oauth2`, `vault` or `biscuit` for a remote tool";
        faults.push(("/auth_method".into(), detail.into()));
    }
}

fn http(it: &HttpTool, input_schema: &Value, faults: &mut Faults) {
    match template(&it.endpoint) {
        Ok(names) => {
            let known = input_schema.get("properties").and_then(Value::as_object);
            for name in
                names.iter().filter(|it| !known.is_some_and(|known| known.contains_key(*it)))
            {
                let detail = format!("`{{{name}}}` is not a property of `input_schema`");
                faults.push(("/endpoint".into(), detail));
            }
        }
        Err(detail) => faults.push(("/endpoint".into(), detail)),
    }
    for (name, place) in &it.argument_in {
        if *place == Place::Header && !is_header(name) {
            let detail = format!("`{name}` is not a header that may be set here");
            faults.push(("/argument_in".into(), detail));
        }
    }
    let whole = it.argument_in.values().filter(|it| **it == Place::Body).count();
    if whole > 1 {
        faults.push(("/argument_in".into(), "only one argument can be the whole body".into()));
    }
}

fn auth(auth: &Auth, faults: &mut Faults) {
    let mut word = |pointer: &str, text: &str| {
        if text.is_empty()
            || text.chars().count() > WORD_CHARS_MAX
            || text.contains(char::is_control)
        {
            let detail = format!("must be 1 to {WORD_CHARS_MAX} printable characters");
            faults.push((format!("/auth_config/{pointer}"), detail));
        }
    };
    match auth {
        Auth::None | Auth::Bearer | Auth::Biscuit => {}
        Auth::ApiKey(it) => {
            word("name", &it.name);
            if it.place == KeyIn::Header && !is_header(&it.name) {
                let detail = "is not a header that may be set here";
                faults.push(("/auth_config/name".into(), detail.into()));
            }
        }
        Auth::Basic(it) => {
            word("username", &it.username);
            if it.username.contains(':') {
                let detail = "must not hold a colon (RFC 7617)";
                faults.push(("/auth_config/username".into(), detail.into()));
            }
        }
        Auth::Oauth2(it) => {
            word("client_id", &it.client_id);
            url("/auth_config/token_url", &it.token_url, faults);
        }
        Auth::Vault(it) => {
            word("path", &it.path);
            if it.path.split('/').any(|it| it.is_empty() || it == "." || it == "..") {
                let detail = "must be a path such as `database/creds/reader`";
                faults.push(("/auth_config/path".into(), detail.into()));
            }
            if let Some(name) = it.headers.keys().find(|it| !is_header(it)) {
                let detail = format!("`{name}` is not a header that may be set here");
                faults.push(("/auth_config/headers".into(), detail));
            }
        }
    }
}

/// Which addresses a URL may lead to is judged when it is called; here, that it is one.
fn url(pointer: &str, text: &str, faults: &mut Faults) {
    if let Err(detail) = readable(text) {
        faults.push((pointer.into(), detail));
    }
}

fn readable(text: &str) -> Result<Url, String> {
    let expected = || "must be a URL such as `https://api.example.com/v1`".to_owned();
    if text.chars().count() > URL_CHARS_MAX {
        return Err(format!("must be at most {URL_CHARS_MAX} characters"));
    }
    let url = Url::parse(text).map_err(|_| expected())?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(expected());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password: use `auth_method`".into());
    }
    match url.fragment() {
        Some(_) => Err("must not hold a fragment".into()),
        None => Ok(url),
    }
}

/// The arguments that the path of an endpoint names, each once, as whole segments or parts of them.
///
/// # Errors
/// A sentence for people.
pub(super) fn template(endpoint: &str) -> Result<BTreeSet<String>, String> {
    // One spelling: what a parser mends, it may mend into another path than was read here.
    let plain = endpoint.starts_with("https://") || endpoint.starts_with("http://");
    if !plain || endpoint.contains('\\') || endpoint.contains(char::is_whitespace) {
        return Err("must be written plainly, as `https://api.example.com/v1/{id}`".into());
    }
    let url = readable(&endpoint.replace(['{', '}'], "_"))?;
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if host.contains(['{', '}']) || url.host_str().is_none() {
        return Err("must not name an argument in its host".into());
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if query.contains(['{', '}']) {
        return Err("must name arguments in its path only; the others go into the query".into());
    }
    let mut names = BTreeSet::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("has a brace that is not closed")?;
        if before.contains('}') || name.is_empty() || name.contains('{') {
            return Err("has braces that do not fit".into());
        }
        if !names.insert(name.to_owned()) {
            return Err(format!("names `{name}` twice"));
        }
        rest = after;
    }
    if rest.contains('}') { Err("has braces that do not fit".into()) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_names_what_stands_in_its_path() {
        let names = |it| template(it).map(|it| it.into_iter().collect::<Vec<_>>().join(" "));
        assert_eq!(names("https://a.example/x"), Ok(String::new()));
        assert_eq!(names("https://a.example/{id}/to/{other}.json?a=1"), Ok("id other".into()));
        for bad in [
            "https://{host}/x",
            "https://a.example{host}/x",
            "https://a.example/{id",
            "https://a.example/id}",
            "https://a.example/{}",
            "https://a.example/{a}/{a}",
            "https://a.example/x?q={q}",
            "https://u:p@a.example/",
            "ftp://a.example/",
            "https:a.example/v1/{x}",
            r"https://a.example/v1\{x}\y",
            "https://a.example/v1/\t{x}",
            "https://a.example/#x",
            "nothing",
        ] {
            assert!(template(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_of_the_connection_are_nobodys_to_set() {
        for name in ["X-Api-Key", "Authorization", "x_y"] {
            assert!(is_header(name), "{name}");
        }
        for name in ["Host", "content-length", "Mcp-Session-Id", "a b", "", "x\ny"] {
            assert!(!is_header(name), "{name}");
        }
    }
}
