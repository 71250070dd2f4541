//! A language model that the operator set up: Ollama's, or one behind an API like OpenAI's.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::lines::Lines;
use super::{argument, behind, refused, scrubbed, unreadable, unset};
use crate::authz::Warrant;
use crate::gateway::failure::{Failure, FailureKind};
use crate::gateway::proof::Carried;
use crate::gateway::upstream::{Answered, Outgoing};
use crate::gateway::{Gateway, Limits};
use crate::net::outbound::{Ask, Reach};
use crate::settings;

const WHO: &str = "the language model's server";
const UNSET: &str = "no language model is set up: an operator sets `gateway.ollama_url` and \
                     `gateway.ollama_model`, or `gateway.openai_url` and `gateway.openai_model`";

/// Where the model is, and which.
#[derive(Debug)]
pub struct Llm {
    speaks: Dialect,
    url: Url,
    model: String,
}

#[derive(Clone, Copy, Debug)]
enum Dialect {
    /// `/api/generate`, which answers a JSON object a line.
    Ollama,
    /// `/v1/chat/completions`, which answers in server-sent events.
    OpenAi,
}

impl Llm {
    /// The model in the settings, which name at most one.
    pub fn of(settings: &settings::Gateway) -> Option<Llm> {
        let of = |speaks, url: &Option<Url>, model: &Option<String>| {
            let (url, model) = url.clone().zip(model.clone())?;
            Some(Llm { speaks, url, model })
        };
        of(Dialect::Ollama, &settings.ollama_url, &settings.ollama_model)
            .or_else(|| of(Dialect::OpenAi, &settings.openai_url, &settings.openai_model))
    }

    fn ask(&self, prompt: &str, limits: Limits) -> Ask {
        let (path, body) = match self.speaks {
            Dialect::Ollama => {
                let body = json!({ "model": self.model, "prompt": prompt, "stream": true });
                ("/api/generate", body)
            }
            Dialect::OpenAi => {
                let body = json!({
                    "model": self.model,
                    "messages": [{ "role": "user", "content": prompt }],
                    "stream": true,
                    "stream_options": { "include_usage": true },
                });
                ("/v1/chat/completions", body)
            }
        };
        let accept = "application/x-ndjson, text/event-stream, application/json";
        Ask {
            method: Method::POST,
            url: behind(&self.url, path),
            // The operator named it.
            reach: Reach::Configured,
            headers: HeaderMap::from_iter([
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (ACCEPT, HeaderValue::from_static(accept)),
            ]),
            body: Bytes::from(body.to_string()),
            time_max: limits.time_max,
            bytes_max: limits.bytes_max,
        }
    }
}

impl Gateway {
    /// Says the prompt to the model, and gives what it said to the end.
    pub(super) async fn ask_model(
        &self,
        warrant: &Warrant,
        outgoing: &Outgoing<'_>,
    ) -> Result<Answered, Failure> {
        let llm = self.builtins.llm.as_ref().ok_or_else(|| unset(UNSET))?;
        let mut ask = llm.ask(argument(outgoing.arguments, "prompt"), outgoing.limits);
        let proof = self.prove_by_key(warrant, Carried::AsBearer, outgoing).await?;
        ask.headers.extend(proof.headers);
        let incoming = self.outbound.open(warrant, ask).await?;
        warrant.note("status", incoming.status.as_u16());
        warrant.note("model", llm.model.clone());
        if incoming.status != StatusCode::OK {
            return Err(refused(WHO, &incoming.whole().await?, &proof.scrubber));
        }
        let (mut lines, mut reply) = (Lines::of(incoming), Reply::default());
        while let Some(line) = lines.next().await? {
            reply.hear(&line).map_err(|it| scrubbed(it, &proof.scrubber))?;
        }
        let mut result = reply.result(&llm.model)?;
        proof.scrubber.json(&mut result);
        Ok(Answered { result, is_error: false })
    }
}

/// What was said so far.
#[derive(Debug, Default)]
struct Reply {
    text: String,
    model: Option<String>,
    finish_reason: Option<String>,
    usage: Usage,
    is_over: bool,
}

