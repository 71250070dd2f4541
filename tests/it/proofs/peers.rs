//! Other people's clients: oauth4webapi signs assertions and proofs, and uses what it gets.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{id, put};
use crate::harness::{Gate, tools};

#[tokio::test]
async fn oauth4webapi_signs_its_requests_and_is_understood() {
    let gate = Gate::start();
    let (registered, _) = gate.agent("robot", "agent").await;
    let admin = super::elevated(&gate).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/proofs.mjs");
    let run = |arguments: &[&str]| -> Value {
        let mut node = Command::new("node");
        node.arg(&script).arg(tools().join("node/node_modules")).args(arguments);
        let output = node.output().expect("run scripts/test, which installs what this needs");
        let (said, complaint) = (output.stdout, String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{complaint}");
        serde_json::from_slice(&said).unwrap()
    };
    for algorithm in ["ES256", "Ed25519", "PS256", "RS256"] {
        let keys = gate.folder.path().join(format!("{algorithm}.json"));
        let public = run(&["generate", algorithm, keys.to_str().unwrap()]);
        let path = format!("/api/v1/agents/{}/keys", id(&registered));
        put(&admin, &path, &json!({ "keys": [public] })).await.expect(200);
        let said = run(&["use", &gate.url, id(&registered), keys.to_str().unwrap()]);
        assert_eq!(said["token_type"], "dpop", "{algorithm}: {said}");
        assert_eq!(said["name"], "robot", "{algorithm}: {said}");
        assert_eq!(said["assurance_level"], 2, "{algorithm}: {said}");
        assert_eq!(said["replayed"], 401, "{algorithm}: {said}");
    }
}
