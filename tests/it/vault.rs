//! Vault sealed, gone, slow, and tokens that end: a secret that cannot be had is refused, and nothing
//! else is.

use std::path::Path;
use std::time::Duration;

use gatewright::secrets::SecretPath;
use gatewright::settings;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::harness::openbao::{OpenBao, free_port, private};
use crate::harness::secrets::{Room, assert_unavailable, leading_to, memory, pairs, tool, warrant};
use crate::harness::{Gate, Setup, samples};

/// Long enough for two seconds on a busy machine.
const ANSWERED: Duration = Duration::from_secs(8);
const RECOVERED: Duration = Duration::from_secs(10);

async fn room(vault: settings::Vault) -> Room {
    let folder = tempfile::tempdir().unwrap();
    let room = Room::open(&leading_to(vault, folder.path()), memory().await).await;
    assert!(!folder.path().join("secrets.key").exists(), "a key that seals nothing");
    room
}

/// One secret is in Vault, at the path of tool 1.
async fn with_secret(vault: settings::Vault) -> Room {
    let room = room(vault).await;
    room.write(tool(1), &[("key", Some("s3cr3t"))]).await.unwrap();
    room
}

async fn reads(room: &Room) -> bool {
    timeout(ANSWERED, room.read(tool(1))).await.unwrap().is_ok()
}

/// Reads until it works.
async fn recovers(room: &Room) {
    let begun = Instant::now();
    while !reads(room).await {
        assert!(begun.elapsed() < RECOVERED, "it does not come back");
        tokio::task::yield_now().await;
    }
}

