//! What kind of place an IP address is, by the registries of special-purpose addresses (RFC 6890).
//!
//! The standard library's `is_private` and its like know less than half of these, so the tables are
//! our own: of IPv4 all that IANA lists is special; of IPv6 only global unicast (2000::/3) is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Global unicast: whoever listens there wants to be called by anyone.
    Public,
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, RFC 4193, and the provider's side of RFC 6598.
    Private,
    /// Never called: link-local, the metadata services of clouds, multicast, broadcast,
    /// documentation, benchmarking, reserved, and the tunnels of the change to IPv6.
    Special,
}

/// The place of an address, seen through the forms of IPv6 that carry one of IPv4.
pub fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(it) => of_v4(it),
        IpAddr::V6(it) => of_v6(it),
    }
}

/// The first row that holds an address decides.
const V4: [(Ipv4Net, Place); 23] = [
    // "This network" (RFC 791): most systems take 0.0.0.0 for themselves.
    v4([0, 0, 0, 0], 8, Place::Special),
    v4([10, 0, 0, 0], 8, Place::Private),
    // The metadata service of Alibaba Cloud, inside the shared address space.
    v4([100, 100, 100, 200], 32, Place::Special),
    // Shared address space (RFC 6598).
    v4([100, 64, 0, 0], 10, Place::Private),
    v4([127, 0, 0, 0], 8, Place::Loopback),
    // The host's own service in Azure: a public address that answers only to its virtual machine.
    v4([168, 63, 129, 16], 32, Place::Special),
    // Link-local (RFC 3927), and the metadata service of nearly every cloud.
    v4([169, 254, 0, 0], 16, Place::Special),
    v4([172, 16, 0, 0], 12, Place::Private),
    // Protocol assignments (RFC 6890), and the metadata service of Oracle's cloud.
    v4([192, 0, 0, 0], 24, Place::Special),
    // Documentation (RFC 5737), here and below.
    v4([192, 0, 2, 0], 24, Place::Special),
    // AS112 (RFC 7535, RFC 7534) and AMT (RFC 7450): anycast sinks, not somebody's server.
    v4([192, 31, 196, 0], 24, Place::Special),
    v4([192, 52, 193, 0], 24, Place::Special),
    // Relays of 6to4 (RFC 7526).
    v4([192, 88, 99, 0], 24, Place::Special),
    v4([192, 168, 0, 0], 16, Place::Private),
    v4([192, 175, 48, 0], 24, Place::Special),
    // Benchmarking (RFC 2544).
    v4([198, 18, 0, 0], 15, Place::Special),
    v4([198, 51, 100, 0], 24, Place::Special),
    v4([203, 0, 113, 0], 24, Place::Special),
    // Multicast (RFC 5771).
    v4([224, 0, 0, 0], 4, Place::Special),
    // Reserved (RFC 1112), and broadcast at its end.
    v4([240, 0, 0, 0], 4, Place::Special),
    // The rest, in three networks, since a prefix of no bits is easily mistaken for an error.
    v4([0, 0, 0, 0], 1, Place::Public),
    v4([128, 0, 0, 0], 2, Place::Public),
    v4([192, 0, 0, 0], 3, Place::Public),
];

const V6: [(Ipv6Net, Place); 9] = [
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, Place::Loopback),
    // The metadata service of Amazon's cloud, inside the unique local addresses.
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, Place::Special),
    // Unique local (RFC 4193).
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Place::Private),
    // Protocol assignments (RFC 2928): Teredo (RFC 4380), benchmarking, ORCHID.
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Place::Special),
    // Documentation (RFC 3849, RFC 9637).
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Place::Special),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Place::Special),
    // 6to4 (RFC 7526): given up, and whatever IPv4 address it holds would be reached by it.
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Place::Special),
    // AS112 (RFC 7534).
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, Place::Special),
    // Global unicast. What no row holds is special: unspecified, IPv4-compatible and -translated,
    // local NAT64 (RFC 8215), discard-only, segment routing, link- and site-local, multicast.
    v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, Place::Public),
];

/// The prefix by which every network knows NAT64 (RFC 6052); the last 32 bits are of IPv4.
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

const fn v4([a, b, c, d]: [u8; 4], bits: u8, place: Place) -> (Ipv4Net, Place) {
    (Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits), place)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], bits: u8, place: Place) -> (Ipv6Net, Place) {
    (Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), bits), place)
}

