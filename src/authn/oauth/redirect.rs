//! Where the answer to an authorization request may be sent: one exact address.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

const CHARS_MAX: usize = 2000;
/// Of these the port is free: a native app takes whichever it gets (RFC 8252 section 7.3, RFC 9700
/// section 4.1.3).
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// An address of a client, kept letter by letter: it is compared as text, never as what some parser
/// makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `https`: whoever holds the name gets the answer.
    Web,
    /// `http` to this very machine.
    Loopback,
    /// A scheme of the app's own, such as `com.example.app`.
    Native,
}

/// Why a text is no address that an answer may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRedirect {
    #[error("must be an absolute URI of at most 2000 printable ASCII characters")]
    NotAUri,
    #[error("must have no fragment (`#`)")]
    Fragment,
    #[error("must have no wildcard (`*`): it is compared letter by letter")]
    Wildcard,
    #[error("must name no user before its host (`@`)")]
    UserInfo,
    #[error("must have a path without `.` and `..`")]
    DotSegment,
    #[error("may use `http` only with the host `127.0.0.1`, `[::1]` or `localhost`")]
    PlainHttp,
    #[error("must use `https`, or a scheme of the app's own with a dot in it (RFC 8252)")]
    Scheme,
}

impl RedirectUri {
    /// # Errors
    /// The text is no URI, or one that an answer could go astray by.
    pub fn parse(text: &str) -> Result<RedirectUri, BadRedirect> {
        let printable = |it: char| it.is_ascii_graphic() && !"\\\"'<>^`{|}".contains(it);
        if text.len() > CHARS_MAX || !text.chars().all(printable) {
            return Err(BadRedirect::NotAUri);
        }
        if text.contains('#') {
            return Err(BadRedirect::Fragment);
        }
        if text.contains('*') {
            return Err(BadRedirect::Wildcard);
        }
        let (scheme, rest) = text.split_once(':').ok_or(BadRedirect::NotAUri)?;
        let url = Url::parse(text).map_err(|_| BadRedirect::NotAUri)?;
        if !url.username().is_empty() || url.password().is_some() || authority(rest).contains('@') {
            return Err(BadRedirect::UserInfo);
        }
        if rest.split(['/', '?']).any(is_dot_segment) {
            return Err(BadRedirect::DotSegment);
        }
        let kind = match scheme {
            "https" if is_plain_host(&url) && rest.starts_with("//") => Kind::Web,
            "https" => return Err(BadRedirect::NotAUri),
            "http" if loopback(text).is_some() => Kind::Loopback,
            "http" => return Err(BadRedirect::PlainHttp),
            it if it.contains('.') && is_lower(it) && rest.starts_with('/') => Kind::Native,
            _ => return Err(BadRedirect::Scheme),
        };
        Ok(RedirectUri { text: text.to_owned(), kind })
    }

    /// Whether `asked` is this address: the same letters, but for the port of a loopback address.
    pub fn admits(&self, asked: &RedirectUri) -> bool {
        match (loopback(&self.text), loopback(&asked.text)) {
            (Some(own), Some(asked)) => own == asked,
            _ => self.text == asked.text,
        }
    }

    /// Whether whoever receives the answer has proven a name: anybody on a machine can listen on its
    /// loopback address or claim a scheme (RFC 8252 section 8.6).
    pub fn is_web(&self) -> bool {
        self.kind == Kind::Web
    }

    /// The address with `pairs` added to its query.
    pub fn with(&self, pairs: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        let joint = match self.text.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        format!("{}{joint}{}", self.text, query.finish())
    }

    /// What a content security policy must name for a form to end here: the origin, or the scheme
    /// where an origin cannot be written (native apps, IPv6).
    pub fn source(&self) -> String {
        let scheme = self.text.split(':').next().unwrap_or_default();
        match self.host_and_port() {
            Some(host) if self.kind != Kind::Native && !host.starts_with('[') => {
                format!("{scheme}://{host}")
            }
            _ => format!("{scheme}:"),
        }
    }

