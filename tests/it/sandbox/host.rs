//! What the host must allow, and the refusal where it does not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use gatewright::clock::Clock;
use gatewright::gateway::builtin::sandbox::{Launcher, Layer, Sandbox, SandboxFailure};
use gatewright::settings::Gateway;
use nix::unistd::geteuid;

use super::{BINARY, PYTHON, open, run_in, settings};

/// What doctor says of the sandbox, begun by these words.
fn doctor(before: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let words: Vec<&str> = before.iter().copied().chain([BINARY, "doctor"]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(&folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap());
    let said = command.env("GATEWRIGHT_GATEWAY__SANDBOX", PYTHON).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let mut lines = said.lines().skip_while(|it| !it.contains(" sandbox "));
    format!("{}\n{}", lines.next().unwrap_or(&said), lines.next().unwrap_or_default())
}

#[test]
fn it_works_for_root_and_for_everybody_else() {
    let well = |said: &str| {
        assert!(said.starts_with("ok      sandbox   runs Python 3."), "{said}");
    };
    well(&doctor(&[]));
    well(&doctor(&["setpriv", "--no-new-privs"]));
    if geteuid().is_root() {
        let other = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"];
        well(&doctor(&other));
        well(&doctor(&[&other[..], &["--no-new-privs", "--bounding-set=-all"]].concat()));
    }
}

#[test]
fn a_host_without_user_namespaces_is_told_so() {
    let none = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" doctor";
    let within = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps"];
    let said = doctor(&[&within[..], &["sh", "-c", none]].concat());
    assert!(said.starts_with("BROKEN  sandbox   namespaces: making them"), "{said}");
    assert!(
        said.contains("ENOSPC") && said.contains("mend: let unprivileged user names"),
        "{said}"
    );
}

#[tokio::test]
async fn an_interpreter_that_is_none_is_refused() {
    let table = [
        ("/nowhere/python3", "No such file"),
        ("/bin/false", "exit status: 1"),
        ("/bin/echo", "is no Python"),
        ("/etc/passwd", "Permission denied"),
    ];
    for (python, why) in table {
        let settings = Gateway { sandbox: Some(python.into()), ..settings() };
        let failure = run_in(&open(&settings), "print(1)").await.unwrap_err();
        let SandboxFailure::Unavailable(refusal) = failure else { panic!("{failure:?}") };
        assert_eq!(refusal.layer, Layer::Interpreter, "{python}");
        assert!(refusal.reason.contains(why) && refusal.reason.contains(python), "{refusal}");
    }
    let failure = run_in(&open(&Gateway::default()), "print(1)").await.unwrap_err();
    assert!(matches!(failure, SandboxFailure::NotConfigured), "{failure:?}");
}

#[tokio::test]
async fn processes_that_say_nothing_run_nothing() {
    for (launcher, why) in [("/nowhere/gatewright", "No such file"), ("/bin/false", "status: 1")] {
        let sandbox = Sandbox::open(&settings(), Launcher::at(launcher), &Clock::system()).unwrap();
        let failure = run_in(&sandbox, "print(1)").await.unwrap_err();
        let SandboxFailure::Unavailable(refusal) = failure else { panic!("{failure:?}") };
        assert_eq!(refusal.layer, Layer::Launch);
        assert!(refusal.reason.contains(why), "{refusal}");
    }
}

#[test]
fn its_processes_refuse_who_starts_them_by_hand() {
    for words in [&["sandbox-exec", "outer"][..], &["sandbox-exec", "inner", "1"]] {
        let mut command = Command::new(BINARY);
        let ran = command.args(words).stdin(Stdio::null()).output().unwrap();
        assert!(!ran.status.success(), "{words:?}");
        assert!(ran.stdout.is_empty(), "{words:?}");
    }
}