/// What cannot be had without Vault is refused, and what can be is not.
async fn assert_refused(room: &Room) {
    assert_unavailable(timeout(ANSWERED, room.read(tool(1))).await.unwrap());
    assert_unavailable(timeout(ANSWERED, room.stage(tool(2), &[("a", Some("1"))])).await.unwrap());
    assert_unavailable(timeout(ANSWERED, room.stage(tool(1), &[("a", Some("1"))])).await.unwrap());
    assert_eq!(room.names(tool(1)).await, "key");
    assert_eq!(room.read(tool(3)).await.unwrap(), []);
    assert_eq!(room.secrets.forget(&warrant(), tool(1)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn sealed_and_unsealed() {
    let bao = OpenBao::start().await;
    let room = with_secret(bao.settings(bao.token_file(&json!({})).await)).await;
    assert_eq!(room.secrets.standing(&warrant()).await, Ok(()));
    bao.seal().await;
    assert_refused(&room).await;
    let begun = Instant::now();
    while room.secrets.standing(&warrant()).await != Err("is sealed") {
        assert!(begun.elapsed() < RECOVERED);
        tokio::task::yield_now().await;
    }
    bao.unseal().await;
    recovers(&room).await;
}

#[tokio::test]
async fn slow_and_back() {
    let bao = OpenBao::start().await;
    let room = with_secret(bao.settings(bao.token_file(&json!({})).await)).await;
    bao.hang();
    assert_refused(&room).await;
    // A crowd waits no longer than one.
    let crowd = (0..20).map(|_| room.read(tool(1)));
    let crowd = timeout(ANSWERED, futures_util::future::join_all(crowd)).await.unwrap();
    assert!(crowd.iter().all(Result::is_err));
    bao.go_on();
    recovers(&room).await;
}

#[tokio::test]
async fn gone() {
    let bao = OpenBao::start().await;
    let room = with_secret(bao.settings(bao.token_file(&json!({})).await)).await;
    drop(bao);
    assert_refused(&room).await;
    let standing = timeout(ANSWERED, room.secrets.standing(&warrant())).await.unwrap();
    assert_eq!(standing, Err("does not answer"));
}

#[tokio::test]
async fn a_token_that_ends_is_read_anew() {
    let bao = OpenBao::start().await;
    let file = bao.token_file(&json!({ "ttl": "1h" })).await;
    let room = with_secret(bao.settings(file.clone())).await;
    let token = std::fs::read_to_string(&file).unwrap();
    bao.post("auth/token/revoke", &json!({ "token": token.trim() })).await;
    assert_refused(&room).await;
    bao.renew_token_file(&file, &json!({})).await;
    assert!(reads(&room).await);
}

#[tokio::test]
async fn a_token_is_kept_alive_beyond_its_life() {
    let bao = OpenBao::start().await;
    let file = bao.token_file(&json!({ "ttl": "4s", "renewable": true })).await;
    let room = with_secret(bao.settings(file)).await;
    let stop = CancellationToken::new();
    let kept = tokio::spawn(room.secrets.clone().keep(stop.clone()));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        assert!(reads(&room).await, "after {:?}", begun.elapsed());
        tokio::task::yield_now().await;
    }
    stop.cancel();
    timeout(ANSWERED, kept).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_role_signs_in_again_when_its_token_ends() {
    let bao = OpenBao::start().await;
    let (role_id, secret_id_file) = bao.approle("1s", "1s").await;
    let vault = settings::Vault {
        role_id: Some(role_id),
        secret_id_file: Some(secret_id_file.clone()),
        token_file: None,
        ..bao.settings("unused".into())
    };
    let room = with_secret(vault.clone()).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        assert!(reads(&room).await, "after {:?}", begun.elapsed());
        tokio::task::yield_now().await;
    }
    private(&secret_id_file, "no-such-secret-id");
    let stranger = self::room(vault).await;
    assert_unavailable(stranger.stage(tool(1), &[("key", Some("value"))]).await);
    assert_eq!(stranger.secrets.standing(&warrant()).await, Err("refuses the token"));
}

#[tokio::test]
async fn what_its_policy_does_not_allow_is_refused_and_ends_no_session() {
    let bao = OpenBao::start().await;
    let room = with_secret(bao.settings(bao.token_file(&json!({})).await)).await;
    let narrow = json!({ "policies": ["default"] });
    let stranger = self::room(bao.settings(bao.token_file(&narrow).await)).await;
    for _ in 0..3 {
        assert_unavailable(stranger.stage(tool(1), &[("key", Some("value"))]).await);
    }
    assert_eq!(stranger.secrets.standing(&warrant()).await, Ok(()));
    assert!(reads(&room).await);
}

#[tokio::test]
async fn files_of_tokens_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bao = OpenBao::start().await;
    let file = bao.token_file(&json!({})).await;
    let room = room(bao.settings(file.clone())).await;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_unavailable(room.stage(tool(1), &[("key", Some("value"))]).await);
    private(&file, "two words");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_unavailable(room.stage(tool(1), &[("key", Some("value"))]).await);
}

/// The places of all writes that are in a folder of Vault.
async fn places(bao: &OpenBao, room: &Room) -> Vec<String> {
    let root = room.folder().await;
    let (mut places, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        for name in bao.list(&format!("{root}/{folder}")).await {
            match name.ends_with('/') {
                true => folders.push(format!("{folder}{name}")),
                false => places.push(format!("{folder}{name}")),
            }
        }
    }
    places
}

#[tokio::test]
async fn what_nothing_refers_to_any_more_is_swept_from_vault() {
    let bao = OpenBao::start().await;
    let room = with_secret(bao.settings(bao.token_file(&json!({})).await)).await;
    let user = SecretPath::of_user(uuid::Uuid::from_u128(7), uuid::Uuid::from_u128(1));
    room.write(user, &[("key", Some("sevens"))]).await.unwrap();
    room.write(tool(1), &[("key", Some("second"))]).await.unwrap();
    // A change whose commit never came, a stranger's own, and another store's.
    drop(room.stage(tool(1), &[("key", Some("third"))]).await.unwrap());
    let stranger = json!({ "data": { "not": "ours" } });
    let notes = format!("{}/tools/notes", room.folder().await.replace("metadata", "data"));
    bao.post(&notes, &stranger).await;
    let other = with_secret(bao.settings(bao.folder.path().join("token"))).await;
    assert_eq!(places(&bao, &room).await.len(), 5);

    assert_eq!(room.secrets.sweep_leftovers().await.unwrap(), 0, "somebody may be reading it");
    room.clock.advance(61);
    assert_eq!(room.secrets.sweep_leftovers().await.unwrap(), 1);
    room.secrets.sweep_lost_writes().await.unwrap();
    assert_eq!(places(&bao, &room).await.len(), 4, "its commit may be on its way");
    room.clock.advance(600);
    room.secrets.sweep_lost_writes().await.unwrap();
    assert_eq!(places(&bao, &room).await.len(), 3);
    assert_eq!(room.read(tool(1)).await.unwrap(), pairs(&[("key", "second")]));
    assert_eq!(room.read(user).await.unwrap(), pairs(&[("key", "sevens")]));

    let forget = room.secrets.forget_tool(&warrant(), uuid::Uuid::from_u128(1));
    room.commit(forget).await.unwrap();
    room.clock.advance(61);
    bao.seal().await;
    assert_eq!(room.secrets.sweep_leftovers().await.unwrap(), 0);
    bao.unseal().await;
    let begun = Instant::now();
    while room.secrets.sweep_leftovers().await.unwrap() == 0 {
        assert!(begun.elapsed() < RECOVERED);
    }
    room.secrets.sweep_leftovers().await.unwrap();
    room.secrets.sweep_lost_writes().await.unwrap();
    assert_eq!(places(&bao, &room).await, ["tools/notes"]);
    assert_eq!(other.read(tool(1)).await.unwrap(), pairs(&[("key", "s3cr3t")]));
    assert_eq!(room.count("SELECT COUNT(*) FROM secret_leftovers").await, 0);
}

#[tokio::test]
async fn a_row_that_points_elsewhere_finds_nothing() {
    let bao = OpenBao::start().await;
    let room = with_secret(bao.settings(bao.token_file(&json!({})).await)).await;
    room.write(tool(2), &[("key", Some("other"))]).await.unwrap();
    let swap = gatewright::store::Statement::new(
        "UPDATE secrets SET write_id = (SELECT write_id FROM secrets WHERE tool_id = $1)
         WHERE tool_id = $2",
    );
    let swap = swap.bind(uuid::Uuid::from_u128(2)).bind(uuid::Uuid::from_u128(1));
    room.commit(vec![swap]).await.unwrap();
    assert_unavailable(room.read(tool(1)).await);
}

/// A server that is led to Vault at this address.
fn gate(url: &str, token_file: &Path) -> Setup {
    let file = token_file.to_str().unwrap();
    Setup::new().with("vault.addr", url).with("vault.token_file", file)
}

async fn ready(gate: &Gate) -> (u16, Value) {
    let answer = gate.anyone().get("/readyz").await;
    (answer.status.as_u16(), answer.json()["checks"].clone())
}

async fn until_ready_says(gate: &Gate, said: &str) {
    let begun = Instant::now();
    loop {
        let (status, checks) = ready(gate).await;
        if checks["secret_store"] == said {
            assert_eq!(status == 200, said == "ok");
            let others = checks.as_object().unwrap().iter().filter(|(it, _)| *it != "secret_store");
            assert!(others.into_iter().all(|(_, it)| it == "ok"), "{checks}");
            return;
        }
        assert!(begun.elapsed() < RECOVERED, "{checks}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_and_serves_without_its_vault() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    private(&token, "s.nobody-knows-it");
    let url = format!("http://127.0.0.1:{}", free_port());
    let setup = gate(&url, &token);
    let doctor = setup.command(&["doctor"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains(&format!("Vault at {url} cannot be reached")), "{said}");
    assert!(!said.contains("nobody-knows-it"), "{said}");
    let gate = tokio::task::block_in_place(|| setup.start());
    until_ready_says(&gate, "does not answer").await;
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let (_, agent) = gate.agent("lingua", "translator").await;
    let access = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    agent.post(&access, &json!({ "scopes": ["read"] })).await.expect(201);
    assert!(!gate.folder.path().join("secrets.key").exists(), "a key that seals nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_and_doctor_say_how_vault_stands() {
    let bao = OpenBao::start().await;
    let file = bao.token_file(&json!({})).await;
    let setup = gate(&bao.url, &file).with("log.level", "trace");
    let doctor = |gate: &Gate| {
        String::from_utf8_lossy(&gate.command(&["doctor"]).output().unwrap().stdout).into_owned()
    };
    let gate = tokio::task::block_in_place(|| setup.start());
    until_ready_says(&gate, "ok").await;
    assert!(doctor(&gate).contains(&format!("in Vault at {}", bao.url)), "{}", doctor(&gate));
    bao.seal().await;
    until_ready_says(&gate, "is sealed").await;
    assert!(doctor(&gate).contains("is sealed"), "{}", doctor(&gate));
    bao.unseal().await;
    until_ready_says(&gate, "ok").await;
    let token = std::fs::read_to_string(&file).unwrap();
    let token = token.trim();
    bao.post("auth/token/revoke", &json!({ "token": token })).await;
    until_ready_says(&gate, "refuses the token").await;
    assert!(doctor(&gate).contains("not good any more"), "{}", doctor(&gate));
    let figures = gate.anyone().get("/metrics").await.text;
    assert!(figures.contains("gatewright_vault_calls_total{"), "{figures}");
    for (what, text) in
        [("log", gate.log().join("\n")), ("figures", figures), ("doctor", doctor(&gate))]
    {
        assert!(!text.contains(token), "{what} holds the token");
    }
}

#[tokio::test]
async fn over_tls_only_the_named_authority_vouches_for_vault() {
    let bao = OpenBao::start_with_tls().await;
    let vault = bao.settings(bao.token_file(&json!({})).await);
    let stranger = room(vault.clone()).await;
    assert_unavailable(stranger.stage(tool(1), &[("key", Some("value"))]).await);
    assert_eq!(stranger.secrets.standing(&warrant()).await, Err("does not answer"));
    let known = with_secret(settings::Vault { ca_file: Some(bao.authority()), ..vault }).await;
    assert!(reads(&known).await);
    assert_eq!(known.secrets.standing(&warrant()).await, Ok(()));
}

#[tokio::test]
async fn plain_http_beyond_this_machine_is_refused() {
    let vault = settings::Vault {
        addr: Some("http://vault.example:8200".parse().unwrap()),
        token_file: Some("token".into()),
        ..settings::Vault::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let settings = leading_to(vault, folder.path());
    let error = Room::try_open(&settings, memory().await).await.err().unwrap();
    assert!(format!("{error:#}").contains("use https"), "{error:#}");
}
