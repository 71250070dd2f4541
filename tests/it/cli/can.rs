//! `gatewright can`.

use serde_json::{Value, json};

use super::{Ran, gatewright};
use crate::harness::{Gate, samples};

#[tokio::test]
async fn it_says_yes_or_no_and_why() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let mut tool = samples::calculate("calc");
    tool["required_scopes"] = json!([]);
    admin.post("/api/v1/tools", &tool).await.expect(201);
    let (_, bot) = gate.agent("reckoner", "agent").await;
    let run = |token: &Option<String>, words: &[&str], code: i32| -> Ran {
        let mut command = gatewright(gate.folder.path(), &["can"]);
        command.args(words).env("GATEWRIGHT_URL", &gate.url);
        command.env("GATEWRIGHT_TOKEN", token.as_ref().unwrap());
        Ran::from(command.output().unwrap()).expect(code)
    };
    let said = run(&bot.token, &["me", "request_credential", "calc"], 0).out;
    assert!(said.starts_with("yes: Agents use low-risk"), "{said}");
    assert!(said.contains("policy: use.low-risk"), "{said}");
    let said =
        run(&admin.token, &["reckoner", "request_credential", "calc", "--ttl", "7200"], 3).out;
    assert!(said.starts_with("no: No credential lives longer than 1 hour"), "{said}");
    let words = ["agent:reckoner", "request_credential", "tool:calc", "--output", "json"];
    let told: Value = serde_json::from_str(&run(&admin.token, &words, 0).out).unwrap();
    assert_eq!(told["decision"], true);
    let told = run(&bot.token, &["me", "view_tool", "calc", "--ip", "10.0.0.1"], 0).err;
    assert!(told.contains("`/context/ip` did not count"), "{told}");
    run(&bot.token, &["user:admin", "view_tool", "calc"], 3);
    run(&bot.token, &["me", "view_tool"], 2);

    typos(run, &admin.token, &bot.token);

    // A user and an agent of one name are not taken for each other.
    gate.user("rob", "guest").await;
    let (_, rob) = gate.agent("rob", "agent").await;
    for words in [&["rob", "request_credential", "calc"][..], &["--what", "rob"]] {
        let said = run(&admin.token, words, 2).err;
        assert!(said.contains("say `user:rob` or `agent:rob`"), "{said}");
    }
    run(&admin.token, &["user:rob", "request_credential", "calc"], 3);
    run(&admin.token, &["agent:rob", "request_credential", "calc"], 0);
    run(&rob.token, &["me", "request_credential", "calc"], 0);

    let said = run(&admin.token, &["--who", "request_credential", "calc"], 0).out;
    assert!(said.contains("reckoner") && said.contains("admin"), "{said}");
    let said = run(&bot.token, &["--who", "request_credential", "calc"], 0).out;
    assert!(said.contains("reckoner") && !said.contains("admin"), "{said}");
    let said = run(&bot.token, &["--what", "me"], 0).out;
    assert!(said.contains("calc") && said.contains("request_credential"), "{said}");
    assert!(!said.contains("invoke"), "{said}");
}

/// What is not there is no answer, and neither is what somebody may not see.
fn typos(
    run: impl Fn(&Option<String>, &[&str], i32) -> Ran,
    admin: &Option<String>,
    bot: &Option<String>,
) {
    for (words, expected) in [
        (&["me", "invok", "calc"][..], "there is no action `invok`; did you mean `invoke`?"),
        (&["me", "xyzzy", "calc"], "there is no action `xyzzy`; there are "),
        (&["me", "invoke", "calk"], "or you may not see it; did you mean `calc`?"),
        (&["agent:rekoner", "invoke", "calc"], "did you mean `reckoner`?"),
        (&["--what", "agent:nobody"], "nothing is known by the name `agent:nobody`"),
        (&["--what", "me", "xyzzy"], "there is no action `xyzzy`"),
        (
            &["--who", "invoke", "nope"],
            "nothing is known by the name `nope`, or you may not see it",
        ),
        (&["--who", "xyzzy", "calc"], "there is no action `xyzzy`"),
    ] {
        let ran = run(admin, words, 2);
        assert!(ran.err.contains(expected) && ran.out.is_empty(), "{words:?}: {ran:?}");
    }
    // Whoever may not ask about anybody is told the same of those who are there and who are not.
    let told = ["user:admin", "user:nobody"].map(|who| run(bot, &[who, "invoke", "calc"], 3).err);
    assert_eq!(told[0], told[1]);
    let told: Value =
        serde_json::from_str(&run(admin, &["me", "xyzzy", "calc", "--output", "json"], 2).out)
            .unwrap();
    assert_eq!(told["context"]["code"], "unknown_action");
    // It is known, and nobody can.
    run(admin, &["--who", "register_user", "calc"], 0);
}
