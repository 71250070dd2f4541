//! An answer that comes line by line.

use bytes::{Bytes, BytesMut};

use crate::net::outbound::{Failure, Incoming};

/// The lines of a body, as they come; no longer than the whole body may be.
pub(super) struct Lines {
    incoming: Incoming,
    rest: BytesMut,
}

impl Lines {
    pub fn of(incoming: Incoming) -> Lines {
        Lines { incoming, rest: BytesMut::new() }
    }

    /// The next line that is not empty, without its end; none behind the last.
    ///
    /// # Errors
    /// Those of [`Incoming::chunk`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        // What is known to hold no end of a line is not looked through again.
        let mut looked_at = 0;
        loop {
            if let Some(end) = self.rest.iter().skip(looked_at).position(|it| *it == b'\n') {
                let line = self.rest.split_to(looked_at + end + 1).freeze();
                looked_at = 0;
                if let Some(line) = filled(&line) {
                    return Ok(Some(line));
                }
                continue;
            }
            looked_at = self.rest.len();
            match self.incoming.chunk().await? {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None => return Ok(filled(&self.rest.split().freeze())),
            }
        }
    }
}

fn filled(line: &Bytes) -> Option<Bytes> {
    let text = line.trim_ascii();
    (!text.is_empty()).then(|| line.slice_ref(text))
}
