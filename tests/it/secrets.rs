//! What holds for secrets wherever they are kept: sealed in each database, and in Vault.

use gatewright::Error;
use gatewright::secrets::{SecretPath, Values};
use gatewright::settings::Settings;
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use crate::harness::openbao::OpenBao;
use crate::harness::secrets::{Room, leading_to, memory, pairs, sealing_in, tool, warrant};
use crate::harness::stores::stores;

/// One place where secrets may be kept, for messages, and what it stands on.
struct Home {
    what: &'static str,
    room: Room,
    settings: Settings,
    _key: TempDir,
}

/// Sealed in each database, and in Vault.
async fn homes(bao: &OpenBao) -> Vec<Home> {
    let mut homes = Vec::new();
    for store in stores().await {
        let key = tempfile::tempdir().unwrap();
        let settings = sealing_in(key.path());
        // The file would go with the store.
        if store.what == "file" {
            continue;
        }
        let room = Room::open(&settings, store.db).await;
        homes.push(Home { what: store.what, room, settings, _key: key });
    }
    let key = tempfile::tempdir().unwrap();
    let settings = leading_to(bao.settings(bao.token_file(&json!({})).await), key.path());
    let room = Room::open(&settings, memory().await).await;
    homes.push(Home { what: "vault", room, settings, _key: key });
    homes
}

fn user_tool(user: u128, tool: u128) -> SecretPath {
    SecretPath::of_user(Uuid::from_u128(user), Uuid::from_u128(tool))
}

#[tokio::test]
async fn values_come_back_where_they_were_put() {
    let bao = OpenBao::start().await;
    for Home { what, room, settings, .. } in homes(&bao).await {
        let odd = "line\nline\t\"quoted\" \\ ü 🔑 \u{7f}";
        room.write(tool(1), &[("key", Some("s3cr3t")), ("odd", Some(odd))]).await.unwrap();
        room.write(user_tool(7, 1), &[("key", Some("sevens"))]).await.unwrap();
        let expected = pairs(&[("key", "s3cr3t"), ("odd", odd)]);
        assert_eq!(room.read(tool(1)).await.unwrap(), expected, "{what}");
        assert_eq!(
            room.read(user_tool(7, 1)).await.unwrap(),
            pairs(&[("key", "sevens")]),
            "{what}"
        );
        for nothing in [tool(2), user_tool(8, 1), user_tool(7, 2)] {
            assert_eq!(room.read(nothing).await.unwrap(), [], "{what} {nothing}");
        }
        assert_eq!(room.names(tool(1)).await, "key odd", "{what}");
        let again = Room::open(&settings, room.db.clone()).await;
        assert_eq!(again.read(tool(1)).await.unwrap(), expected, "{what}, another process");
    }
}

#[tokio::test]
async fn a_patch_keeps_what_it_does_not_name() {
    let bao = OpenBao::start().await;
    for Home { what, room, .. } in homes(&bao).await {
        let first = [("a", Some("1")), ("b", Some("2")), ("c", Some("3"))];
        room.write(tool(1), &first).await.unwrap();
        let patch = [("a", None), ("b", Some("********")), ("d", Some("4"))];
        room.write(tool(1), &patch).await.unwrap();
        let expected = pairs(&[("b", "2"), ("c", "3"), ("d", "4")]);
        assert_eq!(room.read(tool(1)).await.unwrap(), expected, "{what}");
        assert!(room.stage(tool(1), &[("b", Some("********"))]).await.unwrap().is_empty());
        room.write(tool(1), &[("b", None), ("c", None), ("d", None)]).await.unwrap();
        assert_eq!(room.read(tool(1)).await.unwrap(), [], "{what}");
        assert_eq!(room.count("SELECT COUNT(*) FROM secrets").await, 0, "{what}");
    }
}

#[tokio::test]
async fn nothing_changes_before_the_commit_and_the_later_of_two_is_a_conflict() {
    let bao = OpenBao::start().await;
    for Home { what, room, .. } in homes(&bao).await {
        for begun in [false, true] {
            let before = room.read(tool(1)).await.unwrap();
            let first = room.stage(tool(1), &[("key", Some("first"))]).await.unwrap();
            let second = room.stage(tool(1), &[("key", Some("second"))]).await.unwrap();
            assert_eq!(room.read(tool(1)).await.unwrap(), before, "{what} {begun}");
            room.commit(second).await.unwrap();
            let late = room.commit(first).await;
            assert!(matches!(late, Err(Error::Conflict(_))), "{what} {begun} {late:?}");
            let expected = pairs(&[("key", "second")]);
            assert_eq!(room.read(tool(1)).await.unwrap(), expected, "{what} {begun}");
        }
    }
}

#[tokio::test]
async fn what_is_deleted_takes_its_secrets_along() {
    let bao = OpenBao::start().await;
    for Home { what, room, .. } in homes(&bao).await {
        let ours = Uuid::from_u128(1);
        for path in [tool(1), tool(2), user_tool(7, 1), user_tool(7, 2), user_tool(8, 1)] {
            room.write(path, &[("key", Some("value"))]).await.unwrap();
        }
        room.commit(room.secrets.forget_tool(&warrant(), ours)).await.unwrap();
        for (path, names) in
            [(tool(1), ""), (user_tool(7, 1), ""), (user_tool(8, 1), ""), (tool(2), "key")]
        {
            assert_eq!(room.names(path).await, names, "{what} {path}");
        }
        for path in [user_tool(7, 2), tool(2)] {
            let rest = room.secrets.forget(&warrant(), path).await.unwrap();
            room.commit(rest).await.unwrap();
            assert_eq!(room.names(path).await, "", "{what} {path}");
        }
        assert_eq!(room.count("SELECT COUNT(*) FROM secrets").await, 0, "{what}");
        assert_eq!(room.secrets.forget(&warrant(), tool(2)).await.unwrap().len(), 0, "{what}");
    }
}

#[tokio::test]
async fn what_was_sealed_before_there_was_a_vault_moves_with_its_next_write() {
    let (bao, key) = (OpenBao::start().await, tempfile::tempdir().unwrap());
    let db = memory().await;
    let sealed = Room::open(&sealing_in(key.path()), db.clone()).await;
    sealed.write(tool(1), &[("a", Some("1")), ("b", Some("2"))]).await.unwrap();

    let vault = bao.settings(bao.token_file(&json!({})).await);
    let room = Room::open(&leading_to(vault, key.path()), db).await;
    assert_eq!(room.read(tool(1)).await.unwrap(), pairs(&[("a", "1"), ("b", "2")]));
    assert_eq!(bao.list(&room.folder().await).await.len(), 0);
    room.write(tool(1), &[("b", Some("3"))]).await.unwrap();
    assert_eq!(room.read(tool(1)).await.unwrap(), pairs(&[("a", "1"), ("b", "3")]));
    assert_eq!(bao.list(&room.folder().await).await, ["tools/"]);
    assert_eq!(room.count("SELECT COUNT(*) FROM secrets WHERE master IS NOT NULL").await, 0);
}

#[test]
fn values_do_not_print() {
    let values: Values = [("key".parse().unwrap(), "canary-7f3a91".into())].into_iter().collect();
    assert_eq!(format!("{values:?}"), "{SecretName(\"key\")}");
}
