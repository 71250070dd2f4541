//! The first minutes: the demo, the server to try things on, a folder of one's own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use super::{BINARY, Ran, Running, gatewright, run, run_with_input};
use crate::harness::server::signal;
use crate::harness::{Caller, send};

const PASS_PHRASE: &str = "A-fine-pass-phrase-1";

#[test]
fn the_demo_tells_every_step_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let told = run(folder.path(), &["demo"]).expect(0).out;
    let steps = [
        "1. An admin registers the tool",
        "2. An agent with the role `translator` signs in",
        "3. The agent asks for a credential",
        "Cedar allows by: use.translators",
        "4. The tool verifies it offline",
        "5. The agent narrows it to `read`",
        "refused, scope",
        "6. The agent asks for more than policy allows",
        "refused by: guard.ttl",
        "what would help: ask for at most 3600 seconds",
        "7. The credential is revoked",
        "refused, revoked",
        "8. The agent `bot` calls several tools at once",
        "calculator: 2 ** 64 / 3: 18446744073709551616/3",
        "external_db: delegation:",
        "llm, not set up here",
        "sandbox_python, denied by",
        "9. The audit is verified",
        "as they were written",
        "Done:",
    ];
    let mut rest = told.as_str();
    for step in steps {
        let at = rest.find(step).unwrap_or_else(|| panic!("`{step}` is not in its place:\n{told}"));
        rest = &rest[at..];
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// `dev` with all it says until it has said how to go on.
fn dev(folder: &Path) -> (Running, Vec<String>) {
    let child = gatewright(folder, &["dev", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut dev = Running(child);
    let mut lines = Vec::new();
    for line in BufReader::new(dev.0.stdout.take().unwrap()).lines() {
        lines.push(line.unwrap());
        if lines.last().unwrap().contains("--feed-url") {
            break;
        }
    }
    (dev, lines)
}

#[tokio::test]
async fn what_dev_prints_works_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let (mut dev, lines) = dev(folder.path());
    let field = |name: &str| {
        let line = lines.iter().find(|it| it.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let url = field("page")[1].strip_suffix("/docs").unwrap().to_owned();
    let admin = field("admin");
    let anyone = Caller::new(&url, None);
    let login = json!({ "username": admin[1], "password": admin[3] });
    anyone.post("/api/v1/auth/login", &login).await.expect(200);
    for name in ["lingua", "bot"] {
        let agent = field(name);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &*agent[1]),
            ("client_secret", &*agent[3]),
        ];
        // As the printed commands do: a machine is known by its first user agent.
        let asked = anyone.request(Method::POST, "/oauth/token").header("user-agent", "curl/7.0");
        send(asked.form(&form)).await.expect(200);
    }

    let next = lines.iter().position(|it| it.starts_with("Next")).unwrap();
    let commands = lines[next + 1..].join("\n");
    let own = Path::new(BINARY).parent().unwrap().to_owned();
    let all = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([own].into_iter().chain(std::env::split_paths(&all)));
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &commands])
        .env("PATH", path.unwrap())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let ran = Ran::from(ran).expect(0);
    for said in
        ["18446744073709551616/3", "kb-002", "translate", "valid\n", "lingua (", "not on the feed"]
    {
        assert!(ran.out.contains(said), "{said}: {commands}\n{}\n{}", ran.out, ran.err);
    }
    signal(dev.0.id(), "TERM");
    assert_eq!(dev.0.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    run(folder.path(), &["dev", "--listen", "0.0.0.0:0"]).expect(1);
}

#[tokio::test]
async fn a_newcomer_gets_from_an_empty_folder_to_a_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let said = run(at, &["init"]).expect(0).out;
    assert!(said.contains("gatewright seed-admin --username admin --password-stdin"), "{said}");
    let before = fs::read(at.join("gatewright-keys/access.key")).unwrap();
    let again = run(at, &["init"]).expect(0).out;
    assert!(!again.contains("written"), "{again}");
    assert_eq!(fs::read(at.join("gatewright-keys/access.key")).unwrap(), before);
    run(at, &["policy", "check"]).expect(0);
    run(at, &["policy", "test"]).expect(0);

    let seed = ["seed-admin", "--username", "admin", "--password-stdin"];
    let short = run_with_input(gatewright(at, &seed), "short\n").expect(1);
    assert!(short.err.contains("the password must have at least"), "{}", short.err);
    // One line, of a terminal that stays open.
    let mut seeding = gatewright(at, &seed);
    seeding.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = Running(seeding.spawn().unwrap());
    let mut terminal = child.0.stdin.take().unwrap();
    terminal.write_all(format!("{PASS_PHRASE}\n").as_bytes()).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    drop(terminal);
    let taken = run_with_input(gatewright(at, &seed), PASS_PHRASE).expect(1);
    assert!(taken.err.contains("`admin` is taken"), "{}", taken.err);

    let serve = ["serve", "--listen", "127.0.0.1:0", "--log-format", "json"];
    let mut server = Running(gatewright(at, &serve).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let url = lines.find_map(|it| {
        let event: Value = serde_json::from_str(&it.unwrap()).unwrap();
        Some(event["url"].as_str()?.to_owned())
    });
    let anyone = Caller::new(&url.unwrap(), None);
    let login = json!({ "username": "admin", "password": PASS_PHRASE });
    anyone.post("/api/v1/auth/login", &login).await.expect(200);
    let keys = ["access", "factors", "credentials"].map(|it| format!("gatewright-keys/{it}.key"));
    for name in ["gatewright.db".to_owned()].iter().chain(&keys) {
        let mode = fs::metadata(at.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is for its owner only");
    }
}
