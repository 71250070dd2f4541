//! A request as it would be, had some things been otherwise.

use std::collections::BTreeSet;

use cedar_policy::{Entity, EntityUid, EvalResult, RestrictedExpression};
use jiff::{SignedDuration, Timestamp};

use super::Reach;
use super::cure::{Cure, Cures};
use super::{later, number, past};
use crate::authz::case::Case;
use crate::authz::facts::{Age, Approval, ApprovalState, Facts, Mandate, Particulars, Tally};
use crate::authz::uid::{Kind, uid};
use crate::policy::Bundle;

/// The id of what somebody would have to make first.
const SUPPOSED: &str = "supposed";
const APPROVAL_HOLDS: SignedDuration = SignedDuration::from_mins(5);
const MANDATE_HOLDS: SignedDuration = SignedDuration::from_hours(1);
const PROBE_HOLDS: SignedDuration = SignedDuration::from_hours(24);
/// What was chosen for the changes that have a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    pub at: Option<Timestamp>,
    /// Ten-thousandths, by JSON pointer.
    pub numbers: Vec<(String, i128)>,
    /// What of the past is there then, by the fact's name.
    pub before: Vec<(String, Tally)>,
    /// The place in [`Reach::networks`].
    pub network: Option<usize>,
    /// Scopes that the access token holds besides.
    pub token: BTreeSet<String>,
    /// The only scopes that are asked for.
    pub ask: Option<BTreeSet<String>>,
    pub ttl_seconds: Option<u64>,
    /// So many more people say yes to the bundle.
    pub reviews: u8,
}

/// A request as it might be.
#[derive(Clone, Debug)]
pub struct Supposed {
    pub case: Case,
    /// The same, where what happened before has left its window by then: nobody knows.
    pub faded: Option<Case>,
}

/// `case` with `cures`, and in them what was chosen. None where one of them cannot be supposed.
///
/// Time goes on first: whatever is proven or given anew is given then.
pub fn suppose(
    case: &Case,
    cures: &Cures,
    choice: &Choice,
    bundle: &Bundle,
    reach: &Reach,
) -> Option<Supposed> {
    let mut facts = match choice.at {
        Some(at) => {
            let history = case.facts.history.is_some().then(|| past::at(at, case, bundle));
            Facts { history, ..later::facts_at(at, &case.facts, bundle, reach)? }
        }
        None => case.facts.clone(),
    };
    let mut resource = None;
    choose(&mut facts, choice, reach)?;
    happen(&mut facts, choice, case, bundle)?;
    for cure in cures {
        match cure {
            Cure::Mfa => {
                facts.session.mfa_age = Some(Age::ZERO);
                facts.session.aal = facts.session.aal.max(2);
            }
            Cure::Reauth => facts.session.reauth_age = Some(Age::ZERO),
            Cure::Mandate => mandate(case, &mut facts)?,
            Cure::Probe => resource = Some(probed(case, facts.clock.now())?),
            Cure::Review => resource = Some(reviewed(case, choice.reviews)?),
            Cure::Confirm => {
                let Particulars::Call { call, .. } = &mut facts.particulars else { return None };
                call.confirmed = true;
            }
            Cure::Approval => approve(case, &mut facts)?,
            Cure::Scopes
            | Cure::Ttl
            | Cure::Argument(_)
            | Cure::Before(_)
            | Cure::Later
            | Cure::Network => {}
        }
    }
    let faded = choice.at.and_then(|_| {
        let anew = choice.before.iter().map(|(name, _)| name.as_str()).collect();
        past::faded(facts.history.as_ref()?, &anew, case, bundle)
    });
    let faded = faded.map(|it| Facts { history: Some(it), ..facts.clone() });
    let with = |facts: Facts| match &resource {
        Some(it) => case.with(facts).about(it.clone()),
        None => case.with(facts),
    };
    Some(Supposed { case: with(facts), faded: faded.map(with) })
}

/// The past as it is then.
fn happen(facts: &mut Facts, choice: &Choice, case: &Case, bundle: &Bundle) -> Option<()> {
    let Some(mut history) = facts.history.take() else { return Some(()) };
    for (pointer, amount) in &choice.numbers {
        history = past::sending(&history, (pointer, *amount), case, bundle)?;
    }
    facts.history = Some(history.with(&choice.before.iter().cloned().collect()));
    Some(())
}

fn choose(facts: &mut Facts, choice: &Choice, reach: &Reach) -> Option<()> {
    facts.token_scopes.extend(choice.token.iter().cloned());
    if let Some(at) = choice.network {
        facts.net = reach.networks.get(at)?.facts.clone();
    }
    if let Particulars::Credential { ask, .. } = &mut facts.particulars {
        ask.ttl_seconds = choice.ttl_seconds.unwrap_or(ask.ttl_seconds);
        if let Some(scopes) = &choice.ask {
            ask.scopes = scopes.clone();
        }
    }
    if let (Particulars::Call { call, .. }, false) =
        (&mut facts.particulars, choice.numbers.is_empty())
    {
        for (pointer, units) in &choice.numbers {
            *call.arguments.pointer_mut(pointer)? = number::written(*units)?;
        }
        // It is another call: no approval of this one is good for it.
        call.digest = SUPPOSED.to_owned();
    }
    Some(())
}

