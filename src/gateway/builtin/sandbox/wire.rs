//! What the server and the processes of the sandbox tell each other, a line of JSON each.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the innermost process needs to set itself up and run the code.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    pub code: String,
    pub view: View,
    pub limits: Limits,
    /// The namespaces that the server is in, as the links in `/proc/self/ns` tell them: the code
    /// must be in none of them.
    pub outside: Vec<String>,
}

/// What an interpreter consists of: all that the code sees of this host's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    pub executable: PathBuf,
    /// Such as `3.11.2`.
    pub version: String,
    /// The standard library, and the time zones where there are any.
    pub folders: Vec<PathBuf>,
    /// The loader and the libraries, by the names under which the loader looks for them.
    pub files: Vec<Bound>,
}

/// A file, and where the code finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    pub at: PathBuf,
    pub from: PathBuf,
}

/// How much of what the code may use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    pub seconds: u64,
    pub memory_bytes: u64,
    pub scratch_bytes: u64,
}

/// What the processes of the sandbox tell the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Every layer stands; what comes next is the interpreter.
    Ready,
    /// A layer does not stand, so the code was not run.
    Refused(Refusal),
    /// The code has come to its end.
    Ended(Ended),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Exited { code: i32 },
    Signalled { signal: i32, cpu_ms: u64 },
}

/// Why the sandbox refuses to run anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub layer: Layer,
    pub reason: String,
}

/// What must stand before code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    Interpreter,
    Launch,
    Namespaces,
    Descriptors,
    Root,
    Limits,
    Privileges,
    Landlock,
    Seccomp,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.layer, self.reason)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Layer::Interpreter => "interpreter",
            Layer::Launch => "launch",
            Layer::Namespaces => "namespaces",
            Layer::Descriptors => "file descriptors",
            Layer::Root => "file system",
            Layer::Limits => "limits",
            Layer::Privileges => "privileges",
            Layer::Landlock => "Landlock",
            Layer::Seccomp => "seccomp",
        })
    }
}

impl Refusal {
    pub fn new(layer: Layer, reason: impl Into<String>) -> Refusal {
        Refusal { layer, reason: reason.into() }
    }
}

/// Turns what went wrong into a refusal.
pub trait OrRefuse<T> {
    /// `doing` says what was tried.
    fn or_refuse(self, layer: Layer, doing: &str) -> Result<T, Refusal>;
}

impl<T, E: fmt::Display> OrRefuse<T> for Result<T, E> {
    fn or_refuse(self, layer: Layer, doing: &str) -> Result<T, Refusal> {
        self.map_err(|error| Refusal::new(layer, format!("{doing}: {error}")))
    }
}

/// Refuses unless what a layer promises holds.
pub fn ensure(layer: Layer, holds: bool, otherwise: &str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::new(layer, otherwise)) }
}
