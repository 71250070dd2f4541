//! Limits that hold to the last unit, and give away all of it, however many ask at once and where.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Scene, call, limited, refused};
use crate::harness::{Answer, Caller};

const REASON: &str = "history.limit";

/// As many calls as there are arguments, by turns on each of the replicas.
async fn many(by: &[Caller], path: &str, arguments: impl Iterator<Item = Value>) -> Vec<Answer> {
    join_all(arguments.enumerate().map(|(n, it)| call(&by[n % by.len()], path, it))).await
}

/// Those that were allowed; the others were refused for the limit's sake.
#[track_caller]
fn allowed(answers: &[Answer]) -> Vec<&Answer> {
    let (yes, no): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
    no.into_iter().for_each(|it| refused(it, REASON));
    yes
}

/// Two replicas where `replicas`, and those who ask.
async fn scene(rules: &(String, String), replicas: bool) -> (Scene, Vec<Caller>, String) {
    let mut scene = match replicas {
        true => Scene::on_postgres(rules).await,
        false => Scene::new(rules).await,
    };
    let path = scene.tool("read", "counted", "/read").await;
    let mut by = vec![scene.admin.clone()];
    if replicas {
        by.push(scene.join().await);
    }
    (scene, by, path)
}

async fn calls(replicas: bool) {
    let rules = limited("", "context.history.counted > 100");
    let (scene, by, path) = scene(&rules, replicas).await;
    let answers = many(&by, &path, (0..200).map(|_| json!({}))).await;
    assert_eq!(allowed(&answers).len(), 100);
    assert_eq!(scene.upstream.calls(), 100);
    refused(&call(&by[0], &path, json!({})).await, REASON);
}

#[tokio::test]
async fn of_two_hundred_calls_at_once_a_hundred_are_made() {
    calls(false).await;
}

#[tokio::test]
async fn of_two_hundred_calls_at_once_on_two_replicas_a_hundred_are_made() {
    calls(true).await;
}

async fn values(replicas: bool) {
    let count = "count = \"distinct\"\nof = \"/id\"";
    let rules = limited(count, "context.history.counted > 40");
    let (_scene, by, path) = scene(&rules, replicas).await;
    let ids = |n: usize| json!({ "id": n % 80, "n": n });
    let answers = many(&by, &path, (0..200).map(ids)).await;
    let places = answers.iter().enumerate().filter(|(_, it)| it.status == 200);
    let mut seen: Vec<usize> = places.map(|(n, _)| n % 80).collect();
    assert!(seen.len() >= 40, "{}", seen.len());
    seen.sort_unstable();
    seen.dedup();
    allowed(&answers);
    assert_eq!(seen.len(), 40);
    // Whoever was seen can be seen again, and nobody else.
    for id in 0..80 {
        let again = call(&by[0], &path, json!({ "id": id })).await;
        assert_eq!(again.status == 200, seen.contains(&id), "{id}");
    }
}

#[tokio::test]
async fn of_eighty_different_ones_at_once_forty_are_seen() {
    values(false).await;
}

#[tokio::test]
async fn of_eighty_different_ones_at_once_on_two_replicas_forty_are_seen() {
    values(true).await;
}

async fn sums(replicas: bool) {
    let count = "count = \"sum\"\nof = \"/amount\"";
    let rules = limited(count, "context.history.counted.greaterThan(decimal(\"100.00\"))");
    let (_scene, by, path) = scene(&rules, replicas).await;
    let amounts = |n: usize| json!({ "amount": ([0.01, 3.0, 7.5][n % 3]) });
    let answers = many(&by, &path, (0..60).map(amounts)).await;
    allowed(&answers);
    let cents = |n: usize| [1, 300, 750][n % 3];
    let places = answers.iter().enumerate().filter(|(_, it)| it.status == 200);
    let spent: usize = places.map(|(n, _)| cents(n)).sum();
    assert!((10_000 - 300..=10_000).contains(&spent), "{spent}");
    let left = f64::from(10_000 - u32::try_from(spent).unwrap()) / 100.0;
    call(&by[0], &path, json!({ "amount": left })).await.expect(200);
    refused(&call(&by[0], &path, json!({ "amount": 0.0001 })).await, REASON);
}

#[tokio::test]
async fn sums_come_up_to_their_limit_and_no_further() {
    sums(false).await;
}

#[tokio::test]
async fn sums_come_up_to_their_limit_and_no_further_on_two_replicas() {
    sums(true).await;
}

async fn at_the_limit(replicas: bool) {
    let rules = limited("", "context.history.counted > 10");
    let (scene, by, path) = scene(&rules, replicas).await;
    // May use nothing: what it asks for is counted, and refused for something else.
    let (_, nobody) = scene.gate().agent("nobody", "translator").await;
    let hopeless = many(std::slice::from_ref(&nobody), &path, (0..60).map(|_| json!({})));
    let (hopeless, answers) = tokio::join!(hopeless, many(&by, &path, (0..9).map(|_| json!({}))));
    assert!(hopeless.iter().all(|it| it.status == 403 || it.status == 404));
    assert_eq!(allowed(&answers).len(), 9, "nobody is refused for the refused");
    let answers = many(&by, &path, (0..2).map(|_| json!({}))).await;
    assert_eq!(allowed(&answers).len(), 1, "of two for one place");
}

#[tokio::test]
async fn the_refused_take_nothing_and_one_of_two_gets_the_last_place() {
    at_the_limit(false).await;
}

#[tokio::test]
async fn the_refused_take_nothing_and_one_of_two_gets_the_last_place_on_two_replicas() {
    at_the_limit(true).await;
}
