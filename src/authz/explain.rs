//! What would turn a denial into an allow: guessed from `@fix` hints, confirmed by asking Cedar again.
//!
//! Cedar names every forbid that applied, at once. All cures they hint at are applied to the facts
//! together and Cedar is asked; if it allows, the cures that were not needed are dropped one by one.
//! A hint is never authority: what Cedar does not confirm is not said.

use std::sync::Mutex;

use cedar_policy::EvalResult;
use jiff::SignedDuration;

use super::behalf::Party;
use super::decide::{Answer, Decider, Question};
use super::facts::{Age, Approval, ApprovalState, Facts, Particulars};
use super::probed::Probed;
use super::scope::ScopeResource;
use super::uid::Kind;
use crate::error::Fix;
use crate::policy::Fix as Hint;

/// How far ahead the next opening of a time window is looked for.
const HOURS_AHEAD_MAX: i64 = 8 * 24;
const TTL_SECONDS_MAX: u64 = 86_400;
static SEARCHING: Mutex<()> = Mutex::new(());

/// The cures that policies may hint at and that can be tried out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cure {
    Mfa,
    Reauth,
    Approval,
    Confirm,
    Ttl,
    Scopes,
    Wait,
    Time,
    Network,
    Probe,
}

impl Cure {
    /// What `mandate` and `review` would change lies outside the request.
    fn hinted(hint: Hint) -> Option<Cure> {
        Some(match hint {
            Hint::Mfa => Cure::Mfa,
            Hint::Reauth => Cure::Reauth,
            Hint::Approval => Cure::Approval,
            Hint::Confirm => Cure::Confirm,
            Hint::Ttl => Cure::Ttl,
            Hint::Scopes => Cure::Scopes,
            Hint::Wait => Cure::Wait,
            Hint::Time => Cure::Time,
            Hint::Network => Cure::Network,
            Hint::Probe => Cure::Probe,
            Hint::Mandate | Hint::Review => return None,
        })
    }
}

/// The smallest set of cures found that Cedar confirms; empty when nothing would help.
pub(super) fn fixes(
    decider: &Decider,
    party: Party<'_>,
    question: &Question<'_>,
    answer: &Answer,
) -> Vec<Fix> {
    let Some(cures) = hints(answer) else { return Vec::new() };
    let probed = Probed::of(question.resource).filter(|_| cures.contains(&Cure::Probe));
    let resource = probed.as_ref().map_or(question.resource, |it| it);
    let question = &Question { resource, ..question.clone() };
    let doctor = Doctor { decider, party, question, answer };
    doctor.prescribe(cures).unwrap_or_default()
}

/// The cures hinted at; none when a policy that denied offers no way past it.
fn hints(answer: &Answer) -> Option<Vec<Cure>> {
    if answer.outcome.reasons.is_empty() || !answer.outcome.errors.is_empty() {
        return None;
    }
    let mut cures = Vec::new();
    for id in &answer.outcome.reasons {
        let cure = Cure::hinted(answer.bundle.meta(id)?.fix?)?;
        if !cures.contains(&cure) {
            cures.push(cure);
        }
    }
    Some(cures)
}

struct Doctor<'a> {
    decider: &'a Decider,
    party: Party<'a>,
    question: &'a Question<'a>,
    answer: &'a Answer,
}

