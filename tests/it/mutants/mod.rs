//! Thousands of damaged requests for every route: each is answered, none is our fault, and what
//! changed is what the answers say.

mod damage;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use gatewright::http::{Kind, routes};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use self::damage::{Request, damage};
use self::world::World;
use crate::harness::Wire;
use crate::harness::wire::Said;

/// How many requests of each caller for each route.
const EACH: usize = 40;
/// For routes that hash a password each time.
const EACH_OF_SLOW: usize = 8;
const LANES: usize = 6;

/// Whether an answer is one that a caller can be given for its own mistakes, or for none.
fn check(request: &Request, said: &Said) {
    let shown = String::from_utf8_lossy(&request.bytes()).into_owned();
    assert!(said.status < 500, "{shown}\n{}\n{}", said.head, said.text());
    // HTTP that cannot be parsed never reaches us.
    if said.status == 400 && said.body.is_empty() {
        return;
    }
    assert!(said.header("x-request-id").is_some(), "{shown}\n{}", said.head);
    let kind = said.header("content-type").unwrap_or_default();
    let body_expected = said.status >= 400 && request.method != "HEAD";
    if body_expected && !request.path.starts_with("/oauth/") {
        assert_eq!(kind, "application/problem+json", "{shown}\n{}", said.text());
    }
}

/// Sends the requests over a few connections at once; gives what was created and what was deleted.
async fn send_all(world: &World, requests: &[Request]) -> Vec<(Request, Said)> {
    let lane = async |first: usize| {
        let mut wire = Wire::open(&world.gate.url).await;
        let mut answers = Vec::new();
        for request in requests.iter().skip(first).step_by(LANES) {
            let said = wire.ask(&request.bytes()).await;
            check(request, &said);
            if said.status == 400 && said.body.is_empty()
                || said.header("connection") == Some("close")
            {
                wire = Wire::open(&world.gate.url).await;
            }
            answers.push((request.clone(), said));
        }
        answers
    };
    join_all((0..LANES).map(lane)).await.into_iter().flatten().collect()
}

/// Damaged requests for every route, in an order of their own.
///
/// `spare` signs out in place of `token`, which would be good for nothing afterwards.
fn mutants(
    world: &World,
    rng: &mut StdRng,
    token: Option<&str>,
    spare: Option<&str>,
) -> Vec<Request> {
    let mut all = Vec::new();
    // What is told as it happens has no end to wait for.
    let endless = |path: &str| path.ends_with("/events");
    for route in routes().into_iter().filter(|it| token.is_none() || !endless(it.path)) {
        let slow = route.path.starts_with("/api/v1/auth/") || route.path == "/api/v1/users";
        let slow = slow && route.method == "POST";
        let token = if route.path.ends_with("/logout") { spare } else { token };
        for _ in 0..if slow { EACH_OF_SLOW } else { EACH } {
            let mut request = world.sample(route.method.as_str(), route.path);
            if let Some(token) = token {
                request.headers.push(("authorization", format!("Bearer {token}")));
            }
            for _ in 0..rng.random_range(1..=2) {
                damage(rng, &mut request);
            }
            all.push(request);
        }
    }
    all
}

/// What the answers say was made, by list.
fn created(answers: &[(Request, Said)]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    // Clients of OAuth are in no list, one's own second factors and versions of tools in their own.
    let unlisted = ["/oauth/register", "/api/v1/auth/factors/totp"];
    let listed = |(request, said): &&(Request, Said)| {
        let is_version = request.path.ends_with("/versions");
        said.status == 201 && !is_version && !unlisted.contains(&&*request.path)
    };
    for (_, said) in answers.iter().filter(listed) {
        let list = said.header("location").unwrap().split('/').nth(3).unwrap();
        *counts.entry(list.to_owned()).or_default() += 1;
    }
    counts
}

/// How many of a list the answers say are gone; whoever asks again is told that there is none.
fn revoked(answers: &[(Request, Said)], list: &str) -> usize {
    let list = format!("/api/v1/{list}/");
    let gone =
        |(request, said): &&(Request, Said)| said.status == 204 && request.path.starts_with(&list);
    answers.iter().filter(gone).count()
}

fn public_paths() -> BTreeSet<&'static str> {
    routes().iter().filter(|it| it.kind == Kind::Public).map(|it| it.path).collect()
}

