//! The solver cvc5 as a process: found by the variable `CVC5`, or in `PATH`.

use std::env;
use std::path::{Path, PathBuf};

use cedar_policy_symcc::solver::LocalSolver;
use tokio::process::Command;

/// For one question, in milliseconds.
const LIMIT_MS: u32 = 30_000;

/// Where cvc5 is.
///
/// # Errors
/// It is not there; says how to get it.
pub(super) fn find() -> Result<PathBuf, String> {
    const HOW: &str = "install cvc5 1.0.3 or later (`apt-get install -y cvc5`), or name its binary \
                       in the variable CVC5";
    if let Some(named) = env::var_os("CVC5") {
        let path = PathBuf::from(named);
        return match path.is_file() {
            true => Ok(path),
            false => Err(format!("CVC5 names `{}`, which is not there: {HOW}", path.display())),
        };
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders)
        .map(|it| it.join("cvc5"))
        .find(|it| it.is_file())
        .ok_or_else(|| format!("there is no solver: {HOW}"))
}

/// Starts it. It ends with its handle.
pub(super) fn start(path: &Path) -> Result<LocalSolver, String> {
    let mut command = Command::new(path);
    // Without --strings-exp, cvc5 1.0.3 refuses questions about text.
    let limit = format!("--tlimit-per={LIMIT_MS}");
    command.args(["--lang", "smt", "--strings-exp", &limit]).kill_on_drop(true);
    LocalSolver::from_command(&mut command)
        .map_err(|it| format!("`{}` does not start: {it}", path.display()))
}
