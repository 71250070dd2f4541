//! The sandbox: code that escapes is shown not to, and ordinary code works.

mod calls;
mod ends;
mod files;
mod host;
mod limits;
mod neighbours;
mod ordinary;
mod seen;
mod tool;

use gatewright::authz::Warrant;
use gatewright::clock::Clock;
use gatewright::gateway::builtin::sandbox::{Launcher, Ran, Sandbox, SandboxFailure};
use gatewright::settings::Gateway;

const BINARY: &str = env!("CARGO_BIN_EXE_gatewright");
/// One that everybody may run: where the tests are root, the code is nobody.
const PYTHON: &str = "/usr/bin/python3";

/// Tries things, and says of each whether it was held or escaped.
const TRIES: &str = r#"
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def held(name, act):
    try:
        it = act()
    except BaseException as error:
        print("held", name, type(error).__name__, getattr(error, "errno", ""))
    else:
        print("ESCAPED", name, it)
def call(name, number, *arguments):
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *arguments)
    told = errno.errorcode.get(ctypes.get_errno())
    print("held" if done == -1 else "ESCAPED", name, told if done == -1 else done)
"#;

fn settings() -> Gateway {
    Gateway {
        sandbox: Some(PYTHON.into()),
        // Nothing here waits so long but on a machine that is very busy.
        sandbox_timeout_seconds: 30,
        sandbox_runs_max: 64,
        ..Gateway::default()
    }
}

fn open(settings: &Gateway) -> Sandbox {
    Sandbox::open(settings, Launcher::at(BINARY), &Clock::system()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "nobody decides in a test of the sandbox alone")]
async fn run_in(sandbox: &Sandbox, code: &str) -> Result<Ran, SandboxFailure> {
    sandbox.run(&Warrant::system("test", &Clock::system()), code).await
}

/// Runs code that must come to its end.
async fn run(code: &str) -> Ran {
    run_in(&open(&settings()), code).await.unwrap()
}

/// Runs code that makes that many tries, of which none may succeed; what was said of each.
async fn tries(count: usize, code: &str) -> Vec<String> {
    let ran = run(&format!("{TRIES}{code}")).await;
    assert_eq!((ran.exit_code, &*ran.stderr), (0, ""), "{}", ran.stdout);
    let lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
    assert!(lines.iter().all(|it| it.starts_with("held ")), "{lines:#?}");
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}
