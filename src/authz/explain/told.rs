//! A remedy in words, and in values that a program can use.

use serde_json::{Value, json};

use super::asking::Denier;
use super::cure::Cure;
use super::search::Remedy;
use super::{Reach, meta};
use crate::authz::case::Case;
use crate::authz::facts::Particulars;
use crate::error::Fix;
use crate::policy::{Bundle, Fix as Kind};

/// Windows of counters, without the clock: what the policy in the way has to read for waiting to be
/// what helps.
const COUNTERS: &str = "usage";

/// What to do, each change by itself; all of them together are needed.
pub fn fixes(remedy: &Remedy, before: &Case, bundle: &Bundle, reach: &Reach) -> Vec<Fix> {
    let telling = Telling { remedy, before, bundle, reach };
    remedy.cures.iter().map(|it| telling.fix(it)).collect()
}

struct Telling<'a> {
    remedy: &'a Remedy,
    before: &'a Case,
    bundle: &'a Bundle,
    reach: &'a Reach,
}

impl Telling<'_> {
    fn fix(&self, cure: &Cure) -> Fix {
        match cure {
            Cure::Mfa => plain(Kind::Mfa, "prove your second factor, then ask again"),
            Cure::Reauth => plain(
                Kind::Reauth,
                "prove your password again (POST /api/v1/auth/elevate) and use that token",
            ),
            Cure::Approval => plain(Kind::Approval, "somebody must approve exactly this call"),
            Cure::Confirm => plain(Kind::Confirm, "send `confirm_consequential`: true"),
            Cure::Probe => plain(
                Kind::Probe,
                "its server must be probed again (POST /api/v1/tools/{tool}/reprobe)",
            ),
            Cure::Review => plain(
                Kind::Review,
                "others must review it first (POST /api/v1/bundles/{id}/review); `reviews` of the bundle \
                 tell which count, and why others do not",
            ),
            Cure::Mandate => plain(
                Kind::Mandate,
                "the user whom it is asked for must give a mandate that covers it \
                 (POST /api/v1/users/{id}/mandates)",
            ),
            Cure::Ttl => self.ttl(),
            Cure::Scopes => self.scopes(),
            Cure::Argument(pointer) => self.argument(pointer),
            Cure::Later => self.later(),
            Cure::Network => self.network(),
        }
    }

    fn ttl(&self) -> Fix {
        let seconds = self.remedy.choice.ttl_seconds.unwrap_or_default();
        let detail = format!("ask for at most {seconds} seconds (`ttl_seconds`)");
        Fix { value: Some(seconds.into()), ..plain(Kind::Ttl, detail) }
    }

    fn argument(&self, pointer: &str) -> Fix {
        let numbers = &self.remedy.choice.numbers;
        let number = numbers.iter().find(|(it, _)| it == pointer).map_or(0, |it| it.1);
        let before = match &self.before.facts.particulars {
            Particulars::Call { call, .. } => {
                call.arguments.pointer(pointer).and_then(Value::as_i64)
            }
            _ => None,
        };
        let bound = if before.is_some_and(|it| it < number) { "at least" } else { "at most" };
        Fix {
            pointer: Some(pointer.to_owned()),
            value: Some(number.into()),
            ..plain(Kind::Argument, format!("send {bound} {number} as `{pointer}`"))
        }
    }

    fn network(&self) -> Fix {
        let at = self.remedy.choice.network.unwrap_or_default();
        let name = self.reach.networks.get(at).map_or("", |it| it.name.as_str());
        let detail = format!("ask from the network `{name}`");
        Fix { value: Some(name.into()), ..plain(Kind::Network, detail) }
    }

    /// Waiting for a counter and waiting for an hour are the same to do; what it is called is up to
    /// who was in the way.
    fn later(&self) -> Fix {
        let at = self.remedy.case.facts.clock.now();
        let seconds = at.as_second() - self.before.facts.clock.now().as_second();
        let retry_after_seconds = u64::try_from(seconds).ok();
        let fix = match self.is_shut() {
            true => plain(Kind::Time, format!("ask again at {at}")),
            false => plain(Kind::Wait, format!("wait up to {seconds} s")),
        };
        Fix { retry_after_seconds, value: Some(at.to_string().into()), ..fix }
    }

    /// Whether some of those in the way look at the clock, and at no counter.
    fn is_shut(&self) -> bool {
        let looks = |id: &str| {
            let link = self.before.links.iter().find(|it| it.id == id);
            let reads = self.bundle.reads(link.map_or(id, |it| it.template.as_str()));
            let hint = meta(self.bundle, self.before, id).and_then(|it| it.fix);
            reads.is_some_and(|it| {
                hint == Some(Kind::Time) || (it.reads("clock") && !it.reads(COUNTERS))
            })
        };
        self.remedy.denied_by.iter().any(|it| match it {
            Denier::Forbid(id) => looks(id),
            Denier::NoPermit(_) => true,
        })
    }

    fn scopes(&self) -> Fix {
        let missing: Vec<String> = self.remedy.choice.token.iter().cloned().collect();
        let ask: Option<Vec<&String>> =
            self.remedy.choice.ask.as_ref().map(|it| it.iter().collect());
        let mut parts = Vec::new();
        let mut value = serde_json::Map::new();
        if !missing.is_empty() {
            parts.push(format!("use an access token that holds {}", missing.join(", ")));
            value.insert("token".into(), json!(missing));
        }
        if let Some(left) = ask {
            let listed: Vec<&str> = left.iter().map(|it| it.as_str()).collect();
            parts.push(format!("ask only for {}", listed.join(", ")));
            value.insert("ask".into(), json!(left));
        }
        Fix {
            value: Some(Value::Object(value)),
            token_scopes: missing,
            ..plain(Kind::Scopes, parts.join(", and "))
        }
    }
}

fn plain(kind: Kind, detail: impl Into<String>) -> Fix {
    Fix {
        kind: kind.as_str().to_owned(),
        detail: detail.into(),
        retry_after_seconds: None,
        pointer: None,
        value: None,
        token_scopes: Vec::new(),
    }
}
