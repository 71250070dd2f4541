//! Drafts: taken in, checked, and kept whatever the check found.

use std::sync::Arc;

use uuid::Uuid;

use super::gate::Examined;
use super::stored::{Files, Origin, State, Stored};
use super::{Bundles, CheckBundle, DraftBundle, EditPolicy, files};
use crate::authn::Caller;
use crate::authz::{Permit, Warrant};
use crate::error::FieldFault;
use crate::policy::{Fault, Sources, starter};
use crate::store::Statement;
use crate::{Error, Result};

/// Whether a draft is new, or the bundle was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    New,
    Before,
}

/// A bundle that is about to become a row.
pub(super) struct New<'a> {
    pub id: Uuid,
    pub digest: &'a str,
    pub files: &'a Files,
    pub state: State,
    pub origin: Origin,
    /// The id of its author, and the name.
    pub author: (&'a str, &'a str),
    pub base: &'a str,
    pub note: Option<&'a str>,
    pub examined: &'a Examined,
    pub now: i64,
}

impl Bundles {
    /// Keeps these files as a draft, with what the check found; the same files again are the bundle
    /// that is there.
    ///
    /// # Errors
    /// A file that no bundle has; too many checks at once.
    pub async fn draft(&self, permit: Permit<DraftBundle>) -> Result<(Arc<Stored>, Made)> {
        let (caller, action, base, warrant) = permit.spend();
        let DraftBundle { files, note } = action;
        self.keep(&warrant, &caller, &base, (files, note), None).await
    }

    /// Keeps the active bundle with one change as a draft.
    ///
    /// # Errors
    /// As [`Bundles::draft`]; the change does not fit.
    pub async fn edit(&self, permit: Permit<EditPolicy>) -> Result<(Arc<Stored>, Made)> {
        let (caller, EditPolicy { edit, note }, base, warrant) = permit.spend();
        let active = self.deciding().filter(|it| it.id == base.id);
        let Some(active) = active else {
            return Err(Error::Conflict("another bundle became active: look again".into()));
        };
        let files = edit.apply(&active.bundle, files(active.bundle.sources()))?;
        let kept = edit.keeps().map(str::to_owned);
        self.keep(&warrant, &caller, &base, (files, note), kept.as_deref()).await
    }

    /// `there` is a policy that must be in it.
    async fn keep(
        &self,
        warrant: &Warrant,
        caller: &Caller,
        base: &Stored,
        (files, note): (Files, Option<String>),
        there: Option<&str>,
    ) -> Result<(Arc<Stored>, Made)> {
        let sources = files::sources(&files).map_err(misplaced)?;
        let digest = digest(&sources);
        if let Some(before) = self.with_digest(&digest).await? {
            return Ok((before, Made::Before));
        }
        let active = self.deciding().map(|it| it.id);
        let examined = self.examine(sources, caller.principal().id()).await?;
        if let (Some(id), Some(bundle)) = (there, &examined.bundle)
            && bundle.meta(id).is_none()
        {
            return Err(Error::field("/text", format!("must be the policy with `@id(\"{id}\")`")));
        }
        if active != Some(base.id) {
            return Err(Error::Conflict("another bundle became active: try again".into()));
        }
        // A sound bundle brings the types of the tools that it names, and neither brings the root
        // tier, which every bundle has.
        let (files, digest) = match &examined.bundle {
            Some(it) => (files::files(it.sources()), it.digest().to_owned()),
            None => (without_root_tier(files), digest),
        };
        if let Some(before) = self.with_digest(&digest).await? {
            return Ok((before, Made::Before));
        }
        let principal = caller.principal();
        let author = principal.id().to_string();
        let new = New {
            id: self.clock.new_id(),
            digest: &digest,
            files: &files,
            state: examined.state(),
            origin: Origin::Api,
            author: (&author, principal.name()),
            base: &base.digest,
            note: note.as_deref(),
            examined: &examined,
            now: self.clock.micros(),
        };
        warrant.note("bundle", new.id.to_string());
        warrant.note("digest", digest.as_str());
        warrant.note("passed", examined.report.passed);
        match self.ledger.commit(warrant, vec![new.insert()?]).await {
            Ok(()) => Ok((self.find(new.id).await?.ok_or(Error::NotFound)?, Made::New)),
            // Somebody drafted the same at the same time.
            Err(Error::Conflict(text)) => match self.with_digest(&digest).await? {
                Some(before) => Ok((before, Made::Before)),
                None => Err(Error::Conflict(text)),
            },
            Err(other) => Err(other),
        }
    }