impl Doctor<'_> {
    fn prescribe(&self, mut cures: Vec<Cure>) -> Option<Vec<Fix>> {
        let mut cured = self.apply(&cures)?;
        // Without a new probe there is nothing to try: it is supposed throughout.
        for cure in cures.clone().into_iter().filter(|it| *it != Cure::Probe) {
            let fewer: Vec<Cure> = cures.iter().copied().filter(|it| *it != cure).collect();
            if let Some(without) = self.apply(&fewer) {
                (cures, cured) = (fewer, without);
            }
        }
        Some(cures.into_iter().map(|cure| self.fix(cure, &cured)).collect())
    }

    /// The facts with these cures, if Cedar then allows.
    fn apply(&self, cures: &[Cure]) -> Option<Facts> {
        let mut facts = self.answer.told.facts.clone();
        let (search, plain): (Vec<Cure>, Vec<Cure>) =
            cures.iter().partition(|it| matches!(it, Cure::Time | Cure::Network));
        for cure in plain {
            self.alter(&mut facts, cure);
        }
        // Two searches would have to be tried in all combinations: that is not worth an answer.
        if search.len() > 1 {
            return None;
        }
        for cure in search {
            facts = match cure {
                Cure::Time => self.next_opening(&facts)?,
                _ => self.allowed_zone(&facts)?,
            };
        }
        self.allows(&facts).then_some(facts)
    }

    fn allows(&self, facts: &Facts) -> bool {
        self.decider
            .suppose(self.party, self.answer, self.question, facts.clone())
            .is_ok_and(|it| it.allow)
    }

    fn alter(&self, facts: &mut Facts, cure: Cure) {
        match cure {
            Cure::Mfa => {
                facts.session.mfa_age = Some(Age::ZERO);
                facts.session.aal = facts.session.aal.max(2);
            }
            Cure::Reauth => facts.session.reauth_age = Some(Age::ZERO),
            Cure::Scopes => self.fit_scopes(facts),
            Cure::Time | Cure::Network | Cure::Probe => {}
            Cure::Approval | Cure::Confirm | Cure::Ttl | Cure::Wait => {
                self.alter_particulars(facts, cure);
            }
        }
    }

    fn alter_particulars(&self, facts: &mut Facts, cure: Cure) {
        let supposed = self.approval(facts);
        match (&mut facts.particulars, cure) {
            (Particulars::Call { call, .. }, Cure::Confirm) => call.confirmed = true,
            (Particulars::Credential { ask, .. }, Cure::Ttl) => ask.ttl_seconds = 1,
            (
                Particulars::Credential { usage, .. } | Particulars::Call { usage, .. },
                Cure::Wait,
            ) => {
                usage.calls_last_minute = 1;
                usage.calls_today = 1;
                usage.cost_today_micros = self.question.cost_micros;
                usage.failures_last_hour = 0;
            }
            (
                Particulars::Credential { approval, .. } | Particulars::Call { approval, .. },
                Cure::Approval,
            ) => *approval = supposed,
            _ => {}
        }
    }

    /// An approval for exactly this request, as an approver would give it.
    fn approval(&self, facts: &Facts) -> Option<Approval> {
        let Particulars::Call { call, .. } = &facts.particulars else { return None };
        let principal = self.party.caller.principal();
        let id = principal.id().to_string();
        let is_agent = principal.kind().entity_kind() == Kind::Agent;
        let chain = self.party.behalf.map_or_else(Vec::new, |it| it.chain().to_vec());
        let chain = chain.iter().map(ToString::to_string).chain(is_agent.then(|| id.clone()));
        let user = self.party.behalf.map(|it| it.user().to_string());
        Some(Approval {
            id: "supposed".into(),
            state: ApprovalState::Approved,
            agent: is_agent.then(|| id.clone()),
            chain: chain.collect(),
            user: if is_agent { user } else { Some(id) },
            parties: Default::default(),
            tool: self.question.resource.uid().id().unescaped().to_owned(),
            digest: call.digest.clone(),
            approved_by: Default::default(),
            expires_at: facts.clock.now() + SignedDuration::from_mins(5),
            tool_owner: String::new(),
        })
    }

    /// Gives the token what the tool requires, as far as another token could hold it, and asks for
    /// no more than the tool offers.
    fn fit_scopes(&self, facts: &mut Facts) {
        let required = self.scopes_of("required_scopes");
        facts.token_scopes.extend(required.into_iter().filter(|it| self.could_hold(it)));
        let offered = self.scopes_of("allowed_scopes");
        if let Particulars::Credential { ask, .. } = &mut facts.particulars {
            ask.scopes.retain(|it| offered.contains(it) && self.is_delegated(it));
        }
    }

    fn could_hold(&self, scope: &str) -> bool {
        self.is_delegated(scope)
            && self
                .decider
                .prepare(Party::alone(self.party.caller), "hold_scope", &Particulars::Base)
                .and_then(|asked| asked.about(&ScopeResource::new(scope)))
                .is_ok_and(|it| it.allow)
    }

    /// Whether the mandate, where there is one to act by, has this scope.
    fn is_delegated(&self, scope: &str) -> bool {
        self.party.behalf.is_none_or(|it| it.mandate().is_some_and(|it| it.scopes.contains(scope)))
    }

    fn scopes_of(&self, attribute: &str) -> Vec<String> {
        let entity = self.question.resource.entity();
        let Some(Ok(EvalResult::Set(set))) = entity.and_then(|it| it.attr(attribute)) else {
            return Vec::new();
        };
        let id = |it: &EvalResult| match it {
            EvalResult::EntityUid(uid) => Some(uid.id().unescaped().to_owned()),
            _ => None,
        };
        set.iter().filter_map(id).collect()
    }

    /// The facts of the next full hour at which Cedar allows.
    ///
    /// One caller at a time: it asks up to some two hundred times, and a denial costs nobody a quota.
    fn next_opening(&self, facts: &Facts) -> Option<Facts> {
        let _turn = SEARCHING.try_lock().ok()?;
        let hour = SignedDuration::from_hours(1);
        let now = facts.clock.now();
        let past = SignedDuration::from_secs(now.as_second().rem_euclid(3_600));
        (1..=HOURS_AHEAD_MAX).find_map(|ahead| {
            let at = now - past + hour * i32::try_from(ahead).ok()?;
            let clock = self.decider.clock_facts_at(at, &self.answer.bundle).ok()?;
            let later = Facts { clock, ..facts.clone() };
            self.allows(&later).then_some(later)
        })
    }

    /// The facts as they would be in one of the named networks.
    fn allowed_zone(&self, facts: &Facts) -> Option<Facts> {
        self.decider.zone_names().find_map(|zone| {
            let mut there = facts.clone();
            there.net.zones = [zone.to_owned()].into();
            self.allows(&there).then_some(there)
        })
    }

    /// The longest time to live, in seconds, that Cedar allows. Sound because the lint holds
    /// policies to rules in which a longer one never helps.
    fn longest_ttl(&self, cured: &Facts) -> u64 {
        let with = |seconds: u64| {
            let mut facts = cured.clone();
            if let Particulars::Credential { ask, .. } = &mut facts.particulars {
                ask.ttl_seconds = seconds;
            }
            self.allows(&facts)
        };
        let (mut allowed, mut refused) = (1, TTL_SECONDS_MAX + 1);
        while refused - allowed > 1 {
            let middle = allowed.midpoint(refused);
            if with(middle) { allowed = middle } else { refused = middle }
        }
        allowed
    }

    fn fix(&self, cure: Cure, cured: &Facts) -> Fix {
        let (kind, detail, retry_after_seconds) = match cure {
            Cure::Mfa => ("mfa", "prove your second factor, then ask again".into(), None),
            Cure::Reauth => (
                "reauth",
                "prove your password again (POST /api/v1/auth/elevate) and use that token".into(),
                None,
            ),
            Cure::Approval => ("approval", "somebody must approve exactly this call".into(), None),
            Cure::Confirm => ("confirm", "send `confirm_consequential`: true".into(), None),
            Cure::Ttl => {
                let longest = self.longest_ttl(cured);
                ("ttl", format!("ask for at most {longest} seconds (`ttl_seconds`)"), None)
            }
            Cure::Scopes => ("scopes", self.scopes_detail(cured), None),
            Cure::Wait => {
                let seconds = self.wait(cured);
                ("wait", format!("wait up to {seconds} s"), Some(seconds))
            }
            Cure::Time => {
                let at = cured.clock.now();
                let seconds = at.as_second() - self.answer.told.facts.clock.now().as_second();
                ("time", format!("ask again at {at}"), u64::try_from(seconds).ok())
            }
            Cure::Network => {
                let zone = cured.net.zones.first().cloned().unwrap_or_default();
                ("network", format!("ask from the network `{zone}`"), None)
            }
            Cure::Probe => {
                let how = "its server must be probed again (POST /api/v1/tools/{tool}/reprobe)";
                ("probe", how.into(), None)
            }
        };
        let token_scopes = match cure {
            Cure::Scopes => self.missing(cured).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Fix { kind: kind.into(), detail, retry_after_seconds, token_scopes }
    }

    /// What the access token would have to hold besides.
    fn missing<'a>(&'a self, cured: &'a Facts) -> impl Iterator<Item = &'a str> {
        cured.token_scopes.difference(&self.answer.told.facts.token_scopes).map(String::as_str)
    }

    fn scopes_detail(&self, cured: &Facts) -> String {
        let missing: Vec<&str> = self.missing(cured).collect();
        let mut parts = Vec::new();
        if !missing.is_empty() {
            parts.push(format!("use an access token that holds {}", missing.join(", ")));
        }
        if let (
            Particulars::Credential { ask: before, .. },
            Particulars::Credential { ask: after, .. },
        ) = (&self.answer.told.facts.particulars, &cured.particulars)
            && before.scopes != after.scopes
        {
            let left: Vec<&str> = after.scopes.iter().map(String::as_str).collect();
            parts.push(format!("ask only for {}", left.join(", ")));
        }
        parts.join(", and ")
    }

    /// The shortest of the windows whose turning would be enough.
    fn wait(&self, cured: &Facts) -> u64 {
        let before = &self.answer.told.facts.particulars;
        let (Particulars::Credential { usage: was, .. } | Particulars::Call { usage: was, .. }) =
            before
        else {
            return 0;
        };
        let now = cured.clock.now().as_second();
        let until_midnight = 86_400 - now.rem_euclid(86_400).unsigned_abs();
        let minute = {
            let mut facts = cured.clone();
            let mut usage = *was;
            usage.calls_last_minute = 1;
            facts.particulars.set_usage(usage);
            facts
        };
        let hour = {
            let mut facts = minute.clone();
            let mut usage = *was;
            (usage.calls_last_minute, usage.failures_last_hour) = (1, 0);
            facts.particulars.set_usage(usage);
            facts
        };
        if self.allows(&minute) {
            60
        } else if self.allows(&hour) {
            3_600
        } else {
            until_midnight
        }
    }
}
