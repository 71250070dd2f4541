//! What is seen of one sign-in, in the form that it is compared in.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

use crate::directory::Kind;
use crate::net::places::Place;

/// A v6 host picks its address anew every day, in the /64 that its link has.
const V6_PREFIX: u8 = 64;
const V4_PREFIX: u8 = 32;

/// One sign-in, as far as ratings care.
#[derive(Clone, Debug)]
pub struct Sighting {
    pub kind: Kind,
    pub network: Network,
    pub agent: Agent,
    pub place: Place,
    /// Whether the address is in a network from which nobody signs in.
    pub blocked: bool,
    /// Of the day where the organization is at home, 0 to 23.
    pub hour: i64,
    /// Microseconds since the epoch.
    pub at: i64,
}

/// What counts as one address: a v4 address, or a v6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network(IpNet);

impl Network {
    pub fn of(address: IpAddr) -> Network {
        let (address, prefix) = match address.to_canonical() {
            it @ IpAddr::V4(_) => (it, V4_PREFIX),
            it @ IpAddr::V6(_) => (it, V6_PREFIX),
        };
        Network(IpNet::new_assert(address, prefix).trunc())
    }

    /// Reads what [`Network`] displays as.
    pub fn parse(text: &str) -> Option<Network> {
        text.parse().ok().map(Network)
    }

    /// Its first address, for looking its place up.
    pub fn address(self) -> IpAddr {
        self.0.addr()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The SHA-256 of a user agent without its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent([u8; 32]);

impl Agent {
    /// From the header's text; no header is the empty text, and an agent like any other.
    ///
    /// Programs update themselves, and that must not look like another program. So what stands
    /// behind the slash of a product falls away when there is a digit in it (`Chrome/120.0`,
    /// `Mobile/15E148`, `Build/TQ3A.230805`), and so does a word of nothing but digits, dots and
    /// underscores (`Windows NT 10.0`, `Mac OS X 10_15_7`, `rv:120.0`). Digits inside words stay:
    /// they name models and architectures (`SM-G991B`, `x86_64`). Two models of one series that
    /// differ in such a number alone (`Pixel 7`, `Pixel 8`) become one. That is no loss: the header
    /// says what its sender likes, so it can give a stranger away but never prove a friend.
    pub fn of(header: &str) -> Agent {
        Agent(Sha256::digest(without_versions(header)).into())
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Agent> {
        bytes.try_into().ok().map(Agent)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn without_versions(header: &str) -> String {
    let words = header.split_inclusive(is_separator).flat_map(|piece| {
        let word = piece.trim_end_matches(is_separator);
        let separator = piece.strip_prefix(word).unwrap_or_default();
        [without_version(word), separator]
    });
    words.collect()
}

fn is_separator(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '(' | ')' | ';' | ',' | ':')
}

/// A product without its version; of a word that is a version, nothing.
fn without_version(word: &str) -> &str {
    let is_digit = |it: char| it.is_ascii_digit();
    match word.find('/') {
        Some(slash) if word.contains(is_digit) => word.get(..=slash).unwrap_or(word),
        Some(_) => word,
        None => {
            let number = word.strip_prefix('v').unwrap_or(word);
            let is_version = number.starts_with(is_digit)
                && number.chars().all(|it| is_digit(it) || matches!(it, '.' | '_'));
            if is_version { "" } else { word }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_makes_no_other_agent() {
        let table = [
            ("curl/8.5.0", "curl/"),
            ("python-requests/2.31.0", "python-requests/"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/120.0.0.0 Safari/537.36",
                "Mozilla/ (Windows NT ; Win64; x64) AppleWebKit/ (KHTML, like Gecko) Chrome/ Safari/",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1_2 like Mac OS X) Version/17.1.2 Mobile/15E148",
                "Mozilla/ (iPhone; CPU iPhone OS  like Mac OS X) Version/ Mobile/",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:121.0)", "Mozilla/ (X11; Linux x86_64; rv:)"),
            ("App (Android 14; SM-G991B Build/TQ3A.230805.001)", "App (Android ; SM-G991B Build/)"),
            ("deployer v1.28.2", "deployer "),
            ("kubectl/v1.28.2 (linux/amd64) kubernetes/89a4ea3", "kubectl/ (linux/) kubernetes/"),
            ("bot (+https://bots.example/about)", "bot (+https://bots.example/about)"),
            ("", ""),
        ];
        for (header, kept) in table {
            assert_eq!(without_versions(header), kept);
        }
    }

    #[test]
    fn other_programs_are_other_agents() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0";
        let newer = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";
        assert_eq!(Agent::of(firefox), Agent::of(newer));
        for other in ["", "curl/8.5.0", "Firefox/121.0", &firefox.replace("Linux", "FreeBSD")] {
            assert_ne!(Agent::of(firefox), Agent::of(other), "{other}");
        }
    }

    #[test]
    fn a_network_is_one_address_or_one_link() {
        let network = |text: &str| Network::of(text.parse().unwrap());
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::2"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        for text in ["192.0.2.1", "2001:db8:0:1::1"] {
            assert_eq!(Network::parse(&network(text).to_string()), Some(network(text)));
        }
    }
}
