//! `gatewright sandbox-exec`: the processes that become the sandbox, set up by safe calls alone.

mod calls;
mod descriptors;
mod inner;
mod landlock;
mod limits;
mod namespaces;
mod outer;
mod privileges;
mod root;

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use clap::Subcommand;

use super::wire::{Job, Layer, OrRefuse as _, Refusal, Report};

pub use self::namespaces::NAMES as NAMESPACES;

/// The hidden subcommand.
pub const COMMAND: &str = "sandbox-exec";

/// A job holds the code, escaped as JSON, and some hundred paths.
const JOB_BYTES_MAX: u64 = 8 << 20;

/// Which process of the sandbox this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Stage {
    /// Leaves the namespaces of the server.
    Outer,
    /// Sets up the rest and becomes the interpreter.
    Inner {
        /// Process id of the outer one, as `/proc` tells it.
        parent: u32,
    },
}

/// Does the part of this process. It must have no other threads, since a process with threads can
/// leave no user namespace.
pub fn execute(stage: Stage) -> ExitCode {
    let Ok(mut control) = Control::of_stdin() else { return ExitCode::FAILURE };
    let report = match stage {
        Stage::Outer => outer::run().map_or_else(Report::Refused, Report::Ended),
        Stage::Inner { parent } => match inner::run(parent, &mut control) {
            Err(refusal) => Report::Refused(refusal),
        },
    };
    match control.report(&report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The line to the server, which is where standard input points until the code runs.
///
/// It is written to as a file is: the calls of sockets are refused in the end.
pub struct Control(File);

impl Control {
    fn of_stdin() -> io::Result<Control> {
        // The copy ends where another program starts, so the interpreter does not have it.
        Ok(Control(File::from(io::stdin().as_fd().try_clone_to_owned()?)))
    }

    fn report(&mut self, report: &Report) -> io::Result<()> {
        let mut line = serde_json::to_vec(report)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }

    fn job(&mut self) -> Result<Job, Refusal> {
        let mut line = String::new();
        let mut reader = io::BufReader::new(&self.0).take(JOB_BYTES_MAX);
        reader.read_line(&mut line).or_refuse(Layer::Launch, "reading the job")?;
        serde_json::from_str(&line).or_refuse(Layer::Launch, "understanding the job")
    }
}

/// What a stage that becomes another program gives back: only why it did not.
type Becomes = Result<Infallible, Refusal>;

#[cfg(test)]
mod tests {
    use super::super::child;
    use super::super::wire::Limits;
    use super::*;

    #[test]
    fn each_layer_sees_that_it_does_not_stand() {
        let limits = Limits { seconds: 1, memory_bytes: 1 << 26, scratch_bytes: 1 << 20 };
        let outside = child::namespaces().unwrap();
        let refusals = [
            namespaces::check(&outside),
            namespaces::check(&[]),
            root::check(&[]),
            limits::check(&limits),
            inner::probe(),
        ];
        let layers = refusals.map(|it| it.unwrap_err().layer);
        use Layer::{Landlock, Limits as OfLimits, Namespaces, Root};
        assert_eq!(layers, [Namespaces, Namespaces, Root, OfLimits, Landlock]);
    }
}
