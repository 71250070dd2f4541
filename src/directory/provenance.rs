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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gift {
    pub by: Giver,
    /// Microseconds since the epoch.
    pub at: i64,
}

/// Who gave a user what the user has, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Gift>,
    #[serde(default)]
    roles: BTreeMap<String, Gift>,
    /// Whatever nobody wrote down was given before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<i64>,
}

/// Where one thing came from that somebody has.
enum Source {
    /// It is the holder's own: from the host, from nobody, or long theirs.
    Own,
    From(Uuid),
    Unknown,
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

impl Provenance {
    /// Of an account that is made with these roles.
    pub(super) fn made<'a>(gift: Gift, roles: impl Iterator<Item = &'a String>) -> Provenance {
        let roles = roles.map(|it| (it.clone(), gift)).collect();
        Provenance { account: Some(gift), roles, before: None }
    }

    pub(super) fn given(&mut self, role: &str, gift: Gift) {
        self.roles.insert(role.to_owned(), gift);
    }

    pub(super) fn taken(&mut self, role: &str) {
        self.roles.remove(role);
    }

    /// Where the account came from, and the role; what is older than `since` is the holder's own.
    fn sources(&self, role: &str, since: i64) -> [Source; 2] {
        [self.account.as_ref(), self.roles.get(role)].map(|gift| match gift {
            Some(Gift { by: Giver::Other(giver), at }) if *at > since => Source::From(*giver),
            Some(_) => Source::Own,
            None if self.before.is_some_and(|at| at <= since) => Source::Own,
            None => Source::Unknown,
        })
    }
}

impl User {
    fn sources(&self, role: &str, since: i64) -> [Source; 2] {
        let [account, of_role] = self.provenance.sources(role, since);
        // Who gave it without having the role has it from elsewhere, or for another role's sake.
        let of_role = if self.roles.contains(role) { of_role } else { Source::Own };
        [account, of_role]
    }
}

impl Snapshot {
    /// For whom this user speaks in `role` at `now` (microseconds): the user, and whoever gave them
    /// their account or the role in the last [`SPONSORED_FOR`], and so on up. None where one of these
    /// gifts, or a giver, is not known.
    pub fn speaks_for(&self, user: Uuid, role: &str, now: i64) -> Option<BTreeSet<Uuid>> {
        let sponsored = i64::try_from(SPONSORED_FOR.as_micros()).unwrap_or(i64::MAX);
        let since = now.saturating_sub(sponsored);
        let (mut all, mut next) = (BTreeSet::new(), vec![user]);
        while let Some(id) = next.pop() {
            if !all.insert(id) {
                continue;
            }
            for source in self.user(id)?.sources(role, since) {
                match source {
                    Source::Own => {}
                    Source::From(giver) => next.push(giver),
                    Source::Unknown => return None,
                }
            }
        }
        Some(all)
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

    /// Each user with who made the account and gave the role, and how many days ago.
    fn people(all: &[(u128, Giver, i64)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (number, by, days) in all {
            let roles = Roles::from([ROLE.to_owned()]);
            let gift = Gift { by: *by, at: NOW - days * DAY };
            let user = User::synthetic(id(*number), &format!("u{number}"), roles, Groups::new());
            let mut user = user.unwrap();
            user.provenance = Provenance::made(gift, user.roles.iter());
            snapshot.put_user(Arc::new(user));
        }
        snapshot
    }

    fn of(snapshot: &Snapshot, number: u128) -> Option<Vec<u128>> {
        let all = snapshot.speaks_for(id(number), ROLE, NOW)?;
        Some(all.into_iter().map(|it| it.as_u128()).collect())
    }

    #[test]
    fn the_host_s_people_and_those_of_long_ago_speak_for_themselves() {
        let them = people(&[
            (1, Giver::Host, 0),
            (2, Giver::Other(id(1)), 31),
            (3, Giver::Oneself, 1),
            (4, Giver::Other(id(9)), 31),
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
            (5, Giver::Other(id(6)), 1),
            (6, Giver::Other(id(5)), 1),
        ]);
        assert_eq!(of(&them, 3), Some(vec![1, 2, 3]));
        assert_eq!(of(&them, 5), Some(vec![5, 6]), "who gave each other are one");
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
        assert_eq!(read.roles[ROLE], Gift { by: Giver::Host, at: 1 });
        let again: Provenance =
            serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
        assert_eq!(serde_json::from_str::<Provenance>("{}").unwrap(), Provenance::default());
    }
}
