//! What an access token costs when it is first seen, and afterwards.

use http::HeaderMap;
use tokio::runtime::Runtime;

use crate::alternate::{Side, alternate};
use crate::holder::Holder;
use crate::place::{Inhabited, PATH, origin, request};
use crate::report;
use crate::verdicts::Verdicts;

/// Enough for every round of the measurement, which cannot see a token for the first time twice.
const TOKENS: usize = 8_000;
/// The same for proofs, which cost more, and are good for a minute.
const PROOFS: usize = 4_000;

pub fn measure(world: &Inhabited, runtime: &Runtime, verdicts: &mut Verdicts) {
    report::heading("Access tokens, CPU µs");
    report::columns(&["", "least", "median"]);
    let tokens: Vec<HeaderMap> =
        (0..TOKENS).map(|_| runtime.block_on(world.fresh_token())).collect();
    let known = runtime.block_on(world.fresh_token());
    let identify = |headers: &HeaderMap| {
        world.place.authn.identify(request(headers), origin()).unwrap();
    };
    let holder = Holder::new();
    let bound = runtime.block_on(world.bound_token(&holder));
    let proven: Vec<HeaderMap> =
        (0..PROOFS).map(|_| holder.headers("GET", PATH, Some(&bound))).collect();
    let (mut unseen, mut proven) = (tokens.iter(), proven.iter());
    let measured = alternate(vec![
        Side::new("first", move || identify(unseen.next().unwrap())),
        Side::new("remembered", || identify(&known)),
        Side::new("bound to a key", move || identify(proven.next().unwrap())),
    ]);
    verdicts.add("remembered access token / first", measured.ratio(1, 0), None);
}
