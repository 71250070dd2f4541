//! Keys that live in files of their own: 32 random bytes in hexadecimal, owner-only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use ed25519_dalek::SigningKey;
use rand::TryRngCore as _;
use zeroize::Zeroizing;

/// 32 secret bytes, gone from memory when they are dropped.
pub type Seed = Zeroizing<[u8; 32]>;

/// Reads the signing key at `path`, making it when there is none.
pub fn load_or_create(path: &Path) -> anyhow::Result<SigningKey> {
    Ok(SigningKey::from_bytes(&*load_or_create_seed(path)?))
}

/// Reads the bytes at `path`, for keys of other kinds, making them when there are none.
pub fn load_or_create_seed(path: &Path) -> anyhow::Result<Seed> {
    if !path.exists() {
        create(path).with_context(|| format!("cannot make the key file `{}`", path.display()))?;
    }
    load_seed(path)
}

/// Reads the bytes at `path`, unless others than the owner of the file could have read them as well.
pub fn load_seed(path: &Path) -> anyhow::Result<Seed> {
    load(path).with_context(|| format!("cannot use the key file `{}`", path.display()))
}

/// Makes the folder that is to hold `path`, for its owner only.
pub fn make_folder_of(path: &Path) -> std::io::Result<()> {
    match path.parent().filter(|it| !it.as_os_str().is_empty()) {
        Some(folder) => DirBuilder::new().recursive(true).mode(0o700).create(folder),
        None => Ok(()),
    }
}

fn create(path: &Path) -> anyhow::Result<()> {
    make_folder_of(path)?;
    let mut seed = Seed::default();
    rand::rngs::OsRng.try_fill_bytes(&mut *seed)?;
    let text = Zeroizing::new(format!("{}\n", hex::encode(*seed)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    tracing::warn!(path = %path.display(), "made a new key; keep it safe");
    Ok(file.sync_all()?)
}

fn load(path: &Path) -> anyhow::Result<Seed> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    anyhow::ensure!(mode & 0o077 == 0, "others than its owner may read it: `chmod 600` it");
    let mut text = Zeroizing::new(String::new());
    file.take(1024).read_to_string(&mut text)?;
    let mut seed = Seed::default();
    // The decoder's own words would show what stands in the file.
    hex::decode_to_slice(text.trim(), &mut *seed)
        .map_err(|_| anyhow::anyhow!("it does not hold 64 hexadecimal digits"))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/audit.key");
        let first = load_or_create(&path).unwrap();
        assert_eq!(load_or_create(&path).unwrap().to_bytes(), first.to_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = format!("{:#}", load_or_create(&path).unwrap_err());
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_broken_key_file_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "not-hex-secret").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = format!("{:#}", load_or_create(&path).unwrap_err());
        assert!(!error.contains("not-hex-secret"), "{error}");
    }
}