#[derive(Debug, Default)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// One object of either dialect; they have no name in common that means two things.
#[derive(Deserialize)]
struct Part {
    model: Option<String>,
    error: Option<Value>,
    // Ollama's.
    response: Option<String>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    // OpenAI's.
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Counted>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(alias = "message")]
    delta: Option<Said>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Counted {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

impl Reply {
    /// Takes a line: an object, or an event with one.
    fn hear(&mut self, line: &[u8]) -> Result<(), Failure> {
        let data = match line.strip_prefix(b"data:") {
            Some(it) => it.trim_ascii(),
            None if line.starts_with(b"{") => line,
            // Comments, names and ids of events.
            None if is_event_field(line) => return Ok(()),
            None => return Err(unreadable(WHO)),
        };
        if data == b"[DONE]" {
            self.is_over = true;
            return Ok(());
        }
        let part: Part = serde_json::from_slice(data).map_err(|_| unreadable(WHO))?;
        self.take(part)
    }

    fn take(&mut self, part: Part) -> Result<(), Failure> {
        if let Some(error) = part.error {
            let failure = Failure::new(FailureKind::Refused, format!("{WHO} broke off"));
            return Err(Failure { said: Some(error), ..failure });
        }
        self.text.push_str(&part.response.unwrap_or_default());
        self.is_over |= part.done;
        let mut reason = part.done_reason;
        if let Some(choice) = part.choices.into_iter().next() {
            self.text.push_str(&choice.delta.and_then(|it| it.content).unwrap_or_default());
            self.is_over |= choice.finish_reason.is_some();
            reason = reason.or(choice.finish_reason);
        }
        keep(&mut self.finish_reason, reason);
        keep(&mut self.model, part.model);
        keep(&mut self.usage.prompt_tokens, part.prompt_eval_count);
        keep(&mut self.usage.completion_tokens, part.eval_count);
        if let Some(counted) = part.usage {
            keep(&mut self.usage.prompt_tokens, counted.prompt_tokens);
            keep(&mut self.usage.completion_tokens, counted.completion_tokens);
        }
        Ok(())
    }

    /// The whole; a part never passes for it.
    fn result(self, asked: &str) -> Result<Value, Failure> {
        if !self.is_over {
            return Err(Failure::new(FailureKind::Refused, format!("{WHO} broke off")));
        }
        let mut result = Map::new();
        result.insert("text".into(), self.text.into());
        result.insert("model".into(), self.model.unwrap_or_else(|| asked.to_owned()).into());
        let usage = [
            ("prompt_tokens", self.usage.prompt_tokens),
            ("completion_tokens", self.usage.completion_tokens),
        ];
        result.extend(self.finish_reason.map(|it| ("finish_reason".to_owned(), it.into())));
        for (name, count) in usage {
            result.extend(count.map(|it| (name.to_owned(), it.into())));
        }
        Ok(Value::Object(result))
    }
}

/// A line of an event stream that holds no data.
fn is_event_field(line: &[u8]) -> bool {
    [&b":"[..], b"event:", b"id:", b"retry:"].iter().any(|it| line.starts_with(it))
}

fn keep<T>(place: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *place = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &str) -> Result<Value, Failure> {
        let mut reply = Reply::default();
        for line in lines.lines().filter(|it| !it.is_empty()) {
            reply.hear(line.as_bytes())?;
        }
        reply.result("asked")
    }

    #[test]
    fn ollama_is_heard_to_the_end() {
        let said = heard(
            r#"{"model":"tiny","created_at":"2026-01-01T00:00:00Z","response":"It is ","done":false}
{"model":"tiny","created_at":"2026-01-01T00:00:00Z","response":"42.","done":false}
{"model":"tiny","response":"","done":true,"done_reason":"stop","context":[1],"prompt_eval_count":11,"eval_count":4}"#,
        );
        let expected = json!({
            "text": "It is 42.", "model": "tiny", "finish_reason": "stop",
            "prompt_tokens": 11, "completion_tokens": 4,
        });
        assert_eq!(said.unwrap(), expected);
    }

    #[test]
    fn openai_is_heard_to_the_end() {
        let said = heard(
            r#": welcome
event: message
data: {"id":"1","object":"chat.completion.chunk","model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}
data: {"id":"1","model":"m-1","choices":[{"index":0,"delta":{"content":"It is 42."},"finish_reason":null}]}
data: {"id":"1","model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}
data: {"id":"1","model":"m-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}
data: [DONE]"#,
        );
        let expected = json!({
            "text": "It is 42.", "model": "m-1", "finish_reason": "length",
            "prompt_tokens": 9, "completion_tokens": 5,
        });
        assert_eq!(said.unwrap(), expected);
        // One that does not stream, though it was asked to.
        let whole =
            r#"{"model":"m-1","choices":[{"message":{"content":"42"},"finish_reason":"stop"}]}"#;
        assert_eq!(heard(whole).unwrap()["text"], "42");
    }

    #[test]
    fn a_part_never_passes_for_the_whole() {
        for (lines, words) in [
            ("", "broke off"),
            (r#"{"response":"It","done":false}"#, "broke off"),
            (r#"data: {"choices":[{"delta":{"content":"It"},"finish_reason":null}]}"#, "broke off"),
            (r#"{"error":"out of memory"}"#, "broke off"),
            ("<html>", "unreadable"),
            ("data: {", "unreadable"),
        ] {
            let failure = heard(lines).unwrap_err();
            assert!(failure.detail.contains(words), "{lines}: {}", failure.detail);
        }
        let failure = heard(r#"{"error":"out of memory"}"#).unwrap_err();
        assert_eq!(failure.said, Some(json!("out of memory")));
    }
}
