//! The processes of one run, seen from the server: started, listened to, and ended.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Take};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::exec::COMMAND;
use super::wire::{Job, Layer, OrRefuse as _, Refusal, Report};

/// Who runs the code where the server is root: nobody, on every Linux.
pub const NOBODY: u32 = 65_534;
/// The processes of the sandbox say three short things.
const REPORTS_BYTES_MAX: u64 = 65_536;

/// The program that becomes the sandbox: this one.
#[derive(Clone, Debug)]
pub struct Launcher(PathBuf);

impl Launcher {
    /// The program that is running, even if its file was replaced since.
    pub fn this() -> Launcher {
        Launcher(PathBuf::from("/proc/self/exe"))
    }

    /// Gatewright's binary at `path`, for programs that use this library and are not it.
    pub fn at(path: impl Into<PathBuf>) -> Launcher {
        Launcher(path.into())
    }
}

/// The processes of one run. They end when this is dropped.
pub struct Running {
    child: Child,
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
    reports: BufReader<Take<OwnedReadHalf>>,
    /// While this is open, the server is there.
    presence: OwnedWriteHalf,
}

impl Running {
    /// Starts them. They wait for [`Running::hand`].
    pub fn start(launcher: &Launcher) -> io::Result<Running> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&launcher.0);
        lowered(&mut command);
        command.args([COMMAND, "outer"]).env_clear().current_dir("/").process_group(0);
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let (reports, presence) = UnixStream::from_std(ours)?.into_split();
        Ok(Running {
            out: child.stdout.take(),
            err: child.stderr.take(),
            child,
            reports: BufReader::new(reports.take(REPORTS_BYTES_MAX)),
            presence,
        })
    }

    /// Hands over what is to be done.
    pub async fn hand(&mut self, job: &Job) -> io::Result<()> {
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        self.presence.write_all(&line).await
    }

    /// The next thing that the sandbox says.
    ///
    /// # Errors
    /// That it is gone, with its last words.
    pub async fn report(&mut self) -> Result<Report, Refusal> {
        let mut line = String::new();
        // One that ended without reading what it was sent resets the line.
        if self.reports.read_line(&mut line).await.unwrap_or_default() == 0 {
            return Err(self.last_words().await);
        }
        serde_json::from_str(&line).or_refuse(Layer::Launch, "understanding the sandbox")
    }

    /// The pipes that the code prints to; there once.
    pub fn pipes(&mut self) -> io::Result<(ChildStdout, ChildStderr)> {
        let gone = || io::Error::other("the pipes were taken before");
        Ok((self.out.take().ok_or_else(gone)?, self.err.take().ok_or_else(gone)?))
    }

    /// Kills what still runs.
    pub async fn end(mut self) -> io::Result<()> {
        if self.child.id().is_some() {
            self.child.start_kill()?;
            self.child.wait().await?;
        }
        Ok(())
    }

    async fn last_words(&mut self) -> Refusal {
        let mut words = String::new();
        if let Some(err) = &mut self.err {
            // Whatever could be read of it is said.
            let _: io::Result<usize> = err.take(1024).read_to_string(&mut words).await;
        }
        let status = self.child.wait().await.map(|it| it.to_string()).unwrap_or_default();
        Refusal::new(Layer::Launch, format!("its process ended ({status}): {}", words.trim()))
    }
}

/// Lets a command run as nobody where this server is root.
pub fn lowered(command: &mut Command) {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The namespaces of this process.
pub fn namespaces() -> io::Result<Vec<String>> {
    let link = |name: &str| std::fs::read_link(Path::new("/proc/self/ns").join(name));
    let names = super::exec::NAMESPACES.iter();
    names.map(|name| Ok(link(name)?.to_string_lossy().into_owned())).collect()
}
