//! Which policies decide when a process begins to serve: its own, or those of the store.

use std::sync::Arc;

use anyhow::Context as _;

use super::alarm::Place;
use super::head::{self, Head};
use super::stored::Origin;
use super::taken::written;
use super::{Broken, Bundles, Deciding, Offer};
use crate::Result;
use crate::authz::Authz;
use crate::policy::{Bundle, Fault};

/// What mends a directory whose content the store has left behind.
pub(super) const HOW_TO_MEND: &str = "to decide by the directory, change it while the server runs, or \
                                      roll back to its digest; to silence this, bring the directory \
                                      up to date";

impl Bundles {
    /// Settles what this process decides by. What it brings is taken up where the store has no
    /// bundle yet, or has never seen this content in a directory; otherwise the store's bundle
    /// decides: a replica that starts from an old checkout must not turn back the others.
    ///
    /// # Errors
    /// Nothing sound can decide, or the store does not answer.
    pub async fn begin(&self, authz: &Authz, offer: &Offer) -> anyhow::Result<()> {
        self.note_written().await?;
        let Some(head) = head::read(&*self.db).await? else {
            return self.begin_first(authz, offer).await;
        };
        match &offer.bundle {
            Err(faults) => {
                self.decide_by_store(authz, &head).await?;
                self.refuse(Place::Directory, faults).await;
            }
            Ok(bundle) if bundle.digest() == head.digest => {
                self.note_lying_there(&head, bundle).await?;
                let (id, revision) = (head.bundle, head.revision);
                self.decide_by(authz, Deciding { id, revision, bundle: bundle.clone() });
            }
            Ok(bundle) if head.is_written(&written(bundle)) => {
                self.begin_with_the_same(authz, &head, (bundle, offer.origin)).await?;
            }
            Ok(bundle) => self.begin_with_another(authz, &head, (bundle, offer.origin)).await?,
        }
        Ok(())
    }

    /// For what is the active bundle but for what tools take by now, which it does not look at, or
    /// for the root tier of another release.
    async fn begin_with_the_same(
        &self,
        authz: &Authz,
        head: &Head,
        (bundle, origin): (&Arc<Bundle>, Origin),
    ) -> anyhow::Result<()> {
        let stored = head::load(&*self.db, head.bundle).await?;
        let is_of_this_release = stored.is_ok_and(|it| it.digest() == head.digest);
        // While replicas are upgraded, those of the release before have nothing to bring.
        let was_there = self.with_digest(bundle.digest()).await?;
        if is_of_this_release || was_there.is_some_and(|it| it.taken_at.is_some()) {
            self.note_lying_there(head, bundle).await?;
            return self.decide_by_store(authz, head).await;
        }
        self.begin_with_new(authz, head, (bundle, origin)).await?;
        Ok(())
    }

    async fn begin_with_another(
        &self,
        authz: &Authz,
        head: &Head,
        (bundle, origin): (&Arc<Bundle>, Origin),
    ) -> anyhow::Result<()> {
        let written = written(bundle);
        if !self.was_taken_before(&written).await? {
            if let Some(faults) = self.begin_with_new(authz, head, (bundle, origin)).await? {
                self.waiting.keep(bundle.clone(), faults);
            }
            return Ok(());
        }
        self.note_read(&written);
        self.decide_by_store(authz, head).await?;
        tracing::warn!(
            of_directory = bundle.digest(),
            of_store = head.digest,
            "the policies on disk were active before and are ignored, the store's decide; \
             {HOW_TO_MEND}"
        );
        Ok(())
    }

    /// What is against it, where it is refused.
    async fn begin_with_new(
        &self,
        authz: &Authz,
        head: &Head,
        (bundle, origin): (&Arc<Bundle>, Origin),
    ) -> anyhow::Result<Option<Vec<Fault>>> {
        let invariants = match self.weighed(bundle).await? {
            Ok(it) => it,
            Err(faults) => {
                self.decide_by_store(authz, head).await?;
                self.refuse(Place::Directory, &faults).await;
                return Ok(Some(faults));
            }
        };
        self.make_active(authz, bundle, origin, &invariants).await?;
        self.note_read(&written(bundle));
        Ok(None)
    }

    async fn note_lying_there(&self, head: &Head, bundle: &Bundle) -> Result<()> {
        if let Some(stored) = self.find(head.bundle).await? {
            self.note_taken(head, &stored).await?;
        }
        self.note_read(&written(bundle));
        Ok(())
    }

    async fn begin_first(&self, authz: &Authz, offer: &Offer) -> anyhow::Result<()> {
        let bundle = offer.bundle()?;
        let invariants = self.weighed(bundle).await?.map_err(Broken)?;
        self.make_active(authz, bundle, offer.origin, &invariants).await?;
        self.note_read(&written(bundle));
        Ok(())
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
