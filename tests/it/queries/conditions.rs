//! Under which conditions: what an answer hangs on that nobody said, or that will be otherwise.

use serde_json::{Value, json};

use crate::cli::{Ran, gatewright};
use crate::harness::{Caller, Gate, Setup, policies, samples};

const EVALUATION: &str = "/access/v1/evaluation";

/// Rules about the arguments of `pay`, a bundle that keeps its types, and one about the hour.
const RULES: &str = r#"
@id("own.pay.limit") @title("At most 500 euros at once")
forbid (principal, action == Gatewright::Action::"call:pay", resource)
unless { context.input.amount <= 500 && context.input.currency == "EUR" };

@id("own.pay.payers") @title("The payer pays, as long as it says for what")
permit (principal is Gatewright::Agent, action == Gatewright::Action::"call:pay", resource)
when { principal in Gatewright::Role::"agent" && context.input has memo };

@id("own.pay.llm") @title("Language models pay nobody")
forbid (principal in Gatewright::Role::"llm", action == Gatewright::Action::"call:pay", resource);

@id("own.calls.text") @title("Nobody sends secrets")
forbid (principal, action in Gatewright::Action::"call", resource)
when { context.call.text.hasTag("/memo") && context.call.text.getTag("/memo") like "*secret*" };
"#;

async fn server() -> (Gate, Caller) {
    let setup = policies::own(Setup::new())
        .with("policy.watch", "true")
        .with("probe.allow_private_networks", "true");
    let gate = setup.start();
    let admin = gate.admin().await;
    let mut pay = json!({
        "tool_type": "http", "name": "pay", "endpoint": "http://127.0.0.1:9/pay", "version": "1",
        "scopes": ["call"], "required_scopes": [],
        "input_schema": {
            "type": "object", "required": ["amount", "currency"],
            "properties": {
                "amount": { "type": "integer" }, "currency": { "type": "string" },
                "memo": { "type": "string" },
            },
        },
    });
    admin.post("/api/v1/tools", &pay).await.expect(201);
    pay["name"] = "plain".into();
    admin.post("/api/v1/tools", &pay).await.expect(201);
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    policies::decide_by(&gate, "90-own.cedar", RULES).await;
    (gate, admin)
}

fn asked(agent: &str, tool: &str, arguments: Option<Value>) -> Value {
    let mut action = json!({ "name": "invoke" });
    if let Some(it) = arguments {
        action["properties"] = json!({ "arguments": it });
    }
    json!({
        "subject": { "type": "agent", "id": agent }, "action": action,
        "resource": { "type": "tool", "id": tool },
    })
}

fn of<'a>(context: &'a Value, policy: &str) -> &'a Value {
    let all = context["conditions"].as_array().unwrap().iter();
    all.into_iter().find(|it| it["policy"] == policy).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn an_answer_says_what_it_hangs_on() {
    let (gate, admin) = server().await;
    let (_, payer) = gate.agent("payer", "agent").await;
    gate.agent("model", "llm").await;
    without_arguments_it_is_said_which_of_them_count(&admin, &payer).await;
    searches_and_the_command_tell_conditions_beside_what_they_find(&gate, &admin).await;
    a_grant_for_some_hours_is_a_condition_whether_or_not_it_holds_now(&admin, &payer).await;
}

async fn without_arguments_it_is_said_which_of_them_count(admin: &Caller, payer: &Caller) {
    let told = admin.post(EVALUATION, &asked("payer", "pay", None)).await.expect(200);
    let context = &told["context"];
    assert_eq!((&told["decision"], &context["code"]), (&json!(false), &json!("arguments_missing")));
    let limit = of(context, "own.pay.limit");
    assert_eq!(limit["effect"], "forbid", "{told:#}");
    assert_eq!(limit["hangs_on"], json!(["arguments"]));
    assert_eq!(limit["arguments"], json!(["/amount", "/currency"]));
    assert_eq!(
        limit["conditions"],
        json!(["unless context.input.amount <= 500", "unless context.input.currency == \"EUR\""])
    );
    assert_eq!(of(context, "own.calls.text")["arguments"], json!(["/memo"]));
    let counted = of(context, "limit.calls-per-minute");
    assert_eq!((&counted["effect"], &counted["hangs_on"]), (&json!("forbid"), &json!(["usage"])));
    assert_eq!(of(context, "own.pay.llm"), &Value::Null, "it is no such principal");
    // A standing permit applies already: what another asks matters to nobody.
    assert_eq!(of(context, "own.pay.payers"), &Value::Null, "{told:#}");

    // What is said there is so.
    let decision = async |arguments: Value| {
        let body = asked("payer", "pay", Some(arguments));
        admin.post(EVALUATION, &body).await.expect(200)["decision"].clone()
    };
    assert_eq!(decision(json!({ "amount": 500, "currency": "EUR" })).await, true);
    assert_eq!(decision(json!({ "amount": 501, "currency": "EUR" })).await, false);
    assert_eq!(decision(json!({ "amount": 1, "currency": "USD" })).await, false);
    let secret = json!({ "amount": 1, "currency": "EUR", "memo": "a secret" });
    assert_eq!(decision(secret).await, false);

    // Whoever may not read policies learns which they are, and not how they are written.
    let told = payer.post(EVALUATION, &asked("payer", "pay", None)).await.expect(200);
    let limit = of(&told["context"], "own.pay.limit");
    assert_eq!(
        (&limit["title"], &limit["conditions"]),
        (&json!("At most 500 euros at once"), &Value::Null)
    );

    // A no that no argument changes is a no, and says by what.
    let told = admin.post(EVALUATION, &asked("model", "pay", None)).await.expect(200);
    assert_eq!(told["context"]["code"], Value::Null, "{told:#}");
    assert_eq!(told["context"]["policies"], json!(["own.pay.llm"]));
    assert_eq!(told["context"]["conditions"], Value::Null);

    // A tool without types of its own is asked as it would be called without arguments.
    let told = admin.post(EVALUATION, &asked("payer", "plain", None)).await.expect(200);
    assert_eq!((&told["decision"], &told["context"]["code"]), (&json!(true), &Value::Null));
    assert_eq!(of(&told["context"], "own.calls.text")["hangs_on"], json!(["arguments"]));
}

