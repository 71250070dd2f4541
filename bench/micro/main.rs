//! `cargo bench --bench micro`: what single steps cost, side by side in one run. See README.md.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on stops")]
#![expect(clippy::indexing_slicing, reason = "a measurement that cannot go on stops")]
#![expect(clippy::print_stdout, reason = "figures are for people to read")]

mod alternate;
mod audit;
mod credentials;
mod decide;
mod discovery;
#[path = "../common/figures.rs"]
mod figures;
mod holder;
#[path = "../common/multitude.rs"]
mod multitude;
mod place;
#[path = "../common/report.rs"]
mod report;
mod tokens;
#[path = "../common/verdicts.rs"]
mod verdicts;

use std::path::Path;
use std::sync::Arc;

use gatewright::policy::Bundle;

use self::place::Inhabited;
use self::verdicts::Verdicts;

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bundle = Arc::new(Bundle::starter().unwrap());
    let world = |name: &str, count: u32, change: fn(&Path)| {
        let store = folder.path().join(name);
        runtime.block_on(Inhabited::of(&store, count, &bundle, change))
    };
    let wanted = wanted();
    let wants = |subject: &str| wanted.as_ref().is_none_or(|it| it == subject);
    let (small, mut verdicts) = (world("small.db", 100, |_| {}), Verdicts::default());
    if wants("decide") {
        decide::kinds(&small);
    }
    if wants("shadow") {
        decide::shadowed(&small, &world("shadowed.db", 100, |_| {}), &bundle, &mut verdicts);
    }
    if wants("growth") {
        decide::growth(&small, &world("large.db", 100_000, |_| {}), &mut verdicts);
    }
    if wants("discovery") {
        let open = world("open.db", 10_000, |_| {});
        let closed = world("closed.db", 10_000, discovery::hide_most);
        discovery::measure(&open, &closed, &runtime, &mut verdicts);
    }
    if wants("credentials") {
        credentials::measure(&mut verdicts);
    }
    if wants("tokens") {
        tokens::measure(&small, &runtime, &mut verdicts);
    }
    if wants("audit") {
        audit::measure(&small, folder.path(), &runtime, &mut verdicts);
    }
    verdicts.print();
}

/// The one subject that was asked for on the command line; none asks for all.
fn wanted() -> Option<String> {
    std::env::args().skip(1).find(|it| !it.starts_with("--"))
}
