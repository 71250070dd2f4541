//! Rules about the arguments of one tool: what they decide, and what a tool may become under them.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use super::{denied, entry};
use crate::harness::policies::{said, taken_up};
use crate::harness::{Answer, Caller, Gate, PASSWORD, Setup, Upstream, policies, send};

const OWN: &str = "90-own.cedar";

/// At most 500 at once, and only in euros.
const LIMIT: &str = r#"
@id("own.pay.limit") @title("At most 500 euros at once")
forbid (principal, action == Gatewright::Action::"call:pay", resource)
unless {
  context.input.amount.lessThanOrEqual(decimal("500.00")) &&
  context.input.currency == Gatewright::Input::pay::currency::"EUR"
};
"#;

fn setup() -> Setup {
    policies::own(Setup::new())
        .with("policy.watch", "true")
        .with("probe.allow_private_networks", "true")
}

fn arguments(amount: &str) -> Value {
    json!({
        "type": "object",
        "required": ["amount", "currency"],
        "properties": {
            "amount": { "type": amount },
            "currency": { "enum": ["EUR", "USD"] },
            "memo": { "type": "string" },
        },
    })
}

fn pay(name: &str, upstream: &Upstream, amount: &str) -> Value {
    json!({
        "tool_type": "http", "name": name, "endpoint": upstream.url("/pay"), "version": "1",
        "scopes": ["call"], "required_scopes": ["agent:calc"], "input_schema": arguments(amount),
    })
}

fn path(tool: &Value, rest: &str) -> String {
    format!("/api/v1/tools/{}{rest}", tool["id"].as_str().unwrap())
}

/// Makes `text` the policies of our own, which are good.
async fn decide_by(gate: &Gate, text: &str) {
    policies::decide_by(gate, OWN, text).await;
}

async fn patch(caller: &Caller, tool: &Value, change: &Value) -> Answer {
    send(caller.request(Method::PATCH, &path(tool, "")).json(change)).await
}

#[tokio::test]
async fn a_limit_on_an_argument_holds_for_calls_as_they_are_made() {
    let (gate, upstream) = (setup().start(), Upstream::open().await);
    let admin = gate.admin().await;
    let made = admin.post("/api/v1/tools", &pay("pay", &upstream, "number")).await.expect(201);
    let (_, agent) = gate.agent("payer", "agent").await;
    decide_by(&gate, LIMIT).await;
    let call = async |amount: Value, currency: &str| {
        let body = json!({ "arguments": { "amount": amount, "currency": currency, "more": [1] } });
        agent.post(&path(&made, "/invoke"), &body).await
    };
    let allowed = call(json!(499), "EUR").await;
    allowed.expect(200);
    call(json!(500.0), "EUR").await.expect(200);
    let refused = call(json!(500.0001), "EUR").await;
    denied(&refused, &["own.pay.limit"], &["argument"]);
    denied(&call(json!(1), "USD").await, &["own.pay.limit"], &[]);
    let unfit = call(json!(1.00005), "EUR").await;
    denied(&unfit, &[], &["argument"]);
    let detail = unfit.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("the argument `/amount` is 1.00005, which has more digits")
            && detail.contains("4 digits")
            && !detail.contains("other arguments"),
        "{detail}"
    );
    call(json!("499"), "EUR").await.problem(422, "invalid");
    assert_eq!(upstream.calls(), 2, "what was refused went nowhere");

    let written = entry(&admin, &allowed).await;
    assert_eq!(
        (&written["action"], &written["asked"]["action"]),
        (&json!("invoke"), &json!("invoke"))
    );
    let told = &written["facts"]["particulars"]["call"];
    assert_eq!((&told["tool_name"], &told["arguments"]["amount"]), (&json!("pay"), &json!(499)));
    assert_eq!(entry(&admin, &unfit).await["details"]["unfit"], "/amount");

    // What is said of all calls holds for it, too.
    let all = r#"
        @id("own.freeze") @title("Nobody calls anything for now")
        forbid (principal, action in Gatewright::Action::"call", resource);
    "#;
    decide_by(&gate, &format!("{LIMIT}{all}")).await;
    denied(&call(json!(499), "EUR").await, &["own.freeze"], &[]);
}

