//! The SDKs: both hold themselves against the vectors, and against a running server.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::server::until;
use crate::harness::{Caller, Gate, Setup, samples, tools};

fn sdk(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk").join(path)
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    let (told, trouble) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}\n{trouble}");
    format!("{told}{trouble}")
}

fn python() -> Command {
    let mut command = Command::new(tools().join("venv/bin/python"));
    command.env("PYTHONPATH", sdk("python/src")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The TypeScript SDK, checked and built where the packages are that it needs.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tools().join("node/sdk");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("src")).unwrap();
    for file in fs::read_dir(sdk("typescript/src")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join("src").join(file.file_name())).unwrap();
    }
    for file in ["tsconfig.json", "package.json"] {
        fs::copy(sdk("typescript").join(file), folder.join(file)).unwrap();
    }
    let scope = tools().join("node/node_modules/@gatewright");
    fs::create_dir_all(&scope).unwrap();
    let _ = fs::remove_file(scope.join("sdk"));
    std::os::unix::fs::symlink(&folder, scope.join("sdk")).unwrap();
    let compiled = Command::new(tools().join("node/node_modules/.bin/tsc"))
        .current_dir(&folder)
        .output()
        .expect("TypeScript is missing: run scripts/test, which installs it");
    succeeded(&compiled);
    folder.join("dist/index.js")
});

fn node() -> Command {
    let mut command = Command::new("node");
    command.env("GATEWRIGHT_SDK", BUILT.as_os_str());
    command.env("GATEWRIGHT_MODULES", tools().join("node/package.json"));
    command
}

#[test]
fn python_runs_the_vectors() {
    let tests = ["-m", "unittest", "discover", "--start-directory"];
    let output = python().args(tests).arg(sdk("python/tests")).output().unwrap();
    let told = succeeded(&output);
    assert!(told.contains("Ran 5 tests"), "{told}");
}

#[test]
fn python_is_typed_and_in_form() {
    for check in [
        ["mypy", "--no-incremental", "--cache-dir=/dev/null"].as_slice(),
        &["ruff", "check", "--no-cache"],
        &["ruff", "format", "--no-cache", "--check"],
    ] {
        let mut command = python();
        command.arg("-m").args(check).current_dir(sdk("python"));
        succeeded(&command.output().unwrap());
    }
}

#[test]
fn typescript_runs_the_vectors() {
    let told = succeeded(&node().arg("--test").arg(sdk("typescript/tests")).output().unwrap());
    assert!(told.contains("# fail 0") && !told.contains("# pass 0"), "{told}");
}

/// A server with a tool `translate`, its administrator, and a translator that did nothing yet.
async fn scene() -> (Gate, Caller, Value) {
    let gate = Setup::new().with("probe.allow_private_networks", "true").start();
    let admin = gate.admin().await;
    admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let agent = json!({ "name": "lingua", "role": "translator" });
    let agent = admin.post("/api/v1/register/machine", &agent).await.expect(201);
    (gate, admin, agent)
}

