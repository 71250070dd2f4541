//! Calling a server where it listens, whatever it is called.

use serde_json::Value;

use super::Gate;

/// Makes `gate.url` the address, for a server whose `public_url` is a name of its own: one that
/// stays the same over a restart, while the port does not.
pub fn by_address(gate: &mut Gate) {
    let log = gate.log();
    let serving = log
        .iter()
        .map(|it| serde_json::from_str::<Value>(it).unwrap())
        .find(|it| it["message"] == "serving")
        .unwrap();
    gate.url = format!("http://{}", serving["address"].as_str().unwrap());
}
