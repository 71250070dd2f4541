//! A replay as it is told: to programs as JSON, to people as text.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Replay;
use super::asked::Unknown;
use super::flip::{Flip, Group};
use super::window::LeftOut;

/// What became of a replay.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The digest of the candidate.
    pub digest: String,
    /// Where the window begins.
    pub since: Timestamp,
    #[serde(flatten)]
    pub replay: Replay,
    /// Decisions that could not be asked again, in percent of all, rounded up.
    pub unreplayable_percent: usize,
    /// So many could not be asked again that nobody knows what the candidate opens.
    pub unknown: bool,
    /// The flips by who asked about what, those with the most first.
    pub groups: Vec<Group>,
    /// What of the window was not looked at; none when all of it was.
    pub left_out: Option<LeftOut>,
}

impl Report {
    pub fn new(
        digest: &str,
        since: Timestamp,
        replay: Replay,
        left_out: Option<LeftOut>,
    ) -> Report {
        Report {
            digest: digest.to_owned(),
            since,
            unreplayable_percent: (replay.unknown_count() * 100).div_ceil(replay.total.max(1)),
            unknown: replay.is_unknown(),
            groups: replay.groups().most_first(),
            left_out,
            replay,
        }
    }
}

impl Report {
    /// How many decisions could not be asked again, and why, in words.
    pub fn unknown_by_reason(&self) -> impl Iterator<Item = (usize, &str)> {
        let told = |word: &'_ str| Unknown::named(word).map(Unknown::told);
        let all = self.replay.unreplayable.iter();
        all.map(move |(word, count)| (*count, told(word).unwrap_or(word)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.replay;
        writeln!(f, "candidate {}", self.digest)?;
        writeln!(f, "{} decisions since {}, {} asked again", it.total, self.since, it.replayed)?;
        self.untold(f)?;
        let (opened, closed) = (it.opened_count(), it.closed_count());
        writeln!(f, "{opened} would open (DENY to ALLOW), {closed} would close (ALLOW to DENY)")?;
        for group in &self.groups {
            let Group { principal, action, resource, opened, closed, .. } = group;
            writeln!(
                f,
                "\n{} {}, {action} on {} {}: {opened} opened, {closed} closed",
                principal.kind, principal.name, resource.kind, resource.name
            )?;
            self.flips(f, "opened", &it.opened, group)?;
            self.flips(f, "closed", &it.closed, group)?;
        }
        match it.opened_unlisted + it.closed_unlisted {
            0 => Ok(()),
            more => writeln!(f, "\n{more} more flips are counted and not listed"),
        }
    }
}

impl Report {
    /// What the report does not tell of.
    fn untold(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.replay;
        if it.unknown_count() > 0 {
            let percent = self.unreplayable_percent;
            writeln!(f, "{} could not be asked again ({percent} %):", it.unknown_count())?;
        }
        for (count, told) in self.unknown_by_reason() {
            writeln!(f, "  {count} {told}")?;
        }
        if self.unknown {
            writeln!(f, "so many that NOBODY KNOWS what the candidate opens")?;
        }
        if it.listings > 0 {
            writeln!(
                f,
                "{} lists are not among them: what they showed was decided member by member",
                it.listings
            )?;
        }
        if let Some(LeftOut { entries, by }) = self.left_out {
            let bound = by.told();
            writeln!(f, "{entries} older entries were NOT looked at: the bound on {bound}")?;
        }
        Ok(())
    }

    fn flips(
        &self,
        f: &mut fmt::Formatter<'_>,
        turn: &str,
        flips: &[Flip],
        of: &Group,
    ) -> fmt::Result {
        let theirs = flips.iter().filter(|it| {
            it.principal == of.principal && it.resource == of.resource && it.action == of.action
        });
        for flip in theirs {
            let by = |reasons: &[String]| match reasons {
                [] => "no permit".to_owned(),
                some => some.join(", "),
            };
            let (before, after) = (by(&flip.reasons_before), by(&flip.reasons_after));
            writeln!(f, "  {turn} {} {}: {before} -> {after}", flip.decision_id, flip.at)?;
        }
        Ok(())
    }
}
