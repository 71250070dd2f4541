//! What policy authors run: formatting, the schema for their editor, findings for code scanning.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::run;
use crate::harness::tools;

const OWN: &str = "policies/90-own.cedar";
/// What `gatewright policy schema` would have written for a tool `pay`.
const TOOLS: &str = r#"
namespace Gatewright::Input::pay {
  type Input = { amount: decimal, memo?: String };
}
namespace Gatewright {
  action "call:pay" in ["call"]
    appliesTo { principal: [User, Agent], resource: [Tool], context: { input: Gatewright::Input::pay::Input } };
}
"#;

/// The policies and schema of the repository, without their decision tables.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["policies", "schemas"] {
        let copied = Command::new("cp").arg("-r").arg(root.join(name)).arg(folder.path()).status();
        assert!(copied.unwrap().success());
    }
    fs::remove_dir_all(folder.path().join("policies/tests")).unwrap();
    folder
}

fn put(folder: &TempDir, name: &str, text: &str) {
    fs::write(folder.path().join(name), text).unwrap();
}

fn get(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

/// How a line of ours is recognized: the expression in docs/policies/authoring.md.
fn matcher() -> regex::Regex {
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policies/authoring.md"));
    let page = page.unwrap();
    let (_, after) = page.split_once("\"regexp\": ").unwrap();
    let (literal, _) = after.split_once(",\n").unwrap();
    let pattern: String = serde_json::from_str(literal).unwrap();
    regex::Regex::new(&pattern).unwrap()
}

#[test]
fn policies_are_formatted_once_and_keep_what_is_said_in_them() {
    let folder = folder();
    let before = run(folder.path(), &["policy", "check", "--format", "json"]).expect(0).out;
    let root = get(&folder, "policies/00-root.cedar");
    let comments = |folder: &TempDir| {
        let mut comments = Vec::new();
        for entry in fs::read_dir(folder.path().join("policies")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && path.extension().is_some_and(|it| it == "cedar") {
                let text = fs::read_to_string(path).unwrap();
                let said = text.lines().filter_map(|it| it.split_once("// "));
                comments.extend(said.map(|(_, it)| it.trim().to_owned()));
            }
        }
        comments.sort();
        comments
    };
    let said = comments(&folder);
    put(
        &folder,
        OWN,
        "@id(\"own.x\")  @title(\"A rule of ours\")\n// why\nforbid(principal,action,resource)when{context.session.aal<1};",
    );

    let ran = run(folder.path(), &["policy", "fmt", "--check"]).expect(1);
    assert!(ran.err.contains("policies/90-own.cedar:1:1: is not formatted"), "{}", ran.err);
    assert!(get(&folder, OWN).contains("when{"), "looking changes nothing");
    let ran = run(folder.path(), &["policy", "fmt"]).expect(0);
    assert!(ran.out.contains("formatted policies/90-own.cedar"), "{}", ran.out);
    assert!(get(&folder, OWN).contains("// why\n"), "{}", get(&folder, OWN));
    assert_eq!(get(&folder, "policies/00-root.cedar"), root, "the root tier is not ours to change");
    let ran = run(folder.path(), &["policy", "fmt", "--check"]).expect(0);
    assert!(ran.out.starts_with("0 of "), "{}", ran.out);
    fs::remove_file(folder.path().join(OWN)).unwrap();
    assert_eq!(comments(&folder), said, "nothing that was said is lost");

    let count = |text: &str| serde_json::from_str::<Value>(text).unwrap()["policies"].clone();
    let after = run(folder.path(), &["policy", "check", "--format", "json"]).expect(0).out;
    assert_eq!(count(&after), count(&before));
}

#[test]
fn what_does_not_parse_is_not_formatted_and_nothing_else_is() {
    let folder = folder();
    put(&folder, OWN, "permit (principal, action resource);");
    let ran = run(folder.path(), &["policy", "fmt"]).expect(1);
    assert!(ran.err.contains("policies/90-own.cedar:1:27: unexpected token"), "{}", ran.err);
    let original =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/40-use.cedar"));
    assert_eq!(get(&folder, "policies/40-use.cedar"), original.unwrap());

    put(&folder, "one.cedar", "permit(principal==Gatewright::User::\"a\",action,resource);");
    run(folder.path(), &["policy", "fmt", "one.cedar"]).expect(0);
    assert!(get(&folder, "one.cedar").contains("permit (\n"), "{}", get(&folder, "one.cedar"));
    run(folder.path(), &["policy", "fmt", "none.cedar"]).expect(1);
    put(&folder, "notes.cedar", "\n// nothing yet\n// but words\n");
    run(folder.path(), &["policy", "fmt", "notes.cedar"]).expect(0);
    assert_eq!(get(&folder, "notes.cedar"), "// nothing yet\n// but words\n");
    run(folder.path(), &["policy", "fmt", "--check", "notes.cedar"]).expect(0);
}

#[test]
fn findings_are_told_to_people_programs_and_code_scanning() {
    let folder = folder();
    put(&folder, "schemas/tools.cedarschema", TOOLS);
    let rule = "@id(\"own.x\")\n@title(\"A rule of ours\")\nforbid (principal, action == Gatewright::Action::\"call:pay\", resource)\nwhen { context.input.amuont.lessThan(decimal(\"1.0\")) };\n";
    put(&folder, OWN, rule);
    let ran = run(folder.path(), &["policy", "check"]).expect(1);
    let line = ran.err.lines().next().unwrap();
    let found = matcher().captures(line).unwrap_or_else(|| panic!("no match: {line}"));
    let group = |at: usize| found.get(at).map_or("", |it| it.as_str());
    assert_eq!((group(1), group(2), group(3)), (OWN, "4", "8"));
    assert!(group(5).starts_with("own.x: attribute `input.amuont`"), "{line}");

    let told = run(folder.path(), &["policy", "check", "--format", "json"]).expect(1).out;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["sound"], &told["digest"]), (&json!(false), &Value::Null));
    let finding = &told["findings"][0];
    assert_eq!((&finding["severity"], &finding["rule"]), (&json!("error"), &json!("validation")));
    assert_eq!((&finding["line"], &finding["column"]), (&json!(4), &json!(8)));

    let log = sarif(&folder, 1);
    let result = &log["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&json!("validation"), &json!("error")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], OWN);
    assert_eq!(place["region"], json!({ "startLine": 4, "startColumn": 8 }));
    assert!(result["message"]["text"].as_str().unwrap().starts_with("own.x: "), "{result}");

    // A warning is told, and refuses nothing.
    let idle = "@id(\"own.a\")\n@title(\"A rule\")\npermit (principal, action == Gatewright::Action::\"call:pay\", resource is Gatewright::Tool)\nwhen { context.input has memo };\n";
    put(&folder, OWN, &format!("{idle}{}", idle.replace("own.a", "own.b")));
    let ran = run(folder.path(), &["policy", "check"]).expect(0);
    assert!(ran.out.contains("with 1 warning(s)"), "{}", ran.out);
    let found = matcher().captures(ran.err.lines().next().unwrap()).unwrap();
    assert_eq!(found.get(4).map(|it| it.as_str()), Some("warning"));
    let log = sarif(&folder, 0);
    assert_eq!(log["runs"][0]["results"][0]["level"], "warning");
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "shadowed-permit");

    fs::remove_file(folder.path().join(OWN)).unwrap();
    assert_eq!(sarif(&folder, 0)["runs"][0]["results"], json!([]));
}

