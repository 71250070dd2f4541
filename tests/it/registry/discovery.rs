//! Who sees which tools, page by page.

use std::collections::BTreeSet;

use serde_json::json;

use super::{TOOLS, names, path, pointers};
use crate::harness::{Caller, Gate, samples};

/// Twelve tools that differ in everything a list can be filtered by.
async fn catalogue(gate: &Gate) -> (Caller, Caller) {
    let (admin, publisher) = (gate.admin().await, gate.user("pia", "tool_publisher").await);
    for index in 0..12 {
        let by = if index % 4 == 0 { &publisher } else { &admin };
        let mut tool = samples::calculate(&format!("tool_{index:02}"));
        tool["risk_level"] = json!(["low", "medium", "high"][index % 3]);
        tool["tags"] = json!([if index % 2 == 0 { "even" } else { "odd" }]);
        tool["scopes"] = json!([format!("s{}", index % 5)]);
        tool["description"] = json!(if index == 7 { "Counts ÄPFEL 100%" } else { "" });
        let tool = by.post(TOOLS, &tool).await.expect(201);
        if index == 3 {
            admin.act(&format!("{}/deactivate", path(&tool))).await.expect(200);
        }
    }
    (admin, publisher)
}

#[tokio::test]
async fn a_list_is_filtered_by_what_it_is_asked_for_and_by_nothing_else() {
    let gate = Gate::start();
    let (admin, publisher) = catalogue(&gate).await;
    let owner = publisher.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let numbered = |filter: &dyn Fn(usize) -> bool| {
        let found = (0..12).filter(|it| filter(*it)).map(|it| format!("tool_{it:02}"));
        found.collect::<Vec<_>>()
    };
    let table: [(&str, Vec<String>); 13] = [
        ("", numbered(&|_| true)),
        ("tool_type=function", numbered(&|_| true)),
        ("risk_level=medium", numbered(&|it| it % 3 == 1)),
        ("is_active=false", numbered(&|it| it == 3)),
        ("is_active=true", numbered(&|it| it != 3)),
        ("tag=odd", numbered(&|it| it % 2 == 1)),
        ("tag=ODD", vec![]),
        ("scope=s2", numbered(&|it| it % 5 == 2)),
        ("scope=agent:calc", numbered(&|_| true)),
        (&format!("owner={}", owner.as_str().unwrap()), numbered(&|it| it % 4 == 0)),
        ("q=%C3%A4pfel", numbered(&|it| it == 7)),
        ("q=%25", vec![]),
        ("q=TOOL_1&tag=even&risk_level=medium", numbered(&|it| it == 10)),
    ];
    for (query, expected) in table {
        let list = admin.get(&format!("{TOOLS}?{query}")).await.expect(200);
        assert_eq!(names(&list), expected, "{query}");
    }
    for query in [
        "risk_level=extreme",
        "tool_type=python",
        "is_active=maybe",
        "owner=somebody",
        "page_size=0",
        "page_size=201",
        "page_size=-1",
        "page=0",
        "tags=odd",
        "tag=odd&tag=even",
    ] {
        let problem = admin.get(&format!("{TOOLS}?{query}")).await.problem(422, "invalid");
        let name = query.split('=').next().unwrap();
        assert_eq!(pointers(&problem), BTreeSet::from([format!("?{name}").as_str()]), "{query}");
    }
}

/// Walks by page tokens; the names in the order they came, and the sizes of the pages.
async fn walk(caller: &Caller, query: &str) -> (Vec<String>, Vec<usize>) {
    let (mut found, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = caller.get(&format!("{TOOLS}?{query}&page_token={token}")).await.expect(200);
        sizes.push(names(&page).len());
        found.extend(names(&page).into_iter().map(str::to_owned));
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            return (found, sizes);
        }
    }
}

#[tokio::test]
async fn pages_hold_every_tool_once_and_only_what_may_be_seen() {
    let gate = Gate::start();
    let (admin, _) = catalogue(&gate).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    let all: Vec<String> = (0..12).map(|it| format!("tool_{it:02}")).collect();
    let active: Vec<String> = all.iter().filter(|it| *it != "tool_03").cloned().collect();
    assert_eq!(walk(&admin, "page_size=5").await, (all.clone(), vec![5, 5, 2]));
    assert_eq!(walk(&admin, "page_size=4").await, (all.clone(), vec![4, 4, 4]), "no empty page");
    assert_eq!(walk(&admin, "page_size=200").await, (all, vec![12]));
    // What is hidden leaves no gap that would betray it.
    assert_eq!(walk(&robot, "page_size=3").await, (active.clone(), vec![3, 3, 3, 2]));
    assert_eq!(walk(&robot, "page_size=1").await, (active.clone(), vec![1; 11]));
    for number in 1..=5_usize {
        let page = robot.get(&format!("{TOOLS}?page_size=3&page={number}")).await.expect(200);
        let expected: Vec<&String> = active.iter().skip((number - 1) * 3).take(3).collect();
        assert_eq!(names(&page), expected, "page {number}");
        assert_eq!(page["next_page_token"] == "", number >= 4, "page {number}");
    }
}

