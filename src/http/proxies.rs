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
        // By bytes: what a caller typed may be no text, and must not hide what the proxy added.
        let values: Vec<&[u8]> = headers
            .get_all("x-forwarded-for")
            .iter()
            .flat_map(|it| it.as_bytes().split(|byte| *byte == b','))
            .collect();
        for bytes in values.into_iter().rev() {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
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
    use warp::http::HeaderValue;

    use super::*;

    #[test]
    fn only_listed_proxies_are_believed_and_only_from_the_right() {
        let trusting = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let table = [
            ("203.0.113.9", &b"1.2.3.4"[..], "203.0.113.9"),
            ("10.0.0.1", &b"1.2.3.4"[..], "1.2.3.4"),
            ("10.0.0.1", &b"66.249.1.1, 1.2.3.4"[..], "1.2.3.4"),
            ("10.0.0.1", &b"1.2.3.4, 10.9.9.9"[..], "1.2.3.4"),
            ("10.0.0.1", &b"1.2.3.4, nonsense"[..], "10.0.0.1"),
            ("10.0.0.1", &b""[..], "10.0.0.1"),
            ("10.0.0.1", &b"\xff, 1.2.3.4"[..], "1.2.3.4"),
            ("10.0.0.1", &b"\xff, 1.2.3.4, 10.9.9.9"[..], "1.2.3.4"),
            ("10.0.0.1", &b"::ffff:1.2.3.4"[..], "1.2.3.4"),
        ];
        for (peer, header, client) in table {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(header).unwrap();
            headers.insert("x-forwarded-for", value.clone());
            let peer: IpAddr = peer.parse().unwrap();
            assert_eq!(trusting.client(peer, &headers).to_string(), client, "{value:?}");
            assert_eq!(Proxies::default().client(peer, &headers), peer);
        }
    }
}
