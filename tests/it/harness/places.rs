//! GeoIP files of the tests' own making.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A record like those of GeoLite2 City.
pub fn record(country: &str, latitude: f64, longitude: f64) -> Value {
    json!({
        "country": { "iso_code": country, "names": { "en": country } },
        "location": { "latitude": latitude, "longitude": longitude, "accuracy_radius": 20 },
    })
}

/// Puts a GeoIP file with these records, by network, in the place of whatever is at `path`.
pub fn write(path: &Path, records: &Value) {
    let beside = path.with_extension("new");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = std::env::var_os("GATEWRIGHT_TOOLS").map_or(root.join(".tools"), PathBuf::from);
    let mut child = Command::new(tools.join("venv/bin/python"))
        .arg(root.join("tests/interop/places.py"))
        .arg(&beside)
        .stdin(Stdio::piped())
        .spawn()
        .expect("run scripts/test, which installs what writes GeoIP files");
    child.stdin.take().unwrap().write_all(records.to_string().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    std::fs::rename(beside, path).unwrap();
}
