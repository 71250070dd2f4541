//! Which values are worth trying, and which of those that help are the best.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cedar_policy::EvalResult;
use jiff::Timestamp;

use super::asking::{Asking, Spent, read_by};
use super::bounds::{self, TTL_SECONDS_MAX};
use super::cure::{Cure, Cures};
use super::past::{self, Stays};
use super::suppose::{Choice, required_scopes, scopes_of, suppose};
use super::{later, number};
use crate::authz::Resource as _;
use crate::authz::case::Case;
use crate::authz::facts::{Facts, Mandate, Particulars};
use crate::authz::scope::ScopeResource;
use crate::authz::uid;
use crate::policy::Reads;

/// When something is worked out from times: how closely the moment is looked for, in seconds.
const CLOSELY: i64 = 60;

/// How many more reviews are tried: a bundle that widens needs two, and no rule of ours needs more.
/// None more helps where somebody objected.
const REVIEWS: [u8; 3] = [0, 1, 2];

/// How many combinations of values are looked at: the soonest, and the nearest.
const CHOICES_MAX: usize = 2_000;

/// What was found out about values while searching.
#[derive(Default)]
pub struct Choices {
    holdable: RefCell<BTreeMap<String, bool>>,
    /// Whether there were more values than are looked at.
    cut: Cell<bool>,
    /// With how many policies in the way they were worked out.
    instants: RefCell<Option<(usize, Rc<BTreeSet<Timestamp>>)>>,
}

impl Choice {
    /// Whether a token could hold what was chosen: one that stands for a user holds no more than the
    /// mandate, the old one or, where that is among `cures`, a new one.
    pub fn can_be_held(&self, cures: &Cures, case: &Case) -> bool {
        self.token.iter().all(|it| is_delegated(it, cures, case))
    }

    /// What was chosen for some of the changes in `all`.
    pub fn only(&self, some: &Cures, all: &Cures) -> Choice {
        all.difference(some).fold(self.clone(), |choice, it| choice.without(it))
    }

    /// The same without what was chosen for one change.
    pub fn without(&self, cure: &Cure) -> Choice {
        let mut rest = self.clone();
        match cure {
            Cure::Later => rest.at = None,
            Cure::Argument(pointer) => rest.numbers.retain(|(it, _)| it != pointer),
            Cure::Before(name) => rest.before.retain(|(it, _)| it != name),
            Cure::Network => rest.network = None,
            Cure::Ttl => rest.ttl_seconds = None,
            Cure::Review => rest.reviews = 0,
            Cure::Scopes => (rest.token, rest.ask) = (BTreeSet::new(), None),
            _ => {}
        }
        rest
    }
}

impl Choices {
    /// Every choice that these changes leave, the soonest first.
    pub fn of(
        &self,
        cures: &Cures,
        case: &Case,
        asking: &Asking<'_>,
    ) -> Result<Vec<Choice>, Spent> {
        let reads = asking.seen(case);
        let mut choices = vec![Choice::default()];
        if cures.contains(&Cure::Later) {
            let instants = self.instants(&reads, case, asking);
            let at = |it: &Timestamp| Choice { at: Some(*it), ..Choice::default() };
            choices = instants.iter().map(at).collect();
        }
        for pointer in cures.iter().filter_map(argument) {
            let values = values_of(case, &reads, pointer, asking);
            choices = each(&choices, &values, |choice, value| {
                choice.numbers.push((pointer.clone(), *value));
            });
        }
        let stays = if cures.contains(&Cure::Later) { Stays::No } else { Stays::Yes };
        for name in cures.iter().filter_map(fact) {
            let counts = past::more(&reads, case, asking.bundle, (name, stays));
            choices = each(&choices, &counts, |choice, it| choice.before.push((name.clone(), *it)));
        }
        if cures.contains(&Cure::Network) {
            let all: Vec<usize> = (0..asking.reach.networks.len()).collect();
            choices = each(&choices, &all, |choice, at| choice.network = Some(*at));
        }
        if cures.contains(&Cure::Review) {
            choices = each(&choices, &REVIEWS, |choice, more| choice.reviews = *more);
        }
        if cures.contains(&Cure::Ttl) {
            choices = each(&choices, &[1], |choice, seconds| choice.ttl_seconds = Some(*seconds));
        }
        if cures.contains(&Cure::Scopes) {
            let more = self.more_scopes(cures, case, &reads, asking)?;
            let mut asks = asks(case, &reads);
            // With neither more in the token nor less asked for, nothing is otherwise.
            asks.retain(|it| it.is_some() || !more.is_empty());
            choices = each(&choices, &asks, |choice, ask| choice.ask = ask.clone());
            choices.iter_mut().for_each(|it| it.token = more.clone());
        }
        if choices.len() > CHOICES_MAX {
            self.cut.set(true);
            choices.truncate(CHOICES_MAX);
        }
        Ok(choices)
    }