#[tokio::test]
async fn a_tool_becomes_nothing_that_its_rules_do_not_fit() {
    let (mut gate, upstream) = (setup().start(), Upstream::open().await);
    let admin = gate.admin().await;
    let made = admin.post("/api/v1/tools", &pay("pay", &upstream, "integer")).await.expect(201);
    let second = json!({ "version": "2", "input_schema": arguments("number") });
    admin.post(&path(&made, "/versions"), &second).await.expect(201);
    decide_by(&gate, LIMIT).await;

    let in_the_way = |problem: &Value, pointer: &str, says: &[&str]| {
        let fault = &problem["errors"][0];
        assert_eq!(fault["pointer"], pointer, "{problem}");
        for it in says {
            assert!(fault["detail"].as_str().unwrap().contains(it), "`{it}` is not in {problem}");
        }
    };
    let mended = json!({ "input_schema": arguments("integer") });
    let place = ["own.pay.limit", "90-own.cedar:5:", "decimal"];
    let problem = patch(&admin, &made, &mended).await.problem(422, "invalid");
    in_the_way(&problem, "/input_schema", &place);
    let without = json!({ "input_schema": { "properties": { "amount": { "type": "number" } } } });
    let problem = patch(&admin, &made, &without).await.problem(422, "invalid");
    in_the_way(&problem, "/input_schema", &["own.pay.limit", "amount"]);
    let problem = admin.act(&path(&made, "/versions/1/rollback")).await.problem(422, "invalid");
    in_the_way(&problem, "/input_schema", &place);
    let renamed = json!({ "name": "spend" });
    let problem = patch(&admin, &made, &renamed).await.problem(422, "invalid");
    in_the_way(&problem, "/name", &["own.pay.limit", "`pay`"]);
    let now = admin.get(&path(&made, "")).await.expect(200);
    assert_eq!((&now["name"], &now["version"]), (&json!("pay"), &json!("2")), "nothing changed");

    // What no rule looks at may change, and the case of the name.
    let mut wider = arguments("number");
    wider["properties"]["memo"] = json!({ "type": "integer" });
    wider["properties"]["to"] = json!({ "type": "string" });
    let change = json!({ "name": "Pay", "description": "Pays.", "input_schema": wider });
    patch(&admin, &made, &change).await.expect(200);
    let (_, agent) = gate.agent("payer", "agent").await;
    let body = json!({ "arguments": { "amount": 501, "currency": "EUR", "to": "x" } });
    let refused = agent.post(&path(&made, "/invoke"), &body).await;
    denied(&refused, &["own.pay.limit"], &["argument"]);

    // Once it is gone the rule stays, and whatever comes in its place must fit it.
    let proof = json!({ "password": PASSWORD });
    let elevated = admin.post("/api/v1/auth/elevate", &proof).await.expect(200);
    let strong = Caller::new(&gate.url, elevated["access_token"].as_str());
    strong.delete(&path(&made, "")).await.expect(204);
    let other = pay("PAY", &upstream, "string");
    let problem = admin.post("/api/v1/tools", &other).await.problem(422, "invalid");
    in_the_way(&problem, "/input_schema", &["own.pay.limit", "decimal"]);
    admin.post("/api/v1/tools", &pay("pay", &upstream, "number")).await.expect(201);

    // The store says at the start which arguments there are.
    gate.restart();
    let admin = gate.admin().await;
    let found = admin.get("/api/v1/tools?q=pay").await.expect(200);
    let again = gate.agent("other", "agent").await.1;
    let refused = again.post(&path(&found["items"][0], "/invoke"), &body).await;
    denied(&refused, &["own.pay.limit"], &["argument"]);
}

#[tokio::test]
async fn a_rule_about_what_is_not_there_decides_nothing() {
    let (gate, upstream) = (setup().start(), Upstream::open().await);
    let admin = gate.admin().await;
    admin.post("/api/v1/tools", &pay("pay", &upstream, "number")).await.expect(201);
    let rule = |action: &str, condition: &str| {
        format!(
            "@id(\"own.x\") @title(\"A rule of our own\")\nforbid (principal, action == \
             Gatewright::Action::\"{action}\", resource)\nwhen {{ {condition} }};"
        )
    };
    let token = gate.folder.path().join("token");
    std::fs::write(&token, admin.token.as_deref().unwrap()).unwrap();
    for (text, says) in [
        (
            rule("call:pay", "context.input.amuont == decimal(\"1.0\")"),
            "90-own.cedar:3:8: own.x: attribute `input.amuont`",
        ),
        (
            rule("call:pay", "context.input.memo == \"x\""),
            "90-own.cedar:3:8: own.x: unable to guarantee",
        ),
        (rule("call:pay", "context.input.amount == 5"), "90-own.cedar:3:8: own.x: "),
        (
            rule("call:pay", "context.input.currency == Gatewright::Input::pay::currency::\"GBP\""),
            "90-own.cedar:3:34: own.x: entity",
        ),
        (
            rule("call:pey", "true"),
            "90-own.cedar:2:50: own.x: no registered tool `pey`; did you mean `pay`?",
        ),
        (rule("invoke", "true"), "90-own.cedar:2:50: own.x: `invoke` is not every call"),
    ] {
        let before = said(&gate, "are refused");
        policies::put(gate.folder.path(), OWN, &text);
        taken_up(&gate, "are refused", before).await;
        let log = gate.log();
        let last = log.iter().rev().find(|it| it.contains("are refused")).unwrap();
        assert!(
            last.contains(&Value::from(says).to_string().trim_matches('"').to_owned()),
            "{text}:\n{last}"
        );
        let checked = check(&gate, &["--url", &gate.url, "--token-file", "token"]);
        assert!(!checked.0 && checked.1.contains(says), "{text}:\n{}", checked.1);
    }
    gate.anyone().get("/readyz").await;
    policies::put(gate.folder.path(), OWN, LIMIT);
    let checked = check(&gate, &["--url", &gate.url, "--token-file", "token"]);
    assert!(checked.0, "{}", checked.1);
    let checked = check(&gate, &[]);
    assert!(
        !checked.0 && checked.1.contains("the types of the tool `pay` are not known here"),
        "{}",
        checked.1
    );
}

/// Whether `gatewright policy check` is content, and what it says.
fn check(gate: &Gate, words: &[&str]) -> (bool, String) {
    let schemas = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
    let mut command: Command =
        gate.command(&["policy", "check", "--dir", "policies", "--schema-dir", schemas]);
    let output = command.args(words).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}
