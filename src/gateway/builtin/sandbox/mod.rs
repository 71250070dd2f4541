//! Runs code that nobody trusts: a Python process that reaches nothing of this host.
//!
//! Each run is a chain of three: the server starts `gatewright sandbox-exec outer`, which leaves
//! every namespace and starts `gatewright sandbox-exec inner`, which builds a file system of the
//! interpreter alone, gives up all rights, and becomes the interpreter. Every layer is checked
//! once it stands; if one does not, nothing is run.

mod call;
mod child;
mod exec;
mod output;
mod view;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::authz::Warrant;
use crate::clock::Clock;
use crate::settings::Gateway;

pub use self::child::Launcher;
pub use self::exec::{COMMAND, Stage, execute};
pub use self::wire::{Layer, Refusal};

use self::child::Running;
use self::output::{Output, text};
use self::wire::{Ended, Job, Limits, OrRefuse as _, Report, View};

/// Less than a request may hold.
const CODE_BYTES_MAX: usize = 128 * 1024;
const MIB: u64 = 1 << 20;
/// Setting up takes milliseconds; a busy host may need longer.
const SETUP_TIME_MAX: Duration = Duration::from_secs(20);
/// How exactly the kernel counts the time of a processor, at worst.
const CPU_TICK_MS: u64 = 100;
/// What shells tell of a process that was killed.
const KILLED: i32 = 128 + nix::libc::SIGKILL;

/// Runs Python for agents, a bounded number at a time.
pub struct Sandbox {
    python: Option<PathBuf>,
    launcher: Launcher,
    limits: Limits,
    output_bytes_max: usize,
    runs: Semaphore,
    /// What the interpreter consists of, from the first run on.
    view: Mutex<Option<View>>,
    clock: Clock,
}

/// What came of code that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    /// What the code exited with; where a signal ended it, 128 and the signal's number, as shells
    /// tell it.
    pub exit_code: i32,
    /// Whether the code printed more than it may. It was ended then.
    pub truncated: bool,
    pub duration_ms: u64,
}

/// Why code was not run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SandboxFailure {
    #[error("no sandbox is configured: `gateway.sandbox` names no Python")]
    NotConfigured,
    #[error("as much code is running as may at a time; try again soon")]
    Busy,
    #[error("the code is longer than {CODE_BYTES_MAX} bytes")]
    TooLong,
    /// Some interpreters take it for the end of the file, and would run less than was asked for.
    #[error("the code holds a NUL character")]
    HoldsNul,
    #[error("the code ran longer than {seconds} seconds")]
    TimedOut { seconds: u64 },
    #[error("the code was ended because memory ran out")]
    OutOfMemory,
    #[error("the sandbox does not work on this host: {0}")]
    Unavailable(Refusal),
}

impl From<Refusal> for SandboxFailure {
    fn from(refusal: Refusal) -> SandboxFailure {
        SandboxFailure::Unavailable(refusal)
    }
}

impl Sandbox {
    /// A sandbox by these settings; nothing is started yet. `launcher` is the program that becomes
    /// the sandbox.
    ///
    /// # Errors
    /// That limits do not fit this machine's numbers.
    pub fn open(settings: &Gateway, launcher: Launcher, clock: &Clock) -> anyhow::Result<Sandbox> {
        let limits = Limits {
            seconds: settings.sandbox_timeout_seconds.into(),
            memory_bytes: u64::from(settings.sandbox_memory_mib) * MIB,
            scratch_bytes: u64::from(settings.sandbox_scratch_mib) * MIB,
        };
        Ok(Sandbox {
            python: settings.sandbox.clone(),
            launcher,
            limits,
            output_bytes_max: usize::try_from(settings.sandbox_output_kib)? * 1024,
            runs: Semaphore::new(usize::try_from(settings.sandbox_runs_max)?),
            view: Mutex::default(),
            clock: clock.clone(),
        })
    }

    /// Runs `code` to its end, or to that of its time, memory or output. Nothing of it is left.
    ///
    /// # Errors
    /// Why it was not run, or not to its end.
    pub async fn run(&self, _: &Warrant, code: &str) -> Result<Ran, SandboxFailure> {
        self.attempt(code).await
    }

    /// Whether code would run here: runs a line of our own, and tells the interpreter's version.
    ///
    /// # Errors
    /// Why it would not.
    pub async fn trial(&self) -> Result<String, SandboxFailure> {
        let ran = self.attempt("import sys; print(*sys.version_info[:3], sep='.')").await?;
        match ran.exit_code {
            0 => Ok(ran.stdout.trim().to_owned()),
            _ => Err(Refusal::new(Layer::Interpreter, ran.stderr.trim()).into()),
        }
    }

