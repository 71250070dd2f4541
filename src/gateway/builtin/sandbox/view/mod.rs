//! Finds out what an interpreter consists of, by asking it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::child::{NOBODY, is_root, lowered};
use super::wire::{Layer, OrRefuse as _, Refusal, View, ensure};

const PROBE: &str = include_str!("probe.py");
const TIME_MAX: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: u64 = 1 << 20;
const COMPLAINT_BYTES_MAX: u64 = 2048;

/// Runs `python` to see where its parts are. It runs as whoever would run the code, so what it
/// finds is what that one may read.
///
/// # Errors
/// That it does not run, or is not a Python.
pub async fn look(python: &Path) -> Result<View, Refusal> {
    const OF: Layer = Layer::Interpreter;
    let mut command = Command::new(python);
    lowered(&mut command);
    command.args(["-I", "-S", "-B", "-c", PROBE]).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let whose = if is_root() { format!(" as user {NOBODY}") } else { String::new() };
    let doing = format!("running `{}`{whose}", python.display());
    let mut child = command.spawn().or_refuse(OF, &doing)?;
    let (mut told, mut complaint) = (Vec::new(), Vec::new());
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Refusal::new(OF, "it has no output"));
    };
    let (mut out, mut err) = (out.take(ANSWER_BYTES_MAX), err.take(COMPLAINT_BYTES_MAX));
    let ending = async {
        tokio::try_join!(out.read_to_end(&mut told), err.read_to_end(&mut complaint))?;
        drop((out, err));
        child.wait().await
    };
    let status = timeout(TIME_MAX, ending).await.or_refuse(OF, &doing)?.or_refuse(OF, &doing)?;
    let complaint = String::from_utf8_lossy(&complaint);
    ensure(OF, status.success(), &format!("{doing}: {status}: {}", complaint.trim()))?;
    serde_json::from_slice(&told).or_refuse(OF, &format!("`{}` is no Python", python.display()))
}
