//! What the host sees of code that runs: every layer, asked of the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::ends::{Busy, PATIENCE, busy};
use crate::harness::server::until;

/// The lines `name: value` of a file of `/proc`.
fn lines(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap();
    let parts = text.lines().filter_map(|it| it.split_once(':'));
    parts.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

fn names(path: &Path) -> BTreeSet<String> {
    let all = fs::read_dir(path).unwrap();
    all.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

fn of(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

#[tokio::test]
async fn every_layer_is_there_as_the_host_sees_it() {
    let Busy { gate, outer, inner, answer } = busy().await;
    let at = of(inner);

    let status = lines(&at.join("status"));
    for sets in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[sets], "0".repeat(16), "{sets}");
    }
    for (name, value) in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("Threads", "1")] {
        assert_eq!(status[name], value, "{name}");
    }
    // The first process, and in nobody's group or session.
    for name in ["NSpid", "NSpgid", "NSsid"] {
        assert!(status[name].ends_with("\t1"), "{name}: {}", status[name]);
    }
    assert!(!status["Uid"].split_whitespace().any(|it| it == "0"), "{status:?}");
    assert_eq!(fs::read_to_string(at.join("oom_score_adj")).unwrap(), "1000\n");
    let stat = fs::read_to_string(at.join("stat")).unwrap();
    // proc(5): the 19th field, the second being the last with a bracket.
    let nice = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16);
    assert_eq!(nice, Some("10"), "{stat}");

    for space in ["user", "pid", "net", "mnt", "ipc", "uts", "cgroup"] {
        let link = |at: PathBuf| fs::read_link(at.join("ns").join(space)).unwrap();
        assert_ne!(link(at.clone()), link(of(gate.pid())), "{space}");
    }
    let devices = fs::read_to_string(at.join("net/dev")).unwrap();
    assert!(devices.lines().skip(2).all(|it| it.trim_start().starts_with("lo:")), "{devices}");

    let limits = fs::read_to_string(at.join("limits")).unwrap();
    let limit = |name: &str| -> Vec<String> {
        let line = limits.lines().find_map(|it| it.strip_prefix(name)).unwrap();
        line.split_whitespace().take(2).map(str::to_owned).collect()
    };
    for (name, most) in [
        ("Max address space", 256 << 20),
        ("Max cpu time", 25),
        ("Max file size", 16 << 20),
        ("Max processes", 32),
        ("Max open files", 64),
        ("Max core file size", 1),
        ("Max locked memory", 0),
    ] {
        assert_eq!(limit(name), [most.to_string(), most.to_string()], "{name}");
    }

    // The interpreter opens and closes files of its own while it starts.
    let open = at.join("fd");
    let three = ["0", "1", "2"].map(str::to_owned).into();
    until(PATIENCE, || (names(&open) == three).then_some(()));
    assert_eq!(fs::read_to_string(at.join("environ")).unwrap(), "MALLOC_ARENA_MAX=1\0");
    for pid in [inner, outer] {
        let command = fs::read_to_string(of(pid).join("cmdline")).unwrap();
        assert!(!command.contains("sleep"), "the code is no argument: {command}");
    }
    drop(gate);
    answer.abort();
}

#[tokio::test]
async fn its_mounts_are_the_interpreter_s_and_read_only() {
    let Busy { gate, inner, answer, .. } = busy().await;
    let mounts = fs::read_to_string(of(inner).join("mountinfo")).unwrap();
    let mut writable = Vec::new();
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (at, options) = (fields[4], fields[5]);
        assert!(options.split(',').any(|it| it == "nosuid"), "{line}");
        assert!(!["/proc", "/sys", "/etc", "/host"].iter().any(|it| at.starts_with(it)), "{line}");
        if !options.split(',').any(|it| it == "ro") {
            writable.push(at);
        }
    }
    assert_eq!(writable, ["/tmp"], "{mounts}");
    let root = names(&of(inner).join("root"));
    let strange = ["etc", "proc", "sys", "home", "root", "var", "run", "host", "bin"];
    assert!(strange.iter().all(|it| !root.contains(*it)), "{root:?}");
    assert!(root.contains("main.py") && root.contains("tmp"), "{root:?}");
    drop(gate);
    answer.abort();
}
