//! Where this process runs, as far as it matters to decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::explain::Network;
use super::facts::NetFacts;
use crate::net::places::Places;

/// How many of the named networks a search for another one looks at.
const NETWORKS_MAX: usize = 16;

/// What is true of the place this process runs in, from the settings.
pub struct Surroundings {
    /// The zone in which the organization's hours count.
    pub home: TimeZone,
    /// Named networks: what policies know as `NetZone`s.
    pub zones: BTreeMap<String, Vec<IpNet>>,
    /// Where addresses are.
    pub places: Arc<Places>,
}

impl Surroundings {
    pub(super) fn facts_of(&self, ip: IpAddr) -> NetFacts {
        let country = self.places.country(ip).map(|it| it.to_string());
        NetFacts::new(ip, self.zones_of(ip), country)
    }

    fn zones_of(&self, ip: IpAddr) -> BTreeSet<String> {
        let ip = ip.to_canonical();
        let holds = |nets: &[IpNet]| nets.iter().any(|it| it.contains(&ip));
        let zones = self.zones.iter().filter(|(_, nets)| holds(nets));
        zones.map(|(name, _)| name.clone()).collect()
    }

    /// Where a request could come from: an address of each of the named networks.
    pub(super) fn networks(&self) -> Arc<[Network]> {
        let address = |it: &IpNet| it.hosts().next().unwrap_or_else(|| it.addr());
        let all = self.zones.iter().flat_map(|(name, nets)| nets.iter().map(move |it| (name, it)));
        let network = |(name, net): (&String, &IpNet)| Network {
            name: name.clone(),
            facts: self.facts_of(address(net)),
        };
        all.take(NETWORKS_MAX).map(network).collect()
    }
}