fn of_v4(address: Ipv4Addr) -> Place {
    let row = V4.iter().find(|(net, _)| net.contains(&address));
    row.map_or(Place::Special, |(_, place)| *place)
}

fn of_v6(address: Ipv6Addr) -> Place {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return of_v4(mapped);
    }
    if NAT64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        // RFC 6052 section 3.1: nothing but public addresses may be reached through it.
        return match of_v4(Ipv4Addr::new(a, b, c, d)) {
            Place::Public => Place::Public,
            Place::Loopback | Place::Private | Place::Special => Place::Special,
        };
    }
    let row = V6.iter().find(|(net, _)| net.contains(&address));
    row.map_or(Place::Special, |(_, place)| *place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(place_expected: Place, addresses: &[&str]) {
        for text in addresses {
            let address = text.parse().unwrap();
            assert_eq!(place(address), place_expected, "{text}");
        }
    }

    #[test]
    fn the_edges_of_every_special_network_are_known() {
        places(
            Place::Special,
            &[
                "0.0.0.0",
                "0.255.255.255",
                "100.100.100.200",
                "168.63.129.16",
                "169.254.0.0",
                "169.254.169.254",
                "169.254.255.255",
                "192.0.0.0",
                "192.0.0.192",
                "192.0.0.255",
                "192.0.2.0",
                "192.0.2.255",
                "192.31.196.0",
                "192.52.193.255",
                "192.88.99.1",
                "192.175.48.42",
                "198.18.0.0",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.255",
                "224.0.0.0",
                "239.255.255.255",
                "240.0.0.0",
                "255.255.255.254",
                "255.255.255.255",
            ],
        );
        places(
            Place::Private,
            &[
                "10.0.0.0",
                "10.255.255.255",
                "100.64.0.0",
                "100.100.100.199",
                "100.100.100.201",
                "100.127.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.168.0.0",
                "192.168.255.255",
            ],
        );
        places(Place::Loopback, &["127.0.0.0", "127.0.0.1", "127.255.255.255"]);
    }

    #[test]
    fn their_neighbours_are_public() {
        places(
            Place::Public,
            &[
                "1.0.0.0",
                "1.1.1.1",
                "8.8.8.8",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "168.63.129.15",
                "168.63.129.17",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "191.255.255.255",
                "192.0.1.0",
                "192.0.3.0",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "223.255.255.255",
            ],
        );
    }

    #[test]
    fn of_version_6_only_global_unicast_is_public() {
        places(
            Place::Special,
            &[
                "::",
                "::2",
                "100::1",
                "100:0:0:1::1",
                "2001::1",
                "2001:2::1",
                "2001:10::1",
                "2001:20::1",
                "2001:1ff:ffff::1",
                "2001:db8::1",
                "3fff::1",
                "3fff:fff::1",
                "2620:4f:8000::1",
                "5f00::1",
                "4000::1",
                "fe80::1",
                "febf::1",
                "fec0::1",
                "feff::1",
                "ff02::1",
                "ff0e::1",
                "fd00:ec2::254",
                "fe00::1",
            ],
        );
        places(Place::Private, &["fc00::1", "fd00:ec2::253", "fdff::1"]);
        places(Place::Loopback, &["::1"]);
        places(
            Place::Public,
            &[
                "2000::1",
                "2001:200::1",
                "2001:4860:4860::8888",
                "2001:db7::1",
                "2001:db9::1",
                "2003::1",
                "2606:4700::1111",
                "2620:4f:8001::1",
                "3ffe::1",
                "3fff:1000::1",
            ],
        );
    }

    #[test]
    fn an_address_of_version_4_is_seen_in_every_form_of_version_6() {
        places(Place::Loopback, &["::ffff:127.0.0.1", "::ffff:7f00:1"]);
        places(Place::Private, &["::ffff:10.0.0.1", "::ffff:192.168.1.1", "::ffff:100.64.0.1"]);
        places(Place::Special, &["::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:240.0.0.1"]);
        places(Place::Public, &["::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]);
        for hidden in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1", "0.0.0.0"] {
            let [a, b, c, d] = hidden.parse::<Ipv4Addr>().unwrap().octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for form in [
                // IPv4-compatible, -translated (RFC 2765), 6to4, Teredo (RFC 4380 hides the bits)
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0, !high, !low),
                Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 0xf7f7, 0xf7f7),
                // NAT64, of everyone and of one network
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, high, low, 0, 0, 0),
            ] {
                assert_eq!(place(form.into()), Place::Special, "{form} hides {hidden}");
            }
        }
    }
}
