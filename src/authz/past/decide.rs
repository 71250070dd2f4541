//! Deciding with the past in view.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::answer::{Answer, Question, Remembrance};
use super::begun::Recalled;
use super::{Asked, Begun, Who};
use crate::Result;
use crate::authn::Caller;
use crate::authz::behalf::Party;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Authz, Behalf, Made, Resource};
use crate::clock::Clock;
use crate::policy::Bundle;

/// How long those before it are waited for who may yet give something back.
const PATIENCE: Duration = Duration::from_secs(2);
/// Before the first look at what became of them; the next are further apart, for a crowd that looks
/// all the time keeps the store from getting on.
const PAUSE: Duration = Duration::from_millis(25);
/// The answer must leave before the time for answers is over.
const PAUSE_MAX: Duration = Duration::from_millis(400);

/// The wait for what becomes of those before.
pub(in super::super) struct Wait {
    started: Instant,
    pause: Duration,
}

impl Wait {
    pub(in super::super) fn new(clock: &Clock) -> Wait {
        Wait { started: clock.monotonic(), pause: PAUSE }
    }

    pub(in super::super) fn is_over(&self) -> bool {
        self.started.elapsed() > PATIENCE
    }

    pub(in super::super) async fn pause(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

impl Authz {
    /// Takes note of a request that is about to be decided, where the bundle declares that anything
    /// counts; of one that was made already, to tell it what counts and nothing more.
    ///
    /// # Errors
    /// As [`Past::begin`].
    pub(in super::super) async fn begin(
        &self,
        party: Party<'_>,
        action: &'static str,
        (resource, particulars, made): (&dyn Resource, &Particulars, Option<Made>),
        bundle: &Bundle,
    ) -> Result<Begun> {
        if bundle.past().facts().is_empty() {
            return Ok(Begun::default());
        }
        let who = Who::of(party.caller, party.behalf.map(Behalf::user));
        let asked = Asked::new(who, action, resource, particulars);
        match made {
            None => self.past.begin(bundle, &asked).await,
            Some(it) => Ok(self.past.begin_again(bundle, &asked, it.decision)),
        }
    }

    /// Asks Cedar, again and again for a while where a denial hangs on nothing but the reservations
    /// of others that are not decided yet: their denial must not be this one's.
    pub(in super::super) async fn decide(
        &self,
        party: Party<'_>,
        question: &mut Question<'_>,
        begun: &Begun,
        bundle: Arc<Bundle>,
    ) -> Result<Answer> {
        let mut wait = Wait::new(&self.clock);
        loop {
            let Recalled { history, waits } = begun.told(&self.past).await?;
            question.past = Some(Remembrance { bundle: bundle.clone(), history });
            let answer = self.decider.ask(party, question)?;
            if answer.outcome.allow || !waits || wait.is_over() {
                return Ok(answer);
            }
            let alone = answer.case(party, question).told(begun.told_alone(&self.past).await?);
            if !alone.decide(&bundle).is_ok_and(|it| it.allow) {
                return Ok(answer);
            }
            wait.pause().await;
        }
    }

    /// Whether this caller would be allowed such a use now: told the counts as of now and with it,
    /// and nothing is reserved.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn would_allow_use<A: Action>(
        &self,
        caller: &Caller,
        action: &A,
        resource: &A::Resource,
    ) -> Result<bool> {
        let behalf = self.behalf(caller, None)?;
        let party = Party { caller, behalf: behalf.as_ref() };
        let particulars = action.particulars(resource);
        let bundle = self.bundle();
        let who = Who::of(caller, behalf.as_ref().map(Behalf::user));
        let asked = Asked::new(who, A::NAME, resource, &particulars);
        let history = self.past.foresee(&bundle, &asked).await?;
        let past = Some(Remembrance { bundle, history });
        let asked = self.decider.prepare_knowing(party, A::NAME, &particulars, past)?;
        Ok(asked.about(resource)?.allow)
    }
}
