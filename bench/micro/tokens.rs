//! What an access token costs when it is first seen, and afterwards.

use http::HeaderMap;
use tokio::runtime::Runtime;

use crate::alternate::{Side, alternate};
use crate::place::{Inhabited, origin};
use crate::report;
use crate::verdicts::Verdicts;

/// Enough for every round of the measurement, which cannot see a token for the first time twice.
const TOKENS: usize = 8_000;

pub fn measure(world: &Inhabited, runtime: &Runtime, verdicts: &mut Verdicts) {
    report::heading("Access tokens, CPU µs");
    report::columns(&["", "least", "median"]);
    let tokens: Vec<HeaderMap> =
        (0..TOKENS).map(|_| runtime.block_on(world.fresh_token())).collect();
    let known = runtime.block_on(world.fresh_token());
    let identify = |headers: &HeaderMap| {
        world.place.authn.identify(headers, origin()).unwrap();
    };
    let mut unseen = tokens.iter();
    let measured = alternate(vec![
        Side::new("first", move || identify(unseen.next().unwrap())),
        Side::new("remembered", || identify(&known)),
    ]);
    verdicts.add("remembered access token / first", measured.ratio(1, 0), None);
}
