//! What a decision costs, and that it costs no more in a large world than in a small one.

use std::sync::Arc;

use futures_util::FutureExt as _;
use gatewright::Result;
use gatewright::authz::{Action, Permit};
use gatewright::credentials::{RequestCredential, ToolRef, Ttl};
use gatewright::policy::Bundle;
use gatewright::policy::shadow::{Sample, Shadowed};
use gatewright::registry::ShowTool;
use serde_json::json;

use crate::alternate::{Side, alternate};
use crate::place::Inhabited;
use crate::report;
use crate::verdicts::Verdicts;

/// Tools that a busy hour is about; in a large world they lie far apart.
const IN_USE: usize = 64;

/// `authorize` from the registry's snapshot to the permit, with everything but the write.
pub fn kinds(small: &Inhabited) {
    report::heading("Decisions, one agent, 100 tools and agents, CPU µs");
    report::columns(&["", "least", "median"]);
    let scopes = small.place.scopes();
    let tool = small.tools.first().unwrap();
    let permit = allowed(small, request(tool.id)).unwrap();
    let life = small.place.authz.world().credentials.life(&permit).unwrap();
    let left = || {
        let call = RequestCredential::call(tool, json!({}));
        small.place.authz.residual(&permit, call, life)
    };
    assert_eq!(left().beyond, None);
    let ask = || small.place.authz.holdable(&small.agent, &scopes).unwrap();
    alternate(vec![
        Side::new("view a tool", turns(small, IN_USE, |tool| ShowTool { tool })),
        Side::new("request a credential", turns(small, IN_USE, request)),
        Side::new("what is left of it for its uses", || drop(left())),
        Side::new("hold a scope, each", move || assert!(!ask().is_empty()))
            .times(small.place.scopes().len() as u32),
    ]);
}

/// The same while another bundle decides beside the active one. What that takes on its own thread
/// nobody waits for.
pub fn shadowed(
    without: &Inhabited,
    with: &Inhabited,
    bundle: &Arc<Bundle>,
    verdicts: &mut Verdicts,
) {
    let (id, since) = (with.place.clock.new_id(), with.place.clock.now());
    let shadowed = Shadowed { id, bundle: bundle.clone(), sample: Sample::ALL, since };
    with.place.authz.shadow().cast(shadowed).unwrap();
    report::heading("Decisions beside a shadow, CPU µs of the thread that decides");
    report::columns(&["", "least", "median"]);
    let view = |tool| ShowTool { tool };
    let measured = alternate(vec![
        Side::new("view a tool", turns(without, IN_USE, view)).on_its_own_thread(),
        Side::new("view, shadowed", turns(with, IN_USE, view)).on_its_own_thread(),
        Side::new("request a credential", turns(without, IN_USE, request)).on_its_own_thread(),
        Side::new("request, shadowed", turns(with, IN_USE, request)).on_its_own_thread(),
    ]);
    verdicts.add("view a tool: shadowed / not", measured.ratio(1, 0), Some(0.0..=1.2));
    verdicts.add("request a credential: shadowed / not", measured.ratio(3, 2), Some(0.0..=1.1));
}

pub fn growth(small: &Inhabited, large: &Inhabited, verdicts: &mut Verdicts) {
    report::heading("Decisions in worlds of two sizes, CPU µs");
    report::columns(&["", "least", "median"]);
    let view = |tool| ShowTool { tool };
    let measured = alternate(vec![
        Side::new("view, 10² tools and agents", turns(small, IN_USE, view)),
        Side::new("view, 10⁵ tools and agents", turns(large, IN_USE, view)),
        Side::new("request, 10² tools and agents", turns(small, IN_USE, request)),
        Side::new("request, 10⁵ tools and agents", turns(large, IN_USE, request)),
        Side::new("view, 10⁵, each tool in turn", turns(large, large.tools.len(), view)),
    ]);
    let goal = Some(0.0..=1.2);
    verdicts.add("view a tool: 10⁵ tools and agents / 10²", measured.ratio(1, 0), goal.clone());
    verdicts.add("request a credential: 10⁵ / 10²", measured.ratio(3, 2), goal);
    let cold = "view: 10⁵, each tool in turn / 10²";
    verdicts.add(cold, measured.ratio(4, 0), None);
}

/// Decides on one tool after another, `in_use` of them spread over the world.
fn turns<'a, A: Action>(
    world: &'a Inhabited,
    in_use: usize,
    ask: impl Fn(uuid::Uuid) -> A + 'a,
) -> impl FnMut() + 'a {
    let step = (world.tools.len() / in_use).max(1);
    let mut tools = world.tools.iter().step_by(step).cycle();
    move || {
        let tool = tools.next().unwrap().id;
        drop(allowed(world, ask(tool)).unwrap());
    }
}

/// An allowed decision waits for nothing: it is written later, with its effect.
fn allowed<A: Action>(world: &Inhabited, action: A) -> Result<Permit<A>> {
    let decided = world.place.authz.authorize(world.agent.clone(), action);
    std::pin::pin!(decided).now_or_never().unwrap()
}

fn request(tool: uuid::Uuid) -> RequestCredential {
    RequestCredential {
        tool: ToolRef::Id(tool),
        scopes: ["read", "translate"].map(str::to_owned).into(),
        ttl: Ttl::Seconds(600),
        on_behalf_of: None,
        holder_key: None,
        constraints: Vec::new(),
    }
}
