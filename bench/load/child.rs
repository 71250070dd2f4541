//! What Gatewright is held against: the least that a warp server can do, each a process of its
//! own, which is this program under another name.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use gatewright::clock::Clock;
use gatewright::credentials::keys::KeyRing;
use gatewright::credentials::mint::{Draft, mint};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Reply;

use crate::pin::Camps;
use crate::process::Process;

/// The first word of the command line of a child.
const CHILD: &str = "child";
const SERVING: &str = "serving ";

#[derive(Clone, Copy, Debug)]
pub enum Child {
    /// A `POST` that gives back what it got.
    Echo,
    /// A `POST` that mints a credential as asked, without asking anybody.
    MintOnly,
}

impl Child {
    fn word(self) -> &'static str {
        match self {
            Child::Echo => "echo",
            Child::MintOnly => "mint-only",
        }
    }

    /// Which child this process is to be.
    pub fn of_arguments() -> Option<Child> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let word = words.iter().position(|it| it == CHILD).and_then(|at| words.get(at + 1))?;
        [Child::Echo, Child::MintOnly].into_iter().find(|it| it.word() == word)
    }

    pub fn start(self, camps: &Camps, folder: &Path) -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([CHILD, self.word()]);
        let serving = |line: &str| line.strip_prefix(SERVING)?.parse().ok();
        Process::start(camps, command, &folder.join(format!("{}.log", self.word())), serving)
    }

    /// Serves until it is killed.
    pub fn serve(self) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address: SocketAddr = listener.local_addr().unwrap();
            println!("{SERVING}{address}");
            let route = match self {
                Child::Echo => echo(),
                Child::MintOnly => mint_only(),
            };
            warp::serve(route).incoming(listener).run().await;
        });
    }
}

fn echo() -> BoxedFilter<(Box<dyn Reply>,)> {
    let echo = |body: Bytes| -> Box<dyn Reply> { Box::new(body.to_vec()) };
    warp::post().and(warp::path("echo")).and(warp::body::bytes()).map(echo).boxed()
}

#[derive(Deserialize)]
struct Ask {
    scopes: Vec<String>,
    ttl_seconds: i64,
}

fn mint_only() -> BoxedFilter<(Box<dyn Reply>,)> {
    let ring = Arc::new(KeyRing::generate(Clock::system().now()));
    let answer = move |ask: Ask| -> Box<dyn Reply> {
        let minted = mint(&draft(ask), ring.active()).unwrap();
        let token = minted.token.expose_secret();
        Box::new(warp::reply::json(&json!({ "credential": { "token": token } })))
    };
    warp::post().and(warp::path("mint")).and(warp::body::json()).map(answer).boxed()
}

fn draft(ask: Ask) -> Draft {
    let clock = Clock::system();
    Draft {
        issuer: "http://127.0.0.1:8080".into(),
        credential_id: clock.new_id().to_string(),
        decision_id: clock.new_id().to_string(),
        agent_id: clock.new_id().to_string(),
        agent_name: "agent-1".into(),
        on_behalf_of: None,
        tool: "translate_1".into(),
        tool_digest: format!("sha256:{}", "0".repeat(64)),
        scopes: ask.scopes.into_iter().collect(),
        expires_at: clock.now() + jiff::SignedDuration::from_secs(ask.ttl_seconds),
        holder: None,
        online_only: false,
        checks: Vec::new(),
    }
}
