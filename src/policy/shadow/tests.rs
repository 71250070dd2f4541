//! A shadow that sees decisions go by.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::*;
use crate::authz::Told;
use crate::policy::replay::fixture::{Asked, entry, starter_and};

const NOTHING: &str = "@id(\"own.no\") @title(\"No use at all\")
    forbid (principal is Gatewright::Agent, action in Gatewright::Action::\"use\", resource);";

static CANDIDATE: LazyLock<Arc<Bundle>> = LazyLock::new(|| Arc::new(starter_and(NOTHING)));

fn shadowed(sample: Sample) -> Shadowed {
    let bundle = CANDIDATE.clone();
    Shadowed { id: Uuid::nil(), bundle, sample, since: Timestamp::UNIX_EPOCH }
}

/// Shows a decision with this number, as the decider does.
fn show(shadow: &Shadow, number: usize, allowed: bool) {
    let entry = entry(&Asked { number, allowed, ..Asked::default() });
    let facts = serde_json::from_str(entry.facts.as_ref().unwrap().get()).unwrap();
    let told = Arc::new(Told::new(facts, &CANDIDATE).unwrap());
    shadow.see(entry.id, || Live::of(&entry, &told, &CANDIDATE));
}

/// What was counted, once it is as many.
fn counts(shadow: &Shadow, total: u64) -> Seen {
    let started = Instant::now();
    loop {
        let (_, seen) = shadow.seen().unwrap();
        let Counts { same, opened, closed, skipped, waiting } = seen.counts;
        let ended = same + opened + closed + skipped;
        assert_eq!(ended + waiting, total, "each is counted, from the moment it is shown");
        if waiting == 0 {
            return seen;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", seen.counts);
        thread::yield_now();
    }
}

#[test]
fn without_a_shadow_nothing_is_looked_at() {
    let shadow = Shadow::default();
    shadow.see(Uuid::nil(), || unreachable!("nobody is to make anything of it"));
    assert!(shadow.seen().is_none());
}

#[test]
fn every_decision_is_counted_once_and_flips_are_kept_by_who_and_what() {
    let shadow = Shadow::default();
    shadow.cast(shadowed(Sample::ALL)).unwrap();
    (0..6).for_each(|it| show(&shadow, it, true));
    show(&shadow, 6, false);
    let seen = counts(&shadow, 7);
    assert_eq!(seen.counts, Counts { same: 1, opened: 0, closed: 6, skipped: 0, waiting: 0 });
    let [group] = seen.groups.as_slice() else { panic!("{:?}", seen.groups) };
    assert_eq!(
        (group.closed, &group.principal.name[..], &group.resource.name[..]),
        (6, "robot", "calc")
    );
    // The same again changes nothing; another begins anew.
    shadow.cast(shadowed(Sample::ALL)).unwrap();
    assert_eq!(shadow.seen().unwrap().1.counts.closed, 6);
    let later = Shadowed { since: Timestamp::from_second(1).unwrap(), ..shadowed(Sample::ALL) };
    shadow.cast(later).unwrap();
    assert_eq!(shadow.seen().unwrap().1.counts, Counts::default());
    shadow.lift();
    assert!(shadow.seen().is_none());
}

#[test]
fn whoever_is_behind_skips_and_says_so() {
    let shadow = Shadow::default();
    shadow.cast(shadowed(Sample::ALL)).unwrap();
    let many = WAITING_MAX * 2;
    (0..many).for_each(|_| {
        let entry = entry(&Asked::default());
        shadow.see(entry.id, || None);
    });
    show(&shadow, 1, true);
    let seen = counts(&shadow, many as u64 + 1);
    assert_eq!(
        seen.counts,
        Counts { same: 0, opened: 0, closed: 1, skipped: many as u64, waiting: 0 }
    );
}

#[test]
fn a_sample_takes_its_part() {
    let shadow = Shadow::default();
    shadow.cast(shadowed(Sample::percent(10).unwrap())).unwrap();
    (0..100).for_each(|it| show(&shadow, it, true));
    assert_eq!(counts(&shadow, 10).counts.closed, 10);
    assert_eq!((Sample::percent(0), Sample::percent(101)), (None, None));
}
