//! Starting tool servers from the command line.

use std::fs;

use serde_json::json;

use super::{BOOKS, ToolServer, credential, gate, register};
use crate::harness::server::signal;
use crate::harness::{Caller, Gate, Setup};

#[tokio::test]
async fn a_server_goes_by_the_name_that_it_is_given() {
    let (gate, agent) = gate().await;
    register(&gate, "sums__calculate", "agent:calc").await;
    let mut server = ToolServer::start(&gate, &["calculator", "--name", "sums"]);
    let (token, _) = credential(&agent, "sums__calculate", &["call"]).await;
    server.calculate(Some(&token), "2+2").await.expect(200);
    let (token, _) = credential(&agent, "calculator__calculate", &["call"]).await;
    server.calculate(Some(&token), "2+2").await.problem(403, "wrong_tool");
    signal(server.child.id(), "TERM");
    assert!(server.child.wait().unwrap().success());
}

#[tokio::test]
async fn nothing_is_admitted_before_the_gateway_is_known() {
    let mut gate = Gate::start();
    register(&gate, "calculator__calculate", "agent:calc").await;
    let (_, agent) = gate.agent("robot", "agent").await;
    let (token, _) = credential(&agent, "calculator__calculate", &["call"]).await;
    assert!(gate.stop().success());
    let server = ToolServer::calculator(&gate);
    let refused = server.calculate(Some(&token), "2+2").await.problem(503, "unavailable");
    assert!(refused["detail"].as_str().unwrap().contains("not known here yet"), "{refused}");
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    server.send(None, &list).await.expect(200);
    Caller::new(&server.url, None).get("/readyz").await.problem(503, "unavailable");
}

#[test]
fn what_cannot_be_served_is_told_at_the_start() {
    let setup = Setup::new();
    let folder = setup.folder.path();
    fs::write(folder.join("books.csv"), BOOKS).unwrap();
    fs::write(folder.join("books.txt"), BOOKS).unwrap();
    fs::write(folder.join("bad.jsonl"), "{\"a\": 1}\n{\"a\": \n").unwrap();
    let serve = |words: &[&str]| {
        let end = ["--listen", "127.0.0.1:0", "--gateway", "http://127.0.0.1:1"];
        let ran = setup.command(&[&["tools", "serve"], words, &end[..]].concat()).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    for (words, code, told) in [
        (&["records", "--data", "absent.csv"][..], 1, "cannot read `absent.csv`"),
        (&["records", "--data", "books.txt"], 1, "neither .csv nor .jsonl"),
        (&["records", "--data", "bad.jsonl"], 1, "`bad.jsonl`: line 2: this is no JSON object"),
        (&["records"], 2, "--data"),
        (&["calculator", "--max-feed-age", "0"], 2, "--max-feed-age"),
        (&["calculator", "--cert-file", "c.pem"], 2, "--key-file"),
        (&["calculator", "--host", "no host"], 1, "no host name"),
        (&["abacus"], 2, "unrecognized subcommand"),
    ] {
        let (ended, complaint) = serve(words);
        assert_eq!(ended, Some(code), "{words:?}: {complaint}");
        assert!(complaint.contains(told), "{words:?}: {complaint}");
    }
}
