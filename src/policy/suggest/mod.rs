//! Least privilege: the narrowest set of rules that would have let an agent do all that it did.
//!
//! The suggestion is made of forbids alone. What it keeps is what the agent was allowed in the
//! window; that it keeps it is shown by replaying the window, and that it allows nothing new follows
//! from its form, or from a proof where it takes the place of an older one.

mod proof;
mod rows;
mod seen;
mod used;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::proof::Widening;
pub use self::used::{Used, Uses};

use self::rows::{Evidence, Rows};
use self::write::{Proposal, prefix, slug};
use super::format::formatted;
use super::load::SourceFile;
use super::replay::{AtHand, Bounds, Known, LeftOut, Replaying, Report, gather};
use super::{Bundle, Fault};
use crate::audit::past::Past;
use crate::clock::{Clock, instant};
use crate::{Error, Result};

const FOLDER: &str = "policies";

/// Whose rights are to be narrowed, under which bundle.
#[derive(Clone, Debug)]
pub struct Subject {
    pub id: Uuid,
    pub name: String,
}

/// A file to put into a bundle.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    /// Below the root of the bundle, as in `policies/suggest-robot.cedar`.
    pub path: String,
    pub text: String,
}

/// Something that no row of the suggestion's table holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WithoutRow {
    /// A policy that it suggests, or a use that it is to leave as it is.
    pub what: String,
    pub why: String,
}

/// A tighter set of rules for one agent, and what speaks for it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Suggestion {
    pub agent: Known,
    /// Where the window begins.
    pub since: Timestamp,
    /// What the agent was allowed, by tool and action.
    pub used: Vec<Used>,
    /// What to add to the active bundle.
    pub files: Vec<Written>,
    /// The active bundle with these files, asked again what was asked in the window. Nothing may
    /// close.
    pub replay: Report,
    /// Decisions that would close without these files, too: the active bundle refuses them today.
    #[serde(default)]
    pub closed_already: usize,
    /// Whether it may allow anything that the active bundle does not.
    pub widens: Widening,
    /// What of the window was not looked at; none when all of it was.
    pub left_out: Option<LeftOut>,
    /// Uses of the window that cannot be read, of which nobody knows what they were.
    #[serde(default)]
    pub unreadable: usize,
    /// What no row among the files holds, and why.
    #[serde(default)]
    pub without_rows: Vec<WithoutRow>,
    /// Whether all of this can be relied on: everything was read, everything was asked again,
    /// nothing closes and nothing is allowed that was not.
    pub sound: bool,
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replay = &self.replay.replay;
        let uses: usize = self.used.iter().map(|it| it.times).sum();
        writeln!(f, "{uses} uses since {} were read", self.since)?;
        writeln!(
            f,
            "replayed: of {} decisions {} would close; {} could not be asked again",
            replay.total,
            replay.closed_count(),
            replay.unknown_count()
        )?;
        if self.closed_already > 0 {
            writeln!(f, "{} more the active bundle itself refuses by now", self.closed_already)?;
        }
        match self.widens.nothing {
            true => writeln!(f, "it allows nothing new: {}", self.widens.why)?,
            false => writeln!(f, "that it allows nothing new is {}", self.widens.why)?,
        }
        for WithoutRow { what, why } in &self.without_rows {
            writeln!(f, "no row holds {what}: {why}")?;
        }
        match self.sound {
            true => return write!(f, "it can be relied on for all that was seen"),
            false => write!(f, "it can NOT be relied on as it stands:")?,
        }
        self.doubts().iter().try_for_each(|it| write!(f, "\n  {it}"))
    }
}

impl Suggestion {
    /// Why it cannot be relied on.
    fn doubts(&self) -> Vec<String> {
        let (replay, mut doubts) = (&self.replay.replay, Vec::new());
        if !self.widens.nothing {
            doubts.push("it may allow what the active bundle does not".to_owned());
        }
        if self.unreadable > 0 {
            doubts.push(format!("{} uses cannot be read", self.unreadable));
        }
        if replay.closed_count() > 0 {
            doubts
                .push(format!("{} decisions that were allowed would close", replay.closed_count()));
        }
        let unknown = self.replay.unknown_by_reason();
        doubts.extend(unknown.map(|(count, why)| format!("{count} decisions {why}")));
        for (left_out, what) in [(self.left_out, "read"), (self.replay.left_out, "asked again")] {
            if let Some(LeftOut { entries, by }) = left_out {
                let bound = by.told();
                doubts
                    .push(format!("{entries} older entries were not {what}: the bound on {bound}"));
            }
        }
        doubts
    }
}

/// Where a suggestion is made.
pub struct Window {
    pub past: Past,
    /// Microseconds since the epoch.
    pub since: i64,
    pub bounds: Bounds,
    /// What is known of the bundles that decided in it.
    pub at_hand: AtHand,
}

