//! The revocation feed that offline verifiers read.

use super::Credentials;
use super::verify::feed::{Page, SignedPage};
use crate::{Error, Result};

const PAGE_MAX: i64 = 10_000;

impl Credentials {
    /// What was revoked since `cursor` (empty: ever) and has not expired yet, signed.
    pub async fn feed(&self, cursor: &str) -> Result<SignedPage> {
        let since = match cursor {
            "" => 0,
            text => text.parse::<i64>().ok().filter(|it| *it >= 0).ok_or_else(|| {
                Error::Malformed(format!("`{}` is no cursor of this feed", shown(text)))
            })?,
        };
        // Before the store is read: the page is complete up to the instant that it names.
        let now = self.clock.now();
        let rows = self
            .db
            .query(
                "SELECT seq, credential_id, revocation_ids, expires_at FROM revocations
                 WHERE seq > $1 ORDER BY seq LIMIT $2",
                vec![since.into(), PAGE_MAX.into()],
            )
            .await?;
        let mut page = Page {
            since: cursor.to_owned(),
            cursor: cursor.to_owned(),
            credential_ids: Vec::new(),
            revocation_ids: Vec::new(),
            issued_at: now,
            more: rows.len() as i64 == PAGE_MAX,
        };
        for row in &rows {
            page.cursor = row.int(0)?.to_string();
            if row.int(3)? > now.as_microsecond() {
                page.credential_ids.push(row.text(1)?.to_owned());
                page.revocation_ids.extend(row.json::<Vec<String>>(2)?);
            }
        }
        let signed = self.keys.active().sign(page, &self.issuer);
        Ok(signed.map_err(anyhow::Error::from)?)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}
