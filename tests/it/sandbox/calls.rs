//! System calls: those that are not on the list are refused, made in whatever way.

use nix::libc;

use super::{run, tries};

/// What no arithmetic needs, with arguments that could work.
const REFUSED: &[(&str, i64, &str)] = &[
    ("ptrace, traceme", libc::SYS_ptrace, "0, 0, 0, 0"),
    ("ptrace, seize", libc::SYS_ptrace, "0x4206, 1, 0, 0"),
    ("process_vm_readv", libc::SYS_process_vm_readv, "1, 0, 0, 0, 0, 0"),
    ("process_vm_writev", libc::SYS_process_vm_writev, "1, 0, 0, 0, 0, 0"),
    ("process_madvise", libc::SYS_process_madvise, "0, 0, 0, 0, 0"),
    ("kcmp", libc::SYS_kcmp, "1, 1, 0, 0, 0"),
    ("pidfd_open", libc::SYS_pidfd_open, "1, 0"),
    ("pidfd_getfd", libc::SYS_pidfd_getfd, "0, 0, 0"),
    ("mount", libc::SYS_mount, "b'proc', b'/tmp', b'proc', 0, 0"),
    ("umount2", libc::SYS_umount2, "b'/tmp', 2"),
    ("pivot_root", libc::SYS_pivot_root, "b'/tmp', b'/tmp'"),
    ("chroot", libc::SYS_chroot, "b'/tmp'"),
    ("open_tree", libc::SYS_open_tree, "-100, b'/', 1"),
    ("fsopen", libc::SYS_fsopen, "b'proc', 0"),
    ("mount_setattr", libc::SYS_mount_setattr, "-100, b'/', 0, 0, 0"),
    ("unshare, user", libc::SYS_unshare, "0x10000000"),
    ("unshare, nothing", libc::SYS_unshare, "0"),
    ("setns", libc::SYS_setns, "0, 0"),
    ("setuid", libc::SYS_setuid, "0"),
    ("setgroups", libc::SYS_setgroups, "0, 0"),
    ("capset", libc::SYS_capset, "0, 0"),
    ("keyctl", libc::SYS_keyctl, "0, -3, 1"),
    ("add_key", libc::SYS_add_key, "b'user', b'x', b'x', 1, -3"),
    ("request_key", libc::SYS_request_key, "b'user', b'x', 0, -3"),
    ("bpf", libc::SYS_bpf, "0, 0, 0"),
    ("perf_event_open", libc::SYS_perf_event_open, "0, 0, -1, -1, 0"),
    ("io_uring_setup", libc::SYS_io_uring_setup, "1, ctypes.create_string_buffer(120)"),
    ("io_uring_enter", libc::SYS_io_uring_enter, "0, 0, 0, 0, 0, 0"),
    ("io_setup", libc::SYS_io_setup, "1, ctypes.create_string_buffer(8)"),
    ("userfaultfd", libc::SYS_userfaultfd, "1"),
    ("memfd_create", libc::SYS_memfd_create, "b'x', 0"),
    ("memfd_secret", libc::SYS_memfd_secret, "0"),
    ("shmget", libc::SYS_shmget, "0, 4096, 0o1600"),
    ("msgget", libc::SYS_msgget, "0, 0o1600"),
    ("semget", libc::SYS_semget, "0, 1, 0o1600"),
    ("mq_open", libc::SYS_mq_open, "b'/x', 0o102, 0o600, 0"),
    ("socket, unix", libc::SYS_socket, "1, 1, 0"),
    ("socket, packet", libc::SYS_socket, "17, 3, 0"),
    ("socket, netlink", libc::SYS_socket, "16, 3, 0"),
    ("socket, vsock", libc::SYS_socket, "40, 1, 0"),
    ("socketpair", libc::SYS_socketpair, "1, 1, 0, ctypes.create_string_buffer(8)"),
    ("kill", libc::SYS_kill, "-1, 9"),
    ("tkill", libc::SYS_tkill, "1, 9"),
    ("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo, "1, 9, 0"),
    ("setsid", libc::SYS_setsid, ""),
    ("setpgid", libc::SYS_setpgid, "0, 0"),
    ("setpriority", libc::SYS_setpriority, "0, 0, -5"),
    ("sched_setaffinity", libc::SYS_sched_setaffinity, "0, 8, ctypes.create_string_buffer(8)"),
    ("prlimit of another", libc::SYS_prlimit64, "1, 7, 0, ctypes.create_string_buffer(16)"),
    ("prlimit, raised", libc::SYS_prlimit64, "0, 9, (ctypes.c_ulong * 2)(-1, -1), 0"),
    ("prctl, dumpable", libc::SYS_prctl, "4, 1, 0, 0, 0"),
    ("prctl, outlive", libc::SYS_prctl, "1, 0, 0, 0, 0"),
    ("prctl, ptracer", libc::SYS_prctl, "0x59616d61, -1, 0, 0, 0"),
    ("seccomp", libc::SYS_seccomp, "0, 0, 0"),
    ("personality", libc::SYS_personality, "0x0040000"),
    ("init_module", libc::SYS_init_module, "0, 0, b''"),
    ("finit_module", libc::SYS_finit_module, "0, b'', 0"),
    ("kexec_load", libc::SYS_kexec_load, "0, 0, 0, 0"),
    ("reboot", libc::SYS_reboot, "0xfee1dead, 672274793, 0, 0"),
    ("swapon", libc::SYS_swapon, "b'/tmp/x', 0"),
    ("syslog", libc::SYS_syslog, "10, 0, 0"),
    ("acct", libc::SYS_acct, "0"),
    ("quotactl", libc::SYS_quotactl, "0, 0, 0, 0"),
    ("sethostname", libc::SYS_sethostname, "b'x', 1"),
    ("settimeofday", libc::SYS_settimeofday, "0, 0"),
    ("clock_settime", libc::SYS_clock_settime, "0, ctypes.create_string_buffer(16)"),
    ("fanotify_init", libc::SYS_fanotify_init, "0, 0"),
    ("inotify_init1", libc::SYS_inotify_init1, "0"),
    ("mlockall", libc::SYS_mlockall, "3"),
    ("mbind", libc::SYS_mbind, "0, 0, 0, 0, 0, 0"),
    ("move_pages", libc::SYS_move_pages, "0, 0, 0, 0, 0, 0"),
    ("vmsplice", libc::SYS_vmsplice, "1, 0, 0, 0"),
    ("splice", libc::SYS_splice, "0, 0, 1, 0, 1, 0"),
    ("execveat", libc::SYS_execveat, "-100, b'/main.py', 0, 0, 0"),
    ("mknodat", libc::SYS_mknodat, "-100, b'/tmp/x', 0o100600, 0"),
    ("name_to_handle_at", libc::SYS_name_to_handle_at, "-100, b'/main.py', 0, 0, 0"),
    ("open_by_handle_at", libc::SYS_open_by_handle_at, "0, 0, 0"),
    ("fcntl, pipe size", libc::SYS_fcntl, "1, 1031, 1 << 20"),
    ("fcntl, signals to others", libc::SYS_fcntl, "1, 8, 1"),
    ("ioctl, typing ahead", libc::SYS_ioctl, "0, 0x5412, b'x'"),
];

#[tokio::test]
async fn a_call_that_is_not_on_the_list_is_refused() {
    let calls: String = REFUSED
        .iter()
        .map(|(name, number, arguments)| format!("call({name:?}, {number}, {arguments})\n"))
        .collect();
    let said = tries(REFUSED.len(), &calls).await;
    assert!(said.iter().all(|it| it.ends_with(" EPERM")), "{said:#?}");
}

#[tokio::test]
async fn no_process_and_no_namespace_comes_of_clone() {
    let clone = libc::SYS_clone;
    let said = tries(
        7,
        &format!(
            r#"
call("fork", {clone}, 17, 0, 0, 0, 0)
call("vfork", {clone}, 17 | 0x4000 | 0x100, 0, 0, 0, 0)
call("a child that shares memory", {clone}, 17 | 0x100, 0, 0, 0, 0)
call("a thread in a user namespace", {clone}, 0x10000000 | 0x10900, 0, 0, 0, 0)
call("a child in a user namespace", {clone}, 0x10000000 | 17, 0, 0, 0, 0)
call("a thread that is traced", {clone}, 0x10900 | 0x2000, 0, 0, 0, 0)
call("clone3", {}, ctypes.create_string_buffer(88), 88)
"#,
            libc::SYS_clone3
        ),
    )
    .await;
    assert!(said[..6].iter().all(|it| it.ends_with(" EPERM")), "{said:#?}");
    // So that the C library falls back on the call whose flags can be seen.
    assert!(said[6].ends_with(" ENOSYS"), "{said:#?}");
}

/// The kernel has other doors with other numbers: those of 32 bits, and of x32.
#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn other_doors_to_the_kernel_are_shut() {
    let said =
        tries(2, "call('x32 fork', 57 | 0x40000000)\ncall('x32 socket', 41 | 0x40000000, 1, 1, 0)")
            .await;
    assert!(said.iter().all(|it| it.ends_with(" EPERM")), "{said:#?}");
    // mov eax, 20 (getpid of 32 bits); int 0x80; ret
    let ran = run(r#"
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
start = ctypes.addressof(ctypes.c_char.from_buffer(code))
print("ESCAPED", ctypes.CFUNCTYPE(ctypes.c_int)(start)())
"#)
    .await;
    assert_eq!((ran.exit_code, &*ran.stdout), (128 + libc::SIGSYS, ""), "{ran:?}");
}