    /// When it is worth asking again: worked out anew where more policies are in the way by now.
    fn instants(
        &self,
        reads: &[&Reads],
        case: &Case,
        asking: &Asking<'_>,
    ) -> Rc<BTreeSet<Timestamp>> {
        let seen = asking.seen_count();
        if let Some((of, known)) = &*self.instants.borrow()
            && *of == seen
        {
            return known.clone();
        }
        let all = Rc::new(later::instants(reads, case, asking.bundle, asking.reach));
        *self.instants.borrow_mut() = Some((seen, all.clone()));
        all
    }

    /// Whether there were more values than were looked at.
    pub fn were_cut(&self) -> bool {
        self.cut.get()
    }

    /// The best of the values near those that were found to help: the longest lifetime, the number
    /// nearest to the one that was sent, no scope that is not needed, and none that could be kept.
    pub fn refined(
        &self,
        cures: &Cures,
        mut choice: Choice,
        case: &Case,
        asking: &Asking<'_>,
    ) -> Result<Choice, Spent> {
        let holds =
            |choice: &Choice| match suppose(case, cures, choice, asking.bundle, asking.reach) {
                Some(supposed) => asking.allows_supposed(&supposed),
                None => Ok(false),
            };
        sooner(&mut choice, case, asking, &holds)?;
        nearer(&mut choice, asking, &holds)?;
        fewer_scopes(&mut choice, case, &holds)?;
        longer(&mut choice, case, asking, &holds)?;
        Ok(choice)
    }

    /// What another access token could hold besides, of what is looked for in one.
    fn more_scopes(
        &self,
        cures: &Cures,
        case: &Case,
        reads: &[&Reads],
        asking: &Asking<'_>,
    ) -> Result<BTreeSet<String>, Spent> {
        let looking = reads.iter().filter(|it| it.reads("token.scopes"));
        let mut wanted: BTreeSet<String> = looking.flat_map(|it| it.scopes.clone()).collect();
        wanted.extend(required_scopes(case));
        let mut more = BTreeSet::new();
        for scope in wanted.difference(&case.facts.token_scopes) {
            if is_delegated(scope, cures, case) && self.could_hold(scope, case, asking)? {
                more.insert(scope.clone());
            }
        }
        Ok(more)
    }

    fn could_hold(&self, scope: &str, case: &Case, asking: &Asking<'_>) -> Result<bool, Spent> {
        if let Some(known) = self.holdable.borrow().get(scope) {
            return Ok(*known);
        }
        let resource = ScopeResource::new(scope);
        let mut entities = case.entities.clone();
        entities.extend(resource.entity().cloned());
        let question = Case {
            principal: case.principal.clone(),
            action: uid::action("hold_scope"),
            resource: resource.uid(),
            others: Some(Vec::new()),
            facts: Facts { delegation: None, particulars: Particulars::Base, ..case.facts.clone() },
            entities,
            links: case.links.clone(),
        };
        let holds = asking.allows(&question)?;
        self.holdable.borrow_mut().insert(scope.to_owned(), holds);
        Ok(holds)
    }
}

/// Whether a token may hold the scope as far as mandates go.
fn is_delegated(scope: &str, cures: &Cures, case: &Case) -> bool {
    case.facts.delegation.as_ref().is_none_or(|it| {
        let allows = |it: &Mandate| it.scopes.contains(scope);
        cures.contains(&Cure::Mandate) || it.mandate.as_ref().is_some_and(allows)
    })
}

fn argument(cure: &Cure) -> Option<&String> {
    match cure {
        Cure::Argument(pointer) => Some(pointer),
        _ => None,
    }
}

fn fact(cure: &Cure) -> Option<&String> {
    match cure {
        Cure::Before(name) => Some(name),
        _ => None,
    }
}

/// Each of the choices with each of the values; one more than are looked at is enough to know it.
fn each<T>(choices: &[Choice], values: &[T], set: impl Fn(&mut Choice, &T)) -> Vec<Choice> {
    let with = |choice: &Choice, value: &T| {
        let mut choice = choice.clone();
        set(&mut choice, value);
        choice
    };
    choices
        .iter()
        .flat_map(|it| values.iter().map(move |value| (it, value)))
        .map(|(it, value)| with(it, value))
        .take(CHOICES_MAX + 1)
        .collect()
}

/// What could be sent instead, by what stands in the way.
fn values_of(case: &Case, reads: &[&Reads], pointer: &str, asking: &Asking<'_>) -> Vec<i128> {
    let Some(sent) = asking.possible.numbers.get(pointer) else { return Vec::new() };
    let literals = number::literals(reads.iter().copied(), pointer);
    let rests = past::rests(reads, pointer, case, asking.bundle);
    sent.instead(literals.chain(rests))
}