/// Runs a script against such a server.
async fn live(mut script: Command) -> (Gate, Value) {
    let (gate, admin, agent) = scene().await;
    let given = json!({
        "url": gate.url,
        "admin": admin.token,
        "client_id": agent["client_id"],
        "client_secret": agent["client_secret"],
    });
    let script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = tokio::task::spawn_blocking(move || {
        std::io::Write::write_all(&mut input, given.to_string().as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    succeeded(&output);
    let told = String::from_utf8(output.stdout).unwrap();
    (gate, serde_json::from_str(told.lines().last().unwrap()).unwrap())
}

/// What both SDKs' scenes come to.
fn assert_guarded(scenes: &Value) {
    let tool = &scenes["tool"];
    let both = json!(["read", "translate"]);
    assert_eq!((&tool["read"]["status"], &tool["read"]["body"]["scopes"]), (&json!(200), &both));
    assert_eq!(tool["translate"]["body"], json!({ "text": "HELLO", "for": "lingua" }));
    assert_eq!(tool["narrowed"]["body"]["scopes"], json!(["read"]));
    assert_eq!(tool["constrained"]["status"], 200);
    for (scene, status, challenge) in [
        ("nobody", 401, "Bearer realm=\"gatewright\""),
        ("forged", 401, "error=\"invalid_token\", error_description=\"malformed\""),
        ("narrowed away", 403, "error=\"insufficient_scope\", error_description=\"scope\""),
        ("outside", 403, "error=\"insufficient_scope\", error_description=\"argument\""),
    ] {
        assert_eq!(tool[scene]["status"], status, "{scene}: {tool}");
        assert!(tool[scene]["challenge"].as_str().unwrap().contains(challenge), "{scene}: {tool}");
    }
    let id = |scene: &str| tool[scene]["body"]["id"].as_str().map(str::to_owned);
    assert_eq!(tool["revoked, so fetched anew"]["status"], 200, "{tool}");
    assert_ne!(id("still good"), id("read"));
    assert!(id("renewed early").is_some() && id("renewed early") != id("still good"), "{tool}");

    let bound = &scenes["bound"];
    for (scene, status) in
        [("proved", 200), ("proved again", 200), ("replayed", 401), ("stolen", 401)]
    {
        assert_eq!(bound[scene]["status"], status, "{scene}: {bound}");
    }
    let challenge = bound["stolen"]["challenge"].as_str().unwrap();
    assert!(challenge.starts_with("DPoP ") && challenge.contains("holder"), "{challenge}");
    assert_eq!(scenes["alone"], json!({ "status": 503, "retry": "2" }));
}

#[tokio::test]
async fn python_guards_tools_and_calls_them() {
    let mut script = python();
    script.arg(sdk("python/tests/live.py"));
    let (_gate, scenes) = live(script).await;
    assert_guarded(&scenes);
    assert_eq!(scenes["tool"]["again"]["body"], scenes["tool"]["read"]["body"]);

    let starlette = &scenes["starlette"];
    assert_eq!(starlette["home"]["body"], json!({ "agent": "lingua", "body": "{\"text\":\"x\"}" }));
    assert_eq!(starlette["broken"]["status"], 400);
    assert_eq!(starlette["health"]["body"]["agent"], Value::Null);
    assert_eq!(starlette["nobody"]["body"]["code"], "malformed");
    assert_eq!(scenes["mcp"], json!({ "tools": ["shout"], "said": "HELLO", "nobody": 401 }));

    let frameworks = &scenes["frameworks"];
    for (scene, said) in
        [("direct", "A"), ("langchain", "B"), ("langchain, unblocked", "C"), ("agents", "D")]
    {
        let expected = json!({ "status": 200, "body": { "text": said, "for": "lingua" } });
        assert_eq!(frameworks[scene], expected, "{scene}");
    }
    assert_eq!(frameworks["refused"], "invalid");
    assert_eq!(frameworks["agents, refused"], "invalid");
    assert!(frameworks["langchain, refused"].as_str().unwrap().starts_with("422"));
    assert_eq!(frameworks["unknown"], true);
}

#[tokio::test]
async fn typescript_guards_tools_and_calls_them() {
    let mut script = node();
    script.arg(sdk("typescript/tests/live.mjs"));
    let (_gate, scenes) = live(script).await;
    assert_guarded(&scenes);
    assert_eq!(scenes["tool"]["at once"]["body"], scenes["tool"]["read"]["body"]);
    let gate = &scenes["gate"];
    let said = json!({ "status": 200, "body": { "text": "A", "for": "lingua" } });
    assert_eq!((&gate["direct"], &gate["refused"]), (&said, &json!("invalid")));
    assert_eq!(gate["unknown"], true);
}

/// Writes down what a README has as this file.
fn paste(readme: &str, file: &str, folder: &Path) {
    let text = fs::read_to_string(sdk(readme)).unwrap();
    let (_, rest) = text.split_once(&format!("\n`{file}`")).unwrap();
    let block = rest.split("```").nth(1).unwrap();
    let (_, code) = block.split_once('\n').unwrap();
    fs::write(folder.join(file), code).unwrap();
}

/// Runs the tool of a README, then its agent, and gives what the agent printed.
async fn pasted(folder: &Path, tool: impl FnOnce(u16) -> Command, mut agent: Command) -> String {
    let (gate, _, registered) = scene().await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut tool = tool(address.port());
    let tool = tool.current_dir(folder).env("GATEWRIGHT_URL", &gate.url);
    let mut tool = tool.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(Duration::from_secs(30), || TcpStream::connect(address).ok());
    let agent = agent.current_dir(folder).env("GATEWRIGHT_URL", &gate.url);
    let agent = agent.env("TOOL_URL", format!("http://{address}"));
    let agent = agent.env("CLIENT_ID", registered["client_id"].as_str().unwrap());
    let output = agent.env("CLIENT_SECRET", registered["client_secret"].as_str().unwrap()).output();
    tool.kill().unwrap();
    tool.wait().unwrap();
    let output = output.unwrap();
    succeeded(&output);
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn what_the_python_readme_says_works() {
    let folder = tempfile::tempdir().unwrap();
    paste("python/README.md", "tool.py", folder.path());
    paste("python/README.md", "agent.py", folder.path());
    let mut agent = python();
    agent.arg("agent.py");
    let tool = |port: u16| {
        let mut tool = python();
        tool.args(["-m", "uvicorn", "tool:app", "--port", &port.to_string()]);
        tool
    };
    let said = pasted(folder.path(), tool, agent).await;
    let expected = "{'languages': ['de', 'en'], 'asked_by': 'lingua'}\n{'text': 'olleh'}\n403\n";
    assert_eq!(said, expected);
}

#[tokio::test]
async fn what_the_typescript_readme_says_works() {
    let mut agent = node();
    let folder = tempfile::tempdir_in(tools().join("node")).unwrap();
    paste("typescript/README.md", "tool.mjs", folder.path());
    paste("typescript/README.md", "agent.mjs", folder.path());
    agent.arg("agent.mjs");
    let tool = |port: u16| {
        let mut tool = node();
        tool.arg("tool.mjs").env("PORT", port.to_string());
        tool
    };
    let said = pasted(folder.path(), tool, agent).await;
    let expected = "{ languages: [ 'de', 'en' ], asked_by: 'lingua' }\n{ text: 'olleh' }\n403\n";
    assert_eq!(said, expected);
}
