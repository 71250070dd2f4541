//! Settings of where requests come from and what that means.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Where requests come from. A network is written `10.8.0.0/16`, or as one address.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Risk {
    /// Networks from which nobody signs in.
    #[serde(deserialize_with = "networks")]
    #[schemars(with = "Vec<String>")]
    pub blocked_networks: Vec<IpNet>,
    /// Whether the listed proxies are believed about the caller's address (`X-Forwarded-For`).
    pub trust_proxy_headers: bool,
    /// Proxies that stand before this server.
    #[serde(deserialize_with = "networks")]
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Named networks that policies speak of, such as `vpn` or `office`.
    #[schemars(with = "BTreeMap<String, Vec<String>>", example = zones_example())]
    pub zones: BTreeMap<String, Networks>,
    /// File that tells countries by address (MaxMind DB format, such as GeoLite2 or DB-IP), read
    /// again when it changes. Without one, every country is unknown, and an unknown country is
    /// outside of every list of countries. With positions in it, sign-ins that nobody could travel
    /// between are refused.
    #[schemars(example = &"/var/lib/GeoIP/GeoLite2-City.mmdb")]
    pub geoip_db: Option<PathBuf>,
    /// Days after which an address or a user agent that its owner has not signed in with is new
    /// again.
    #[schemars(range(min = 1, max = 3650))]
    pub known_for_days: u32,
}

impl Default for Risk {
    fn default() -> Risk {
        Risk {
            blocked_networks: Vec::new(),
            trust_proxy_headers: false,
            trusted_proxies: Vec::new(),
            zones: BTreeMap::new(),
            geoip_db: None,
            known_for_days: 180,
        }
    }
}

/// The networks of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Networks(#[serde(deserialize_with = "networks")] pub Vec<IpNet>);

fn zones_example() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([("vpn", vec!["10.8.0.0/16"])])
}

/// A list of networks; a bare address is the network of that address alone, and bits past the
/// prefix are refused, since they show that another prefix was meant.
fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    Vec::<Network>::deserialize(from).map(|list| list.into_iter().map(|it| it.0).collect())
}

struct Network(IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Network, D::Error> {
        let text = String::deserialize(from)?;
        let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let net: IpNet = parsed
            .map_err(|_| D::Error::custom(format!("`{text}` is no network or IP address")))?;
        if net.trunc() != net {
            let meant = net.trunc();
            return Err(D::Error::custom(format!("`{text}` has bits past its prefix: `{meant}`?")));
        }
        Ok(Network(net))
    }
}
