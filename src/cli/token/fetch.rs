//! Fetches published keys and the revocation feed, from the URLs that the user named.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::{Client, Url, redirect};
use serde::de::DeserializeOwned;

use crate::clock::Clock;
use crate::credentials::verify::feed::SignedPage;
use crate::credentials::verify::{KeysDocument, RevocationList};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most pages of one feed; a server that never comes to an end is refused.
const PAGES_MAX: usize = 1000;

/// The URL did not answer, as opposed to answering nonsense.
#[derive(Debug, thiserror::Error)]
#[error("`{url}` cannot be reached")]
pub(super) struct Unreachable {
    url: Url,
    source: reqwest::Error,
}

/// The document at `/.well-known/biscuit-keys.json`.
pub(super) async fn keys(url: &Url) -> anyhow::Result<KeysDocument> {
    get(&client()?, url.clone()).await
}

/// Every page of the feed, each checked against `keys`.
pub(super) async fn feed(
    url: &Url,
    keys: &KeysDocument,
    clock: &Clock,
) -> anyhow::Result<RevocationList> {
    let client = client()?;
    let mut list = RevocationList::default();
    for _ in 0..PAGES_MAX {
        let mut next = url.clone();
        next.query_pairs_mut().append_pair("since", list.cursor());
        let page: SignedPage = get(&client, next).await?;
        let more = page.page.more;
        list.apply(page.check(keys, clock.now())?)?;
        if !more {
            return Ok(list);
        }
    }
    bail!("the feed has more than {PAGES_MAX} pages");
}

/// A server to believe, or to trust with a token: by TLS, or on this very machine.
pub(in crate::cli) fn url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|it| format!("{it}"))?;
    let local = ["localhost", "127.0.0.1", "[::1]"];
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host_str().is_some_and(|it| local.contains(&it)) => Ok(url),
        "http" => Err("plain http is for this machine only, use https".to_owned()),
        other => Err(format!("`{other}` is neither https nor http")),
    }
}

fn client() -> anyhow::Result<Client> {
    // Whoever came first has installed the same one; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIME_MAX)
        .timeout(ANSWER_TIME_MAX)
        .build()?;
    Ok(client)
}

async fn get<T: DeserializeOwned>(client: &Client, url: Url) -> anyhow::Result<T> {
    let unreachable = |source| Unreachable { url: url.clone(), source };
    let mut answer = client.get(url.clone()).send().await.map_err(unreachable)?;
    ensure!(answer.status().is_success(), "`{url}` answers {}", answer.status());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        let size = body.len() + chunk.len();
        ensure!(
            size <= ANSWER_BYTES_MAX,
            "`{url}` answers with more than {ANSWER_BYTES_MAX} bytes"
        );
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).with_context(|| format!("`{url}` does not answer as expected"))
}
