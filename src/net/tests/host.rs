//! Tables of names and origins.

use http::header::{HOST, HeaderValue, ORIGIN};
use http::{HeaderMap, Method, Uri};

use crate::net::host::{Hosts, Origins};

fn headers(hosts: &[&str], origins: &[&str]) -> HeaderMap {
    let hosts = hosts.iter().map(|it| (HOST, HeaderValue::from_str(it).unwrap()));
    let origins = origins.iter().map(|it| (ORIGIN, HeaderValue::from_str(it).unwrap()));
    let mut headers = HeaderMap::new();
    for (name, value) in hosts.chain(origins) {
        headers.append(name, value);
    }
    headers
}

#[test]
fn addresses_are_names_where_all_of_them_are() {
    let few = Hosts::new(names(&["gate.example"])).unwrap();
    let all = few.clone().and_addresses();
    let table = [
        ("gate.example", true, true),
        ("10.0.0.7", false, true),
        ("10.0.0.7:9464", false, true),
        ("[2001:db8::7]:9464", false, true),
        ("10.0.0.7.evil.example", false, false),
        ("10.0.0", false, false),
        ("evil.example", false, false),
    ];
    let uri = Uri::from_static("/");
    for (host, listed, every) in table {
        let headers = headers(&[host], &[]);
        assert_eq!(few.allows(&uri, &headers), listed, "{host}");
        assert_eq!(all.allows(&uri, &headers), every, "{host}");
    }
}

fn names(them: &[&str]) -> Vec<String> {
    them.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn hosts() {
    let hosts = Hosts::new(names(&["Gate.example", "api.example:8443", "[2001:db8::1]"])).unwrap();
    let table: &[(&str, &[&str], bool)] = &[
        ("/", &["gate.example"], true),
        ("/", &["GATE.EXAMPLE"], true),
        ("/", &["gate.example:1234"], true),
        ("/", &["api.example:8443"], true),
        ("/", &["api.example:8444"], false),
        ("/", &["api.example"], false),
        ("/", &["[2001:db8::1]:80"], true),
        ("/", &["[2001:DB8:0::1]"], true),
        ("/", &["[2001:db8::2]"], false),
        ("/", &["evil.example"], false),
        ("/", &["gate.example.evil.example"], false),
        ("/", &["evil.gate.example"], false),
        ("/", &["gate.example."], false),
        ("/", &["user@gate.example"], false),
        ("/", &["gate.example:"], false),
        ("/", &["gate.example:65536"], false),
        ("/", &["gate.example:80:80"], false),
        ("/", &["gate.example, gate.example"], false),
        ("/", &["gate.example/"], false),
        ("/", &[""], false),
        ("/", &[], false),
        ("/", &["gate.example", "gate.example"], false),
        ("/", &["gate.example", "evil.example"], false),
        ("/", &["localhost"], false),
        ("/", &["127.0.0.1"], false),
        ("https://gate.example/", &[], true),
        ("https://evil.example/", &[], false),
        ("https://gate.example/", &["gate.example"], true),
        ("https://gate.example/", &["GATE.example"], true),
        ("https://gate.example/", &["evil.example"], false),
        ("https://evil.example/", &["gate.example"], false),
        ("https://gate.example/", &["gate.example", "gate.example"], false),
    ];
    for (uri, named, allowed) in table {
        let uri = Uri::from_static(uri);
        assert_eq!(hosts.allows(&uri, &headers(named, &[])), *allowed, "{uri} {named:?}");
    }
}

#[test]
fn loopback_only_when_asked_for() {
    let hosts = Hosts::new(names(&["gate.example"])).unwrap();
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]", "[0:0::1]:8080"] {
        let headers = headers(&[host], &[]);
        assert!(!hosts.allows(&Uri::from_static("/"), &headers), "{host}");
        assert!(hosts.clone().and_loopback().allows(&Uri::from_static("/"), &headers), "{host}");
    }
}

#[test]
fn nothing_listed_is_nothing_allowed() {
    let hosts = Hosts::new(Vec::new()).unwrap();
    assert!(!hosts.allows(&Uri::from_static("/"), &headers(&["gate.example"], &[])));
}

#[test]
fn bad_entries_are_refused() {
    for entry in ["", "*", "*.gate.example", "https://gate.example", "gate.example/x", "a b", ":80"]
    {
        assert!(Hosts::new(names(&[entry])).is_err(), "{entry}");
    }
    for entry in ["", "*", "null", "gate.example", "https://", "https://*", "https://gate.example/"]
    {
        assert!(Origins::new(names(&[entry])).is_err(), "{entry}");
    }
}

#[test]
fn origins() {
    let origins = Origins::new(names(&["https://console.example", "app://shell"])).unwrap();
    let table: &[(&str, &[&str], bool)] = &[
        ("gate.example", &[], true),
        ("gate.example", &["https://console.example"], true),
        ("gate.example", &["HTTPS://Console.Example:443"], true),
        ("gate.example", &["https://console.example:8443"], false),
        ("gate.example", &["http://console.example"], false),
        ("gate.example", &["app://shell"], true),
        ("gate.example", &["https://gate.example"], true),
        ("gate.example:443", &["https://gate.example"], true),
        ("gate.example:8443", &["https://gate.example:8443"], true),
        ("gate.example:8443", &["https://gate.example"], false),
        ("gate.example", &["https://gate.example:8443"], false),
        ("gate.example", &["http://gate.example"], true),
        ("gate.example:80", &["http://gate.example"], true),
        ("gate.example", &["ftp://gate.example"], false),
        ("gate.example", &["https://evil.example"], false),
        ("gate.example", &["null"], false),
        ("gate.example", &[""], false),
        ("gate.example", &["https://gate.example/"], false),
        ("gate.example", &["https://user@gate.example"], false),
        ("gate.example", &["https://gate.example", "https://gate.example"], false),
        ("gate.example", &["https://gate.example https://evil.example"], false),
    ];
    let uri = Uri::from_static("/");
    for (host, shown, allowed) in table {
        let headers = headers(&[host], shown);
        assert_eq!(origins.trusts(&uri, &headers), *allowed, "{host} {shown:?}");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(origins.allows(&method, &uri, &headers), *allowed, "{method} {shown:?}");
        }
        assert!(origins.allows(&Method::GET, &uri, &headers), "{shown:?}");
    }
}

#[test]
fn own_pages_over_http_can_be_distrusted() {
    let origins = Origins::new(Vec::new()).unwrap().https_only();
    for (origin, trusted) in [("https://gate.example", true), ("http://gate.example", false)] {
        let headers = headers(&["gate.example"], &[origin]);
        assert_eq!(origins.trusts(&Uri::from_static("/"), &headers), trusted, "{origin}");
    }
}

#[test]
fn without_one_clear_host_no_page_is_our_own() {
    let origins = Origins::new(Vec::new()).unwrap();
    for hosts in [&[][..], &["gate.example", "gate.example"], &["evil.example"]] {
        let headers = headers(hosts, &["https://gate.example"]);
        assert!(!origins.trusts(&Uri::from_static("/"), &headers), "{hosts:?}");
    }
}