#[tokio::test]
async fn what_may_not_be_seen_looks_like_what_is_not_there() {
    let gate = Gate::start();
    let publisher = gate.user("pia", "tool_publisher").await;
    let mut body = samples::calculate("launch");
    body["risk_level"] = json!("critical");
    let draft = publisher.post(TOOLS, &body).await.expect(201);
    let open = publisher.post(TOOLS, &samples::calculate("calc")).await.expect(201);
    let stranger = json!({ "id": "01999999-9999-7999-8999-999999999999" });
    let plain = gate.user("paul", "user").await;
    let (_, robot) = gate.agent("robot", "agent").await;
    for caller in [&plain, &robot] {
        let mut answers = Vec::new();
        for tool in [&draft, &stranger, &json!({ "id": "no-id-at-all" })] {
            let access = format!("{}/access", path(tool));
            let activate = format!("{}/activate", path(tool));
            let bodies = [
                caller.get(&path(tool)).await,
                caller.patch(&path(tool), &json!({ "description": "x" })).await,
                caller.delete(&path(tool)).await,
                caller.act(&activate).await,
                caller.post(&access, &json!({ "scopes": ["evaluate"] })).await,
            ]
            .map(|it| {
                let mut problem = it.problem(404, "not_found");
                problem["instance"].take();
                problem
            });
            answers.push(bodies);
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[1], answers[2]);
        assert_eq!(names(&caller.get(TOOLS).await.expect(200)), ["calc"]);
        // What is seen is told apart: refused, with the reasons.
        let change = json!({ "description": "x" });
        caller.patch(&path(&open), &change).await.problem(403, "denied");
        caller.delete(&path(&open)).await.problem(403, "denied");
    }
    publisher.get(&path(&draft)).await.expect(200);
}

#[tokio::test]
async fn agents_are_shown_the_tools_their_tokens_can_satisfy() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    admin.post(TOOLS, &samples::calculate("calc")).await.expect(201);
    admin.post(TOOLS, &samples::translate("translate")).await.expect(201);
    let mut both = samples::calculate("both");
    both["required_scopes"] = json!(["agent:calc", "agent:translate"]);
    admin.post(TOOLS, &both).await.expect(201);
    let mut free = samples::calculate("free");
    free["required_scopes"] = json!([]);
    admin.post(TOOLS, &free).await.expect(201);

    let (reckoner, by_calc) = gate.agent("reckoner", "agent").await;
    let (_, by_translate) = gate.agent("lingua", "translator").await;
    let (polymath, _) = gate.agent("polymath", "agent").await;
    let id = polymath["client_id"].as_str().unwrap();
    admin.put(&format!("/api/v1/agents/{id}/roles/translator")).await.expect(200);
    let by_both = gate.machine(&polymath).await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", reckoner["client_id"].as_str().unwrap()),
        ("client_secret", reckoner["client_secret"].as_str().unwrap()),
        ("scope", "read:context"),
    ];
    let narrow = gate.anyone().form("/oauth/token", &form).await.expect(200);
    let narrow = Caller::new(&gate.url, narrow["access_token"].as_str());
    for (caller, expected) in [
        (&by_calc, vec!["calc", "free"]),
        (&by_translate, vec!["free", "translate"]),
        (&by_both, vec!["both", "calc", "free", "translate"]),
        (&narrow, vec!["free"]),
    ] {
        assert_eq!(names(&caller.get(TOOLS).await.expect(200)), expected);
    }
}

#[tokio::test]
async fn what_fits_a_question_best_comes_first_on_every_page() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    for (name, description, tags) in [
        ("weather_forecast", "Tells the weather of the coming days.", json!(["outdoors"])),
        ("tide_table", "High and low water, whatever the weather.", json!(["outdoors"])),
        ("sendMail", "Sends a letter.", json!(["weather"])),
        ("translate", "Turns one language into another.", json!([])),
    ] {
        let mut tool = samples::translate(name);
        (tool["description"], tool["tags"]) = (json!(description), tags);
        admin.post("/api/v1/tools", &tool).await.expect(201);
    }
    let ranked = ["weather_forecast", "sendMail", "tide_table"];
    let all = admin.get("/api/v1/tools?q=weather").await.expect(200);
    assert_eq!(names(&all), ranked);
    let (mut walked, mut token) = (Vec::new(), String::new());
    for _ in 0..ranked.len() {
        let path = format!("/api/v1/tools?q=weather&page_size=1&page_token={token}");
        let page = admin.get(&path).await.expect(200);
        walked.extend(names(&page).into_iter().map(str::to_owned));
        token = page["next_page_token"].as_str().unwrap().to_owned();
    }
    assert_eq!((walked, token.as_str()), (ranked.map(str::to_owned).into(), ""));
    for (path, expected) in [
        ("q=mail", &["sendMail"][..]),
        ("q=WEATHER%20days", &ranked[..1]),
        ("q=weather%20for%20sailing", &ranked),
        ("q=transl", &["translate"]),
        ("q=weather&tag=outdoors", &["weather_forecast", "tide_table"]),
        ("q=nowhere", &[]),
    ] {
        let page = admin.get(&format!("/api/v1/tools?{path}")).await.expect(200);
        let mut found = names(&page);
        found.truncate(expected.len().max(1));
        assert_eq!(found, expected, "{path}");
    }
    let renamed = admin.get("/api/v1/tools?q=mail").await.expect(200)["items"][0].clone();
    let path = format!("/api/v1/tools/{}", renamed["id"].as_str().unwrap());
    admin.patch(&path, &json!({ "name": "post", "description": "" })).await.expect(200);
    assert!(names(&admin.get("/api/v1/tools?q=mail").await.expect(200)).is_empty());
    assert_eq!(names(&admin.get("/api/v1/tools?q=post").await.expect(200)), ["post"]);
}
