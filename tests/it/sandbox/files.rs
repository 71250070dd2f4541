//! Files of the host: neither read nor written, by no way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{BINARY, run, tries};
use crate::harness::Gate;

#[tokio::test]
async fn no_file_of_the_host_is_read() {
    let gate = Gate::start();
    let at = |name: &str| gate.folder.path().join(name).display().to_string();
    // Anybody on the host might read them; code must not find them even so.
    for name in ["gatewright.db", "credentials.key"] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(gate.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let paths = [
        "/etc/passwd",
        "/etc/shadow",
        "/etc/hostname",
        "/etc/ssl/openssl.cnf",
        "/root",
        "/home",
        "/proc",
        "/proc/1/environ",
        "/proc/self/environ",
        "/proc/self/maps",
        "/proc/self/exe",
        "/proc/self/fd",
        "/proc/version",
        "/proc/mounts",
        "/sys",
        "/sys/kernel",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/shm",
        "/dev/pts",
        "/dev/tty",
        "/run",
        "/var",
        "/bin/sh",
        "/usr/bin/env",
        "/host",
        "/",
        "/usr",
        "/usr/bin",
        "/usr/lib",
        "/dev",
        "..",
    ];
    let mut paths: Vec<String> = paths.map(str::to_owned).to_vec();
    paths.extend([at(""), at("gatewright.db"), at("credentials.key"), at("access.key")]);
    paths.push(BINARY.to_owned());
    let code = format!(
        r#"
for path in {paths:?}:
    def read():
        return os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(100)
    held(path, read)
"#
    );
    tries(paths.len(), &code).await;
    assert_eq!(gate.anyone().get("/livez").await.status, 200);
}

#[tokio::test]
async fn no_link_and_no_handle_leads_out() {
    tries(
        11,
        r#"
os.symlink("/etc/passwd", "/tmp/passwd")
os.symlink("../" * 40 + "etc/passwd", "/tmp/up")
os.symlink("/", "/tmp/root")
os.symlink("/proc/self/root", "/tmp/proc")
for name in ["passwd", "up", "root/etc/passwd", "proc/etc/passwd"]:
    held("link " + name, lambda: open("/tmp/" + name).read())
held("list through a link", lambda: os.listdir("/tmp/root"))
held("hard link", lambda: os.link("/main.py", "/tmp/main.py"))
held("hard link out", lambda: os.link("/tmp/passwd", "/usr/passwd"))
root = os.open("/", os.O_PATH)
held("above the root", lambda: os.open("../../etc/passwd", os.O_RDONLY, dir_fd=root))
held("chroot", lambda: os.chroot("/tmp"))
os.fchdir(root)
held("from the root", lambda: open("../../../etc/passwd"))
held("through a descriptor", lambda: os.listdir("/dev/fd"))
"#,
    )
    .await;
}

#[tokio::test]
async fn nothing_is_written_but_to_scratch() {
    tries(
        21,
        r#"
import shutil
inside = os.__file__
for path in [inside, "/main.py", "/new", "/usr/new", "/etc/passwd", "/dev/new", sys.executable]:
    held("write " + path, lambda: open(path, "a"))
    held("truncate " + path, lambda: os.truncate(path, 0))
held("mkdir", lambda: os.mkdir("/folder"))
held("rename", lambda: os.rename("/main.py", "/tmp/main.py"))
held("remove", lambda: os.remove("/main.py"))
held("chmod", lambda: os.chmod(inside, 0o777))
held("a device", lambda: os.mknod("/tmp/null", 0o600 | 0o020000, os.makedev(1, 1)))
held("a pipe with a name", lambda: os.mkfifo("/tmp/pipe"))
shutil.copyfile(sys.executable, "/tmp/python")
os.chmod("/tmp/python", 0o4755)
held("run a copy", lambda: os.execv("/tmp/python", ["python", "-c", "print('ESCAPED')"]))
"#,
    )
    .await;
    // What one run leaves in scratch, the next does not find.
    assert_eq!(run("open('/tmp/left', 'w').write('x')").await.exit_code, 0);
    assert_eq!(run("import os; print(os.listdir('/tmp'))").await.stdout, "[]\n");
}

#[tokio::test]
async fn only_the_standard_library_is_there() {
    let ran = run(r#"
import os, sys
folders = [it for it in sys.path if os.path.isdir(it)]
for folder in folders:
    for name in ["site-packages", "dist-packages"]:
        place = os.path.join(folder, name)
        if os.path.exists(place):
            assert not os.access(place, os.W_OK) and os.stat(place).st_nlink == 2
print(len(folders) > 0, os.getcwd(), os.getuid(), os.getpid(), os.uname().nodename)
"#)
    .await;
    assert_eq!((&*ran.stdout, &*ran.stderr), ("True /tmp 1000 1 sandbox\n", ""));
}
