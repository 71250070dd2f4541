//! Which names we answer to, and from whose pages browsers may change things.
//!
//! The first stops DNS rebinding (a hostile name pointed at our address), the second cross-site
//! requests. Both are pure: names in, yes or no out.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::{HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method, Uri};

/// An entry of an allow-list that is no name.
#[derive(Debug, thiserror::Error)]
pub enum BadName {
    #[error("`{0}` is no host name, with or without a port")]
    Host(String),
    #[error("`{0}` is no origin, such as `https://gate.example`")]
    Origin(String),
}

/// The names we answer to.
#[derive(Clone, Debug)]
pub struct Hosts {
    allowed: Vec<Name>,
    addresses: Addresses,
}

/// Whether a bare IP address is one of our names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addresses {
    Listed,
    All,
}

impl Hosts {
    /// Answers to `allowed` alone. Case does not matter. An entry without a port stands for any
    /// port; an entry with one for requests that say just that port, so leave out 80 and 443, which
    /// browsers do not say.
    ///
    /// # Errors
    /// An entry is no host name.
    pub fn new(allowed: impl IntoIterator<Item = String>) -> Result<Hosts, BadName> {
        let names = allowed.into_iter().map(|it| Name::parse(&it).ok_or(BadName::Host(it)));
        Ok(Hosts { allowed: names.collect::<Result<_, _>>()?, addresses: Addresses::Listed })
    }

    /// Answers to `localhost`, `127.0.0.1` and `[::1]` as well, on any port.
    pub fn and_loopback(mut self) -> Hosts {
        self.allowed
            .extend(["localhost", "127.0.0.1", "[::1]"].into_iter().filter_map(Name::parse));
        self
    }

    /// Answers to every IP address as well, for a listener on all of this machine's: probes and
    /// scrapes come by address. Anyone can point a name at us, and nobody an address.
    pub fn and_addresses(mut self) -> Hosts {
        self.addresses = Addresses::All;
        self
    }

    /// Whether a request may be served: it names one host, and that is one of ours.
    pub fn allows(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let ours = |host: &Name| {
            self.allowed.iter().any(|it| it.covers(host))
                || (self.addresses == Addresses::All && host.is_address())
        };
        named(uri, headers).is_some_and(|it| ours(&it))
    }
}

/// The origins whose pages may change things here.
#[derive(Clone, Debug)]
pub struct Origins {
    allowed: Vec<Origin>,
    own: Own,
}

/// Which schemes our own pages come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    HttpToo,
    HttpsOnly,
}

impl Origins {
    /// Trusts `allowed` (such as `https://console.example`) and our own pages, over http and https.
    ///
    /// # Errors
    /// An entry is no origin (RFC 6454 section 6.2), or is `null` or `*`.
    pub fn new(allowed: impl IntoIterator<Item = String>) -> Result<Origins, BadName> {
        let origins = allowed.into_iter().map(|it| Origin::parse(&it).ok_or(BadName::Origin(it)));
        Ok(Origins { allowed: origins.collect::<Result<_, _>>()?, own: Own::HttpToo })
    }

    /// Trusts our own pages over https alone: anyone on the path can make up the others.
    pub fn https_only(mut self) -> Origins {
        self.own = Own::HttpsOnly;
        self
    }

    /// Whether a request may be served: it changes nothing by its method, or [`Origins::trusts`]
    /// it.
    pub fn allows(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
        method.is_safe() || self.trusts(uri, headers)
    }

    /// Whether a request comes from a trusted page, or from no page. MCP wants it asked of every
    /// request, whatever the method.
    pub fn trusts(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        match single(headers, &ORIGIN) {
            Single::None => true,
            Single::One(text) => Origin::parse(text).is_some_and(|it| {
                self.allowed.contains(&it) || self.is_own(&it, named(uri, headers))
            }),
            Single::Unclear => false,
        }
    }

    fn is_own(&self, origin: &Origin, host: Option<Name>) -> bool {
        let scheme = match origin.scheme.as_str() {
            "https" => true,
            "http" => self.own == Own::HttpToo,
            _ => false,
        };
        scheme && host.is_some_and(|it| origin.name == it.without_port(origin.usual_port()))
    }
}

/// The one host a request names: in its target (`:authority`, or the absolute form of HTTP/1), in
/// its `Host` header, or in both alike (RFC 9110 section 7.2, RFC 9113 section 8.3.1).
fn named(uri: &Uri, headers: &HeaderMap) -> Option<Name> {
    let target = uri.authority().map(|it| Name::parse(it.as_str()));
    let header = match single(headers, &HOST) {
        Single::None => None,
        Single::One(text) => Some(Name::parse(text)),
        Single::Unclear => return None,
    };
    match (target, header) {
        (Some(target), Some(header)) if target == header => target,
        (Some(one), None) | (None, Some(one)) => one,
        _ => None,
    }
}

enum Single<'a> {
    None,
    One(&'a str),
    Unclear,
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Single<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Single::None,
        (Some(one), None) => one.to_str().map_or(Single::Unclear, Single::One),
        (Some(_), Some(_)) => Single::Unclear,
    }
}

/// A host in lower case, and the port if one was said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    host: String,
    port: Option<u16>,
}

impl Name {
    fn parse(text: &str) -> Option<Name> {
        let authority: Authority = text.parse().ok()?;
        let host = authority.host();
        // Also refuses user information, which would stand before the host.
        let port = match text.strip_prefix(host)? {
            "" => None,
            port => Some(port.strip_prefix(':')?.parse().ok()?),
        };
        let host = match host.strip_prefix('[') {
            Some(inner) => format!("[{}]", inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
            None if host.is_empty() || host.contains('*') => return None,
            None => host.to_ascii_lowercase(),
        };
        Some(Name { host, port })
    }

    fn is_address(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok()
    }

    /// As an entry of a list: whether it stands for `host`.
    fn covers(&self, host: &Name) -> bool {
        self.host == host.host && (self.port.is_none() || self.port == host.port)
    }

    fn without_port(self, usual: Option<u16>) -> Name {
        Name { port: self.port.filter(|it| Some(*it) != usual), ..self }
    }
}

/// A scheme and a host; the port only if it is not the scheme's usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    name: Name,
}

impl Origin {
    fn parse(text: &str) -> Option<Origin> {
        let (scheme, name) = text.split_once("://")?;
        let known = |it: char| it.is_ascii_alphanumeric() || "+-.".contains(it);
        if scheme.is_empty() || !scheme.chars().all(known) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let origin = Origin { scheme, name: Name::parse(name)? };
        let usual = origin.usual_port();
        Some(Origin { name: origin.name.without_port(usual), ..origin })
    }

    fn usual_port(&self) -> Option<u16> {
        match self.scheme.as_str() {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        }
    }
}
