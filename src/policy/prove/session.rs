//! Questions to the solver, one after the other, in a bounded time.

use std::borrow::Cow;
use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;

use cedar_policy::{Policy, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout_at};

use super::super::links::unlinked;
use super::solver;

/// A question. The answer is a request of which it is untrue.
pub(super) enum Question<'a> {
    /// Whatever the first allows, the second allows.
    Implies(&'a CompiledPolicySet, &'a CompiledPolicySet),
    /// It allows nothing.
    AlwaysDenies(&'a CompiledPolicySet),
    /// It matches nothing.
    NeverMatches(&'a CompiledPolicy),
    /// It evaluates always.
    NeverErrors(&'a CompiledPolicy),
    /// Both match the same.
    MatchesSame(&'a CompiledPolicy, &'a CompiledPolicy),
}

/// A solver at work.
pub(super) struct Session {
    path: PathBuf,
    runtime: Runtime,
    compiler: Option<CedarSymCompiler<LocalSolver>>,
    until: Instant,
    budget: Duration,
}

impl Session {
    /// # Errors
    /// Why there is none, as people read it. So with everything here.
    pub(super) fn begin(budget: Duration) -> Result<Session, String> {
        let path = solver::find()?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|it| format!("no runtime could be started: {it}"))?;
        Ok(Session { path, runtime, compiler: None, until: Instant::now() + budget, budget })
    }

    /// Whether there is time left.
    pub(super) fn in_time(&self) -> Result<(), String> {
        if Instant::now() < self.until { Ok(()) } else { Err(self.late()) }
    }

    /// Asks about requests of one kind.
    ///
    /// After any error the solver is thrown away: its answers might belong to earlier questions.
    pub(super) fn ask(&mut self, question: Question<'_>) -> Result<Option<Env>, String> {
        self.in_time()?;
        let Session { path, runtime, compiler, until, .. } = self;
        let _inside = runtime.enter();
        let mut working = match compiler.take() {
            Some(it) => it,
            None => CedarSymCompiler::new(solver::start(path)?).map_err(|it| said(&it))?,
        };
        let answer = runtime.block_on(timeout_at(*until, put(&mut working, question)));

        match answer {
            Ok(Ok(answer)) => {
                *compiler = Some(working);
                Ok(answer)
            }
            Ok(Err(error)) => Err(format!("the solver failed: {}", said(&error))),
            Err(_) => Err(self.late()),
        }
    }

    fn late(&self) -> String {
        format!("the time of {} s is over", self.budget.as_secs())
    }
}

async fn put(
    compiler: &mut CedarSymCompiler<LocalSolver>,
    question: Question<'_>,
) -> Result<Option<Env>, cedar_policy_symcc::err::Error> {
    match question {
        Question::Implies(a, b) => compiler.check_implies_with_counterexample_opt(a, b).await,
        Question::AlwaysDenies(it) => {
            compiler.check_always_denies_with_counterexample_opt(it).await
        }
        Question::NeverMatches(it) => {
            compiler.check_never_matches_with_counterexample_opt(it).await
        }
        Question::NeverErrors(it) => compiler.check_never_errors_with_counterexample_opt(it).await,
        Question::MatchesSame(a, b) => {
            compiler.check_matches_equivalent_with_counterexample_opt(a, b).await
        }
    }
}

/// `set` for requests of the kind `env`.
pub(super) fn compiled_set(
    set: &PolicySet,
    env: &RequestEnv,
    schema: &Schema,
) -> Result<CompiledPolicySet, String> {
    CompiledPolicySet::compile(&*without_links(set)?, env, schema).map_err(|it| said(&it))
}

/// `policy` for requests of the kind `env`.
pub(super) fn compiled(
    policy: &Policy,
    env: &RequestEnv,
    schema: &Schema,
) -> Result<CompiledPolicy, String> {
    CompiledPolicy::compile(&unlinked(policy)?, env, schema).map_err(|it| said(&it))
}

/// The same policies, each by itself: the compiler refuses links in sets, and panics on single ones.
fn without_links(set: &PolicySet) -> Result<Cow<'_, PolicySet>, String> {
    if set.policies().all(Policy::is_static) {
        return Ok(Cow::Borrowed(set));
    }
    let all: Vec<Policy> = set.policies().map(unlinked).collect::<Result<_, _>>()?;
    PolicySet::from_policies(all).map(Cow::Owned).map_err(|it| it.to_string())
}

fn said(error: &cedar_policy_symcc::err::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        let more = it.to_string();
        // Some errors say their cause themselves.
        if !text.contains(&more) {
            text.push_str(&format!(": {more}"));
        }
        cause = it.source();
    }
    text
}
