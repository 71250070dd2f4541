//! Which policies decide when a process begins to serve: its own, or those of the store.

use anyhow::Context as _;

use super::alarm::Place;
use super::head::{self, Head};
use super::{Broken, Bundles, Deciding, Offer};
use crate::Result;
use crate::authz::Authz;

/// What mends a directory whose content the store has left behind.
const HOW_TO_MEND: &str = "to decide by the directory, change it while the server runs, or roll back to its digest; \
                           to silence this, bring the directory up to date";

impl Bundles {
    /// Settles what this process decides by. What it brings is taken up where the store has no
    /// bundle yet, or has never seen this content in a directory; otherwise the store's bundle
    /// decides: a replica that starts from an old checkout must not turn back the others.
    ///
    /// # Errors
    /// Nothing sound can decide, or the store does not answer.
    pub async fn begin(&self, authz: &Authz, offer: &Offer) -> anyhow::Result<()> {
        let Some(head) = head::read(&*self.db).await? else {
            return self.begin_first(authz, offer).await;
        };
        match &offer.bundle {
            Err(faults) => {
                self.decide_by_store(authz, &head).await?;
                self.refuse(Place::Directory, faults).await;
            }
            Ok(bundle) if bundle.digest() == head.digest => {
                if let Some(stored) = self.find(head.bundle).await? {
                    self.note_taken(&stored).await?;
                }
                self.note_read(bundle.digest());
                let (id, revision) = (head.bundle, head.revision);
                self.decide_by(authz, Deciding { id, revision, bundle: bundle.clone() });
            }
            Ok(bundle) => {
                let (of_directory, of_store) = (bundle.digest(), &head.digest);
                if self.was_taken_before(of_directory).await? {
                    self.note_read(of_directory);
                    self.decide_by_store(authz, &head).await?;
                    tracing::warn!(
                        of_directory,
                        of_store,
                        "the policies on disk were active before and are ignored, the store's \
                         decide; {HOW_TO_MEND}"
                    );
                    return Ok(());
                }
                match self.weighed(bundle).await? {
                    Err(faults) => {
                        self.decide_by_store(authz, &head).await?;
                        self.refuse(Place::Directory, &faults).await;
                    }
                    Ok(invariants) => {
                        self.make_active(authz, bundle, offer.origin, &invariants).await?;
                        self.note_read(of_directory);
                    }
                }
            }
        }
        Ok(())
    }

    async fn begin_first(&self, authz: &Authz, offer: &Offer) -> anyhow::Result<()> {
        let bundle = offer.bundle()?;
        let invariants = self.weighed(bundle).await?.map_err(Broken)?;
        self.make_active(authz, bundle, offer.origin, &invariants).await?;
        self.note_read(bundle.digest());
        Ok(())
    }

    async fn was_taken_before(&self, digest: &str) -> Result<bool> {
        Ok(self.with_digest(digest).await?.is_some_and(|it| it.taken_at.is_some()))
    }

    async fn decide_by_store(&self, authz: &Authz, head: &Head) -> anyhow::Result<()> {
        let loaded = head::load(&*self.db, head.bundle).await?;
        let bundle = loaded.map_err(Broken).context("the bundle of the store is of no use here")?;
        let _turn = self.turn.lock().await;
        let (id, revision) = (head.bundle, head.revision);
        self.decide_by(authz, Deciding { id, revision, bundle });
        Ok(())
    }
}
