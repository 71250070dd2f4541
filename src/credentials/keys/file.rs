//! The key file: one root key a line, readable by its owner only.
//!
//! ```text
//! 1 public 5d09…  2026-08-01T00:00:00Z 2026-11-21T22:15:00Z
//! 2 private 9a41… 2026-11-21T22:00:00Z -
//! ```
//!
//! Exactly one line is private: the key that signs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use biscuit_auth::{Algorithm, PrivateKey, PublicKey};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::super::verify::keys::ALGORITHM;
use super::{KeyRing, PublishedKey, RootKey};

/// A ring of a thousand keys fits.
const FILE_BYTES_MAX: u64 = 256 * 1024;

const OWNER_ONLY: u32 = 0o600;
const GROUP_AND_OTHERS: u32 = 0o077;

/// Why a key file was not read or written. Never carries what is in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("cannot read the key file `{path}`")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the key file `{path}`")]
    Write { path: PathBuf, source: io::Error },
    #[error("the key file `{0}` may be read by others than its owner: `chmod 600` it")]
    Exposed(PathBuf),
    #[error("the key file `{path}` is unreadable in line {line}")]
    Line { path: PathBuf, line: usize },
    #[error("the key file `{path}` has {found} private keys, it needs one")]
    Active { path: PathBuf, found: usize },
}

impl KeyRing {
    /// Reads the ring, unless others than the owner of the file could have read it as well.
    pub fn load(path: &Path) -> Result<KeyRing, KeyFileError> {
        parse(path, &read(path)?)
    }

    /// Writes the ring to a file that does not exist yet.
    pub fn create(&self, path: &Path) -> Result<(), KeyFileError> {
        write(path, &self.lines())
    }

    /// Writes the ring over the one that `path` holds: all of it or, after a crash, none.
    pub fn replace(&self, path: &Path) -> Result<(), KeyFileError> {
        let failed = |source| KeyFileError::Write { path: path.to_owned(), source };
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        // What a crash left behind would stop every later rotation.
        match fs::remove_file(&new) {
            Err(it) if it.kind() != io::ErrorKind::NotFound => return Err(failed(it)),
            _ => {}
        }
        write(&new, &self.lines())?;
        fs::rename(&new, path).map_err(failed)?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        folder.sync_all().map_err(failed)
    }

