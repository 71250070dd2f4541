//! Where people's power comes from: who made each account and gave each role, and for whom somebody
//! speaks who was given theirs not long ago.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Principal, Snapshot, User};

/// For how long whoever was given an account or a role speaks for the giver, too.
pub const SPONSORED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Who gave something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Giver {
    /// The settings, the command line or the bootstrap token: whoever runs the service.
    Host,
    /// Somebody who registered themselves.
    Oneself,
    /// Somebody else, by id.
    Other(Uuid),
}

/// That somebody gave something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gift {
    pub by: Giver,
    /// Microseconds since the epoch.
    pub at: i64,
    /// For whom the giver spoke at that time: what becomes of the giver later takes nobody from
    /// behind the gift. None where that is not known, as it is of no [`Giver::Other`] without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    voices: Option<BTreeSet<Uuid>>,
}

/// Who gave a user what the user has or had, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Gift>,
    /// Also of roles that were taken again: what they were used for meanwhile stands.
    #[serde(default)]
    roles: BTreeMap<String, Gift>,
    /// Whatever nobody wrote down was given before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<i64>,
}

const HOST: &str = "host";
const ONESELF: &str = "self";

impl From<Giver> for String {
    fn from(it: Giver) -> String {
        match it {
            Giver::Host => HOST.to_owned(),
            Giver::Oneself => ONESELF.to_owned(),
            Giver::Other(id) => id.to_string(),
        }
    }
}

impl From<String> for Giver {
    /// What is no id is nobody's: such a giver is unknown to the directory.
    fn from(text: String) -> Giver {
        match text.as_str() {
            HOST => Giver::Host,
            ONESELF => Giver::Oneself,
            id => Giver::Other(id.parse().unwrap_or_default()),
        }
    }
}

impl Giver {
    /// Whoever asks for it, as the giver.
    pub fn of(asking: &Principal) -> Giver {
        if asking.is_bootstrap() {
            Giver::Host
        } else if asking.is_guest() {
            Giver::Oneself
        } else {
            Giver::Other(asking.id())
        }
    }
}

impl Gift {
    /// Whom the holder speaks for because of it, where it is younger than `since`.
    fn voices(&self, since: i64) -> Option<BTreeSet<Uuid>> {
        match self.by {
            Giver::Other(_) if self.at > since => self.voices.clone(),
            _ => Some(BTreeSet::new()),
        }
    }
}

impl Provenance {
    /// Of an account that is made with these roles.
    pub(super) fn made<'a>(gift: &Gift, roles: impl Iterator<Item = &'a String>) -> Provenance {
        let roles = roles.map(|it| (it.clone(), gift.clone())).collect();
        Provenance { account: Some(gift.clone()), roles, before: None }
    }

    /// Who gave the role not long before, and had it taken, is behind it still.
    pub(super) fn given(&mut self, role: &str, mut gift: Gift) {
        let before = self.roles.get(role).map(|it| it.voices(sponsored_since(gift.at)));
        if let Some(before) = before {
            gift.voices = gift.voices.zip(before).map(|(mut all, before)| {
                all.extend(before);
                all
            });
        }
        self.roles.insert(role.to_owned(), gift);
    }

    /// For whom its holder speaks by way of the account and of those of `roles` that are or were
    /// the holder's, besides for themselves. None where one of these gifts is not known.
    fn voices<'a>(
        &self,
        roles: impl Iterator<Item = &'a String>,
        held: &super::Roles,
        now: i64,
    ) -> Option<BTreeSet<Uuid>> {
        let since = sponsored_since(now);
        let long_theirs = self.before.is_some_and(|at| at <= since);
        let of = |gift: Option<&Gift>, is_held: bool| match gift {
            Some(gift) => gift.voices(since),
            None => (long_theirs || !is_held).then(BTreeSet::new),
        };
        let mut all = of(self.account.as_ref(), true)?;
        for role in roles {
            all.extend(of(self.roles.get(role), held.contains(role))?);
        }
        Some(all)
    }
}

/// What was given at or before this instant is the holder's own at `now`. Microseconds.
fn sponsored_since(now: i64) -> i64 {
    now.saturating_sub(i64::try_from(SPONSORED_FOR.as_micros()).unwrap_or(i64::MAX))
}

impl User {
    fn voices<'a>(
        &'a self,
        roles: impl Iterator<Item = &'a String>,
        now: i64,
    ) -> Option<BTreeSet<Uuid>> {
        let mut all = self.provenance.voices(roles, &self.roles, now)?;
        all.insert(self.id);
        Some(all)
    }
}

impl Snapshot {
    /// For whom this user speaks in `role` at `now` (microseconds): the user, whoever gave them
    /// their account or the role in the last [`SPONSORED_FOR`], and for whom these spoke when they
    /// gave it. None where one of these gifts, or a giver, is not known.
    pub fn speaks_for(&self, user: Uuid, role: &str, now: i64) -> Option<BTreeSet<Uuid>> {
        let role = role.to_owned();
        self.user(user)?.voices(std::iter::once(&role), now)
    }

