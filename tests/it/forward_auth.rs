//! Proxies that ask whether a credential admits a request, the real ones among them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::server::until;
use crate::harness::{Answer, Caller, Gate, Holder, PASSWORD, Setup, Upstream, samples, send};

const DOOR: &str = "/api/v1/forward-auth?tool=translate&scope=read";
const OURS: [&str; 6] = ["agent", "agent-name", "credential", "scopes", "on-behalf-of", "decision"];

/// A tool, an agent that may use it, and whoever watches.
struct Scene {
    gate: Gate,
    admin: Caller,
    tool: String,
    agent: Value,
    caller: Caller,
}

impl Scene {
    async fn set() -> Scene {
        let gate = Setup::new().start();
        let admin = gate.admin().await;
        let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
        let (agent, caller) = gate.agent("lingua", "translator").await;
        let tool = format!("/api/v1/tools/{}", tool["id"].as_str().unwrap());
        Scene { gate, admin, tool, agent, caller }
    }

    async fn credential(&self, more: &Value) -> Value {
        let mut ask = json!({ "scopes": ["read", "translate"] });
        ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let access = self.caller.post(&format!("{}/access", self.tool), &ask).await;
        access.expect(201)["credential"].clone()
    }

    fn ask(&self, path: &str, token: &Value) -> RequestBuilder {
        let bearer = Caller::new(&self.gate.url, token.as_str());
        bearer.request(Method::GET, path)
    }

    /// What the audit holds of credentials that were shown.
    async fn shown(&self) -> Vec<Value> {
        let found = self.admin.get("/api/v1/audit-events?action=credential.present").await;
        found.expect(200)["items"].as_array().unwrap().clone()
    }
}

fn told(answer: &Answer, name: &str) -> String {
    let value = &answer.headers[format!("x-gatewright-{name}")];
    value.to_str().unwrap().to_owned()
}

#[track_caller]
fn assert_challenged(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let challenge = answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.contains(error), "{challenge}");
    assert!(!answer.headers.contains_key("x-gatewright-agent"));
}

#[tokio::test]
async fn a_credential_that_admits_the_request_says_whose_it_is() {
    let scene = Scene::set().await;
    let credential = scene.credential(&json!({})).await;
    let answer = send(scene.ask(DOOR, &credential["token"])).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(told(&answer, "agent"), scene.agent["client_id"].as_str().unwrap());
    assert_eq!(told(&answer, "agent-name"), "lingua");
    assert_eq!(told(&answer, "credential"), credential["credential_id"].as_str().unwrap());
    assert_eq!(told(&answer, "scopes"), "read translate");
    assert_eq!(told(&answer, "on-behalf-of"), "");

    let entries = scene.shown().await;
    let [entry] = entries.as_slice() else { panic!("one entry: {entries:?}") };
    let entry = &entry["entry"];
    assert_eq!(entry["id"].as_str().unwrap(), told(&answer, "decision"));
    assert_eq!(entry["actor"]["name"], "lingua");
    assert_eq!(entry["reasons"], json!(["credential.present.agent"]));
    let details = &entry["details"];
    assert_eq!(details["by_credential"], credential["credential_id"]);
    assert_eq!((&details["verified"], &details["asked_scope"]), (&json!("valid"), &json!("read")));
}

