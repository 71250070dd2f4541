//! Whose word is taken for where a request came from.

use std::net::IpAddr;

use ipnet::IpNet;
use warp::http::HeaderMap;

/// The proxies that the operator listed; with none, headers say nothing.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    pub fn new(trusted: Vec<IpNet>) -> Proxies {
        Proxies(trusted)
    }

    /// The nearest address that no trusted proxy vouches for. Read from the right: everything left
    /// of it may have been typed by the caller.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(client) {
            return client;
        }
        let values: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|it| it.to_str().ok())
            .flat_map(|it| it.split(','))
            .collect();
        for text in values.into_iter().rev() {
            // A proxy that writes nonsense vouches for nobody beyond itself.
            let Ok(named) = text.trim().parse::<IpAddr>() else { return client };
            client = named.to_canonical();
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|it| it.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_proxies_are_believed_and_only_from_the_right() {
        let trusting = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let table = [
            ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
            ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "66.249.1.1, 1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "1.2.3.4, 10.9.9.9", "1.2.3.4"),
            ("10.0.0.1", "1.2.3.4, nonsense", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
        ];
        for (peer, header, client) in table {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", header.parse().unwrap());
            let peer: IpAddr = peer.parse().unwrap();
            assert_eq!(trusting.client(peer, &headers).to_string(), client, "{header}");
            assert_eq!(Proxies::default().client(peer, &headers), peer);
        }
    }
}
