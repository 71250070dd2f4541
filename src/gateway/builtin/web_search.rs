//! A search engine that the operator set up: SearXNG, or one with an API like Brave's.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::{argument, behind, refused, unreadable, unset};
use crate::authz::Warrant;
use crate::gateway::failure::Failure;
use crate::gateway::proof::Carried;
use crate::gateway::upstream::{Answered, Outgoing};
use crate::gateway::{Gateway, Limits};
use crate::net::outbound::{Ask, Reach};
use crate::settings::{self, SearchKind};

const WHO: &str = "the search engine";
const UNSET: &str = "no search engine is set up: an operator sets `gateway.search_url`, and \
                     `gateway.search_kind` to `searxng` or `brave`";
const RESULTS_MAX: usize = 10;
const TITLE_CHARS_MAX: usize = 200;
const SNIPPET_CHARS_MAX: usize = 500;
const URL_CHARS_MAX: usize = 2_000;

/// Where the engine is, and how it is asked.
#[derive(Debug)]
pub struct Engine {
    kind: SearchKind,
    url: Url,
}

impl Engine {
    pub fn of(settings: &settings::Gateway) -> Option<Engine> {
        let url = settings.search_url.clone()?;
        Some(Engine { kind: settings.search_kind, url })
    }

    fn ask(&self, query: &str, limits: Limits) -> Ask {
        let path = match self.kind {
            SearchKind::Searxng => "/search",
            SearchKind::Brave => "/res/v1/web/search",
        };
        let mut url = behind(&self.url, path);
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("q", query);
        match self.kind {
            SearchKind::Searxng => pairs.append_pair("format", "json"),
            SearchKind::Brave => pairs
                .append_pair("count", &RESULTS_MAX.to_string())
                .append_pair("text_decorations", "false"),
        };
        drop(pairs);
        Ask {
            headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]),
            time_max: limits.time_max,
            bytes_max: limits.bytes_max,
            // The operator named it.
            ..Ask::get(url, Reach::Configured)
        }
    }

    fn carries(&self) -> Carried {
        match self.kind {
            SearchKind::Searxng => Carried::AsBearer,
            SearchKind::Brave => Carried::InHeader("x-subscription-token"),
        }
    }

    /// What was found, best first.
    fn read(&self, body: &[u8]) -> Result<Vec<Found>, Failure> {
        let unreadable = |_| unreadable(WHO);
        let hits: Vec<Hit> = match self.kind {
            SearchKind::Searxng => {
                serde_json::from_slice::<Searxng>(body).map_err(unreadable)?.results
            }
            SearchKind::Brave => {
                let answer: Brave = serde_json::from_slice(body).map_err(unreadable)?;
                // It leaves the group out when nothing of it was found.
                answer.web.map(|it| it.results).unwrap_or_default()
            }
        };
        Ok(hits.into_iter().filter_map(Hit::shown).take(RESULTS_MAX).collect())
    }
}

impl Gateway {
    /// Looks for what the query says.
    pub(super) async fn search_web(
        &self,
        warrant: &Warrant,
        outgoing: &Outgoing<'_>,
    ) -> Result<Answered, Failure> {
        let engine = self.builtins.search.as_ref().ok_or_else(|| unset(UNSET))?;
        let query = argument(outgoing.arguments, "query");
        let mut ask = engine.ask(query, outgoing.limits);
        let proof = self.prove_by_key(warrant, engine.carries(), outgoing).await?;
        ask.headers.extend(proof.headers);
        let answer = self.outbound.call(warrant, ask).await?;
        warrant.note("status", answer.status.as_u16());
        if answer.status != StatusCode::OK {
            return Err(refused(WHO, &answer, &proof.scrubber));
        }
        let results = engine.read(&answer.body)?;
        warrant.note("results", results.len());
        let mut result = json!({ "query": query, "results": results });
        proof.scrubber.json(&mut result);
        Ok(Answered { result, is_error: false })
    }
}

#[derive(Deserialize)]
struct Searxng {
    results: Vec<Hit>,
}

#[derive(Deserialize)]
struct Brave {
    web: Option<Group>,
}

#[derive(Deserialize)]
struct Group {
    results: Vec<Hit>,
}