#[tokio::test]
async fn what_it_does_not_admit_is_refused_and_written_down() {
    let scene = Scene::set().await;
    let at_most = json!({ "constraints": [{ "pointer": "/amount", "at_most": 5 }] });
    let held = scene.credential(&at_most).await;
    let credential = scene.credential(&json!({})).await;
    let token = &credential["token"];
    let other = DOOR.replace("translate&", "pay&");
    for (path, token, reason) in [
        (DOOR.replace("read", "admin"), token, "scope"),
        (other, token, "wrong_tool"),
        (DOOR.to_owned(), &held["token"], "argument"),
    ] {
        let answer = send(scene.ask(&path, token)).await;
        assert_challenged(&answer, 403, "insufficient_scope");
        assert_eq!(answer.problem(403, "not_admitted")["reason"], reason);
    }
    scene.admin.act(&format!("{}/deactivate", scene.tool)).await.expect(200);
    let answer = send(scene.ask(DOOR, token)).await;
    assert_challenged(&answer, 403, "insufficient_scope");
    let entries = scene.shown().await;
    let outcomes = entries.iter().map(|it| it["entry"]["outcome"].as_str().unwrap());
    assert_eq!(Vec::from_iter(outcomes), ["failed"; 4], "{entries:?}");

    // Whoever is not known is refused as everywhere.
    let nobody = scene.gate.anyone().get(DOOR).await;
    assert_challenged(&nobody, 401, "Bearer realm=\"gatewright\"");
    for bad in ["AAAA", "gwk_nothing", "a.b.c", scene.caller.token.as_deref().unwrap()] {
        assert_challenged(&send(scene.ask(DOOR, &json!(bad))).await, 401, "invalid_token");
    }
    let id = credential["credential_id"].as_str().unwrap();
    scene.caller.delete(&format!("/api/v1/credentials/{id}")).await.expect(204);
    let revoked = send(scene.ask(DOOR, token)).await;
    assert_challenged(&revoked, 401, "invalid_token");
    assert_eq!(revoked.problem(401, "unauthenticated")["reason"], "revoked");
    assert_eq!(scene.shown().await.len(), 4);

    // What the proxy asks must be said by the proxy.
    for path in ["?tool=translate", "?scope=read", "?tool=translate&scope=read&x=y", ""] {
        let path = format!("/api/v1/forward-auth{path}");
        send(scene.ask(&path, token)).await.problem(422, "invalid");
    }
    let twice = format!("{DOOR}&scope=admin");
    send(scene.ask(&twice, token)).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_suspended_holder_is_nobody() {
    let scene = Scene::set().await;
    let credential = scene.credential(&json!({})).await;
    let agent = format!("/api/v1/agents/{}/suspend", scene.agent["client_id"].as_str().unwrap());
    scene.admin.elevated(PASSWORD).await.act(&agent).await.expect(200);
    let answer = send(scene.ask(DOOR, &credential["token"])).await;
    assert_challenged(&answer, 401, "invalid_token");
}

#[tokio::test]
async fn in_somebody_elses_name_it_says_so() {
    let scene = Scene::set().await;
    let uma = scene.gate.user_with_factor("uma", "user").await;
    let given = format!("/api/v1/users/{}/mandates", uma.id().await);
    let scopes = ["agent:translate", "read", "translate"];
    let agent = scene.agent["client_id"].as_str().unwrap();
    let mandate = samples::mandate(agent, "translation", &scopes);
    uma.post(&given, &mandate).await.expect(201);
    let credential = scene.credential(&json!({ "on_behalf_of": uma.id().await })).await;
    let answer = send(scene.ask(DOOR, &credential["token"])).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(told(&answer, "on-behalf-of"), uma.id().await);
    assert_eq!(told(&answer, "agent"), agent);
    let entry = scene.shown().await[0]["entry"].clone();
    assert_eq!(entry["details"]["on_behalf_of"].as_str(), Some(&*uma.id().await), "{entry}");
}

#[tokio::test]
async fn a_bound_credential_is_proved_for_the_request_that_the_proxy_forwards() {
    let scene = Scene::set().await;
    let (holder, thief) = (Holder::p256(), Holder::p256());
    let credential = scene.credential(&json!({ "holder_key": holder.thumbprint() })).await;
    let token = credential["token"].as_str().unwrap();
    let url = "https://tools.example/orders";
    let ask = |proof: &str| {
        let request = scene.gate.anyone().request(Method::GET, DOOR);
        let request = request.header("authorization", format!("DPoP {token}"));
        let request = request.header("dpop", proof).header("x-forwarded-method", "POST");
        let request = request.header("x-forwarded-proto", "https");
        let request = request.header("x-forwarded-host", "tools.example");
        send(request.header("x-forwarded-uri", "/orders?page=2"))
    };
    let proof = holder.proof("POST", url, Some(token), &json!({}));
    assert_eq!(ask(&proof).await.status, 200);
    assert_challenged(&ask(&proof).await, 401, "DPoP ");
    for bad in [
        thief.proof("POST", url, Some(token), &json!({})),
        holder.proof("GET", url, Some(token), &json!({})),
        holder.proof("POST", "https://tools.example/other", Some(token), &json!({})),
        holder.proof("POST", &format!("{}/orders", scene.gate.url), Some(token), &json!({})),
    ] {
        assert_challenged(&ask(&bad).await, 401, "DPoP ");
    }
    let stolen = send(scene.ask(DOOR, &json!(token))).await;
    assert_challenged(&stolen, 401, "DPoP ");
}

/// As Envoy does: with the method, the name and the URI of the request that it asks about.
#[tokio::test]
async fn a_proxy_may_ask_with_all_that_the_caller_wrote() {
    let scene = Scene::set().await;
    let credential = scene.credential(&json!({})).await;
    for (uri, status) in [
        ("/orders?page=2", 200),
        ("/orders?scope=admin&tool=pay", 200),
        ("/orders?a=1&uri=/x&a=2&%ff", 200),
    ] {
        let bearer = Caller::new(&scene.gate.url, credential["token"].as_str());
        let request = bearer.request(Method::POST, &format!("{DOOR}&uri={uri}"));
        let request = request.header("host", "tools.example").header("content-length", "0");
        let answer = send(request.header("origin", "https://elsewhere.example")).await;
        assert_eq!(answer.status, status, "{uri}: {}", answer.text);
    }
    let narrow = DOOR.replace("read", "admin");
    let request = scene.ask(&format!("{narrow}&uri=/x?scope=read"), &credential["token"]);
    assert_eq!(send(request).await.status, 403);
}

/// A proxy of the host's, with a configuration from deploy/.
struct Proxy {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What to write in the place of what, in a configuration.
type Changes = Vec<(String, String)>;

impl Proxy {
    fn start(
        file: &str,
        changes: &dyn Fn(SocketAddr, &Path) -> Changes,
        command: &dyn Fn(&Path) -> Command,
    ) -> Proxy {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/forward-auth").join(file);
        let mut text = std::fs::read_to_string(path).unwrap();
        for (from, to) in changes(address, folder.path()) {
            assert!(text.contains(&from), "`{file}` has no `{from}`");
            text = text.replace(&from, &to);
        }
        let written = folder.path().join(file);
        std::fs::write(&written, text).unwrap();
        let child = command(&written).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("the proxy is missing: run scripts/test, which installs it");
        let proxy = Proxy { address, child, _folder: folder };
        until(Duration::from_secs(20), || TcpStream::connect(address).ok());
        proxy
    }

    fn nginx(gate: &Gate, tool: &Upstream) -> Proxy {
        let host = gate.url.trim_start_matches("http://");
        Proxy::start(
            "nginx.conf",
            &|address, folder| {
                let folder = folder.display();
                let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .map(|it| format!("{it}_temp_path {folder}/{it};"));
                let http = format!("http {{ access_log off; {}", temporary.join(" "));
                vec![
                    ("gatewright:8080".into(), host.into()),
                    ("tool:9000".into(), tool.address.to_string()),
                    ("listen 80".into(), format!("listen {address}")),
                    ("http {".into(), http),
                ]
            },
            &|path| {
                let pid = path.with_extension("pid");
                let only = format!("daemon off; master_process off; pid {};", pid.display());
                let mut command = Command::new("/usr/sbin/nginx");
                command.args(["-e", "stderr", "-g", &only, "-c"]).arg(path);
                command
            },
        )
    }

    fn caddy(gate: &Gate, tool: &Upstream) -> Proxy {
        let host = gate.url.trim_start_matches("http://");
        Proxy::start(
            "Caddyfile",
            &|address, _| {
                let site = format!("{{\n\tadmin off\n}}\nhttp://{address} {{");
                vec![
                    ("gatewright:8080".into(), host.into()),
                    ("tool:9000".into(), tool.address.to_string()),
                    (":80 {".into(), site),
                ]
            },
            &|path| {
                let mut command = Command::new("/usr/bin/caddy");
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path);
                command.env("HOME", path.parent().unwrap()).env_remove("XDG_CONFIG_HOME");
                command.env_remove("XDG_DATA_HOME");
                command
            },
        )
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// What every proxy must do, whatever it is.
async fn guards(scene: &Scene, proxy: &Proxy, tool: &Upstream) {
    let credential = scene.credential(&json!({})).await;
    let caller = Caller::new(&proxy.url(), credential["token"].as_str());
    let spoofed = OURS
        .iter()
        .fold(caller.request(Method::POST, "/orders?scope=admin&tool=pay"), |it, name| {
            it.header(format!("X-Gatewright-{name}"), "somebody-else")
        });
    let answer = send(spoofed.body("hello")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let heard = tool.last();
    assert_eq!((&heard["method"], &heard["body"]), (&json!("POST"), &json!("hello")));
    assert_eq!(heard["path"], "/orders?scope=admin&tool=pay");
    let headers = &heard["headers"];
    assert_eq!(headers["x-gatewright-agent"], scene.agent["client_id"]);
    assert_eq!(headers["x-gatewright-credential"], credential["credential_id"]);
    assert_eq!(headers["x-gatewright-scopes"], "read translate");
    assert!(!heard.to_string().contains("somebody-else"), "{heard}");
    assert!(headers.get("authorization").is_none(), "{heard}");

    let calls = tool.calls();
    let nobody = Caller::new(&proxy.url(), None).get("/orders").await;
    assert_eq!(nobody.status, 401);
    assert!(nobody.headers.contains_key(header::WWW_AUTHENTICATE));
    let forged = Caller::new(&proxy.url(), Some("AAAA")).get("/orders").await;
    assert_eq!(forged.status, 401);
    let only = json!({ "scopes": ["translate"] });
    let other = scene.credential(&only).await;
    let other = Caller::new(&proxy.url(), other["token"].as_str());
    assert_eq!(other.get("/orders").await.status, 403);
    assert_eq!(tool.calls(), calls);

    let holder = Holder::p256();
    let bound = scene.credential(&json!({ "holder_key": holder.thumbprint() })).await;
    let token = bound["token"].as_str().unwrap();
    let url = format!("{}/orders", proxy.url());
    let proof = holder.proof("GET", &url, Some(token), &json!({}));
    let ask = || {
        let request = Caller::new(&proxy.url(), None).request(Method::GET, "/orders");
        send(request.header("authorization", format!("DPoP {token}")).header("dpop", &proof))
    };
    assert_eq!(ask().await.status, 200);
    assert_eq!(ask().await.status, 401, "a replay");
}

#[tokio::test]
async fn nginx_guards_a_tool() {
    let (scene, tool) = (Scene::set().await, Upstream::open().await);
    guards(&scene, &Proxy::nginx(&scene.gate, &tool), &tool).await;
}

#[tokio::test]
async fn caddy_guards_a_tool() {
    let (scene, tool) = (Scene::set().await, Upstream::open().await);
    guards(&scene, &Proxy::caddy(&scene.gate, &tool), &tool).await;
}
