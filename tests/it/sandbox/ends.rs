//! Whatever ends first, the server or a process of the sandbox: nothing of the code is left.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinHandle;

use super::tool::{scene, setup};
use crate::harness::server::signal;
use crate::harness::{Answer, Gate};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server, the processes of the code that it runs, and the answer that is yet to come.
pub struct Busy {
    pub gate: Gate,
    pub outer: u32,
    pub inner: u32,
    pub answer: JoinHandle<Answer>,
}

/// Begins a run that lasts.
pub async fn busy() -> Busy {
    let setup = setup().with("gateway.sandbox_timeout_seconds", "25");
    let (gate, agent, path) = scene(setup).await;
    let code = "import time\nwhile True: time.sleep(1)";
    let ask = json!({ "arguments": { "code": code }, "confirm_consequential": true });
    let answer = tokio::spawn(async move { agent.post(&path, &ask).await });
    let server = gate.pid();
    let (outer, inner) = eventually(|| {
        let outer = child(server)?;
        let inner = child(outer)?;
        let command = fs::read_to_string(format!("/proc/{inner}/cmdline")).ok()?;
        command.contains("/main.py").then_some((outer, inner))
    })
    .await;
    Busy { gate, outer, inner, answer }
}

async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn child(parent: u32) -> Option<u32> {
    let of = |it: &u32| {
        let status = fs::read_to_string(format!("/proc/{it}/status")).unwrap_or_default();
        status.lines().any(|it| *it == format!("PPid:\t{parent}"))
    };
    let all = fs::read_dir("/proc").unwrap();
    all.filter_map(|it| it.unwrap().file_name().to_str()?.parse().ok()).find(of)
}

async fn assert_gone(pid: u32) {
    eventually(|| (!Path::new(&format!("/proc/{pid}/exe")).is_symlink()).then_some(())).await;
}

#[tokio::test]
async fn a_run_ends_with_its_server() {
    let Busy { gate, outer, inner, answer } = busy().await;
    answer.abort();
    drop(gate);
    assert_gone(inner).await;
    assert_gone(outer).await;
}

#[tokio::test]
async fn a_run_ends_with_the_process_that_watches_it() {
    let Busy { gate, outer, inner, answer } = busy().await;
    signal(outer, "KILL");
    answer.await.unwrap().problem(503, "upstream_not_ready");
    assert_gone(inner).await;
    assert_eq!(gate.anyone().get("/livez").await.status, 200);
}

#[tokio::test]
async fn code_that_the_kernel_kills_for_memory_is_told_so() {
    let Busy { gate, inner, answer, .. } = busy().await;
    // Nobody but the kernel does this: code cannot, and it is what a host short of memory does.
    signal(inner, "KILL");
    let problem = answer.await.unwrap().problem(502, "upstream_refused");
    assert!(problem["detail"].as_str().unwrap().contains("memory ran out"), "{problem}");
    assert_eq!(gate.anyone().get("/livez").await.status, 200);
}