/// Holds a log against the official schema of SARIF 2.1.0 (OASIS).
pub fn is_sarif(log: &Value) {
    const SCHEMA: &str =
        "sarif/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json";
    let path = tools().join(SCHEMA);
    let text = fs::read_to_string(&path).unwrap_or_else(|it| panic!("{}: {it}", path.display()));
    // A bracket too many, which JavaScript overlooks.
    let text = text.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::draft4::new(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(log).map(|it| it.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new(), "{log}");
}

/// What `check` writes for code scanning, held against the schema of the standard, and against what
/// it asks for beyond (SARIF 2.1.0, section 3).
fn sarif(folder: &TempDir, code: i32) -> Value {
    let out = run(folder.path(), &["policy", "check", "--format", "sarif"]).expect(code).out;
    let log: Value = serde_json::from_str(&out).unwrap();
    is_sarif(&log);
    assert_eq!(log["version"], "2.1.0");
    let [run] = log["runs"].as_array().unwrap().as_slice() else { panic!("one run: {log}") };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "gatewright");
    let rules: Vec<&Value> =
        driver["rules"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    let mut once = rules.clone();
    once.sort_by_key(|it| it.to_string());
    once.dedup();
    assert_eq!(once.len(), rules.len(), "each rule is there once");
    for it in run["results"].as_array().unwrap() {
        assert!(rules.contains(&&it["ruleId"]), "{it}");
        assert!(["error", "warning", "note", "none"].contains(&it["level"].as_str().unwrap()));
        assert!(!it["message"]["text"].as_str().unwrap().is_empty());
        let place = &it["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.contains([' ', '\\']), "{uri}");
        if let Some(region) = place.get("region") {
            assert!(region["startLine"].as_u64().unwrap() >= 1);
            assert!(region["startColumn"].as_u64().unwrap() >= 1);
        }
    }
    log
}

#[test]
fn the_schema_is_exported_for_editors_and_for_the_repository() {
    let folder = folder();
    let core = run(folder.path(), &["policy", "schema"]).expect(0).out;
    assert!(core.contains("entity Tool") && core.contains("closed vocabularies"), "{core}");
    let ran = run(folder.path(), &["policy", "schema", "--tools-only", "-o", "none"]).expect(0);
    let hint =
        "only those are that a policy names as `action == Gatewright::Action::\"call:NAME\"`";
    assert!(ran.out.contains("0 tool(s) typed") && ran.err.contains(hint), "{}", ran.err);
    put(
        &folder,
        OWN,
        "@id(\"own.x\") @title(\"A rule of ours\") forbid (principal, action == Gatewright::Action::\"call:pay\", resource);",
    );
    let ran = run(folder.path(), &["policy", "schema"]).expect(1);
    assert!(ran.err.contains("the types of the tool `pay` are not known here"), "{}", ran.err);

    put(&folder, "schemas/tools.cedarschema", TOOLS);
    let ran = run(folder.path(), &["policy", "schema", "-o", "whole.cedarschema"]).expect(0);
    assert!(ran.out.contains("1 tool(s) typed in whole.cedarschema"), "{}", ran.out);
    let whole = get(&folder, "whole.cedarschema");
    for it in ["action \"call:pay\" in", "amount: decimal", "usage: Usage", "closed vocabularies"] {
        assert!(whole.contains(it), "`{it}` is not in:\n{whole}");
    }
    // It is a schema of its own: alone it is all that a check needs.
    for name in ["gatewright", "tools"] {
        fs::remove_file(folder.path().join(format!("schemas/{name}.cedarschema"))).unwrap();
    }
    put(&folder, "schemas/whole.cedarschema", &whole);
    run(folder.path(), &["policy", "check"]).expect(0);
}
