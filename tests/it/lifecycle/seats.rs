//! Checks cost much: nobody has more than one at a time, so others get theirs.

use serde_json::{Value, json};

use super::{BUNDLES, FREEZE, OURS, People, files, setup};
use crate::harness::{Answer, Caller, Setup};

const TRIES: usize = 20;

async fn drafted(by: &Caller, all: &Value, word: &str) -> Answer {
    let mut files = all.clone();
    files[OURS] = FREEZE.replace("during", word).into();
    by.post(BUNDLES, &json!({ "files": files })).await
}

#[tokio::test]
async fn one_author_has_one_check_at_a_time_and_leaves_room_for_another() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let all = files(&people.dave).await;
    for turn in 0..TRIES {
        let word = |of: &str| format!("{of} {turn}");
        let (one, two) = (word("one"), word("two"));
        let (first, second) =
            tokio::join!(drafted(&people.dave, &all, &one), drafted(&people.dave, &all, &two));
        let late = if first.status == 201 { &second } else { &first };
        if late.status == 201 {
            continue;
        }
        late.problem(429, "too_many");
        let (three, hers) = (word("three"), word("hers"));
        let (_, carol) =
            tokio::join!(drafted(&people.dave, &all, &three), drafted(&people.carol, &all, &hers));
        carol.expect(201);
        return;
    }
    panic!("two checks of one author never met");
}
