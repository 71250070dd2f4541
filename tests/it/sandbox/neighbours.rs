//! What is around code: the network, other processes, what was open and what was set.

use std::fs::File;
use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use nix::unistd::dup;
use tokio::net::{TcpListener, UdpSocket};

use super::{run, tries};

#[tokio::test]
async fn there_is_no_network() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let named = UnixListener::bind(&path).unwrap();
    let name = format!("gatewright-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let abstracted = UnixListener::bind_addr(&address).unwrap();
    let code = format!(
        r#"
import socket, urllib.request
held("tcp", lambda: socket.create_connection(("127.0.0.1", {tcp}), 2))
held("tcp, v6", lambda: socket.create_connection(("::1", {tcp}), 2))
held("tcp to the world", lambda: socket.create_connection(("1.1.1.1", 443), 2))
held("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {udp})))
held("unix", lambda: socket.socket(socket.AF_UNIX).connect("{path}"))
held("unix, abstract", lambda: socket.socket(socket.AF_UNIX).connect("\0{name}"))
held("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
held("packets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
held("listen", lambda: socket.create_server(("127.0.0.1", 0)))
held("a pair", lambda: socket.socketpair())
held("names", lambda: socket.getaddrinfo("localhost.localdomain", 80))
held("names of the world", lambda: socket.getaddrinfo("example.com", 80))
held("http", lambda: urllib.request.urlopen("http://169.254.169.254/", timeout=2).read())
"#,
        tcp = tcp.local_addr().unwrap().port(),
        udp = udp.local_addr().unwrap().port(),
        path = path.display(),
    );
    tries(13, &code).await;
    let came = futures_util::FutureExt::now_or_never(tcp.accept());
    assert!(came.is_none(), "somebody came in by TCP");
    assert!(udp.try_recv(&mut [0; 8]).is_err(), "somebody wrote by UDP");
    for listener in [named, abstracted] {
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "somebody came in by a unix socket");
    }
}

#[tokio::test]
async fn no_other_process_is_made_or_reached() {
    let tgkill = nix::libc::SYS_tgkill;
    let code = r#"
import multiprocessing, signal, subprocess
def shell():
    if os.system("true") != 0:
        raise OSError(errno.EPERM, "it did not run")
held("fork", os.fork)
held("forkpty", os.forkpty)
held("a command", lambda: subprocess.run(["/bin/true"]))
held("a shell", shell)
held("python again", lambda: subprocess.run([sys.executable, "-c", "print('ESCAPED')"]))
held("posix_spawn", lambda: os.posix_spawn(sys.executable, [sys.executable], {}))
held("a pool", lambda: multiprocessing.Pool(2))
held("everybody", lambda: os.kill(-1, signal.SIGKILL))
held("the group", lambda: os.kill(0, signal.SIGKILL))
held("the parent", lambda: os.kill(os.getppid(), signal.SIGKILL))
for pid in [1, 2]:
    held("process %d" % pid, lambda: os.kill(pid, signal.SIGKILL))
held("the group by its name", lambda: os.killpg(os.getpgrp(), signal.SIGKILL))
call("another's thread", {tgkill}, 2, 2, 9)
held("another's session", lambda: os.getsid(2))
held("priorities", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
"#;
    tries(16, &code.replace("{tgkill}", &tgkill.to_string())).await;
}

#[tokio::test]
async fn nothing_that_was_open_or_set_is_there() {
    // A file that whoever starts the sandbox left open for its children.
    let mut secret = tempfile::tempfile().unwrap();
    secret.write_all(b"secret").unwrap();
    let left = dup(&secret).unwrap();
    let high = nix::fcntl::fcntl(&secret, nix::fcntl::FcntlArg::F_DUPFD(700)).unwrap();
    let ran = run(r#"
import os
def is_open(it):
    try:
        return bool(os.fstat(it))
    except OSError:
        return False
print([it for it in range(5000) if is_open(it)])
print(os.read(0, 10), sorted(os.environ.items()))
"#)
    .await;
    assert_eq!(ran.stdout, "[0, 1, 2]\nb'' [('MALLOC_ARENA_MAX', '1')]\n", "{}", ran.stderr);
    // They were there to be found.
    let kept = File::from(left);
    assert_eq!(kept.metadata().unwrap().len(), 6);
    nix::unistd::close(high).unwrap();
}
