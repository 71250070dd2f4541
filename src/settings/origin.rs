//! Scheme, host and port of a web address, as RFC 6454 calls an origin.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An `http` or `https` address without path, in lower case and without the scheme's own port:
/// equal origins are equal text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Origin {
    https: bool,
    host: String,
    port: Option<u16>,
}

/// Why a text is no origin; holds the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOrigin {
    #[error("`*` would let every web page use its visitor's rights")]
    Any,
    #[error("`{0}` is no web address such as `https://gate.example`")]
    NotAnAddress(String),
    #[error("`{0}` holds more than scheme, host and port")]
    TooLong(String),
}

impl Origin {
    /// Where a server that listens on `address` is reached from its own machine.
    pub fn of_listener(scheme: &Scheme, address: SocketAddr) -> Origin {
        let https = *scheme == Scheme::HTTPS;
        let host = match address {
            SocketAddr::V4(it) if it.ip().is_unspecified() => "127.0.0.1".to_owned(),
            SocketAddr::V6(it) if it.ip().is_unspecified() => "[::1]".to_owned(),
            SocketAddr::V4(it) => it.ip().to_string(),
            SocketAddr::V6(it) => format!("[{}]", it.ip()),
        };
        Origin { https, host, port: Some(address.port()).filter(|it| *it != own_port(https)) }
    }

    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether only the machine itself can reach the host.
    pub fn is_loopback(&self) -> bool {
        match self.host().parse::<IpAddr>() {
            Ok(it) => it.to_canonical().is_loopback() || it.is_unspecified(),
            Err(_) => self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }
}

impl Default for Origin {
    fn default() -> Origin {
        Origin::of_listener(&Scheme::HTTP, super::LISTEN)
    }
}

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Origin, NoOrigin> {
        if text == "*" {
            return Err(NoOrigin::Any);
        }
        let no_address = || NoOrigin::NotAnAddress(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| no_address())?;
        let https = match uri.scheme() {
            Some(it) if *it == Scheme::HTTPS => true,
            Some(it) if *it == Scheme::HTTP => false,
            _ => return Err(no_address()),
        };
        let authority = uri.authority().ok_or_else(no_address)?;
        if authority.as_str().contains('@') || text.contains(['#', '?']) || uri.path() != "/" {
            return Err(NoOrigin::TooLong(text.to_owned()));
        }
        let port = authority.port_u16();
        let ends_in_port = authority.as_str().len() > authority.host().len();
        if authority.host().is_empty() || ends_in_port != port.is_some() {
            return Err(no_address());
        }
        let host = authority.host().to_ascii_lowercase();
        Ok(Origin { https, host, port: port.filter(|it| *it != own_port(https)) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(out, "{scheme}://{}", self.host)?;
        self.port.map_or(Ok(()), |it| write!(out, ":{it}"))
    }
}

impl TryFrom<String> for Origin {
    type Error = NoOrigin;

    fn try_from(text: String) -> Result<Origin, NoOrigin> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(it: Origin) -> String {
        it.to_string()
    }
}

fn own_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Result<String, NoOrigin> {
        text.parse::<Origin>().map(|it| it.to_string())
    }

    #[test]
    fn equal_origins_are_equal_text() {
        for (text, canonical) in [
            ("https://Gate.Example", "https://gate.example"),
            ("HTTPS://gate.example:443/", "https://gate.example"),
            ("http://gate.example:80", "http://gate.example"),
            ("http://gate.example:443", "http://gate.example:443"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(origin(text).unwrap(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        assert_eq!(origin("*"), Err(NoOrigin::Any));
        for text in [
            "",
            "gate.example",
            "gate.example:443",
            "ftp://gate.example",
            "//gate.example",
            "https://",
            "https://gate.example:",
            "https://gate.example:0443443",
            "null",
        ] {
            assert_eq!(origin(text), Err(NoOrigin::NotAnAddress(text.into())), "{text}");
        }
        for text in [
            "https://gate.example/path",
            "https://gate.example?query",
            "https://gate.example/#part",
            "https://user:word@gate.example",
        ] {
            assert_eq!(origin(text), Err(NoOrigin::TooLong(text.into())), "{text}");
        }
    }

    #[test]
    fn a_listener_on_every_address_is_reached_by_loopback() {
        for (listen, own) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("[::]:80", "http://[::1]"),
            ("10.1.2.3:9000", "http://10.1.2.3:9000"),
        ] {
            let origin = Origin::of_listener(&Scheme::HTTP, listen.parse().unwrap());
            assert_eq!(origin.to_string(), own);
        }
    }

    #[test]
    fn loopback_is_seen_in_every_spelling() {
        for (text, loopback) in [
            ("https://localhost", true),
            ("https://api.localhost:8443", true),
            ("https://127.8.8.8", true),
            ("https://[::1]", true),
            ("https://[::ffff:127.0.0.1]", true),
            ("https://0.0.0.0", true),
            ("https://localhost.example", false),
            ("https://10.0.0.1", false),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().is_loopback(), loopback, "{text}");
        }
    }
}
