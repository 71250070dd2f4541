//! A bundle with types of its own: the fixture of AuthZEN's certification scenario.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::address::by_address;
use crate::harness::factor::enrol;
use crate::harness::server::WORDS;
use crate::harness::{ADMIN, Caller, Gate, Setup, policies};

/// Records, and what is done to them.
const SCHEMA: &str = r#"
namespace Archive {
  entity Record = { status: String };
  type Facts = {
    clock: Gatewright::Clock, net: Gatewright::Net, session: Gatewright::Session, risk: Gatewright::RiskLevel,
  };
  action "read", "write"
    appliesTo { principal: [Gatewright::User], resource: [Record], context: Facts };
  action "delete"
    appliesTo { principal: [Gatewright::User], resource: [Record], context: {
      clock: Gatewright::Clock, net: Gatewright::Net, session: Gatewright::Session, risk: Gatewright::RiskLevel,
      soft?: Bool,
    } };
}
"#;

const POLICIES: &str = r#"
@id("archive.read") @title("People read records")
permit (principal, action == Archive::Action::"read", resource is Archive::Record)
when { principal in Gatewright::Role::"user" || principal in Gatewright::Role::"admin" };

@id("archive.write") @title("Users write active records")
permit (principal in Gatewright::Role::"user", action == Archive::Action::"write", resource is Archive::Record)
when { resource.status == "active" };

@id("archive.write.archived") @title("Admins write archived records")
permit (principal in Gatewright::Role::"admin", action == Archive::Action::"write", resource is Archive::Record)
when { resource.status == "archived" };

@id("archive.delete.soft") @title("Users delete records softly")
permit (principal in Gatewright::Role::"user", action == Archive::Action::"delete", resource is Archive::Record)
when { context has soft && context.soft };

@id("archive.enforce") @title("The archive's own enforcement point asks about everybody, and is believed")
permit (
  principal in Gatewright::Role::"mcp_server",
  action in [Gatewright::Action::"query_access", Gatewright::Action::"supply_properties"],
  resource
);
"#;

const ENTITIES: &str = r#"[
  { "uid": { "type": "Archive::Record", "id": "record-1" }, "attrs": { "status": "active" }, "parents": [] },
  { "uid": { "type": "Archive::Record", "id": "record-2" }, "attrs": { "status": "archived" }, "parents": [] }
]"#;

/// A server that decides about records, and its enforcement point.
pub async fn archive() -> (Gate, Caller) {
    let setup = policies::own(Setup::new());
    let place = setup.folder.path().to_path_buf();
    policies::put(&place, "90-archive.cedar", POLICIES);
    policies::put(&place, "entities.json", ENTITIES);
    let schemas = place.join("schemas");
    fs::create_dir(&schemas).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/gatewright.cedarschema");
    fs::copy(ours, schemas.join("gatewright.cedarschema")).unwrap();
    fs::write(schemas.join("archive.cedarschema"), SCHEMA).unwrap();
    let setup = setup.with("policy.schema_dir", schemas.to_str().unwrap());
    let mut gate = setup.with("public_url", "https://pdp.example.com").start();
    by_address(&mut gate);
    let (_, pep) = gate.agent("archive_gate", "mcp_server").await;
    gate.user("alice", "user").await;
    let admin = enrol(&gate.pockets, ADMIN, &gate.admin().await).await;
    let bob = json!({ "username": "bob", "password": WORDS, "role": "admin" });
    admin.post("/api/v1/users", &bob).await.expect(201);
    (gate, pep)
}
