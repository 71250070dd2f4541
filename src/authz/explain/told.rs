//! A remedy in words, and in values that a program can use.

use serde_json::{Value, json};

use super::asking::Denier;
use super::cure::Cure;
use super::search::Remedy;
use super::{Reach, meta, number, past};
use crate::authz::case::Case;
use crate::authz::facts::Particulars;
use crate::error::Fix;
use crate::policy::{Bundle, Fix as Kind};

/// Windows of counters, without the clock: what the policy in the way has to read for waiting to be
/// what helps.
const COUNTERS: [&str; 2] = ["usage", "history"];

const PROVE: &str = "prove your second factor, then ask again; whoever has none enrols one first \
     (POST /api/v1/auth/factors/totp)";
const ENROL: &str = "you have no second factor: enrol one first \
     (POST /api/v1/auth/factors/totp, then confirm it), and ask again with the token that comes of it";

/// `fixes` for somebody who has no second factor yet.
pub fn enrolling(fixes: &mut [Fix]) {
    for it in fixes.iter_mut().filter(|it| it.kind == Kind::Mfa.as_str()) {
        it.detail = ENROL.to_owned();
        it.value = Some(json!({ "enrol": true }));
    }
}

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
            Cure::Mfa => plain(Kind::Mfa, PROVE),
            Cure::Reauth => plain(
                Kind::Reauth,
                "prove your password again (POST /api/v1/auth/elevate) and use that token",
            ),
            Cure::Approval => approval(),
            Cure::Confirm => plain(Kind::Confirm, "send `confirm_consequential`: true"),
            Cure::Probe => plain(
                Kind::Probe,
                "its server must be probed again (POST /api/v1/tools/{tool}/reprobe)",
            ),
            Cure::Review => self.review(),
            Cure::Mandate => self.mandate(),
            Cure::Before(name) => self.before(name),
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
        let units = numbers.iter().find(|(it, _)| it == pointer).map_or(0, |it| it.1);
        let value = number::written(units).unwrap_or_default();
        let before = match &self.before.facts.particulars {
            Particulars::Call { call, .. } => call.arguments.pointer(pointer),
            _ => None,
        };
        let sent = before.and_then(number::read).map_or(0, |it| it.0);
        let is_unfit = |it: &Denier| matches!(it, Denier::Unfit(at) if at == pointer);
        let detail = match sent < units {
            _ if self.remedy.denied_by.iter().any(is_unfit) => {
                format!("send a number as `{pointer}` that policies can compare exactly: {value}")
            }
            true => format!("send at least {value} as `{pointer}`"),
            false => format!("send at most {value} as `{pointer}`"),
        };
        let pointer = Some(pointer.to_owned());
        Fix { pointer, value: Some(value), ..plain(Kind::Argument, detail) }
    }

    /// Facts go by their names: which tools they count is not for everybody to know.
    fn before(&self, name: &str) -> Fix {
        let before = &self.remedy.choice.before;
        let least = before.iter().find(|(it, _)| it == name).map(|it| past::shown(it.1));
        let least = least.unwrap_or_default();
        let fact = self.bundle.past().facts().iter().find(|it| it.name == name);
        let within = fact.and_then(|it| it.within).map(|it| it / 1_000_000);
        let window = within.map(|it| format!(" within {it} s")).unwrap_or_default();
        let detail = format!(
            "what `{name}` counts must succeed first, so that it is at least {least}{window}"
        );
        let value = json!({ "fact": name, "at_least": least, "within_seconds": within });
        Fix { value: Some(value), ..plain(Kind::History, detail) }
    }

    fn review(&self) -> Fix {
        const ROUTE: &str = "(POST /api/v1/bundles/{id}/review)";
        const WHICH: &str = "its `reviews` tell which count, and why others do not";
        let more = self.remedy.choice.reviews;
        let detail = match more {
            0 => format!("whoever objected must take it back {ROUTE}"),
            1 => format!("somebody else must review it first {ROUTE}, and nobody object; {WHICH}"),
            _ => format!("{more} others must review it first {ROUTE}, and nobody object; {WHICH}"),
        };
        Fix { value: Some(json!({ "reviews": more })), ..plain(Kind::Review, detail) }
    }

    /// What the mandate must hold, as the route takes it.
    fn mandate(&self) -> Fix {
        let detail = "the user whom it is asked for must give a mandate that covers it \
                      (POST /api/v1/users/{id}/mandates)";
        let given = self.remedy.case.facts.delegation.as_ref();
        let value = given
            .and_then(|it| it.mandate.as_ref())
            .map(|it| json!({ "tools": it.tools, "scopes": it.scopes, "max_depth": it.max_depth }));
        Fix { value, ..plain(Kind::Mandate, detail) }
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
            let reads = super::reads(self.bundle, self.before, id);
            let hint = meta(self.bundle, self.before, id).and_then(|it| it.fix);
            reads.is_some_and(|it| {
                hint == Some(Kind::Time)
                    || (it.reads("clock") && !COUNTERS.iter().any(|counter| it.reads(counter)))
            })
        };
        self.remedy.denied_by.iter().any(|it| match it {
            Denier::Forbid(id) => looks(id),
            Denier::NoPermit(_) => true,
            Denier::Unfit(_) => false,
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

/// Somebody says yes to a call.
pub fn approval() -> Fix {
    plain(Kind::Approval, "somebody must approve exactly this call")
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
