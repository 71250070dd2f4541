//! The revocation feed: what it stops, what it must look like, how old it may be.

use super::super::feed::{FeedError, Page, SignedPage};
use super::*;
use crate::credentials::attenuate::{Narrowing, attenuate};
use crate::credentials::fixture::{DIGEST, ISSUER, NOW, RING, document, draft, later, token};
use secrecy::ExposeSecret;

fn page(since: &str, cursor: &str) -> Page {
    Page {
        since: since.to_owned(),
        cursor: cursor.to_owned(),
        credential_ids: Vec::new(),
        revocation_ids: Vec::new(),
        issued_at: *NOW,
        more: false,
    }
}

fn signed(page: Page) -> SignedPage {
    RING.active().sign(page, ISSUER).unwrap()
}

fn list(pages: impl IntoIterator<Item = Page>) -> RevocationList {
    let mut list = RevocationList::default();
    for page in pages {
        list.apply(signed(page).check(&document(), *NOW).unwrap()).unwrap();
    }
    list
}

fn with(list: &RevocationList, token: &str, now: Timestamp) -> Result<Verified, Reason> {
    let request = Request::new("read");
    let verifier = verifier().tool("translate", Some(DIGEST));
    reason(verifier.verify(token, &request, Revocations::Listed(list), now))
}

#[test]
fn a_listed_credential_is_revoked() {
    let ids = vec!["0199-credential".to_owned()];
    let list = list([Page { credential_ids: ids, ..page("", "1") }]);
    assert_eq!(with(&list, &token(&draft()), *NOW), Err(Reason::Revoked));
    assert_eq!(with(&list, &token(&draft()), later(800)), Err(Reason::Revoked), "even when stale");
}

#[test]
fn each_block_can_be_revoked_by_itself() {
    let parent = token(&draft());
    let narrowing = Narrowing { expires_at: Some(later(60)), ..Narrowing::default() };
    let child = attenuate(&parent, &narrowing).unwrap();
    let child = child.expose_secret();
    let ids = verify(child, "read").unwrap().revocation_ids;
    assert_eq!(ids[0], verify(&parent, "read").unwrap().revocation_ids[0]);

    let revoke =
        |id: &str| list([Page { revocation_ids: vec![id.to_uppercase()], ..page("", "1") }]);
    assert_eq!(with(&revoke(&ids[1]), child, *NOW), Err(Reason::Revoked));
    assert!(with(&revoke(&ids[1]), &parent, *NOW).is_ok());
    assert_eq!(with(&revoke(&ids[0]), child, *NOW), Err(Reason::Revoked));
    assert_eq!(with(&revoke(&ids[0]), &parent, *NOW), Err(Reason::Revoked));
}

#[test]
fn a_stale_feed_refuses_unless_any_age_will_do() {
    let (list, token) = (list([page("", "1")]), token(&draft()));
    assert_eq!(with(&list, &token, later(300)).unwrap().feed_age, Some(FEED_AGE_MAX));
    assert_eq!(with(&list, &token, later(301)), Err(Reason::FeedStale));
    assert_eq!(with(&list, &token, later(-30)).unwrap().feed_age, Some(SignedDuration::ZERO));

    let lenient = verifier().any_feed_age();
    let request = Request::new("read");
    let verified = lenient.verify(&token, &request, Revocations::Listed(&list), later(301));
    assert_eq!(verified.unwrap().feed_age, Some(SignedDuration::from_secs(301)));
}

#[test]
fn a_list_without_its_last_page_is_stale() {
    let token = token(&draft());
    let first = || Page { more: true, ..page("", "1") };
    assert_eq!(with(&list([first()]), &token, *NOW), Err(Reason::FeedStale));
    assert_eq!(with(&RevocationList::default(), &token, *NOW), Err(Reason::FeedStale));
    assert!(with(&list([first(), page("1", "2")]), &token, *NOW).is_ok());
    assert!(with(&RevocationList::complete_at(*NOW), &token, *NOW).is_ok());
}

#[test]
fn a_page_must_continue_the_list() {
    let mut list = list([page("", "1")]);
    let mut apply = |it| list.apply(signed(it).check(&document(), *NOW).unwrap());
    assert!(matches!(apply(page("2", "3")), Err(FeedError::Gap { .. })));
    assert!(apply(page("1", "2")).is_ok());
    assert!(apply(page("", "2")).is_ok(), "starting over misses nothing");
}

#[test]
fn only_the_issuer_signs_pages() {
    let good = signed(Page { credential_ids: vec!["a".into(), "b".into()], ..page("1", "2") });
    assert!(good.clone().check(&document(), *NOW).is_ok());

    type Change = fn(&mut SignedPage);
    let changes: [(&str, Change); 9] = [
        ("since", |it| it.page.since = "0".to_owned()),
        ("cursor", |it| it.page.cursor = "3".to_owned()),
        ("left out", |it| it.page.credential_ids.truncate(1)),
        ("joined", |it| it.page.credential_ids = vec!["ab".to_owned()]),
        ("moved", |it| it.page.revocation_ids = it.page.credential_ids.split_off(1)),
        ("dated", |it| it.page.issued_at = later(1)),
        ("more", |it| it.page.more = true),
        ("key", |it| it.key_id = 9),
        ("signature", |it| it.signature = it.signature.replace(['0', '1', '2', '3'], "f")),
    ];
    for (what, change) in changes {
        let mut page = good.clone();
        change(&mut page);
        assert!(page.check(&document(), *NOW).is_err(), "{what}");
    }
    let elsewhere = KeysDocument { issuer: "https://other.example".to_owned(), ..document() };
    assert!(good.check(&elsewhere, *NOW).is_err());
}

#[test]
fn a_page_from_the_future_would_never_grow_old() {
    let dated = |issued_at| signed(Page { issued_at, ..page("", "1") }).check(&document(), *NOW);
    assert!(matches!(dated(later(61)), Err(FeedError::Future(_))));
    assert!(dated(later(60)).is_ok());
}

#[test]
fn a_page_survives_json() {
    let page = signed(Page { credential_ids: vec!["a".to_owned()], ..page("1", "2") });
    let text = serde_json::to_string(&page).unwrap();
    assert!(text.starts_with(r#"{"since":"1","cursor":"2","credential_ids":["a"]"#), "{text}");
    let again: SignedPage = serde_json::from_str(&text).unwrap();
    assert!(again.check(&document(), *NOW).is_ok());
}

#[test]
fn what_the_issuer_revokes_itself_counts_at_once() {
    let token = token(&draft());
    let mut list = RevocationList::complete_at(*NOW);
    list.revoke("0199-credential", []);
    assert_eq!(with(&list, &token, *NOW), Err(Reason::Revoked));
}