async fn searches_and_the_command_tell_conditions_beside_what_they_find(
    gate: &Gate,
    admin: &Caller,
) {
    let body = json!({
        "subject": { "type": "agent", "id": "payer" }, "action": { "name": "invoke" },
        "resource": { "type": "tool" },
    });
    let page = admin.post("/access/v1/search/resource", &body).await.expect(200);
    let ids =
        |it: &Value| it.as_array().unwrap().iter().map(|it| it["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&page["results"]), ["plain"], "{page:#}");
    let conditional = page["context"]["conditional"].as_array().unwrap();
    assert_eq!((conditional.len(), &conditional[0]["result"]["id"]), (1, &json!("pay")));
    assert_eq!(of(&conditional[0], "own.pay.limit")["arguments"], json!(["/amount", "/currency"]));
    let body = json!({
        "subject": { "type": "agent" }, "action": { "name": "invoke" },
        "resource": { "type": "tool", "id": "pay" },
    });
    let page = admin.post("/access/v1/search/subject", &body).await.expect(200);
    assert_eq!(page["results"], json!([]), "{page:#}");
    let conditional = page["context"]["conditional"].as_array().unwrap();
    assert_eq!((conditional.len(), &conditional[0]["result"]["id"]), (1, &json!("payer")));

    let run = |words: &[&str], code: i32| {
        let mut command = gatewright(gate.folder.path(), &["can"]);
        command.args(words).env("GATEWRIGHT_URL", &gate.url);
        command.env("GATEWRIGHT_TOKEN", admin.token.as_ref().unwrap());
        Ran::from(command.output().unwrap()).expect(code).out
    };
    let said = run(&["agent:payer", "invoke", "pay"], 3);
    assert!(said.starts_with("it depends: it hangs on the arguments"), "{said}");
    let line = "hangs on arguments /amount /currency: forbid own.pay.limit, At most 500 euros";
    assert!(said.contains(line) && said.contains("unless context.input.amount <= 500"), "{said}");
    assert!(said.contains("  none of these may apply:\n"), "{said}");
    let said = run(&["agent:payer", "request_credential", "pay", "--ttl", "7200"], 3);
    assert!(said.starts_with("no: ") && !said.contains("limit.calls-per-minute"), "{said}");
    let euros = ["agent:payer", "invoke", "pay", "--arg", "amount=5", "--arg", "currency=EUR"];
    let said = run(&euros, 0);
    assert!(said.starts_with("yes: ") && !said.contains("/amount"), "{said}");
    let said = run(&["--what", "agent:payer", "invoke"], 0);
    assert!(said.contains("plain") && said.contains("arguments /amount /currency"), "{said}");
    let rows: Value =
        serde_json::from_str(&run(&["--who", "invoke", "pay", "--output", "json"], 0)).unwrap();
    assert!(rows.to_string().contains("own.pay.limit"), "{rows:#}");
}

async fn a_grant_for_some_hours_is_a_condition_whether_or_not_it_holds_now(
    admin: &Caller,
    payer: &Caller,
) {
    let mut grant = samples::grant("Agent:payer", "Tool:risky");
    grant["template"] = "grant.agent-tool.working-hours".into();
    let mut risky = samples::calculate("risky");
    risky["risk_level"] = "high".into();
    risky["required_scopes"] = json!([]);
    admin.post("/api/v1/tools", &risky).await.expect(201);
    admin.post("/api/v1/grants", &grant).await.expect(201);
    let body = |time: &str| {
        json!({
            "subject": { "type": "agent", "id": "payer" },
            "action": { "name": "request_credential" },
            "resource": { "type": "tool", "id": "risky" }, "context": { "time": time },
        })
    };
    for (time, decision) in [("2026-03-11T11:00:00Z", true), ("2026-03-14T11:00:00Z", false)] {
        let told = admin.post(EVALUATION, &body(time)).await.expect(200);
        assert_eq!(told["decision"], decision, "{told:#}");
        let all = told["context"]["conditions"].as_array().unwrap();
        let granted = all.iter().find(|it| it["effect"] == "permit").unwrap();
        assert_eq!(granted["hangs_on"], json!(["time"]), "{told:#}");
        assert!(granted["title"].as_str().unwrap().contains("working days"), "{told:#}");
    }
    let told = payer.post(EVALUATION, &asked("payer", "calc", None)).await.expect(200);
    assert_eq!(told["context"]["code"], "not_applicable");
}