/// One result, as either engine writes it.
#[derive(Deserialize)]
struct Hit {
    url: String,
    title: Option<String>,
    #[serde(alias = "content")]
    description: Option<String>,
    #[serde(alias = "publishedDate")]
    page_age: Option<Value>,
}

/// One result, as the caller gets it. All of it is text from strangers.
#[derive(Debug, PartialEq, Serialize)]
struct Found {
    title: String,
    url: String,
    snippet: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<String>,
}

impl Hit {
    /// The result, if it leads to a web page.
    fn shown(self) -> Option<Found> {
        let url = Url::parse(&self.url).ok()?;
        let is_page = matches!(url.scheme(), "https" | "http") && self.url.len() <= URL_CHARS_MAX;
        is_page.then(|| Found {
            title: cut(&self.title.unwrap_or_default(), TITLE_CHARS_MAX),
            url: url.into(),
            snippet: cut(&self.description.unwrap_or_default(), SNIPPET_CHARS_MAX),
            published: self.page_age.as_ref().and_then(Value::as_str).map(str::to_owned),
        })
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn engine(kind: SearchKind, url: &str) -> Engine {
        Engine { kind, url: url.parse().unwrap() }
    }

    #[test]
    fn each_engine_is_asked_in_its_own_way() {
        let limits =
            Limits { reach: Reach::Public, time_max: Duration::from_secs(1), bytes_max: 1000 };
        let asked = |kind, url| engine(kind, url).ask("a b&c=d", limits).url.to_string();
        assert_eq!(
            asked(SearchKind::Searxng, "https://search.example/sub/"),
            "https://search.example/sub/search?q=a+b%26c%3Dd&format=json"
        );
        assert_eq!(
            asked(SearchKind::Brave, "https://api.search.brave.com"),
            "https://api.search.brave.com/res/v1/web/search?q=a+b%26c%3Dd&count=10&text_decorations=false"
        );
    }

    #[test]
    fn what_they_find_is_told_alike() {
        let searxng = json!({ "query": "q", "number_of_results": 0, "results": [
            { "url": "https://one.example/", "title": "One", "content": " first ", "engine": "x",
              "score": 1.5, "publishedDate": "2026-01-02T00:00:00" },
            { "url": "javascript:alert(1)", "title": "Evil", "content": "" },
            { "url": "https://two.example/", "title": "Two", "content": null, "publishedDate": null },
        ], "answers": [], "suggestions": [] });
        let brave = json!({ "type": "search", "query": {}, "web": { "type": "search", "results": [
            { "url": "https://one.example/", "title": "One", "description": "first",
              "page_age": "2026-01-02T00:00:00", "language": "en" },
            { "url": "https://two.example/", "title": "Two", "description": "" },
        ] } });
        let read =
            |kind, it: &Value| engine(kind, "https://s.example").read(it.to_string().as_bytes());
        let found = read(SearchKind::Searxng, &searxng).unwrap();
        assert_eq!(found, read(SearchKind::Brave, &brave).unwrap());
        let first = json!({ "title": "One", "url": "https://one.example/", "snippet": "first",
                            "published": "2026-01-02T00:00:00" });
        assert_eq!(json!(found[0]), first);
        assert_eq!(
            json!(found[1]),
            json!({ "title": "Two", "url": "https://two.example/", "snippet": "" })
        );
        assert!(read(SearchKind::Brave, &json!({ "type": "search" })).unwrap().is_empty());
        assert!(read(SearchKind::Searxng, &json!({ "type": "search" })).is_err());
        assert!(engine(SearchKind::Brave, "https://s.example").read(b"<html>").is_err());
    }

    #[test]
    fn no_answer_is_larger_than_it_must_be() {
        let long = "ä".repeat(600);
        let hits: Vec<Value> = (0..40)
            .map(|it| json!({ "url": format!("https://{it}.example"), "title": long, "content": long }))
            .collect();
        let body = json!({ "results": hits }).to_string();
        let found = engine(SearchKind::Searxng, "https://s.example").read(body.as_bytes()).unwrap();
        assert_eq!(found.len(), RESULTS_MAX);
        assert_eq!(found[0].title.chars().count(), TITLE_CHARS_MAX + 1);
        assert_eq!(found[0].snippet.chars().count(), SNIPPET_CHARS_MAX + 1);
    }
}
