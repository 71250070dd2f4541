//! Biscuit's Datalog engine, with limits set, facts supplied and failures put into our words.

use std::time::Duration;

use biscuit_auth::builder::{Term, fact, string};
use biscuit_auth::macros::authorizer;
use biscuit_auth::{Authorizer, AuthorizerBuilder, AuthorizerLimits, error};
use jiff::Timestamp;

use super::refusal::{Reason, Refusal};
use super::request::Request;
use super::signed::Signed;
use super::token::malformed;

pub(crate) const FACTS_MAX: u64 = 1000;
pub(crate) const ITERATIONS_MAX: u64 = 100;

/// Time on the wall, so that on a busy machine it mostly measures how long a thread waits for its
/// turn: Biscuit's own 1 ms, and 250 ms too, refuse good tokens there. What a token may cost is
/// weighed before (`cost.rs`); this is for what the weighing missed.
const RUN_TIME_MAX: Duration = Duration::from_secs(10);

/// Limits and policies, parsed once. Each run adds its own facts to a copy.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    template: AuthorizerBuilder,
}

/// One question to the engine.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) tool: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) request: &'a Request,
    pub(crate) now: Timestamp,
}

impl Engine {
    pub(crate) fn new() -> Engine {
        let policies =
            authorizer!("allow if request($tool, $scope), right($tool, $scope); deny if true;");
        let limits = AuthorizerLimits {
            max_facts: FACTS_MAX,
            max_iterations: ITERATIONS_MAX,
            max_time: RUN_TIME_MAX,
        };
        Engine { template: policies.set_limits(limits) }
    }

    /// Runs every check of every block.
    pub(crate) fn run(&self, signed: &Signed, question: Question<'_>) -> Result<(), Refusal> {
        let mut authorizer = self
            .authorizer(signed, question)
            .map_err(|it| malformed("the token contradicts itself").because(it))?;
        authorizer.authorize().map(drop).map_err(|it| explain(signed, question.tool, it))
    }

    fn authorizer(&self, signed: &Signed, it: Question<'_>) -> Result<Authorizer, error::Token> {
        // Datalog has no dates before 1970. A clock that stands there is refused before this.
        let seconds = u64::try_from(it.now.as_second()).unwrap_or(u64::MAX);
        let mut engine = self
            .template
            .clone()
            .fact(fact("time", &[Term::Date(seconds)]))?
            .fact(fact("request", &[string(it.tool), string(it.scope)]))?
            .fact(fact("ctx", &[it.request.context(it.now)]))?;
        for key in &it.request.proved {
            engine = engine.fact(fact("holder_proved", &[string(key)]))?;
        }
        engine.build(&signed.biscuit)
    }
}

/// The first thing that a caller could mend, among all that failed.
pub(crate) fn explain(signed: &Signed, tool: &str, cause: error::Token) -> Refusal {
    let checks = match &cause {
        error::Token::RunLimit(_) => {
            return Refusal::new(Reason::Limits, "verification took too long").because(cause);
        }
        // Comparing a value with one of another type, say. Of the issuer's checks, only those over
        // the call can do that.
        error::Token::Execution(_) => {
            return Refusal::new(Reason::Argument, "a check cannot be applied to this call")
                .because(cause);
        }
        error::Token::FailedLogic(
            error::Logic::Unauthorized { checks, .. } | error::Logic::NoMatchingPolicy { checks },
        ) => checks,
        _ => return malformed("the token cannot be evaluated").because(cause),
    };
    let reasons = checks.iter().filter_map(|it| signed.subject(it, tool));
    let reason = reasons.min_by_key(|it| mending_order(*it)).unwrap_or(Reason::Scope);
    let detail = match reason {
        Reason::Expired => "the credential was narrowed to an earlier time",
        Reason::WrongTool => "the credential was narrowed to another tool",
        Reason::Scope => "the credential was narrowed to other scopes",
        Reason::Holder => "the credential was narrowed to a key that was not proved",
        Reason::Argument => "the credential does not admit these arguments",
        _ => "a check that a holder added does not pass",
    };
    Refusal::new(reason, detail).because(cause)
}

fn mending_order(reason: Reason) -> u8 {
    match reason {
        Reason::Expired => 0,
        Reason::WrongTool => 1,
        Reason::Holder => 2,
        Reason::Scope => 3,
        Reason::Argument => 4,
        _ => 5,
    }
}