/// What could be asked for instead: the scopes as they are, those that tool and mandate offer, and
/// those that the policies in the way name or don't name.
fn asks(case: &Case, reads: &[&Reads]) -> Vec<Option<BTreeSet<String>>> {
    let Particulars::Credential { ask, .. } = &case.facts.particulars else { return vec![None] };
    let mut offered = scopes_of(case, "allowed_scopes");
    if let Some(it) = &case.facts.delegation {
        offered.retain(|scope| it.mandate.as_ref().is_some_and(|it| it.scopes.contains(scope)));
    }
    let looking = reads.iter().filter(|it| it.reads("ask.scopes"));
    let named: BTreeSet<String> = looking.flat_map(|it| it.scopes.clone()).collect();
    let within: BTreeSet<String> = ask.scopes.intersection(&offered).cloned().collect();
    let variants = [
        within.clone(),
        within.difference(&named).cloned().collect(),
        within.intersection(&named).cloned().collect(),
    ];
    let mut asks = vec![None];
    for fewer in variants.into_iter().chain(within.into_iter().map(|it| [it].into())) {
        let is_new = fewer != ask.scopes && !asks.contains(&Some(fewer.clone()));
        if !fewer.is_empty() && is_new {
            asks.push(Some(fewer));
        }
    }
    asks
}

type Holds<'a> = dyn Fn(&Choice) -> Result<bool, Spent> + 'a;

/// Where times are worked out, the hour that helps becomes the minute.
fn sooner(
    choice: &mut Choice,
    case: &Case,
    asking: &Asking<'_>,
    holds: &Holds<'_>,
) -> Result<(), Spent> {
    let (Some(at), true) = (choice.at, asking.seen(case).iter().any(|it| it.computes_time)) else {
        return Ok(());
    };
    let with = |second: i64| Choice { at: Timestamp::from_second(second).ok(), ..choice.clone() };
    let (mut good, now) = (at.as_second(), case.facts.clock.now().as_second());
    let mut bad = (good - 3_600).max(now);
    while good - bad > CLOSELY {
        // On full minutes, as hours are.
        let middle = bad.midpoint(good);
        let middle = middle + (CLOSELY - middle.rem_euclid(CLOSELY)).rem_euclid(CLOSELY);
        if middle >= good {
            break;
        }
        if holds(&with(middle))? { good = middle } else { bad = middle }
    }
    *choice = with(good);
    Ok(())
}

fn nearer(choice: &mut Choice, asking: &Asking<'_>, holds: &Holds<'_>) -> Result<(), Spent> {
    for at in 0..choice.numbers.len() {
        let Some((pointer, good)) = choice.numbers.get(at).cloned() else { continue };
        let Some(number) = asking.possible.numbers.get(&pointer) else { continue };
        let with = |steps: i128| {
            let mut other = choice.clone();
            if let Some(it) = other.numbers.get_mut(at) {
                it.1 = steps * number.step;
            }
            other
        };
        let steps = |it: i128| it.div_euclid(number.step);
        let bad = steps(if number.is_exact { number.sent } else { number.nearest() });
        let best = bounds::boundary(steps(good), bad, |steps| holds(&with(steps)))?;
        *choice = with(best);
    }
    Ok(())
}

fn fewer_scopes(choice: &mut Choice, case: &Case, holds: &Holds<'_>) -> Result<(), Spent> {
    for scope in choice.token.clone() {
        let mut fewer = choice.clone();
        fewer.token.remove(&scope);
        if holds(&fewer)? {
            *choice = fewer;
        }
    }
    let Particulars::Credential { ask, .. } = &case.facts.particulars else { return Ok(()) };
    for scope in &ask.scopes {
        let Some(asked) = &choice.ask else { break };
        if !asked.contains(scope) {
            let more = asked.iter().chain([scope]).cloned().collect();
            let more = Choice { ask: Some(more), ..choice.clone() };
            if holds(&more)? {
                *choice = more;
            }
        }
    }
    Ok(())
}

fn longer(
    choice: &mut Choice,
    case: &Case,
    asking: &Asking<'_>,
    holds: &Holds<'_>,
) -> Result<(), Spent> {
    if choice.ttl_seconds.is_none() {
        return Ok(());
    }
    let with = |seconds: u64| Choice { ttl_seconds: Some(seconds), ..choice.clone() };
    let remaining = case.facts.delegation.as_ref().map(|it| it.remaining_seconds);
    let others = remaining.into_iter().chain(longest_of_tool(case));
    let mut refused = TTL_SECONDS_MAX + 1;
    for seconds in bounds::lifetimes(read_by(case, asking.bundle).into_iter(), others) {
        if holds(&with(seconds))? {
            let unsigned = |it: i128| u64::try_from(it).unwrap_or_default();
            let best =
                bounds::boundary(seconds.into(), refused.into(), |it| holds(&with(unsigned(it))))?;
            *choice = with(unsigned(best));
            return Ok(());
        }
        refused = seconds;
    }
    Ok(())
}

/// The ceiling that the tool's publisher chose.
fn longest_of_tool(case: &Case) -> Option<u64> {
    let Some(Ok(EvalResult::ExtensionValue(text))) = case.entity(&case.resource)?.attr("max_ttl")
    else {
        return None;
    };
    let written = text.split('"').nth(1)?;
    let ms = crate::policy::milliseconds(written)?;
    u64::try_from(ms.div_euclid(1_000)).ok()
}