    /// What `by` gives now, with everybody who is behind it: whatever power somebody gives from may
    /// have come with the account or with any of the roles.
    pub(super) fn gift(&self, by: Giver, at: i64) -> Gift {
        let voices = match by {
            Giver::Other(id) => self.user(id).and_then(|it| {
                let of_any = it.roles.iter().chain(it.provenance.roles.keys());
                it.voices(of_any, at)
            }),
            Giver::Host | Giver::Oneself => Some(BTreeSet::new()),
        };
        Gift { by, at, voices }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::directory::{Groups, Roles};

    const ROLE: &str = "policy_admin";
    const DAY: i64 = 24 * 60 * 60 * 1_000_000;
    const NOW: i64 = 1_000 * DAY;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    /// Each user with who made the account and gave the role, and how many days ago; the oldest
    /// first, as they came.
    fn people(all: &[(u128, Giver, i64)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (number, by, days) in all {
            let roles = Roles::from([ROLE.to_owned()]);
            let gift = snapshot.gift(*by, NOW - days * DAY);
            let user = User::synthetic(id(*number), &format!("u{number}"), roles, Groups::new());
            let mut user = user.unwrap();
            user.provenance = Provenance::made(&gift, user.roles.iter());
            snapshot.put_user(Arc::new(user));
        }
        snapshot
    }

    fn change(snapshot: &mut Snapshot, number: u128, change: impl FnOnce(&mut User)) {
        let held = snapshot.user(id(number)).unwrap();
        let name = format!("u{number}");
        let user = User::synthetic(held.id, &name, held.roles.clone(), Groups::new());
        let mut user = User { provenance: held.provenance.clone(), ..user.unwrap() };
        change(&mut user);
        user.revision = held.revision + 1;
        snapshot.put_user(Arc::new(user));
    }

    fn give(snapshot: &mut Snapshot, from: u128, to: u128, days: i64) {
        let gift = snapshot.gift(Giver::Other(id(from)), NOW - days * DAY);
        change(snapshot, to, |it| {
            it.provenance.given(ROLE, gift);
            it.roles.insert(ROLE.to_owned());
        });
    }

    fn take(snapshot: &mut Snapshot, from: u128) {
        change(snapshot, from, |it| {
            it.roles.remove(ROLE);
        });
    }

    fn of(snapshot: &Snapshot, number: u128) -> Option<Vec<u128>> {
        let all = snapshot.speaks_for(id(number), ROLE, NOW)?;
        Some(all.into_iter().map(|it| it.as_u128()).collect())
    }

    #[test]
    fn the_host_s_people_and_those_of_long_ago_speak_for_themselves() {
        let them = people(&[
            (1, Giver::Host, 60),
            (2, Giver::Other(id(1)), 31),
            (4, Giver::Other(id(9)), 31),
            (3, Giver::Oneself, 1),
        ]);
        for number in 1..=4 {
            assert_eq!(of(&them, number), Some(vec![number]));
        }
    }

    #[test]
    fn whoever_is_new_speaks_for_the_giver_through_however_many_hands() {
        let them = people(&[
            (1, Giver::Host, 100),
            (2, Giver::Other(id(1)), 29),
            (3, Giver::Other(id(2)), 1),
        ]);
        assert_eq!(of(&them, 3), Some(vec![1, 2, 3]));
    }

    #[test]
    fn nobody_steps_back_from_behind_a_gift() {
        let mut them = people(&[
            (1, Giver::Host, 100),
            (8, Giver::Host, 100),
            (2, Giver::Oneself, 50),
            (3, Giver::Oneself, 50),
        ]);
        give(&mut them, 1, 2, 2);
        give(&mut them, 2, 3, 2);
        take(&mut them, 2);
        assert_eq!(of(&them, 3), Some(vec![1, 2, 3]), "who gave it on has it no more");
        assert_eq!(of(&them, 2), Some(vec![1, 2]), "nor has it been given by nobody");
        give(&mut them, 8, 2, 1);
        assert_eq!(of(&them, 2), Some(vec![1, 2, 8]), "somebody else gives it again");
        assert_eq!(of(&them, 3), Some(vec![1, 2, 3]));
        take(&mut them, 3);
        give(&mut them, 2, 3, 0);
        assert_eq!(of(&them, 3), Some(vec![1, 2, 3, 8]));
    }

    #[test]
    fn what_nobody_knows_is_doubted_until_it_is_old() {
        let mut them = people(&[(1, Giver::Host, 100), (4, Giver::Other(id(9)), 1)]);
        assert_eq!(of(&them, 4), None, "a giver whom nobody knows");
        for (days, known) in [(29, None), (31, Some(vec![7]))] {
            let roles = Roles::from([ROLE.to_owned()]);
            let mut user = User::synthetic(id(7), "u7", roles, Groups::new()).unwrap();
            user.revision = 100 + days;
            let before = Some(NOW - days * DAY);
            user.provenance = Provenance { before, ..Provenance::default() };
            them.put_user(Arc::new(user));
            assert_eq!(of(&them, 7), known);
        }
    }

    #[test]
    fn it_is_kept_as_the_migration_writes_it() {
        let host = r#"{"before":5,"account":{"by":"host","at":1},"roles":{"policy_admin":{"by":"host","at":1}}}"#;
        let read: Provenance = serde_json::from_str(host).unwrap();
        assert_eq!(read.roles[ROLE], Gift { by: Giver::Host, at: 1, voices: None });
        let again: Provenance =
            serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
        assert_eq!(serde_json::from_str::<Provenance>("{}").unwrap(), Provenance::default());
    }
}