    /// Checks a bundle again: against the bundle that is active now. One that was active before stays
    /// what it is, and learns what going back to it would do.
    ///
    /// # Errors
    /// A conflict where somebody changed it meanwhile; too many checks at once.
    pub async fn check(&self, permit: Permit<CheckBundle>) -> Result<Arc<Stored>> {
        let (caller, _, stored, warrant) = permit.spend();
        let files = self.files_of(stored.id).await?;
        let active = self.active().await?.map(|it| it.digest.clone()).unwrap_or_default();
        let sources = files::sources(&files).map_err(misplaced)?;
        let examined = self.examine(sources, caller.principal().id()).await?;
        warrant.note("digest", stored.digest.as_str());
        warrant.note("passed", examined.report.passed);
        let state = match stored.state {
            State::Retired => State::Retired,
            _ => examined.state(),
        };
        let flips = stored.flips.filter(|_| stored.checked_against == active);
        let update = Statement::new(
            "UPDATE bundles
             SET state = $3, report = $4, checked_against = $5, tests_green = $6,
                 invariants_hold = $7, widens = $8, flips = $9, updated_at = $10,
                 revision = revision + 1
             WHERE id = $1 AND revision = $2 AND state <> 'active'",
        )
        .bind(stored.id)
        .bind(stored.revision)
        .bind(state.as_str())
        .bind(examined.json()?)
        .bind(active)
        .bind(examined.tests_green())
        .bind(examined.invariants_hold())
        .bind(examined.report.widens())
        .bind(flips)
        .bind(self.clock.micros())
        .expect_rows(1);
        self.ledger.commit(&warrant, vec![update]).await?;
        self.find(stored.id).await?.ok_or(Error::NotFound)
    }

    /// Writes down how many recorded decisions a bundle would turn: its blast radius.
    ///
    /// # Errors
    /// A conflict where it has become active meanwhile.
    pub async fn note_flips(&self, warrant: &Warrant, id: Uuid, flips: u64) -> Result<()> {
        let flips = i64::try_from(flips).unwrap_or(i64::MAX);
        warrant.note("bundle", id.to_string());
        warrant.note("flips", flips);
        let update = Statement::new(
            "UPDATE bundles SET flips = $2, updated_at = $3, revision = revision + 1
             WHERE id = $1 AND state <> 'active'",
        );
        let update = update.bind(id).bind(flips).bind(self.clock.micros()).expect_rows(1);
        self.ledger.commit(warrant, vec![update]).await
    }
}

impl Examined {
    pub(super) fn state(&self) -> State {
        if self.report.passed { State::Checked } else { State::Draft }
    }

    /// A bundle without tests is not green: nobody knows what it does.
    pub(super) fn tests_green(&self) -> bool {
        self.report.tests.status == super::Status::Passed
    }

    fn invariants_hold(&self) -> bool {
        self.report.invariants.status == super::Status::Passed
    }

    pub(super) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string(&self.report).map_err(anyhow::Error::from)?)
    }
}

impl New<'_> {
    pub(super) fn insert(&self) -> Result<Statement> {
        let sources = serde_json::to_string(self.files).map_err(anyhow::Error::from)?;
        let active = (self.state == State::Active).then_some(self.now);
        Ok(Statement::new(
            "INSERT INTO bundles (id, digest, sources, state, origin, author, author_name, base,
                                  note, report, checked_against, tests_green, invariants_hold,
                                  widens, created_at, updated_at, activated_at, taken_at, written,
                                  revision)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $8, $11, $12, $13, $14, $14, $15, $16,
                     $17, 1)",
        )
        .bind(self.id)
        .bind(self.digest)
        .bind(sources)
        .bind(self.state.as_str())
        .bind(self.origin.as_str())
        .bind(self.author.0)
        .bind(self.author.1)
        .bind(self.base)
        .bind(self.note)
        .bind(self.examined.json()?)
        .bind(self.examined.tests_green())
        .bind(self.examined.invariants_hold())
        .bind(self.examined.report.widens())
        .bind(self.now)
        .bind(active)
        // Nobody but the host makes a bundle active that was none.
        .bind(active)
        .bind(files::written(self.files))
        .expect_rows(1))
    }
}

/// The digest that the bundle has, or would have.
fn digest(sources: &Sources) -> String {
    match starter::with_root_tier(sources.clone()) {
        Ok(it) => it.digest(),
        Err(_) => sources.digest(),
    }
}

fn without_root_tier(mut files: Files) -> Files {
    files.retain(|path, text| {
        path.strip_prefix("policies/") != Some(starter::ROOT_NAME) || !starter::is_root_tier(text)
    });
    files
}

/// What no bundle has, by where it stood in the request.
fn misplaced(faults: Vec<Fault>) -> Error {
    let field = |it: Fault| {
        let name = it.file.replace('~', "~0").replace('/', "~1");
        let fix = it.fix.unwrap_or_default();
        FieldFault { pointer: format!("/files/{name}"), detail: format!("{}: {fix}", it.problem) }
    };
    Error::Invalid(faults.into_iter().map(field).collect())
}
