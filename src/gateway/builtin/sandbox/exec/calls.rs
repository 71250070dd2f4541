//! seccomp: the system calls that an interpreter needs for arithmetic, threads and its own files.
//! No other process, no socket, no signal to others, no mount, no tracing, no keys.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use super::super::wire::{Layer, OrRefuse as _, Refusal};

const OF: Layer = Layer::Seccomp;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Whatever they are called with.
const ALLOWED: &[i64] = &[
    // Files, as far as the file system and Landlock let it.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_openat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_readlinkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_umask,
    libc::SYS_utimensat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_fadvise64,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_close_range,
    libc::SYS_pselect6,
    libc::SYS_ppoll,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    // Threads and their signals.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack,
    // To a thread of a process that it names: there is one process, its own.
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_restart_syscall,
    // What it is, and when.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
    // To become the interpreter. What else can be run is Landlock's to say: nothing.
    libc::SYS_execve,
];

/// The elder calls that this architecture still has.
#[cfg(target_arch = "x86_64")]
const ELDER: &[i64] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_getdents,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_readlink,
    libc::SYS_chmod,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_select,
    libc::SYS_poll,
    libc::SYS_getpgrp,
    libc::SYS_getrlimit,
    libc::SYS_time,
    libc::SYS_alarm,
    libc::SYS_pause,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ELDER: &[i64] = &[libc::SYS_renameat];

/// What may be asked of an open file besides its bytes.
const IOCTLS: [u64; 6] =
    [libc::TCGETS, libc::TIOCGWINSZ, libc::FIONREAD, libc::FIONBIO, libc::FIOCLEX, libc::FIONCLEX];

/// Not among them: who gets signals, and how much a pipe holds.
const FCNTLS: [i32; 12] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETLK,
    libc::F_SETLK,
    libc::F_SETLKW,
    libc::F_OFD_GETLK,
    libc::F_OFD_SETLK,
    libc::F_OFD_SETLKW,
];

const THREAD: i32 = libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
const SPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Two filters, in the order in which they are to be put in force.
pub struct Filter {
    newer: BpfProgram,
    allowed: BpfProgram,
}

/// Compiles the filters.
pub fn filter() -> Result<Filter, Refusal> {
    compile().or_refuse(OF, "compiling the filter")
}

/// Puts the filters in force for this process and what it becomes, for good.
pub fn restrict(filter: &Filter) -> Result<(), Refusal> {
    apply_filter(&filter.newer).or_refuse(OF, "putting the filter in force")?;
    apply_filter(&filter.allowed).or_refuse(OF, "putting the filter in force")
}

fn compile() -> Result<Filter, BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let errno = |it: i32| SeccompAction::Errno(it.unsigned_abs());
    // A filter cannot look into what this call points to. Where the kernel does not know it, the
    // C library takes the elder one.
    let newer = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let newer =
        SeccompFilter::new(newer, SeccompAction::Allow, errno(libc::ENOSYS), arch)?.try_into()?;
    let allowed = SeccompFilter::new(rules()?, errno(libc::EPERM), SeccompAction::Allow, arch)?;
    Ok(Filter { newer, allowed: allowed.try_into()? })
}

fn rules() -> Result<Rules, BackendError> {
    let mut rules: Rules = ALLOWED.iter().chain(ELDER).map(|it| (*it, Vec::new())).collect();
    // The other filter refuses it, in words of its own.
    rules.insert(libc::SYS_clone3, Vec::new());
    let equal = SeccompCmpOp::Eq;
    let each = |argument, values: &[u64]| {
        values.iter().map(|it| when(argument, equal.clone(), *it)).collect::<Result<_, _>>()
    };
    rules.insert(libc::SYS_ioctl, each(1, &IOCTLS)?);
    rules.insert(libc::SYS_fcntl, each(1, &FCNTLS.map(of))?);
    rules.insert(libc::SYS_prctl, each(0, &[of(libc::PR_SET_NAME), of(libc::PR_GET_NAME)])?);
    // Its own limits, never those of another process.
    rules.insert(libc::SYS_prlimit64, each(0, &[0])?);
    let thread = SeccompCmpOp::MaskedEq(of(THREAD | SPACES | libc::CLONE_PTRACE));
    rules.insert(libc::SYS_clone, vec![when(0, thread, of(THREAD))?]);
    Ok(rules)
}

/// A constant of the C library as the number that the kernel sees.
fn of(constant: i32) -> u64 {
    u64::from(constant.cast_unsigned())
}

fn when(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let length = SeccompCmpArgLen::Dword;
    SeccompRule::new(vec![SeccompCondition::new(argument, length, operator, value)?])
}
