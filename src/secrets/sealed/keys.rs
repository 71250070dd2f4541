//! The master keys: a file of them, one a line in hexadecimal, the first of which wraps.
//!
//! There is one, except while a rotation is under way: then the one that it replaces stands below.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRngCore as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::keys::{self, Seed};
use crate::seal::Seal;

const FILE_BYTES_MAX: u64 = 4096;
const GROUP_AND_OTHERS: u32 = 0o077;
const OWNER_ONLY: u32 = 0o600;
/// Enough to tell keys apart; tells nothing about them.
const ID_BYTES: usize = 8;

/// Names a master key without showing it: what the store says that a data key is wrapped with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterId(String);

impl MasterId {
    fn of(seed: &Seed) -> anyhow::Result<MasterId> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&**seed).context("a key of no length")?;
        mac.update(b"gatewright secrets: which master key");
        let digest = mac.finalize().into_bytes();
        Ok(MasterId(hex::encode(digest.get(..ID_BYTES).unwrap_or(&digest))))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MasterId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One master key.
pub struct MasterKey {
    pub id: MasterId,
    pub seal: Seal,
    seed: Seed,
}

impl MasterKey {
    pub fn generate() -> anyhow::Result<MasterKey> {
        let mut seed = Seed::default();
        rand::rngs::OsRng.try_fill_bytes(&mut *seed)?;
        MasterKey::new(seed)
    }

    fn new(seed: Seed) -> anyhow::Result<MasterKey> {
        Ok(MasterKey { id: MasterId::of(&seed)?, seal: Seal::new(&seed), seed })
    }
}

/// The keys of one file; never empty.
pub struct MasterKeys {
    /// Wraps.
    current: MasterKey,
    /// Only opens.
    older: Vec<MasterKey>,
}

impl MasterKeys {
    /// Reads the file at `path`, making it with one new key when there is none.
    pub fn load_or_create(path: &Path) -> anyhow::Result<MasterKeys> {
        if !path.exists() {
            keys::load_or_create_seed(path)?;
        }
        MasterKeys::load(path)
    }

    /// Reads the file, unless others than its owner could have read it as well.
    pub fn load(path: &Path) -> anyhow::Result<MasterKeys> {
        read(path).with_context(|| format!("cannot use the key file `{}`", path.display()))
    }

    pub fn current(&self) -> &MasterKey {
        &self.current
    }

    pub fn older(&self) -> &[MasterKey] {
        &self.older
    }

    pub fn find(&self, id: &str) -> Option<&MasterKey> {
        std::iter::once(&self.current).chain(&self.older).find(|it| it.id.as_str() == id)
    }

    /// The same keys below a new one that wraps from now on.
    pub fn under(self, new: MasterKey) -> MasterKeys {
        let mut older = self.older;
        older.insert(0, self.current);
        MasterKeys { current: new, older }
    }

    /// The key that wraps alone: nothing is wrapped with another any more.
    pub fn without_older(self) -> MasterKeys {
        MasterKeys { current: self.current, older: Vec::new() }
    }

    /// Writes the keys over those that `path` holds: all of them or, after a crash, none.
    pub fn replace(&self, path: &Path) -> anyhow::Result<()> {
        self.write(path).with_context(|| format!("cannot write the key file `{}`", path.display()))
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        // What a crash left behind would stop every later rotation.
        match fs::remove_file(&new) {
            Err(it) if it.kind() != io::ErrorKind::NotFound => return Err(it),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&new)?;
        for key in std::iter::once(&self.current).chain(&self.older) {
            let line = Zeroizing::new(hex::encode(*key.seed));
            file.write_all(line.as_bytes())?;
            file.write_all(b"\n")?;
        }
        file.sync_all()?;
        fs::rename(&new, path)?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn read(path: &Path) -> anyhow::Result<MasterKeys> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    anyhow::ensure!(
        mode & GROUP_AND_OTHERS == 0,
        "others than its owner may read it: `chmod 600` it"
    );
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    let mut keys = text.lines().filter(|it| !it.trim().is_empty()).map(key);
    let current = keys.next().unwrap_or_else(|| anyhow::bail!("it is empty"))?;
    Ok(MasterKeys { current, older: keys.collect::<anyhow::Result<_>>()? })
}

fn key(line: &str) -> anyhow::Result<MasterKey> {
    let mut seed = Seed::default();
    // The decoder's own words would show what stands in the file.
    hex::decode_to_slice(line.trim(), &mut *seed)
        .map_err(|_| anyhow::anyhow!("a line of it does not hold 64 hexadecimal digits"))?;
    MasterKey::new(seed)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_file_is_made_once_and_a_rotation_goes_through_two_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/secrets.key");
        let first = MasterKeys::load_or_create(&path).unwrap();
        let old = first.current().id.clone();
        assert_eq!(MasterKeys::load_or_create(&path).unwrap().current().id, old);

        let both = first.under(MasterKey::generate().unwrap());
        let new = both.current().id.clone();
        both.replace(&path).unwrap();
        let both = MasterKeys::load(&path).unwrap();
        assert_eq!((&both.current().id, both.older().len()), (&new, 1));
        assert!(both.find(old.as_str()).is_some() && both.find("").is_none());

        both.without_older().replace(&path).unwrap();
        let one = MasterKeys::load(&path).unwrap();
        assert_eq!((&one.current().id, one.older().len()), (&new, 0));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_exposed_or_broken_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.key");
        let good = "ab".repeat(32);
        for (text, mode, said) in [
            (good.as_str(), 0o640, "chmod 600"),
            ("", 0o600, "it is empty"),
            ("\n \n", 0o600, "it is empty"),
            ("abab", 0o600, "64 hexadecimal digits"),
            (&format!("{good}\n{good}ab"), 0o600, "64 hexadecimal digits"),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = format!("{:#}", MasterKeys::load(&path).err().unwrap());
            assert!(error.contains(said) && !error.contains("abab"), "{error}");
        }
    }
}
