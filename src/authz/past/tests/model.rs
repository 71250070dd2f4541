//! Whatever is asked, given back, settled and ended in whatever order: the store says what a list
//! of everything that ever happened says.

use proptest::prelude::*;

use super::*;

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks: who, which tool, for whom, how much in ten-thousandths.
    Ask {
        who: u128,
        tool: usize,
        id: u8,
        units: i64,
    },
    /// One of those who wait is refused, or gone.
    GiveBack(usize),
    /// One of those who wait is allowed, and ends like this, or never.
    Allow(usize, Option<Outcome>),
    Wait {
        seconds: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let ending = prop_oneof![Just(None), Just(Some(Outcome::Success)), Just(Some(Outcome::Failed))];
    prop_oneof![
        5 => (1_u128..3, 0_usize..3, 0_u8..3, 0_i64..30_000)
            .prop_map(|(who, tool, id, units)| Step::Ask { who, tool, id, units }),
        1 => any::<usize>().prop_map(Step::GiveBack),
        4 => (any::<usize>(), ending).prop_map(|(which, ending)| Step::Allow(which, ending)),
        3 => prop_oneof![1_i64..12, 20_i64..70].prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// A request as the model keeps it. Instants are microseconds.
#[derive(Clone, Debug)]
struct Event {
    who: u128,
    tool: usize,
    id: u8,
    units: i64,
    at: i64,
    allowed: bool,
    ended: Option<(Outcome, i64)>,
}

const RECORDS: usize = 2;
const TESTS: usize = 1;

impl Event {
    fn is_after(&self, seconds: i64, now: i64) -> bool {
        self.at > now - seconds * 1_000_000
    }

    fn has_ended(&self, outcome: Outcome, now: i64) -> bool {
        self.ended.is_some_and(|(how, at)| how == outcome && at > now - 60_000_000)
    }
}

/// What a request must be told, with all that is there when it asks, itself the last.
fn expected(events: &[Event]) -> History {
    let own = events.last().unwrap();
    let now = own.at;
    let records = || events.iter().filter(|it| it.tool == RECORDS);
    let customers = records().filter(|it| it.who == own.who).map(|it| it.id);
    let counts: [(&str, usize); 4] = [
        ("calls", events.iter().filter(|it| it.who == own.who && it.is_after(60, now)).count()),
        ("customers", customers.collect::<HashSet<_>>().len()),
        (
            "passed",
            (events.iter())
                .filter(|it| it.tool == TESTS && it.who == own.who)
                .filter(|it| it.has_ended(Outcome::Success, now))
                .count(),
        ),
        (
            "failed",
            (events.iter())
                .filter(|it| it.tool == own.tool && it.has_ended(Outcome::Failed, now))
                .count(),
        ),
    ];
    let paid = records().filter(|it| it.is_after(100, now)).map(|it| it.units).sum();
    let counts = counts.map(|(name, it)| (name.to_owned(), Tally::Count(it as u64)));
    let paid = ("paid".to_owned(), Tally::Sum(Amount::of_units(paid)));
    counts.into_iter().chain([paid]).collect()
}

struct World {
    clock: Clock,
    past: Past,
    tools: [Named; 3],
    bundle: Arc<Bundle>,
    events: Vec<Event>,
    /// Those who wait, with their places in `events`.
    waiting: Vec<(Begun, u64)>,
    next: u64,
    keys: Vec<u64>,
}

impl World {
    async fn go(&mut self, step: Step) {
        match step {
            Step::Wait { seconds } => self.clock.advance(seconds),
            Step::Ask { who, tool, id, units } => self.ask(who, tool, id, units).await,
            Step::GiveBack(which) => {
                if let Some((begun, key)) = self.take(which) {
                    begun.give_back().await;
                    self.forget(|_, it| it == key);
                    self.end_leases();
                }
            }
            Step::Allow(which, ending) => self.allow(which, ending).await,
        }
    }

    fn take(&mut self, which: usize) -> Option<(Begun, u64)> {
        let count = self.waiting.len();
        (count > 0).then(|| self.waiting.remove(which % count))
    }

    fn forget(&mut self, gone: impl Fn(&Event, u64) -> bool) {
        let keys = std::mem::take(&mut self.keys);
        let events = std::mem::take(&mut self.events);
        let kept = events.into_iter().zip(keys).filter(|(it, key)| !gone(it, *key));
        (self.events, self.keys) = kept.unzip();
    }

    /// Whoever has waited for longer than a lease loses its place to whoever writes next.
    fn end_leases(&mut self) {
        let now = self.clock.micros();
        self.forget(|it, _| !it.allowed && it.at + LEASE <= now);
    }

    async fn ask(&mut self, who: u128, tool: usize, id: u8, units: i64) {
        let now = self.clock.micros();
        self.end_leases();
        let amount: Value = serde_json::from_str(&Amount::of_units(units).to_string()).unwrap();
        let arguments = json!({ "id": id, "amount": amount });
        let asked = asks(who, &self.tools[tool], &arguments);
        let foreseen = self.past.foresee(&self.bundle, &asked).await.unwrap();
        let begun = self.past.begin(&self.bundle, &asked).await.unwrap();
        self.events.push(Event { who, tool, id, units, at: now, allowed: false, ended: None });
        self.keys.push(self.next);
        let expected = expected(&self.events);
        assert_eq!(told(&self.past, &begun).await, expected, "{:#?}", self.events);
        assert_eq!(foreseen, expected, "foreseen: {:#?}", self.events);
        self.waiting.push((begun, self.next));
        self.next += 1;
    }

    async fn allow(&mut self, which: usize, ending: Option<Outcome>) {
        let Some((begun, key)) = self.take(which) else { return };
        let mut recorded = begun.recorded();
        let follows = recorded.follow();
        let written = write(&self.past, recorded, Outcome::Success).await;
        let place = self.keys.iter().position(|it| *it == key);
        let late = place.is_none_or(|it| self.events[it].at + LEASE <= self.clock.micros());
        // Whoever is late has its place until somebody writes, if only what is given back in
        // passing by another who was late: when that is, nothing here can tell.
        if late && matches!(written, Err(StoreError::Conflict)) {
            return self.forget(|_, it| it == key);
        }
        written.unwrap();
        let place = place.expect("nobody else has its place");
        self.events[place].allowed = true;
        if let Some(outcome) = ending {
            write(&self.past, follows, outcome).await.unwrap();
            self.events[place].ended = Some((outcome, self.clock.micros()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_store_counts_like_a_list(steps in prop::collection::vec(step(), 1..40)) {
        static BUNDLE: std::sync::LazyLock<Arc<Bundle>> =
            std::sync::LazyLock::new(|| Arc::new(bundle(FACTS, POLICY)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = clock();
            let past = past(Arc::new(Sqlite::in_memory().unwrap()), &clock).await;
            let tools = [("other", "none"), ("tests", "none"), ("read", "records")];
            let tools = tools.map(|(name, set)| Named::new(name, set));
            let (events, waiting, keys) = (Vec::new(), Vec::new(), Vec::new());
            let bundle = BUNDLE.clone();
            let mut world = World { clock, past, tools, bundle, events, waiting, next: 0, keys };
            for step in steps {
                world.go(step).await;
            }
        });
    }
}
