//! One policy at a time, and bundles as forms.

use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{BUNDLES, FREEZE, OURS, People, denied, files, path, setup};
use crate::harness::{Setup, samples, send};

const POLICIES: &str = "/api/v1/policies";

#[tokio::test]
async fn each_change_of_a_policy_is_a_draft_of_the_active_bundle_with_it() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let dave = &people.dave;
    let one = format!("{POLICIES}/use.translators");
    let shown = dave.get(&one).await.expect(200);
    assert_eq!((&shown["file"], &shown["tier"]), (&json!("40-use.cedar"), &json!("org")));

    let text = shown["text"].as_str().unwrap().replace("@title(\"", "@title(\"Indeed: ");
    let put =
        |path: &str, text: &str| dave.request(Method::PUT, path).json(&json!({ "text": text }));
    let changed = send(put(&one, &text)).await.expect(201);
    assert_eq!(changed["state"], "checked", "{changed}");
    let drafted = dave.get(&path(&changed)).await.expect(200)["files"].clone();
    let before = files(dave).await;
    for (name, is) in drafted.as_object().unwrap() {
        assert_eq!(*is != before[name], name == "policies/40-use.cedar", "{name}");
    }
    assert!(drafted["policies/40-use.cedar"].as_str().unwrap().contains("Indeed: "));
    send(put(&one, &text.replace("use.translators", "use.others"))).await.problem(422, "invalid");

    let added = dave.post(POLICIES, &json!({ "text": FREEZE, "file": "90-ours.cedar" })).await;
    let added = added.expect(201);
    let drafted = dave.get(&path(&added)).await.expect(200)["files"].clone();
    assert_eq!(drafted[OURS], FREEZE);
    let removed = dave.delete(&one).await.expect(201);
    let drafted = dave.get(&path(&removed)).await.expect(200)["files"].clone();
    let left = drafted["policies/40-use.cedar"].as_str().unwrap();
    assert!(!left.contains("@id(\"use.translators\")"), "{left}");

    for id in ["root.policy.work", "root.policy.four-eyes"] {
        let root = format!("{POLICIES}/{id}");
        denied(&send(put(&root, samples::POLICY)).await, &["root.policy.tier"]);
        denied(&dave.delete(&root).await, &["root.policy.tier"]);
    }
    send(put(&format!("{POLICIES}/nothing"), FREEZE)).await.problem(404, "not_found");
    dave.get(&format!("{POLICIES}/nothing")).await.problem(404, "not_found");
    let schema = dave.get("/api/v1/schema").await.expect(200);
    assert_eq!(schema["files"][0]["path"], "schemas/gatewright.cedarschema");
}

#[tokio::test]
async fn a_form_with_a_part_for_each_file_is_a_bundle_too() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let mut all = files(&people.dave).await;
    all[OURS] = FREEZE.into();
    let mut body = String::new();
    for (name, text) in all.as_object().unwrap() {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"x\"");
        body += &format!("--cut\r\n{head}\r\n\r\n{}\r\n", text.as_str().unwrap());
    }
    body += "--cut\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nby form\r\n--cut--\r\n";
    let post = |body: String| {
        let request = people.dave.request(Method::POST, BUNDLES).body(body);
        request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=cut")
    };
    let made = send(post(body.clone())).await.expect(201);
    assert_eq!((&made["state"], &made["note"]), (&json!("checked"), &json!("by form")));
    let same: Value = json!({ "files": all });
    assert_eq!(people.dave.post(BUNDLES, &same).await.expect(200)["id"], made["id"]);
    send(post(body.replace("--cut--", ""))).await.problem(400, "malformed");
    send(post(String::new())).await.problem(400, "malformed");
}
