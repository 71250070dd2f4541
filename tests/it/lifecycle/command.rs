//! `gatewright policy push|review|activate|rollback|list|show|diff`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{FREEZE, People, active, setup};
use crate::harness::{Caller, Gate, Setup, policies};

fn run(gate: &Gate, by: Option<&Caller>, words: &[&str]) -> (i32, String, String) {
    let mut command = gate.command(&[&["policy"], words].concat());
    command.env("GATEWRIGHT_URL", &gate.url);
    if let Some(token) = by.and_then(|it| it.token.as_deref()) {
        command.env("GATEWRIGHT_TOKEN", token);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A checkout: `policies` and `schemas` below one folder.
fn checkout(gate: &Gate, name: &str, own: &str) -> String {
    let to = gate.folder.path().join(name);
    fs::create_dir_all(to.join("policies")).unwrap();
    fs::create_dir_all(to.join("schemas")).unwrap();
    for entry in fs::read_dir(policies::folder(gate.folder.path())).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join("policies").join(path.file_name().unwrap())).unwrap();
        }
    }
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/gatewright.cedarschema");
    fs::copy(schema, to.join("schemas/gatewright.cedarschema")).unwrap();
    fs::write(to.join("policies/90-own.cedar"), own).unwrap();
    to.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_bundle_goes_its_way_by_commands() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let folder = checkout(&gate, "mine", FREEZE);
    let (dir, schemas) = (format!("{folder}/policies"), format!("{folder}/schemas"));
    let push = ["push", "--dir", &dir, "--schema-dir", &schemas, "--note", "freeze"];

    let (code, out, err) = run(&gate, Some(&people.dave), &push);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("is checked") && out.contains("invariants  passed"), "{out}");
    assert!(out.contains("    searched ") && out.contains(" to the end"), "{out}");
    let (code, out, _) =
        run(&gate, Some(&people.dave), &[&push[..], &["--output", "json"]].concat());
    let made: Value = serde_json::from_str(&out).unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!((code, &made["note"]), (0, &json!("freeze")));

    let yes = ["review", id, "--yes", "--reason", "read it"];
    let (code, _, err) = run(&gate, Some(&people.dave), &yes);
    assert!(code == 3 && err.contains("403"), "{err}");
    for it in [&people.carol, &people.frank] {
        assert_eq!(run(&gate, Some(it), &yes).0, 0);
    }
    assert_eq!(run(&gate, Some(&people.carol), &["review", id]).0, 2);
    let (code, out, err) = run(&gate, Some(&people.erin), &["activate", id]);
    assert!(code == 0 && out.contains("is active"), "{out}{err}");
    let (_, out, _) = run(&gate, Some(&people.erin), &["list"]);
    let line = out.lines().find(|it| it.starts_with(id)).unwrap();
    assert!(line.contains("active") && line.contains("carol: yes"), "{line}");
    let (code, out, _) = run(&gate, Some(&people.erin), &["show"]);
    assert!(code == 0 && out.contains(id) && out.contains("carol says yes: read it"), "{out}");

    let (code, out, err) = run(&gate, Some(&people.erin), &["rollback"]);
    assert!(code == 0 && out.contains("is active"), "{out}{err}");
    assert_ne!(active(&people.dave).await["id"], made["id"]);
    let (code, _, err) = run(&gate, None, &["list"]);
    assert!(code == 4 && err.contains("GATEWRIGHT_TOKEN"), "{err}");

    fs::write(format!("{dir}/90-own.cedar"), FREEZE.replace("is Gatewright::Tool", "is Tol"))
        .unwrap();
    let (code, out, _) = run(&gate, Some(&people.dave), &push);
    assert!(
        code == 1 && out.contains("policies/90-own.cedar:3:") && out.contains("draft"),
        "{out}"
    );
    let faulty = out.split_whitespace().nth(1).unwrap();
    let (code, out, err) = run(&gate, Some(&people.dave), &["recheck", faulty]);
    assert!(code == 1 && out.contains("policies/90-own.cedar:3:"), "{out}{err}");
    assert!(err.contains("the check found faults"), "{err}");
    let (code, out, err) = run(&gate, Some(&people.dave), &["recheck", id]);
    assert!(code == 0 && out.contains("tests"), "{out}{err}");
}

#[tokio::test]
async fn two_bundles_are_compared_on_disk_and_with_the_one_that_decides() {
    let gate = setup(Setup::new()).start();
    let old = checkout(&gate, "old", FREEZE);
    let new = checkout(&gate, "new", &FREEZE.replace("during", "in"));
    fs::remove_file(Path::new(&new).join("policies/60-limits.cedar")).unwrap();
    let (code, out, err) = run(&gate, None, &["diff", &old, &new]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("changed  own.freeze") && out.contains("removed  limit."), "{out}");
    assert!(out.contains("+ @id(\"own.freeze\")") && out.contains("proved"), "{out}");

    let (code, out, _) = run(&gate, None, &["diff", &old, &new, "--output", "json"]);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found["changed"][0]["policy"]), (0, &json!("own.freeze")));
    assert!(found["comparison"]["status"].is_string(), "{found}");
    let (code, out, _) = run(&gate, None, &["diff", &old, &old]);
    assert!(code == 0 && out.contains("no policy differs\nequivalent: "), "{out}");

    let admin = gate.admin().await;
    let (code, out, err) = run(&gate, Some(&admin), &["diff", "active", &old]);
    assert!(code == 0 && out.contains("added    own.freeze"), "{out}{err}");
    assert_eq!(run(&gate, None, &["diff", &old, "nowhere"]).0, 1);
    fs::write(Path::new(&old).join("policies/90-own.cedar"), "permit (").unwrap();
    let (code, _, err) = run(&gate, None, &["diff", &old, &new]);
    assert!(code == 1 && err.contains("90-own.cedar:1:"), "{err}");
}