    /// What a person is shown of it: the host, or the scheme of a native app.
    pub fn place(&self) -> &str {
        match self.kind {
            Kind::Native => self.text.split(':').next().unwrap_or_default(),
            Kind::Web | Kind::Loopback => self.host_and_port().unwrap_or_default(),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn host_and_port(&self) -> Option<&str> {
        self.text.split_once(':').map(|(_, rest)| authority(rest)).filter(|it| !it.is_empty())
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = BadRedirect;

    fn try_from(text: String) -> Result<RedirectUri, BadRedirect> {
        RedirectUri::parse(&text)
    }
}

impl From<RedirectUri> for String {
    fn from(it: RedirectUri) -> String {
        it.text
    }
}

/// Host and path with query of an `http` address of this machine, without the port between them.
fn loopback(text: &str) -> Option<(&'static str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let host = LOOPBACK.into_iter().find(|it| rest.starts_with(it))?;
    let rest = rest.strip_prefix(host)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (port, path) = rest.split_at_checked(end)?;
    let is_port = |it: &str| it.parse::<u16>().is_ok() && it.bytes().all(|it| it.is_ascii_digit());
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some((host, path))
}

/// What stands between `//` and the path; empty where there is none.
fn authority(rest: &str) -> &str {
    let after = rest.strip_prefix("//").unwrap_or_default();
    after.split(['/', '?']).next().unwrap_or_default()
}

fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// Letters that mean nothing to a browser or a content security policy, or an address in brackets.
fn is_plain_host(url: &Url) -> bool {
    let plain = |it: &str| it.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._".contains(&it));
    url.host_str().is_some_and(|it| !it.is_empty() && (plain(it) || it.starts_with('[')))
}

fn is_lower(scheme: &str) -> bool {
    scheme.starts_with(|it: char| it.is_ascii_lowercase())
        && scheme.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap()
    }

    #[test]
    fn only_addresses_that_cannot_go_astray_are_taken() {
        use BadRedirect::*;
        for good in [
            "https://client.example/callback",
            "https://client.example",
            "https://client.example:8443/cb?tenant=1",
            "https://[2001:db8::1]/cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:3000/cb",
            "http://[::1]:3000/cb",
            "http://localhost:3000",
            "com.example.app:/callback",
            "com.example.app://callback",
        ] {
            assert_eq!(uri(good).as_str(), good);
        }
        for (bad, why) in [
            ("", NotAUri),
            ("callback", NotAUri),
            ("//client.example/cb", NotAUri),
            ("https:client.example", NotAUri),
            ("https:/client.example", NotAUri),
            ("https:\\\\client.example", NotAUri),
            ("https://client.example/a b", NotAUri),
            ("https://cliënt.example/", NotAUri),
            ("https://client.example\u{0}/", NotAUri),
            ("https://client.example;sandbox/", NotAUri),
            ("https://client.example,evil.example/", NotAUri),
            ("https://client.example/#x", Fragment),
            ("https://client.example/#", Fragment),
            ("https://*.example/cb", Wildcard),
            ("https://client.example@evil.example/", UserInfo),
            ("https://user:word@client.example/", UserInfo),
            ("https://@client.example/", UserInfo),
            ("https://client.example/a/../b", DotSegment),
            ("https://client.example/a/%2E%2e/b", DotSegment),
            ("https://client.example/a/.?x", DotSegment),
            ("http://client.example/cb", PlainHttp),
            ("http://127.0.0.1.evil.example/cb", PlainHttp),
            ("http://localhost.evil.example/cb", PlainHttp),
            ("http://127.1/cb", PlainHttp),
            ("http://0x7f000001/cb", PlainHttp),
            ("http://127.0.0.1:99999/cb", NotAUri),
            ("http://127.0.0.1:+80/cb", NotAUri),
            ("http://127.0.0.1:/cb:1", NotAUri),
            ("javascript:alert(1)", Scheme),
            ("data:text/html,x", Scheme),
            ("file:///etc/passwd", Scheme),
            ("myapp:/cb", Scheme),
            ("HTTPS://client.example/", Scheme),
            ("Com.Example.App:/cb", Scheme),
            ("com.example.app:cb", Scheme),
        ] {
            assert!(RedirectUri::parse(bad).is_err(), "{bad}");
            // The URL parser is first to see some of these; that they are refused is what counts.
            if why != NotAUri {
                assert_eq!(RedirectUri::parse(bad), Err(why), "{bad}");
            }
        }
    }

    #[test]
    fn an_address_admits_itself_and_no_neighbour() {
        let registered = uri("https://client.example/cb");
        assert!(registered.admits(&uri("https://client.example/cb")));
        for other in [
            "https://client.example/cb/",
            "https://client.example/cb/evil",
            "https://client.example/cb?x=1",
            "https://client.example/CB",
            "https://client.example/c%62",
            "https://client.example:443/cb",
            "https://client.example:8443/cb",
            "https://Client.example/cb",
            "https://client.example.evil.example/cb",
            "https://evil.example/cb",
            "https://sub.client.example/cb",
            "http://localhost/cb",
        ] {
            assert!(!registered.admits(&uri(other)), "{other}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_address_is_free() {
        for host in LOOPBACK {
            let registered = uri(&format!("http://{host}/cb"));
            assert!(registered.admits(&uri(&format!("http://{host}:49152/cb"))));
            assert!(!registered.admits(&uri(&format!("http://{host}:49152/other"))));
            let with_port = uri(&format!("http://{host}:3000/cb"));
            assert!(with_port.admits(&uri(&format!("http://{host}:49152/cb"))));
            assert!(!with_port.admits(&uri(&format!("https://{host}:3000/cb"))));
        }
        assert!(!uri("http://127.0.0.1/cb").admits(&uri("http://localhost/cb")));
    }

    #[test]
    fn an_answer_is_added_to_the_query_that_is_there() {
        let pairs = [("code", "a b&c"), ("iss", "https://gate")];
        for (text, answer) in [
            ("https://c.example/cb", "https://c.example/cb?code=a+b%26c&iss=https%3A%2F%2Fgate"),
            ("https://c.example/cb?", "https://c.example/cb?code=a+b%26c&iss=https%3A%2F%2Fgate"),
            (
                "https://c.example/cb?x=1",
                "https://c.example/cb?x=1&code=a+b%26c&iss=https%3A%2F%2Fgate",
            ),
        ] {
            assert_eq!(uri(text).with(&pairs), answer);
        }
    }

    #[test]
    fn a_content_policy_names_as_little_as_it_can() {
        for (text, source, place) in [
            ("https://c.example/cb?x=1", "https://c.example", "c.example"),
            ("https://c.example:8443", "https://c.example:8443", "c.example:8443"),
            ("http://127.0.0.1:3000/cb", "http://127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://[::1]:3000/cb", "http:", "[::1]:3000"),
            ("com.example.app:/cb", "com.example.app:", "com.example.app"),
        ] {
            assert_eq!((uri(text).source().as_str(), uri(text).place()), (source, place));
        }
    }
}
