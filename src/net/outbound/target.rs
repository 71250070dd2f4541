//! Which URLs may be called at all, before any name is looked up.

use std::net::IpAddr;

use url::{Host, Url};

use super::address::{Place, place};

/// How far a call may go; it follows from who named the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Strangers name the URL: https to public addresses, unless the operator listed its origin.
    Public,
    /// The operator wrote the URL into the settings: private networks too, and plain http to this
    /// very machine.
    Configured,
    /// Strangers name the URL, and the operator lets them name any but special addresses: private
    /// networks too, and plain http.
    Private,
}

/// Why a URL is not called. Says what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("use https")]
    NotHttps,
    #[error("take out the user name and password")]
    UserInfo,
    #[error("name a host")]
    NoHost,
    #[error("take out the dot at the end of the host")]
    FinalDot,
    #[error("name a host with a public address")]
    NotPublic,
}

impl Reach {
    /// Whether a connection to this address may be made.
    pub(super) fn covers(self, address: IpAddr) -> bool {
        match place(address) {
            Place::Public => true,
            Place::Loopback | Place::Private => self != Reach::Public,
            Place::Special => false,
        }
    }

    /// Looks at everything about a URL that can be judged without a look-up. `Url` has already made
    /// one spelling of the many that a host has: `0x7f.1`, `2130706433` and `①②⑦.1` are 127.0.0.1.
    ///
    /// # Errors
    /// The first thing that keeps the URL from being called.
    pub fn check(self, url: &Url) -> Result<(), Unfit> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Unfit::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Unfit::UserInfo);
        }
        let host = url.host().ok_or(Unfit::NoHost)?;
        let local = match host {
            Host::Ipv4(it) => self.literal(it.into())?,
            Host::Ipv6(it) => self.literal(it.into())?,
            Host::Domain(name) => self.name(name)?,
        };
        match url.scheme() {
            "https" => Ok(()),
            _ if self == Reach::Private => Ok(()),
            _ if local == Place::Loopback => Ok(()),
            _ => Err(Unfit::NotHttps),
        }
    }

    fn literal(self, address: IpAddr) -> Result<Place, Unfit> {
        if self.covers(address) { Ok(place(address)) } else { Err(Unfit::NotPublic) }
    }

    /// A name's place is known by its addresses only, but for `localhost` (RFC 6761 section 6.3).
    fn name(self, name: &str) -> Result<Place, Unfit> {
        if name.ends_with('.') {
            return Err(Unfit::FinalDot);
        }
        match self {
            Reach::Configured | Reach::Private if is_localhost(name) => Ok(Place::Loopback),
            Reach::Configured | Reach::Private => Ok(Place::Private),
            // A name without a dot is completed from the host's own search list.
            Reach::Public if is_localhost(name) || !name.contains('.') => Err(Unfit::NotPublic),
            Reach::Public => Ok(Place::Public),
        }
    }
}

/// Whether a name, in lower case, is this machine's whatever a name server says.
pub(super) fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}
