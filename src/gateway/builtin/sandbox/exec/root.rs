//! The file system of the code: the interpreter and the code, read-only, and a small scratch folder.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{chdir, pivot_root};

use super::super::wire::{Job, Layer, OrRefuse as _, Refusal, ensure};

const OF: Layer = Layer::Root;

/// Where the code lies, inside.
pub const CODE: &str = "/main.py";
/// What may be written to, inside: the place where programs look for such a folder.
pub const SCRATCH: &str = "/tmp";
/// The one device.
pub const NOTHING: &str = "/dev/null";

/// A folder that every host has, and where nothing of the host is needed once it is covered.
const BASE: &str = "/tmp";
/// The host's files while they are needed, inside.
const HOST: &str = "/host";
/// Packages that somebody installed beside the standard library.
const PACKAGES: [&str; 2] = ["site-packages", "dist-packages"];

const TMPFS: Option<&str> = Some("tmpfs");
const NONE: Option<&str> = None;
const SCRATCH_INODES: u64 = 4096;
/// The code, and the folders and empty files that things are mounted on.
const ROOT_OPTIONS: &str = "size=4m,nr_inodes=8192,mode=755";

/// Puts this process into a root of its own, from which no way leads to the host's files.
pub fn build(job: &Job) -> Result<(), Refusal> {
    enter()?;
    let view = &job.view;
    let mut bound: Vec<(PathBuf, PathBuf)> = vec![(NOTHING.into(), NOTHING.into())];
    bound.push((view.executable.clone(), view.executable.clone()));
    bound.extend(view.folders.iter().map(|it| (it.clone(), it.clone())));
    bound.extend(view.files.iter().map(|it| (it.from.clone(), it.at.clone())));
    for (from, at) in &bound {
        let taken = [CODE, SCRATCH, HOST].iter().find(|it| at.starts_with(it));
        let said = || format!("`{}` is where the code's own files are", at.display());
        taken.map_or(Ok(()), |_| Err(Refusal::new(Layer::Interpreter, said())))?;
        bind(from, at)?;
    }
    for packages in view.folders.iter().flat_map(|it| PACKAGES.map(|name| it.join(name))) {
        if packages.is_dir() {
            let options = Some("size=4k,nr_inodes=1,mode=555");
            tmpfs(&packages, MsFlags::MS_RDONLY, options)?;
        }
    }
    fs::write(CODE, &job.code).or_refuse(OF, "writing the code")?;
    make_folder(SCRATCH.as_ref())?;
    let options = format!("size={},nr_inodes={SCRATCH_INODES},mode=700", job.limits.scratch_bytes);
    tmpfs(SCRATCH.as_ref(), MsFlags::MS_NOEXEC, Some(&options))?;
    leave_host()?;
    check(&bound.iter().map(|(_, at)| at.as_path()).collect::<Vec<_>>())
}

/// Makes an empty root, with the host's files in a folder of it.
fn enter() -> Result<(), Refusal> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).or_refuse(OF, "making mounts private")?;
    tmpfs(BASE.as_ref(), MsFlags::empty(), Some(ROOT_OPTIONS))?;
    let host = format!("{BASE}{HOST}");
    fs::create_dir(&host).or_refuse(OF, "making the host's place")?;
    pivot_root(BASE, host.as_str()).or_refuse(OF, "changing the root")?;
    chdir("/").or_refuse(OF, "entering the root")
}

fn tmpfs(at: &Path, more: MsFlags, options: Option<&str>) -> Result<(), Refusal> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | more;
    mount(TMPFS, at, TMPFS, flags, options)
        .or_refuse(OF, &format!("mounting a tmpfs on `{}`", at.display()))
}

/// Mounts the host's file or folder `from` on `at`, read-only.
fn bind(from: &Path, at: &Path) -> Result<(), Refusal> {
    let doing = format!("mounting `{}`", at.display());
    let source = within(HOST, from);
    let metadata = fs::metadata(&source).or_refuse(OF, &doing)?;
    if metadata.is_dir() {
        make_folder(at)?;
    } else {
        at.parent().map_or(Ok(()), make_folder)?;
        File::create(at).or_refuse(OF, &doing)?;
    }
    mount(Some(&source), at, NONE, MsFlags::MS_BIND, NONE).or_refuse(OF, &doing)?;
    // What the host restricted on its mount must be said again.
    let has = statvfs(at).or_refuse(OF, &doing)?.flags();
    let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID;
    flags.set(MsFlags::MS_NOEXEC, has.contains(FsFlags::ST_NOEXEC));
    // The device stays one; to it, read-only is nothing.
    flags.set(MsFlags::MS_NODEV, at != Path::new(NOTHING) || has.contains(FsFlags::ST_NODEV));
    flags.set(MsFlags::MS_RDONLY, true);
    mount(NONE, at, NONE, flags, NONE).or_refuse(OF, &format!("{doing} read-only"))
}

/// Lets go of the host's files, and makes the root read-only.
fn leave_host() -> Result<(), Refusal> {
    umount2(HOST, MntFlags::MNT_DETACH).or_refuse(OF, "letting go of the host's files")?;
    fs::remove_dir(HOST).or_refuse(OF, "letting go of the host's files")?;
    let flags = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV;
    mount(NONE, "/", NONE, flags, NONE).or_refuse(OF, "making the root read-only")
}

/// Sees that everything is read-only but the scratch folder, and that nothing else is there.
pub fn check(bound: &[&Path]) -> Result<(), Refusal> {
    let inside: Vec<&Path> = [&[CODE.as_ref(), SCRATCH.as_ref()], bound].concat();
    let expected = |name: &OsString| {
        let place = Path::new("/").join(name);
        inside.iter().any(|it| it.starts_with(&place))
    };
    for entry in fs::read_dir("/").or_refuse(OF, "listing the root")? {
        let name = entry.or_refuse(OF, "listing the root")?.file_name();
        ensure(OF, expected(&name), &format!("`{}` is there", name.display()))?;
    }
    for path in [&["/".as_ref()], bound].concat() {
        let flags = statvfs(path).or_refuse(OF, &format!("`{}`", path.display()))?.flags();
        let holds = flags.contains(FsFlags::ST_RDONLY | FsFlags::ST_NOSUID);
        ensure(OF, holds, &format!("`{}` is not read-only", path.display()))?;
    }
    let tried = File::create("/written").map(drop).map_err(|it| it.raw_os_error());
    ensure(OF, tried == Err(Some(nix::libc::EROFS)), "the root can be written to")?;
    let scratch = statvfs(SCRATCH).or_refuse(OF, "the scratch folder")?.flags();
    let closed = FsFlags::ST_NOSUID | FsFlags::ST_NODEV | FsFlags::ST_NOEXEC;
    ensure(OF, scratch.contains(closed), "the scratch folder is too open")
}

fn make_folder(path: &Path) -> Result<(), Refusal> {
    let mut make = fs::DirBuilder::new();
    make.recursive(true)
        .mode(0o755)
        .create(path)
        .or_refuse(OF, &format!("making `{}`", path.display()))
}

/// An absolute path below another.
fn within(outer: &str, path: &Path) -> PathBuf {
    Path::new(outer).join(path.strip_prefix("/").unwrap_or(path))
}
