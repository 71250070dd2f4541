//! Loading, finding, and queries that try to be more than words.

use std::fmt::Write as _;
use std::time::Instant;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::tools::{Provider as _, Trouble};

const BOOKS: &str = "id,title,author,year\n\
    b1,\"The Trial\",Franz Kafka,1925\n\
    b2,\"The Castle, unfinished\",Franz Kafka,1926\n\
    b3,Der Prozeß und andere Erzählungen,Kafka,1930\n\
    b4,\"Trial and Error\",Anthony Berkeley,1937\n\
    b5,Ulysses,James Joyce,1922\n";

fn index(text: &str, format: Format) -> Result<Index, BadData> {
    load(text.as_bytes(), format, &Clock::system())
}

fn books() -> Records {
    Records::new(index(BOOKS, Format::Csv).unwrap())
}

fn call(records: &Records, tool: &str, arguments: Value) -> Result<Value, Trouble> {
    records.call(tool, arguments, &Clock::system())
}

fn ids(records: &Records, query: &str) -> Vec<String> {
    let found = call(records, "search", json!({ "query": query })).unwrap();
    let items = found["items"].as_array().unwrap().iter();
    items.map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_best_is_found_first_and_shown_in_its_words() {
    let books = books();
    assert_eq!(ids(&books, "kafka"), ["b1", "b2", "b3"], "shorter texts fit better");
    assert_eq!(ids(&books, "TRIAL"), ["b1", "b4"]);
    assert_eq!(ids(&books, "kafka castle"), ["b2"]);
    assert_eq!(ids(&books, "erzahlungen"), ["b3"], "whatever the accents");
    assert_eq!(ids(&books, "\"franz kafka\" 1925"), ["b1"]);
    assert_eq!(ids(&books, "uly*"), ["b5"]);
    let found = call(&books, "search", json!({ "query": "castle", "limit": 1 })).unwrap();
    let item = &found["items"][0];
    assert!(item["snippet"].as_str().unwrap().contains("The [Castle], unfinished"), "{item}");
    assert_eq!(item["record"]["year"], "1926");
    assert!(item["score"].as_f64().unwrap() > 0.0);
    assert_eq!((&found["matched"], &found["more"]), (&json!("all"), &json!(false)));
    let some = call(&books, "search", json!({ "query": "ulysses castle", "limit": 1 })).unwrap();
    assert_eq!((&some["matched"], &some["more"]), (&json!("any"), &json!(true)));
    assert_eq!(ids(&books, "nothing whatsoever"), Vec::<String>::new());
}

#[test]
fn the_sample_can_be_searched() {
    let sample = Records::sample(&Clock::system()).unwrap();
    assert_eq!(ids(&sample, "rebinding"), ["kb-012"]);
    assert!(ids(&sample, "delegation").contains(&"kb-002".to_owned()));
}

#[test]
fn a_record_is_had_whole_by_its_id() {
    let long = "word ".repeat(1000);
    let text =
        format!("{}\n\n{}\n", json!({ "body": long, "n": 7, "tags": ["a", "b"] }), json!({}));
    let records = Records::new(index(&text, Format::Jsonl).unwrap());
    let found = call(&records, "search", json!({ "query": "word" })).unwrap();
    let cut = found["items"][0]["record"]["body"].as_str().unwrap();
    assert_eq!(cut.chars().count(), 501);
    assert_eq!(ids(&records, "b 7"), ["1"], "numbers and lists are found, too");
    let whole = call(&records, "get", json!({ "id": "1" })).unwrap();
    assert_eq!(whole["record"], json!({ "body": long, "n": 7, "tags": ["a", "b"] }));
    let absent = call(&records, "get", json!({ "id": "' OR 1=1 --" })).unwrap_err();
    assert_eq!(absent.to_string(), "there is no record `' OR 1=1 --`");
}

#[test]
fn arguments_that_do_not_fit_are_told() {
    let books = books();
    for (tool, arguments, words) in [
        ("search", json!({}), "missing field `query`"),
        ("search", json!({ "query": "a", "limt": 3 }), "unknown field `limt`"),
        ("search", json!({ "query": "a", "limit": 0 }), "from 1 to 50"),
        ("search", json!({ "query": "a", "limit": 51 }), "from 1 to 50"),
        ("search", json!({ "query": "a", "limit": -1 }), "invalid value"),
        ("search", json!({ "query": " \"'*-()" }), "no word"),
        ("search", json!({ "query": "a".repeat(1025) }), "longer than 1024"),
        ("get", json!({ "id": 7 }), "invalid type"),
        ("drop", json!({}), "no such tool"),
    ] {
        let trouble = call(&books, tool, arguments.clone()).unwrap_err().to_string();
        assert!(trouble.contains(words), "{arguments}: {trouble}");
    }
}

#[test]
fn what_looks_like_a_query_language_is_only_words() {
    let books = books();
    for (query, expected) in [
        ("title:kafka", vec![]),
        ("NOT kafka", vec!["b3", "b1", "b2"]),
        ("kafka NEAR/2 franz", vec!["b1", "b2", "b3"]),
        ("^the", vec!["b1", "b2"]),
        ("(((", vec![]),
        ("{title} : x", vec![]),
        ("words MATCH 'x'; DROP TABLE records", vec![]),
        ("\0\"kafka\0", vec!["b3", "b1", "b2"]),
        ("* kafka", vec!["b3", "b1", "b2"]),
    ] {
        let found = call(&books, "search", json!({ "query": query }));
        match found {
            Ok(it) => {
                let mut found: Vec<&str> = it["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|it| it["id"].as_str().unwrap())
                    .collect();
                let mut expected = expected;
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "{query}");
            }
            Err(it) => assert_eq!(it.to_string(), "the query has no word to look for", "{query}"),
        }
    }
    assert_eq!(ids(&books, "kafka").len(), 3, "all is there");
}

#[test]
fn bad_data_is_refused_with_its_line() {
    let twice = "id,a\n1,x\n1,y\n";
    for (text, format, words) in [
        ("", Format::Csv, "no record"),
        ("a,b\n", Format::Csv, "no record"),
        ("a,a\n1,2\n", Format::Csv, "line 1: every column"),
        ("a,\n1,2\n", Format::Csv, "line 1: every column"),
        ("a,b\n1,2\n3\n", Format::Csv, "line 3: it has 1 fields and the first line 2"),
        (twice, Format::Csv, "line 3: there is a record `1` already"),
        ("\n \n", Format::Jsonl, "no record"),
        ("{\"a\":1}\n[1]\n", Format::Jsonl, "line 2: this is no JSON object"),
        ("{\"a\":1}\n{\"a\":", Format::Jsonl, "line 2: this is no JSON object"),
        (
            &json!({ "a": "x".repeat(70_000) }).to_string(),
            Format::Jsonl,
            "line 1: the record is longer",
        ),
        (&format!("a\n{}\n", "x".repeat(70_000)), Format::Csv, "line 2: the record is longer"),
    ] {
        let fault = index(text, format).err().map(|it| it.to_string()).unwrap_or_default();
        assert!(fault.contains(words), "{text:.40}: {fault}");
    }
    let wide: serde_json::Map<_, _> = (0..300).map(|it| (it.to_string(), json!(it))).collect();
    let fault = index(&Value::Object(wide).to_string(), Format::Jsonl).err().unwrap();
    assert!(fault.to_string().contains("more than 256 fields"), "{fault}");
}

#[test]
fn many_records_are_searched_in_time() {
    let mut text = String::from("name,body\n");
    for number in 0..20_000 {
        writeln!(text, "n{number},common words w{} and w{}", number % 97, number % 89).unwrap();
    }
    let records = Records::new(index(&text, Format::Csv).unwrap());
    let started = Instant::now();
    assert_eq!(ids(&records, "common words").len(), 10);
    assert_eq!(ids(&records, "n19999"), ["20000"]);
    assert_eq!(ids(&records, "w96 w88").len(), 2);
    assert!(started.elapsed() < index::TIME_MAX * 3);
    let full = call(&records, "search", json!({ "query": "w*", "limit": 50 })).unwrap();
    assert_eq!((full["items"].as_array().unwrap().len(), &full["more"]), (50, &json!(true)));
}

proptest! {
    #[test]
    fn no_query_is_more_than_words(query in "[a-zA-Z\"'*^:(){}+\\-\\\\. \u{0}\u{1f}ß日\u{301}/]{0,60}") {
        thread_local! { static BOOKS_LOADED: Records = books(); }
        BOOKS_LOADED.with(|it| match call(it, "search", json!({ "query": query })) {
            Ok(_) => {}
            Err(trouble) => assert_eq!(trouble.to_string(), "the query has no word to look for"),
        });
    }
}