/// Proposes what `agent` needs by what it did in the window, under `active`.
///
/// # Errors
/// The store does not answer, or the active bundle does not take the proposal up.
pub async fn suggest(
    agent: Subject,
    active: Arc<Bundle>,
    window: Window,
    clock: &Clock,
) -> Result<Suggestion> {
    let Window { past, since, bounds, at_hand } = window;
    let past = past.about(agent.id).as_of_now().await?;
    let uses = Uses::of(agent.id, active.clone());
    let (uses, left_out) = gather(uses, past.clone(), bounds, clock).await?;
    let known =
        Known { kind: "agent".to_owned(), id: agent.id.to_string(), name: agent.name.clone() };
    let (used, since) = (uses.all(), instant(since));
    let proposal = Proposal {
        agent: &known,
        preface: preface(&agent, &uses, since, left_out),
        used: &used,
        bounds: uses.seen.bounds(),
    };
    let name = format!("suggest-{}.cedar", slug(&agent.name));
    let file = SourceFile::new(FOLDER, &name, proposal.text());
    // It goes where the form of files may be checked.
    let text = formatted(&file).unwrap_or(file.text);
    let policy = Written { path: file.path, text };
    let candidate = with(active.clone(), policy.clone()).await?;
    let widens = Widening::of(&active, &candidate).await;
    let evidence = Evidence {
        agent: &known,
        used: &used,
        uses: uses.recorded(&used).collect(),
        active: &active,
        candidate: &candidate,
    };
    let (tests, without_rows) = tests(&evidence, &slug(&agent.name));
    let at_hand = Arc::new(at_hand.with(active));
    let replaying = Replaying::new(candidate.clone(), at_hand);
    let (mut replaying, unasked) = gather(replaying, past, bounds, clock).await?;
    // Where another policy refuses as well, or none permits, the suggestion closes nothing.
    let ours = prefix(&known);
    let closes = |it: &str| it.starts_with(&ours);
    let closed_already = replaying.so_far.set_aside_closed(|flip| {
        let is_said = !flip.reasons_after.is_empty() || !flip.errors_after.is_empty();
        is_said && flip.reasons_after.iter().all(|it| closes(it))
    });
    let replay = Report::new(candidate.digest(), since, replaying.so_far, unasked);
    let sound = widens.nothing
        && replay.replay.closed_count() + replay.replay.unknown_count() + uses.unreadable == 0
        && (left_out, replay.left_out) == (None, None);
    let mut files = vec![policy];
    files.extend(tests);
    let unreadable = uses.unreadable;
    Ok(Suggestion {
        agent: known,
        since,
        used,
        files,
        replay,
        closed_already,
        widens,
        left_out,
        unreadable,
        without_rows,
        sound,
    })
}

/// The rows, and what they are about, as files; and what no row holds.
fn tests(evidence: &Evidence<'_>, name: &str) -> (Vec<Written>, Vec<WithoutRow>) {
    let Rows { table, fixtures, without } = evidence.rows();
    let Some(text) = table else { return (Vec::new(), without) };
    let table = Written { path: format!("{FOLDER}/tests/suggest-{name}.toml"), text };
    let fixtures = fixtures
        .into_iter()
        .map(|(name, text)| Written { path: format!("{FOLDER}/tests/fixtures/{name}"), text });
    (std::iter::once(table).chain(fixtures).collect(), without)
}

fn preface(
    agent: &Subject,
    uses: &Uses,
    since: Timestamp,
    left_out: Option<LeftOut>,
) -> Vec<String> {
    let Subject { id, name } = agent;
    let mut lines = vec![
        format!("What agent {name} ({id}) is seen to need, by its allowed uses since {since}."),
        "Every policy here forbids: it takes away, and can never allow anything new.".to_owned(),
    ];
    if let Some(LeftOut { entries, .. }) = left_out {
        lines.push(format!("CAREFUL: {entries} older entries of that time were not looked at."));
    }
    if uses.unreadable > 0 {
        lines.push(format!("CAREFUL: {} uses could not be read.", uses.unreadable));
    }
    lines
}

/// The active bundle and one file more.
async fn with(active: Arc<Bundle>, file: Written) -> Result<Arc<Bundle>> {
    let made = tokio::task::spawn_blocking(move || {
        let mut sources = active.sources().clone();
        let name = file.path.strip_prefix("policies/").unwrap_or(&file.path);
        // An older suggestion for the same agent gives way.
        sources.policies.retain(|it| it.name != name);
        sources.policies.push(SourceFile::new(FOLDER, name, file.text.as_str()));
        sources.policies.sort_by(|a, b| a.name.cmp(&b.name));
        Bundle::tested_before(sources)
    });
    let made = made.await.map_err(anyhow::Error::from)?;
    let told = |faults: Vec<Fault>| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let why = format!("the suggestion does not fit the active bundle: {}", faults.join("; "));
        Error::Conflict(why.into())
    };
    Ok(Arc::new(made.map_err(told)?))
}
