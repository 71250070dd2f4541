//! The API document: sound by another's judgement, shown without the network, and true.

mod document;
mod govern;
mod machines;
mod people;
mod witness;

use self::govern::{audit, decided, endings, human_in_the_loop, policies, questions};
use self::machines::{calls, delegation, granting, machines, mcp, registry, servers, vending};
use self::people::{clients, federation, people, people_sign_in, second_factors};
use self::witness::Witness;
use crate::approvals::BOOTSTRAP;
use crate::harness::Setup;

/// A name of the server, which passkeys need.
const ORIGIN: &str = "http://gate.example";

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let setup = Setup::new().with("probe.allow_private_networks", "true");
    let gate = setup.with("auth.bootstrap_token", BOOTSTRAP).start();
    let mut witness = Witness::new(&gate).await;
    let anyone = gate.anyone();
    for path in [
        "/livez",
        "/readyz",
        "/health",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/.well-known/jwks.json",
        "/.well-known/biscuit-keys.json",
        "/.well-known/audit-key.json",
    ] {
        witness.saw("get", path, &anyone.get(path).await);
    }
    witness.saw("get", "/docs/{file}", &anyone.get("/docs/index.html").await);
    let admin = people_sign_in(&gate, &mut witness).await;
    second_factors(&mut witness).await;
    people(&mut witness, &admin).await;
    clients(&gate, &mut witness).await;
    federation(&mut witness).await;
    let agent = machines(&gate, &mut witness, &admin).await;
    let tool = registry(&mut witness, &admin).await;
    vending(&mut witness, &admin, &agent, &tool).await;
    calls(&mut witness, &admin).await;
    mcp(&gate, &mut witness).await;
    servers(&mut witness, &admin).await;
    granting(&gate, &mut witness).await;
    human_in_the_loop(&gate, &mut witness).await;
    questions(&mut witness, &admin).await;
    delegation(&gate, &mut witness, &agent).await;
    decided(&mut witness, &admin).await;
    policies(&gate, &mut witness, &admin).await;
    audit(&gate, &mut witness, &admin).await;
    endings(&gate, &mut witness, &admin, &tool).await;
    witness.has_seen_all();
}