/// Gives an approval for exactly this request, as an approver would.
fn approve(case: &Case, facts: &mut Facts) -> Option<()> {
    let is_agent = |it: &&EntityUid| Kind::of(it.type_name()) == Some(Kind::Agent);
    let id = |it: &EntityUid| it.id().unescaped().to_owned();
    let asks = Some(&case.principal);
    let user = facts.delegation.as_ref().map(|it| it.user.clone());
    let expires_at = facts.clock.now() + APPROVAL_HOLDS;
    let Particulars::Call { call, approval, .. } = &mut facts.particulars else { return None };
    *approval = Some(Approval {
        id: SUPPOSED.into(),
        state: ApprovalState::Approved,
        agent: asks.filter(is_agent).map(id),
        chain: case.principals().filter(is_agent).map(id).collect(),
        user: user.or_else(|| asks.filter(|it| !is_agent(it)).map(id)),
        parties: BTreeSet::new(),
        tool: id(&case.resource),
        digest: call.digest.clone(),
        approved_by: BTreeSet::new(),
        expires_at,
        tool_owner: String::new(),
    });
    Some(())
}

/// Gives the mandate that the user would have to give: for this tool, and for what is asked.
fn mandate(case: &Case, facts: &mut Facts) -> Option<()> {
    let now = facts.clock.now();
    let mut scopes = required_scopes(case);
    match &facts.particulars {
        Particulars::Credential { ask, .. } => scopes.extend(ask.scopes.iter().cloned()),
        // A token that stands for the user holds no more than the mandate.
        Particulars::Find => scopes.extend(facts.token_scopes.iter().cloned()),
        _ => {}
    }
    let delegation = facts.delegation.as_mut()?;
    let before = delegation.mandate.as_ref();
    scopes.extend(before.into_iter().flat_map(|it| it.scopes.iter().cloned()));
    let kept = before.map(|it| it.tools.clone());
    let tools = match Kind::of(case.resource.type_name()) {
        Some(Kind::Tool) => set_of(case, kept.as_deref())?,
        _ => kept.unwrap_or_default(),
    };
    let max_depth = before.map_or(1, |it| it.max_depth).max(delegation.depth);
    delegation.remaining_seconds = MANDATE_HOLDS.as_secs().unsigned_abs();
    delegation.mandate = Some(Mandate {
        id: SUPPOSED.into(),
        user: delegation.user.clone(),
        agent: delegation.agent.clone(),
        scopes,
        tools,
        not_before: now,
        expires_at: now + MANDATE_HOLDS,
        max_depth,
        revoked: false,
    });
    Some(())
}

/// A set that the tool is in: the one that the mandate names, where it is, or the first.
fn set_of(case: &Case, named: Option<&str>) -> Option<String> {
    let (_, _, parents) = case.entity(&case.resource)?.clone().into_inner();
    let sets = parents.into_iter().filter(|it| Kind::of(it.type_name()) == Some(Kind::ToolSet));
    let mut sets: Vec<String> = sets.map(|it| it.id().unescaped().to_owned()).collect();
    sets.sort_unstable();
    let named = sets.iter().find(|it| Some(it.as_str()) == named).cloned();
    named.or_else(|| sets.into_iter().next())
}

/// The tool as it would be if its server had just been probed.
fn probed(case: &Case, now: Timestamp) -> Option<Entity> {
    let until = now.checked_add(PROBE_HOLDS).ok()?;
    let until = until.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    altered(case, [("probe_valid_until", RestrictedExpression::new_datetime(until))])
}

/// The bundle as it would be after so many more reviews by somebody else, and when nobody objects.
fn reviewed(case: &Case, reviews: u8) -> Option<Entity> {
    let bundle = case.entity(&case.resource)?;
    let Some(Ok(EvalResult::Long(count))) = bundle.attr("review_count") else { return None };
    let Some(Ok(EvalResult::Set(reviewers))) = bundle.attr("reviewers") else { return None };
    let before = reviewers.iter().filter_map(|it| match it {
        EvalResult::EntityUid(it) => Some(it.clone()),
        _ => None,
    });
    let more = (0..reviews).map(|number| uid(Kind::User, &format!("{SUPPOSED}-{number}")));
    let reviewers = before.chain(more).map(RestrictedExpression::new_entity_uid);
    altered(
        case,
        [
            ("reviewers", RestrictedExpression::new_set(reviewers)),
            ("review_count", RestrictedExpression::new_long(count + i64::from(reviews))),
            ("objections", RestrictedExpression::new_long(0)),
        ],
    )
}

fn altered<const N: usize>(
    case: &Case,
    changes: [(&str, RestrictedExpression); N],
) -> Option<Entity> {
    let (uid, mut attributes, parents) = case.entity(&case.resource)?.clone().into_inner();
    for (name, value) in changes {
        attributes.insert(name.to_owned(), value);
    }
    Entity::new(uid, attributes, parents).ok()
}

/// What the resource requires of the tokens of its callers.
pub fn required_scopes(case: &Case) -> BTreeSet<String> {
    scopes_of(case, "required_scopes")
}

/// A set of scopes among the attributes of the resource.
pub fn scopes_of(case: &Case, attribute: &str) -> BTreeSet<String> {
    let entity = case.entity(&case.resource);
    let Some(Ok(EvalResult::Set(set))) = entity.and_then(|it| it.attr(attribute)) else {
        return BTreeSet::new();
    };
    let id = |it: &EvalResult| match it {
        EvalResult::EntityUid(uid) => Some(uid.id().unescaped().to_owned()),
        _ => None,
    };
    set.iter().filter_map(id).collect()
}
