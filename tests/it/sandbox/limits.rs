//! Time, memory, output and files: what one run may take, and that the next one works.

use gatewright::gateway::builtin::sandbox::SandboxFailure;
use gatewright::settings::Gateway;

use super::{open, run, run_in, settings};

#[tokio::test]
async fn memory_has_an_end() {
    let table = [
        ("at once", "x = bytearray(1 << 32)"),
        ("bit by bit", "x = []\nwhile True: x.append(b'x' * 100000)"),
        ("in small things", "x = []\nwhile True: x.append([len(x)])"),
        ("in text", "x = 'x'\nwhile True: x += x"),
        ("shared", "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 24))"),
    ];
    for (what, code) in table {
        let ran = run(code).await;
        assert_eq!((ran.exit_code, &*ran.stdout), (1, ""), "{what}");
        let ended =
            ["MemoryError", "Cannot allocate memory"].iter().any(|it| ran.stderr.contains(it));
        assert!(ended, "{what}: {}", ran.stderr);
    }
    // Half of it can be had.
    assert_eq!(run("x = bytearray(128 << 20); print(len(x))").await.stdout, "134217728\n");
}

#[tokio::test]
async fn time_has_an_end() {
    let one = Gateway { sandbox_timeout_seconds: 1, ..settings() };
    let sandbox = open(&one);
    let table = [
        "while True: pass",
        "import time\ntime.sleep(1000)",
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
        "import os\nos.close(1); os.close(2)\nwhile True: pass",
        "import threading\nthreading.Thread(target=threading.Event().wait).start()",
        "import hashlib, threading\ndef f():\n  while True: hashlib.sha256(bytes(1 << 24))\n\
         for _ in range(4): threading.Thread(target=f).start()",
    ];
    for code in table {
        let failure = run_in(&sandbox, code).await.unwrap_err();
        assert!(matches!(failure, SandboxFailure::TimedOut { seconds: 1 }), "{code}: {failure:?}");
    }
    assert_eq!(run_in(&sandbox, "print(1)").await.unwrap().stdout, "1\n");
}

#[tokio::test]
async fn output_has_an_end() {
    let small = Gateway { sandbox_output_kib: 4, ..settings() };
    let sandbox = open(&small);
    let table = [
        "while True: print('x' * 1000)",
        "import sys\nwhile True: print('é', file=sys.stderr)",
        "import sys\nwhile True:\n  print('out')\n  print('err', file=sys.stderr)",
        "import os\nwhile True: os.write(1, b'\\xff' * 65536)",
    ];
    for code in table {
        let ran = run_in(&sandbox, code).await.unwrap();
        assert!(ran.truncated, "{code}");
        assert_eq!(ran.exit_code, 137, "{code}");
        let characters = ran.stdout.chars().count() + ran.stderr.chars().count();
        assert!((2000..=4096).contains(&characters), "{code}: {characters}");
    }
    let ran = run_in(&sandbox, "print('x' * 4095)").await.unwrap();
    assert_eq!((ran.stdout.len(), ran.truncated, ran.exit_code), (4096, false, 0));
}

#[tokio::test]
async fn files_threads_and_handles_have_an_end() {
    let small = Gateway { sandbox_scratch_mib: 2, ..settings() };
    let ran = run_in(
        &open(&small),
        r#"
import errno, os, threading
def until(act):
    count = 0
    try:
        while count < 100000:
            act(count)
            count += 1
    except OSError as error:
        return count, errno.errorcode[error.errno]
    except RuntimeError as error:
        return count, str(error)
    return count, "no end"
print(until(lambda it: open("/tmp/one", "ab").write(bytes(1 << 20))))
print(until(lambda it: open("/tmp/many%d" % it, "wb").write(bytes(1 << 18))))
for name in os.listdir("/tmp"): os.remove("/tmp/" + name)
count, why = until(lambda it: os.mkdir("/tmp/%d" % it)); print(count < 5000, why)
kept = []
count, why = until(lambda it: kept.append(os.pipe())); print(count < 40, why)
stop = threading.Event()
count, why = until(lambda it: threading.Thread(target=stop.wait).start()); print(count < 40, why)
stop.set()
"#,
    )
    .await
    .unwrap();
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{ran:?}");
    assert!(lines[0] == "(2, 'EFBIG')" || lines[0] == "(1, 'ENOSPC')", "{lines:?}");
    assert!(lines[1].ends_with("'ENOSPC')"), "{lines:?}");
    assert_eq!(lines[2..], ["True ENOSPC", "True EMFILE", "True can't start new thread"]);
    assert_eq!(run("print(1)").await.stdout, "1\n");
}

#[tokio::test]
async fn so_many_run_at_a_time_and_no_more() {
    let two = Gateway { sandbox_runs_max: 2, ..settings() };
    let sandbox = open(&two);
    let sleep = "import time; time.sleep(0.5); print('slept')";
    let (a, b, c) =
        tokio::join!(run_in(&sandbox, sleep), run_in(&sandbox, sleep), run_in(&sandbox, sleep));
    let mut ended = [a, b, c].map(|it| match it {
        Ok(ran) => ran.stdout,
        Err(failure) => failure.to_string(),
    });
    ended.sort();
    let busy = "as much code is running as may at a time; try again soon";
    assert_eq!(ended, [busy, "slept\n", "slept\n"]);
    assert_eq!(run_in(&sandbox, "print(1)").await.unwrap().stdout, "1\n");
}
