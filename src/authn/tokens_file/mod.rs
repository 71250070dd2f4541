//! Tokens that an operator keeps in a file: each stands for a principal, for as long as its line
//! is there.

mod lines;
mod strength;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use notify::RecursiveMode;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use self::lines::{Digest, Fault, Line, parse};
use crate::clock::Clock;
use crate::directory::PrincipalName;
use crate::watch::{Pace, Watch};

const BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Whoever may write the file may act as anybody.
const WRITABLE_BY_ALL: u32 = 0o002;

/// The tokens of one file, as it was read last. A file that cannot be read, and one with a fault,
/// has none: what is not certainly a token opens nothing.
pub struct TokensFile {
    path: PathBuf,
    /// Whom a token stands for whose line does not say.
    otherwise: Option<PrincipalName>,
    tokens: ArcSwap<HashMap<Digest, Arc<FileToken>>>,
    clock: Clock,
}

/// One line of the file, without its token.
#[derive(Debug)]
pub struct FileToken {
    /// Of the token: what it is known by.
    pub digest: [u8; 32],
    pub line: Line,
    /// When the line was first read; microseconds since the epoch.
    pub read_at: i64,
}

/// Why a file gives no tokens. Never shows one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoTokens {
    #[error("the tokens file `{path}` cannot be read: {problem}")]
    Unreadable { path: PathBuf, problem: String },
    #[error("the tokens file `{path}` has {} fault(s): {}", .faults.len(), listed(.faults))]
    Faulty { path: PathBuf, faults: Vec<Fault> },
}

impl TokensFile {
    /// Reads the file. At the start a fault is for the operator to mend.
    pub fn open(
        path: &Path,
        otherwise: Option<PrincipalName>,
        clock: Clock,
    ) -> Result<TokensFile, NoTokens> {
        let file =
            TokensFile { path: path.to_owned(), otherwise, tokens: ArcSwap::default(), clock };
        let text = file.read()?;
        file.take(&text)?;
        Ok(file)
    }

    /// The line of the token that somebody sent.
    pub fn recognise(&self, sent: &SecretString) -> Option<Arc<FileToken>> {
        let digest: Digest = Sha256::digest(sent.expose_secret()).into();
        self.tokens.load().get(&digest).cloned()
    }

    /// How many tokens there are.
    pub fn count(&self) -> usize {
        self.tokens.load().len()
    }

    /// Follows the file: what is added is good, and what is taken out is not, soon after it is
    /// written. A file that breaks closes the door until it is mended.
    ///
    /// # Errors
    /// The operating system refuses to watch its folder.
    pub fn watch(self: Arc<Self>, pace: Pace) -> notify::Result<Watch> {
        let path = self.path.clone();
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        // The folder, not the file: editors, and those who mount secrets, put another in its place.
        let folders = [(folder.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)];
        let mut seen = None;
        Watch::start("tokens-watch", &folders, pace, move || {
            let read = self.read();
            let now = read.as_ref().map(|it| Digest::from(Sha256::digest(it.as_bytes())));
            let now = now.map_err(NoTokens::clone);
            if seen.as_ref() == Some(&now) {
                return;
            }
            seen = Some(now);
            self.follow(read);
        })
    }

    fn follow(&self, read: Result<Zeroizing<String>, NoTokens>) {
        match read.and_then(|text| self.take(&text)) {
            Ok(()) => tracing::info!(tokens = self.count(), "the tokens file is read"),
            Err(error) => {
                self.tokens.store(Arc::default());
                tracing::error!(%error, "none of its tokens is good until it is mended");
            }
        }
    }

    fn read(&self) -> Result<Zeroizing<String>, NoTokens> {
        let unreadable =
            |problem: String| NoTokens::Unreadable { path: self.path.clone(), problem };
        let file = File::open(&self.path).map_err(|it| unreadable(it.to_string()))?;
        let mode = file.metadata().map_err(|it| unreadable(it.to_string()))?.mode();
        if mode & WRITABLE_BY_ALL != 0 {
            return Err(unreadable("everybody on this machine may write it".to_owned()));
        }
        let mut text = Zeroizing::new(String::new());
        let read = file.take(BYTES_MAX + 1).read_to_string(&mut text);
        match read.map_err(|it| unreadable(it.to_string()))? as u64 {
            ..=BYTES_MAX => Ok(text),
            _ => Err(unreadable(format!("it is larger than {BYTES_MAX} bytes"))),
        }
    }

    /// Puts the tokens of `text` in the place of those there were.
    fn take(&self, text: &str) -> Result<(), NoTokens> {
        let lines = parse(text, self.otherwise.as_ref())
            .map_err(|faults| NoTokens::Faulty { path: self.path.clone(), faults })?;
        let (before, now) = (self.tokens.load(), self.clock.micros());
        let token = |(digest, line): (Digest, Line)| {
            // A line that stays is as old as it was.
            let same = before.get(&digest).filter(|it| it.line == line).cloned();
            let token = same.unwrap_or_else(|| Arc::new(FileToken { digest, line, read_at: now }));
            (digest, token)
        };
        self.tokens.store(Arc::new(lines.into_iter().map(token).collect()));
        Ok(())
    }
}

fn listed(faults: &[Fault]) -> String {
    const SHOWN_MAX: usize = 20;
    let shown: Vec<String> = faults.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
    shown.join("; ")
}
