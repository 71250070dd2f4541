//! What the first page of a long list costs: one decision for each tool that is looked at.

use std::path::Path;

use gatewright::registry::ListTools;
use rusqlite::Connection;
use tokio::runtime::Runtime;

use crate::alternate::{Side, alternate};
use crate::place::Inhabited;
use crate::report;
use crate::verdicts::Verdicts;

const PAGE: usize = 50;

/// `open` shows every tool to its agent, `closed` one in a hundred.
pub fn measure(open: &Inhabited, closed: &Inhabited, runtime: &Runtime, verdicts: &mut Verdicts) {
    report::heading("Discovery, 10,000 tools, a page of 50, CPU µs");
    report::columns(&["", "least", "median"]);
    let page = |world: &Inhabited, after: Option<&str>| {
        let after = after.map(|it| it.parse().unwrap());
        let list = ListTools { page_size: PAGE, after, ..ListTools::default() };
        let seen = runtime.block_on(world.place.authz.visible(world.agent.clone(), list));
        assert_eq!(seen.unwrap().items().len(), PAGE);
    };
    let middle = open.tools[open.tools.len() / 2].name_key();
    let measured = alternate(vec![
        Side::new("first page, all are visible", || page(open, None)),
        Side::new("a page in the middle", || page(open, Some(middle))),
        Side::new("first page, 1 in 100 is visible", || page(closed, None)),
    ]);
    let goal = Some(0.0..=5_000.0);
    verdicts.add("discovery, all visible: first page, µs", measured.of(0), goal.clone());
    verdicts.add("discovery, 1 in 100 visible: first page, µs", measured.of(2), goal);
}

/// Makes all tools but each hundredth require a scope that a translator's token cannot hold.
pub fn hide_most(store: &Path) {
    let hide = "UPDATE tools
                SET body = json_set(body, '$.definition.required_scopes', json('[\"agent:execute\"]'))
                WHERE rowid % 100 != 1";
    Connection::open(store).unwrap().execute(hide, []).unwrap();
}
