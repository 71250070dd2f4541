//! Schemas that say more than others, and schemas that say something else.

use super::*;

/// The starter bundle with this instead of that in its schema.
fn declaring(from: &str, to: &str) -> Arc<Bundle> {
    let mut sources = Sources { tests: None, ..Sources::starter() };
    let found = sources.schema.iter_mut().find(|it| it.text.contains(from));
    let file = found.unwrap_or_else(|| panic!("{from}"));
    file.text = file.text.replacen(from, to, 1);
    bundle(sources)
}

#[tokio::test]
async fn a_schema_may_say_more_than_before_and_nothing_else() {
    let plain = edited(&[], "");
    let begins = "namespace Gatewright {";
    let more = declaring(
        begins,
        &format!("{begins} entity Office {{ city: String }}; type Floor = Long;"),
    );
    let (widens, narrows) = proved(compare(plain.clone(), more.clone()).await);
    assert!(widens.is_empty() && narrows.is_empty(), "{widens:?} {narrows:?}");

    let not_proved = |comparison: Comparison| match comparison {
        Comparison::NotProved { why } => why,
        Comparison::Proved { .. } => panic!("proved"),
    };
    let why = not_proved(compare(more, plain.clone()).await);
    assert_eq!(why, "the schema says something else of `Gatewright::Floor`");
    // A type that has one attribute more is another type.
    let attribute = "probe_valid_until?: datetime,";
    let wider = declaring(attribute, &format!("{attribute} nickname?: String,"));
    let why = not_proved(compare(plain, wider).await);
    assert!(why.starts_with("the schema says something else of `Gatewright::"), "{why}");
}
