//! What code prints, kept up to a limit.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

const CHUNK_BYTES: usize = 8192;

/// What was printed, both streams together no longer than the limit.
#[derive(Debug, Default)]
pub struct Output {
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    /// Whether there was more.
    pub truncated: bool,
}

impl Output {
    /// Reads both streams until both have ended, or one byte more than `max` has come.
    ///
    /// # Errors
    /// That a stream cannot be read.
    pub async fn collect(
        out: &mut (impl AsyncRead + Unpin),
        err: &mut (impl AsyncRead + Unpin),
        max: usize,
    ) -> io::Result<Output> {
        let mut all = Output::default();
        let (mut of_out, mut of_err) = ([0; CHUNK_BYTES], [0; CHUNK_BYTES]);
        let (mut out_open, mut err_open) = (true, true);
        while (out_open || err_open) && !all.truncated {
            let left = max.saturating_sub(all.out.len() + all.err.len());
            tokio::select! {
                read = out.read(&mut of_out), if out_open => {
                    let chunk = of_out.get(..read?).unwrap_or_default();
                    out_open = !chunk.is_empty();
                    all.truncated |= keep(&mut all.out, chunk, left);
                }
                read = err.read(&mut of_err), if err_open => {
                    let chunk = of_err.get(..read?).unwrap_or_default();
                    err_open = !chunk.is_empty();
                    all.truncated |= keep(&mut all.err, chunk, left);
                }
            }
        }
        Ok(all)
    }
}

/// Reads both streams to their ends and keeps nothing.
pub async fn drain(mut out: impl AsyncRead + Unpin, mut err: impl AsyncRead + Unpin) {
    let (mut nowhere, mut neither) = (tokio::io::sink(), tokio::io::sink());
    // A stream that cannot be read has ended as well.
    let _ = tokio::join!(
        tokio::io::copy(&mut out, &mut nowhere),
        tokio::io::copy(&mut err, &mut neither)
    );
}

/// Keeps what there is room for, and says whether something was left out.
fn keep(kept: &mut Vec<u8>, chunk: &[u8], left: usize) -> bool {
    let fits = chunk.get(..left).unwrap_or(chunk);
    kept.extend_from_slice(fits);
    fits.len() < chunk.len()
}

/// Bytes as text; a character that the limit cut in two is left out.
pub fn text(mut bytes: Vec<u8>) -> String {
    if let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn collect(mut out: &[u8], mut err: &[u8], max: usize) -> (String, String, bool) {
        let all = Output::collect(&mut out, &mut err, max).await.unwrap();
        (text(all.out), text(all.err), all.truncated)
    }

    #[tokio::test]
    async fn both_streams_share_one_limit() {
        assert_eq!(collect(b"abc", b"de", 5).await, ("abc".into(), "de".into(), false));
        let (out, err, truncated) = collect(b"abc", b"def", 5).await;
        assert!(truncated);
        assert_eq!(out.len() + err.len(), 5, "{out:?} {err:?}");
        let (out, _, truncated) = collect(&vec![b'x'; 100_000], b"", 20_000).await;
        assert_eq!((out.len(), truncated), (20_000, true));
        assert_eq!(collect(b"", b"", 0).await, (String::new(), String::new(), false));
    }

    #[test]
    fn a_character_that_was_cut_is_left_out_and_others_are_replaced() {
        assert_eq!(text("aé".as_bytes()[..2].to_vec()), "a");
        assert_eq!(text(vec![b'a', 0xff, b'b']), "a\u{fffd}b");
    }
}
