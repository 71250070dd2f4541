//! Proxies in front: whether what they say of callers' addresses is taken, and from them alone.

use super::Finding;
use crate::settings::Settings;

const OF: &str = "proxies";

pub fn examine(settings: &Settings) -> Finding {
    let risk = &settings.risk;
    let listed = &risk.trusted_proxies;
    if let Some(all) = listed.iter().find(|it| it.prefix_len() == 0) {
        let said = format!("`{all}` makes every caller a proxy, who then says where it comes from");
        return Finding::broken(OF, said, "list the proxies' own networks");
    }
    match (risk.trust_proxy_headers, listed.is_empty()) {
        (true, true) => Finding::broken(
            OF,
            "their headers are to be believed, but none is listed: callers all seem to be the proxy",
            "list the proxies in `risk.trusted_proxies`",
        ),
        (false, false) => Finding::weak(
            OF,
            "some are listed, but not believed: callers all seem to be the proxy",
            "set `risk.trust_proxy_headers = true`",
        ),
        (true, false) => {
            let nets: Vec<String> = listed.iter().map(ToString::to_string).collect();
            Finding::well(OF, format!("believed about callers' addresses: {}", nets.join(", ")))
        }
        (false, true) if is_hidden(settings) => Finding::weak(
            OF,
            format!(
                "{} is reached through none that is listed: callers all seem to be on \
                     this machine, and share its limits and its ratings",
                settings.public_url
            ),
            "list the proxy in `risk.trusted_proxies`, and set `risk.trust_proxy_headers = true`",
        ),
        (false, true) => Finding::well(OF, "none; callers are known by their own addresses"),
    }
}

/// Whether callers from elsewhere can only come through something on this machine.
fn is_hidden(settings: &Settings) -> bool {
    settings.listen.ip().is_loopback() && !settings.public_url.is_loopback()
}
