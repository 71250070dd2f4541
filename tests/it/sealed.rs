//! The sealed store: what a thief of the store finds, keys that do not fit, and their rotation.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gatewright::store::{Database, Sqlite, Statement};

use crate::harness::openbao::private;
use crate::harness::secrets::{Room, assert_unavailable, memory, pairs, sealing_in, tool};
use crate::harness::{Setup, stores::batch, stores::group};

const CANARY: &str = "canary-7f3a91c2";

/// A server's settings, and its store and key with one secret in them.
async fn with_secret() -> (Setup, Room) {
    let setup = Setup::new();
    let room = room_of(setup.folder.path()).await;
    room.write(tool(1), &[("key", Some(CANARY))]).await.unwrap();
    (setup, room)
}

async fn room_of(folder: &Path) -> Room {
    let db: Arc<dyn Database> = Arc::new(Sqlite::open(folder.join("gatewright.db")).unwrap());
    db.migrate().await.unwrap();
    Room::open(&sealing_in(folder), db).await
}

/// A value for each of these tools, in one commit.
async fn write_all(room: &Room, tools: RangeInclusive<u128>) {
    let mut statements = Vec::new();
    for id in tools {
        statements.extend(room.stage(tool(id), &[("key", Some("value"))]).await.unwrap());
    }
    room.commit(statements).await.unwrap();
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn rotate(setup: &Setup) -> Output {
    setup.command(&["secrets", "rotate-key"]).output().unwrap()
}

fn lines(key: &Path) -> Vec<String> {
    fs::read_to_string(key).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_store_holds_no_value_and_no_key() {
    let (setup, room) = with_secret().await;
    drop(room);
    let mut seen = 0;
    for file in fs::read_dir(setup.folder.path()).unwrap().map(Result::unwrap) {
        let bytes = fs::read(file.path()).unwrap();
        if file.file_name() == "secrets.key" {
            continue;
        }
        seen += bytes.len();
        let key = lines(&setup.folder.path().join("secrets.key")).remove(0);
        for spelled in [
            CANARY.as_bytes().to_vec(),
            BASE64_STANDARD.encode(CANARY).into_bytes(),
            hex::encode(CANARY).into_bytes(),
            hex::decode(&key).unwrap(),
            key.clone().into_bytes(),
        ] {
            let found = bytes.windows(spelled.len()).any(|it| it == spelled);
            assert!(!found, "{:?} holds {spelled:?}", file.file_name());
        }
    }
    assert!(seen > 0);
}

#[tokio::test]
async fn a_row_that_was_tampered_with_does_not_open() {
    let key = tempfile::tempdir().unwrap();
    let settings = sealing_in(key.path());
    for tampering in [
        "UPDATE secrets SET tool_id = '00000000-0000-0000-0000-000000000002', \
         path = 'tools/00000000-0000-0000-0000-000000000002'",
        "UPDATE secrets SET names = '[\"other\"]'",
        "UPDATE secrets SET body = data_key",
        "UPDATE secrets SET data_key = body",
    ] {
        let room = Room::open(&settings, memory().await).await;
        room.write(tool(1), &[("key", Some(CANARY))]).await.unwrap();
        let tamper = vec![batch(vec![Statement::new(tampering)])];
        room.db.commit(group(tamper)).await.unwrap();
        let path = if tampering.contains("path") { tool(2) } else { tool(1) };
        let error = room.read(path).await.unwrap_err();
        assert_eq!(error.status(), 500, "{tampering}: {error:?}");
        assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_does_not_start_with_another_key() {
    let (setup, room) = with_secret().await;
    drop(room);
    let file = setup.folder.path().join("secrets.key");
    let kept = fs::read_to_string(&file).unwrap();
    private(&file, &"ab".repeat(32));
    let refused = setup.command(&["serve"]).output().unwrap();
    assert!(!refused.status.success());
    let sentence = "is not the key that the secrets in the store are sealed with";
    assert!(said(&refused).contains(sentence), "{}", said(&refused));
    let doctor = setup.command(&["doctor"]).output().unwrap();
    assert_eq!(doctor.status.code(), Some(1));
    assert!(said(&doctor).contains(sentence), "{}", said(&doctor));
    fs::remove_file(&file).unwrap();
    let doctor = setup.command(&["doctor"]).output().unwrap();
    assert!(said(&doctor).contains("is not there, and secrets are sealed"), "{}", said(&doctor));
    // A start would make a new key: it is refused all the same.
    assert!(!setup.command(&["serve"]).output().unwrap().status.success());

    private(&file, kept.trim());
    let room = room_of(setup.folder.path()).await;
    assert_eq!(room.read(tool(1)).await.unwrap(), pairs(&[("key", CANARY)]));
}

#[tokio::test]
async fn a_rotation_takes_every_record_over_while_servers_run() {
    let (setup, room) = with_secret().await;
    write_all(&room, 2..=150).await;
    let file = setup.folder.path().join("secrets.key");
    let before = lines(&file);
    let waiting = room.stage(tool(1), &[("key", Some("too late"))]).await.unwrap();
    let rotated = rotate(&setup);
    assert!(rotated.status.success(), "{}", said(&rotated));
    assert!(said(&rotated).contains("records taken over: 150"), "{}", said(&rotated));
    let after = lines(&file);
    assert!(after.len() == 1 && after != before);
    assert_eq!(room.count("SELECT COUNT(DISTINCT master) FROM secrets").await, 1);

    // What was sealed with the old key while the new one came does not get in.
    assert_eq!(room.commit(waiting).await.unwrap_err().status(), 409);
    assert_eq!(room.read(tool(1)).await.unwrap(), pairs(&[("key", CANARY)]));
    room.write(tool(1), &[("key", Some("new"))]).await.unwrap();
    let again = room_of(setup.folder.path()).await;
    assert_eq!(again.read(tool(1)).await.unwrap(), pairs(&[("key", "new")]));
    assert_eq!(again.read(tool(150)).await.unwrap(), pairs(&[("key", "value")]));
    let audited = "SELECT COUNT(*) FROM audit WHERE event = 'system.rotate_master_key'";
    assert!(room.count(audited).await >= 2);
}

#[tokio::test]
async fn a_rotation_that_stopped_half_way_is_gone_on_with() {
    let (setup, room) = with_secret().await;
    write_all(&room, 2..=20).await;
    let (file, old_store) = (setup.folder.path().join("secrets.key"), room.bytes(MASTERS, 1).await);
    let old = lines(&file).remove(0);
    assert!(rotate(&setup).status.success());
    // As after a crash between two commits: both keys in the file, some records under each.
    let new = lines(&file).remove(0);
    private(&file, &format!("{new}\n{old}"));
    let later = room_of(setup.folder.path()).await;
    assert_eq!(later.read(tool(3)).await.unwrap(), pairs(&[("key", "value")]));
    let third = "11".repeat(32);
    private(&file, &format!("{third}\n{new}\n{old}"));
    assert_eq!(later.read(tool(1)).await.unwrap(), pairs(&[("key", CANARY)]));
    later.write(tool(21), &[("key", Some("between"))]).await.unwrap();
    let resumed = rotate(&setup);
    assert!(said(&resumed).contains("went on with a rotation"), "{}", said(&resumed));
    assert!(said(&resumed).contains("records taken over: 21"), "{}", said(&resumed));
    assert_eq!(lines(&file), [third]);
    let last = room_of(setup.folder.path()).await;
    assert_ne!(last.bytes(MASTERS, 1).await, old_store);
    for id in 1..=21 {
        assert_eq!(last.read(tool(id)).await.unwrap().len(), 1, "{id}");
    }
}

#[tokio::test]
async fn of_two_rotations_at_once_one_waits_for_a_better_time() {
    let (setup, room) = with_secret().await;
    let file = setup.folder.path().join("secrets.key");
    let before = lines(&file);
    let other = fs::File::open(setup.folder.path()).unwrap();
    other.lock().unwrap();
    let refused = rotate(&setup);
    assert!(!refused.status.success());
    assert!(said(&refused).contains("another rotation is under way"), "{}", said(&refused));
    assert_eq!(lines(&file), before);
    assert_eq!(room.read(tool(1)).await.unwrap(), pairs(&[("key", CANARY)]));
    drop(other);
    assert!(rotate(&setup).status.success());
}

const MASTERS: &str = "SELECT DISTINCT master FROM secrets";

#[tokio::test]
async fn a_key_that_was_taken_away_refuses_the_secret_and_nothing_else() {
    let (setup, room) = with_secret().await;
    let file = setup.folder.path().join("secrets.key");
    assert!(rotate(&setup).status.success());
    // Another host, whose copy of the file is still the old one.
    private(&file, &"ab".repeat(32));
    assert_unavailable(room.read(tool(1)).await);
    assert_unavailable(room.stage(tool(2), &[("key", Some("value"))]).await);
    assert_eq!(room.names(tool(1)).await, "key");
    assert_eq!(room.read(tool(2)).await.unwrap(), []);
}