    async fn attempt(&self, code: &str) -> Result<Ran, SandboxFailure> {
        let python = self.python.as_deref().ok_or(SandboxFailure::NotConfigured)?;
        if code.len() > CODE_BYTES_MAX {
            return Err(SandboxFailure::TooLong);
        }
        if code.contains('\0') {
            return Err(SandboxFailure::HoldsNul);
        }
        let _place: SemaphorePermit<'_> =
            self.runs.try_acquire().map_err(|_| SandboxFailure::Busy)?;
        let done = self.run_with(self.view_of(python).await?, code).await;
        if let Err(SandboxFailure::Unavailable(_)) = &done {
            // The interpreter may have been replaced: it is looked at again the next time.
            *self.view.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        done
    }

    async fn view_of(&self, python: &Path) -> Result<View, Refusal> {
        let known = self.view.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(view) = known {
            return Ok(view);
        }
        let view = view::look(python).await?;
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Some(view.clone());
        Ok(view)
    }

    async fn run_with(&self, view: View, code: &str) -> Result<Ran, SandboxFailure> {
        let outside = child::namespaces().or_refuse(Layer::Namespaces, "reading /proc/self/ns")?;
        let job = Job { code: code.to_owned(), view, limits: self.limits, outside };
        let mut running = Running::start(&self.launcher).or_refuse(Layer::Launch, "starting")?;
        timeout(SETUP_TIME_MAX, ready(&mut running, &job))
            .await
            .or_refuse(Layer::Launch, "setting up")??;
        let (mut out, mut err) = running.pipes().or_refuse(Layer::Launch, "starting")?;
        let begun = self.clock.monotonic();
        let limit = Duration::from_secs(self.limits.seconds);
        let ending = async {
            // The streams end when every process that could write to them is gone.
            let output = Output::collect(&mut out, &mut err, self.output_bytes_max)
                .await
                .or_refuse(Layer::Launch, "reading what the code prints")?;
            let report = if output.truncated { None } else { Some(running.report().await?) };
            Ok::<_, Refusal>((output, report))
        };
        let ended = timeout(limit, ending).await;
        let duration_ms = begun.elapsed().as_millis() as u64;
        running.end().await.or_refuse(Layer::Launch, "ending the sandbox")?;
        timeout(SETUP_TIME_MAX, output::drain(out, err))
            .await
            .or_refuse(Layer::Launch, "waiting until the sandbox is gone")?;
        let (output, report) = ended.map_err(|_| self.timed_out())??;
        let exit_code = report.map_or(Ok(KILLED), |it| self.exit_code(it))?;
        let Output { out, err, truncated } = output;
        Ok(Ran { stdout: text(out), stderr: text(err), exit_code, truncated, duration_ms })
    }

    fn exit_code(&self, report: Report) -> Result<i32, SandboxFailure> {
        match report {
            Report::Ended(Ended::Exited { code }) => Ok(code),
            // Code cannot kill itself so, being the first process of its namespace: it was the
            // kernel, for the time of the processor or for memory.
            Report::Ended(Ended::Signalled { signal: nix::libc::SIGKILL, cpu_ms }) => {
                Err(match cpu_ms + CPU_TICK_MS >= self.limits.seconds * 1000 {
                    true => self.timed_out(),
                    false => SandboxFailure::OutOfMemory,
                })
            }
            Report::Ended(Ended::Signalled { signal, .. }) => Ok(128 + signal),
            Report::Refused(refusal) => Err(refusal.into()),
            Report::Ready => Err(Refusal::new(Layer::Launch, "it was ready twice").into()),
        }
    }

    fn timed_out(&self) -> SandboxFailure {
        SandboxFailure::TimedOut { seconds: self.limits.seconds }
    }
}

/// Hands over the job and waits until every layer stands.
async fn ready(running: &mut Running, job: &Job) -> Result<(), Refusal> {
    // Where this fails the sandbox is gone, and its report says why.
    let handed = running.hand(job).await;
    match running.report().await? {
        Report::Ready => handed.or_refuse(Layer::Launch, "handing over the code"),
        Report::Refused(refusal) => Err(refusal),
        Report::Ended(ended) => {
            Err(Refusal::new(Layer::Launch, format!("it ended before it ran: {ended:?}")))
        }
    }
}