    fn lines(&self) -> Zeroizing<String> {
        let mut lines = Zeroizing::new(String::new());
        for it in &self.published {
            let private = Zeroizing::new(self.active.pair.private().to_bytes_hex());
            let active = it.key_id == self.active.key_id;
            let (half, key) =
                if active { ("private", &*private) } else { ("public", &it.public_key) };
            let until = it.not_after.map_or_else(|| "-".to_owned(), |it| it.to_string());
            let id = it.key_id.to_string();
            let line = [id.as_str(), half, key, &it.not_before.to_string(), &until];
            lines.push_str(&Zeroizing::new(line.join(" ")));
            lines.push('\n');
        }
        lines
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.permissions().mode() & GROUP_AND_OTHERS != 0 {
        return Err(KeyFileError::Exposed(path.to_owned()));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn write(path: &Path, lines: &str) -> Result<(), KeyFileError> {
    let written = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(OWNER_ONLY).open(path)?;
        file.write_all(lines.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|source| KeyFileError::Write { path: path.to_owned(), source })
}

fn parse(path: &Path, text: &str) -> Result<KeyRing, KeyFileError> {
    let (mut active, mut published) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (private, public) = key(line)
            .filter(|(_, it)| {
                !published.iter().any(|known: &PublishedKey| known.key_id == it.key_id)
            })
            .ok_or_else(|| KeyFileError::Line { path: path.to_owned(), line: index + 1 })?;
        active.extend(private);
        published.push(public);
    }
    match <[RootKey; 1]>::try_from(active) {
        Ok([active]) => Ok(KeyRing { active, published }),
        Err(it) => Err(KeyFileError::Active { path: path.to_owned(), found: it.len() }),
    }
}

fn key(line: &str) -> Option<(Option<RootKey>, PublishedKey)> {
    let mut words = line.split_whitespace();
    let (id, half, key) = (words.next()?, words.next()?, words.next()?);
    let (from, until) = (words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let key_id: u32 = id.parse().ok()?;
    let private = match half {
        "private" => {
            let key = PrivateKey::from_bytes_hex(key, Algorithm::Ed25519).ok()?;
            Some(RootKey::from_private(key_id, &key))
        }
        "public" => None,
        _ => return None,
    };
    let public_key = match &private {
        Some(it) => it.public_key(),
        None => PublicKey::from_bytes_hex(key, Algorithm::Ed25519).ok()?.to_bytes_hex(),
    };
    let not_after: Option<Timestamp> = match until {
        "-" => None,
        it => Some(it.parse().ok()?),
    };
    let algorithm = ALGORITHM.to_owned();
    let not_before = from.parse().ok()?;
    Some((private, PublishedKey { key_id, algorithm, public_key, not_before, not_after }))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::credentials::fixture::NOW;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn put(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_ring_comes_back_as_it_was() {
        let folder = folder();
        let path = folder.path().join("keys");
        let first = KeyRing::generate(*NOW);
        first.create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);

        let loaded = KeyRing::load(&path).unwrap();
        assert_eq!(loaded.document("i", *NOW), first.document("i", *NOW));
        assert_eq!(loaded.active().public_key(), first.active().public_key());

        let second = loaded.rotate(*NOW, SignedDuration::from_secs(900));
        second.replace(&path).unwrap();
        let loaded = KeyRing::load(&path).unwrap();
        assert_eq!(loaded.document("i", *NOW), second.document("i", *NOW));
        assert_eq!(loaded.active().key_id(), 2);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_exists_is_not_overwritten() {
        let folder = folder();
        let path = folder.path().join("keys");
        put(&path, "precious", 0o600);
        let error = KeyRing::generate(*NOW).create(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Write { .. }));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = folder();
        let path = folder.path().join("keys");
        let lines = KeyRing::generate(*NOW).lines();
        for mode in [0o640, 0o604, 0o660, 0o601] {
            put(&path, &lines, mode);
            assert!(matches!(KeyRing::load(&path), Err(KeyFileError::Exposed(_))), "{mode:o}");
        }
        put(&path, &lines, 0o400);
        assert!(KeyRing::load(&path).is_ok());
    }

    #[test]
    fn a_broken_file_is_refused_without_showing_it() {
        let folder = folder();
        let path = folder.path().join("keys");
        let line = KeyRing::generate(*NOW).lines().trim().to_owned();
        let public = KeyRing::generate(*NOW).active().public_key();
        let other = format!("2 public {public} 2026-01-01T00:00:00Z -");
        for (text, expected) in [
            (String::new(), "has 0 private keys"),
            (other.clone(), "has 0 private keys"),
            (format!("{line}\n{}", line.replacen('1', "2", 1)), "has 2 private keys"),
            (format!("{line}\n{}", other.replacen('2', "1", 1)), "in line 2"),
            (line.replace("private", "secret"), "in line 1"),
            (line.replace(" -", ""), "in line 1"),
            (format!("{line} -"), "in line 1"),
            (line.replacen("private ", "private 0", 1), "in line 1"),
            (format!("# comment\n\n{line}\nx"), "in line 4"),
        ] {
            put(&path, &text, 0o600);
            let error = KeyRing::load(&path).unwrap_err();
            assert!(error.to_string().contains(expected), "{error} for {text}");
            let private = line.split(' ').nth(2).unwrap();
            assert!(!format!("{error:?}").contains(private));
        }
    }

    #[test]
    fn a_key_never_prints_its_private_half() {
        let ring = KeyRing::generate(*NOW);
        let private = ring.active.pair.private().to_bytes_hex();
        assert!(!format!("{ring:?}").contains(&private));
    }
}
