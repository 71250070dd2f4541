//! Whom to believe: the issuer's public keys, from the command line, a file or a URL.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use jiff::Timestamp;
use reqwest::Url;
use serde::de::DeserializeOwned;

use super::fetch;
use crate::credentials::inspect::inspect;
use crate::credentials::verify::keys::ALGORITHM;
use crate::credentials::verify::{KeysDocument, PublishedKey, Refusal};

/// A file of keys or revocations is never larger.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where the keys come from.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct KeySource {
    /// The issuer's public root key in hexadecimal, with #ID where only that key id will do
    #[arg(long, value_name = "HEX[#ID]", value_parser = root_key)]
    root_key: Option<RootPublicKey>,
    /// Where the issuer publishes its keys, …/.well-known/biscuit-keys.json
    #[arg(long, value_name = "URL", value_parser = fetch::url)]
    keys_url: Option<Url>,
    /// A file with the published keys
    #[arg(long, value_name = "FILE")]
    keys_file: Option<PathBuf>,
}

/// Refused when a token is so broken that it does not say which key it needs.
pub(super) type Keys = Result<KeysDocument, Refusal>;

#[derive(Clone, Debug)]
struct RootPublicKey {
    key_id: Option<u32>,
    hex: String,
}

impl KeySource {
    /// The keys, or nothing when none were named.
    pub(super) async fn read(&self, token: &str) -> anyhow::Result<Option<Keys>> {
        if let Some(url) = &self.keys_url {
            return Ok(Some(Ok(fetch::keys(url).await?)));
        }
        if let Some(path) = &self.keys_file {
            return Ok(Some(Ok(file(path)?)));
        }
        Ok(self.root_key.as_ref().map(|it| it.document(token)))
    }
}

impl RootPublicKey {
    /// Who names a root key believes its owner, so the issuer is the one that the token states
    /// and the key id, unless it was named, the one that it bears.
    fn document(&self, token: &str) -> Keys {
        let inspection = inspect(token)?;
        let key = PublishedKey {
            key_id: self.key_id.or(inspection.root_key_id).unwrap_or_default(),
            algorithm: ALGORITHM.to_owned(),
            public_key: self.hex.clone(),
            not_before: Timestamp::MIN,
            not_after: None,
        };
        let issuer = inspection.credential.map(|it| it.issuer).unwrap_or_default();
        Ok(KeysDocument { keys: vec![key], issuer })
    }
}

fn root_key(text: &str) -> Result<RootPublicKey, String> {
    let (hex, id) = text.split_once('#').map_or((text, None), |(hex, id)| (hex, Some(id)));
    let hex = hex.strip_prefix("ed25519/").unwrap_or(hex);
    if hex::decode(hex).is_ok_and(|it| it.len() == 32) {
        let key_id = id.map(str::parse).transpose().map_err(|_| "the key id is not a number")?;
        Ok(RootPublicKey { key_id, hex: hex.to_owned() })
    } else {
        Err("an ed25519 public key is 64 hexadecimal digits".to_owned())
    }
}

/// A JSON document.
pub(super) fn file<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|it| it.take(FILE_BYTES_MAX).read_to_end(&mut text))
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    ensure!((text.len() as u64) < FILE_BYTES_MAX, "`{}` is too large", path.display());
    serde_json::from_slice(&text).with_context(|| format!("cannot understand `{}`", path.display()))
}