#[tokio::test]
async fn every_damaged_request_is_answered_and_none_does_what_it_should_not() {
    let world = World::new().await;
    let mut rng = StdRng::seed_from_u64(20_261_121);
    let mut before = world.counts().await;

    let nobodys = send_all(&world, &mutants(&world, &mut rng, None, None)).await;
    for (request, said) in &nobodys {
        let open = public_paths().contains(&*request.path) || request.path.starts_with("/docs/");
        let refused = ![200, 201, 204].contains(&said.status);
        assert!(open || refused, "{} {}: {}", request.method, request.path, said.text());
    }
    // Anybody may register as a user, and nobody may make anything else.
    let registered = created(&nobodys);
    assert!(registered.keys().all(|it| it == "users"), "{registered:?}");
    *before.get_mut("users").unwrap() += registered.get("users").unwrap_or(&0);
    assert_eq!(world.counts().await, before);
    let (users, agents) = (world.list("users").await, world.list("agents").await);
    let tools = world.list("tools").await;

    let (token, spare) = (world.agent.token.clone(), world.gate.machine(&world.asks).await.token);
    let requests = mutants(&world, &mut rng, token.as_deref(), spare.as_deref());
    let agents_answers = send_all(&world, &requests).await;
    let made = created(&agents_answers);
    assert!(made.keys().all(|it| it == "credentials"), "{made:?}");
    assert_eq!(world.list("users").await, users);
    assert_eq!(world.list("agents").await, agents);
    assert_eq!(world.list("tools").await, tools);

    let (token, spare) = (world.gate.admin().await.token, world.gate.admin().await.token);
    let requests = mutants(&world, &mut rng, token.as_deref(), spare.as_deref());
    let answers = send_all(&world, &requests).await;
    let deleted = answers
        .iter()
        .filter(|(request, said)| said.status == 204 && request.path.starts_with("/api/v1/tools/"))
        // One's own account with a tool is one's own to forget.
        .filter(|(request, _)| !request.path.contains("/account"));
    assert_eq!(deleted.count(), 0, "no token was elevated");
    let mut expected = before;
    for (list, count) in made.into_iter().chain(created(&answers)) {
        *expected.get_mut(&list).unwrap() += count;
    }
    for list in ["api-keys", "grants"] {
        *expected.get_mut(list).unwrap() -= revoked(&answers, list);
    }
    assert_eq!(world.counts().await, expected);

    let figures = world.gate.anyone().get("/metrics").await.text;
    assert!(figures.contains("gatewright_panics_total 0"), "{figures}");
    let ready = world.gate.anyone().get("/readyz").await.expect(200);
    assert_eq!(ready["status"], "ok", "{ready}");
    tell(&[&nobodys, &agents_answers, &answers]);
}

/// How the requests were answered; there is an answer of each kind that damage can have.
fn tell(answers: &[&Vec<(Request, Said)>]) {
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for (_, said) in answers.iter().copied().flatten() {
        *statuses.entry(said.status).or_default() += 1;
    }
    for status in [200, 201, 400, 401, 403, 404, 405, 409, 415, 422] {
        assert!(statuses.contains_key(&status), "{status}: {statuses:?}");
    }
}

/// Damage anywhere, frame and all: an answer is not owed, a living server is.
#[tokio::test]
async fn damaged_bytes_harm_nobody() {
    let world = World::new().await;
    let before = world.counts().await;
    let mut rng = StdRng::seed_from_u64(7);
    // Anybody may register, by whatever name the damage makes of theirs.
    let all = routes().into_iter().filter(|it| it.path != "/api/v1/register/user");
    let samples: Vec<Vec<u8>> =
        all.map(|it| world.sample(it.method.as_str(), it.path).bytes()).collect();
    let mut damaged = Vec::new();
    for _ in 0..600 {
        let mut bytes = samples.choose(&mut rng).unwrap().clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..3) {
                0 => bytes[at] ^= 1 << rng.random_range(0..8),
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, rng.random()),
            }
        }
        damaged.push(bytes);
    }
    let lane = async |first: usize| {
        for bytes in damaged.iter().skip(first).step_by(LANES) {
            let mut wire = Wire::open(&world.gate.url).await;
            let _ = wire.send(bytes).await;
            wire.finish().await;
            if let Some(said) = wire.answer().await {
                assert!(said.status < 500, "{}\n{}", String::from_utf8_lossy(bytes), said.text());
            }
        }
    };
    join_all((0..LANES).map(lane)).await;
    assert_eq!(world.counts().await, before);
    let figures = world.gate.anyone().get("/metrics").await.text;
    assert!(figures.contains("gatewright_panics_total 0"), "{figures}");
}
