//! Random requests, and policies that refuse some of them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use crate::authz::case::Case;
use crate::authz::explain::{Network, Reach};
use crate::authz::facts::{
    Age, Ask, Call, ClockFacts, Facts, NetFacts, Particulars, Risk, SessionFacts, ToolVersion,
    Usage,
};
use crate::authz::uid::{Kind, action, uid};
use crate::clock::Clock;
use crate::policy::{Bundle, SourceFile, Sources};

/// Rules of an organization's own, most of them without a word about what would help.
const RULES: [&str; 12] = [
    r#"forbid (principal, action in Gatewright::Action::"call", resource is Gatewright::Tool)
       when { context.call.number.hasTag("/amount") && context.call.number.getTag("/amount") > 500 };"#,
    r#"forbid (principal, action in Gatewright::Action::"call", resource is Gatewright::Tool)
       when { context.call.number.hasTag("/amount") && context.call.number.getTag("/amount") < 10 };"#,
    r#"forbid (principal is Gatewright::User, action in Gatewright::Action::"use", resource is Gatewright::Tool)
       unless { context.session has mfa_age && context.session.mfa_age <= duration("7m") };"#,
    r#"forbid (principal is Gatewright::User, action in Gatewright::Action::"use", resource is Gatewright::Tool)
       unless { context.session has reauth_age && context.session.reauth_age < duration("3m") };"#,
    r#"forbid (principal, action in Gatewright::Action::"use", resource is Gatewright::Tool)
       when { context.clock.local.weekday == Gatewright::Weekday::"wed" ||
              context.clock.local.time < duration("6h15m") || duration("20h45m") <= context.clock.local.time };"#,
    r#"forbid (principal, action in Gatewright::Action::"use", resource is Gatewright::Tool)
       unless { context.token.scopes.contains(Gatewright::Scope::"read:context") ||
                context.token.scopes.contains(Gatewright::Scope::"read:profile") };"#,
    r#"forbid (principal, action == Gatewright::Action::"request_credential", resource is Gatewright::Tool)
       when { context.ask.scopes.contains(Gatewright::Scope::"write") };"#,
    r#"forbid (principal, action == Gatewright::Action::"request_credential", resource is Gatewright::Tool)
       when { context.ask.ttl > duration("17m") };"#,
    r#"forbid (principal, action in Gatewright::Action::"use", resource is Gatewright::Tool)
       unless { context.net.zones.contains(Gatewright::NetZone::"vpn") };"#,
    r#"forbid (principal, action in Gatewright::Action::"call", resource is Gatewright::Tool)
       when { context.call.number.hasTag("/amount") && context.call.number.getTag("/amount") > 300 }
       unless { context has approval && context.approval.state == Gatewright::ApprovalState::"approved" &&
                context.approval.digest == context.call.digest };"#,
    r#"forbid (principal, action in Gatewright::Action::"call", resource is Gatewright::Tool)
       unless { context.call.confirmed };"#,
    r#"forbid (principal, action in Gatewright::Action::"use", resource is Gatewright::Tool)
       when { context.usage.calls_last_minute > 3 };"#,
];

/// Which rules stand together in each of the bundles.
const TOGETHER: [&[usize]; 5] = [&[], &[0, 1, 6, 7], &[2, 3, 11], &[4, 9, 10], &[5, 8, 0]];

/// The starter bundle, and with rules beside it.
pub fn bundles() -> &'static [Bundle] {
    static BUNDLES: LazyLock<Vec<Bundle>> = LazyLock::new(|| TOGETHER.map(with).into());
    &BUNDLES
}

fn with(rules: &[usize]) -> Bundle {
    let named = |it: &usize| format!("@id(\"own.{it}\")\n@title(\"rule {it}\")\n{}\n", RULES[*it]);
    let text: String = rules.iter().map(named).collect();
    let mut sources = Sources::starter();
    sources.policies.push(SourceFile::new("policies", "95-own.cedar", text));
    Bundle::tested_before(sources).unwrap()
}

pub fn reach() -> Reach {
    let zone = |name: &str, ip: &str| Network {
        name: name.into(),
        facts: NetFacts::new(ip.parse().unwrap(), [name.to_owned()].into(), None),
    };
    Reach {
        home: home(),
        networks: Arc::new([zone("blocked", "203.0.113.1"), zone("vpn", "10.1.2.3")]),
        cost_micros: 20_000,
        clock: Clock::system(),
    }
}

pub fn home() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

#[derive(Clone, Debug)]
pub struct Scene {
    pub bundle: usize,
    pub is_agent: bool,
    pub is_call: bool,
    pub admin: bool,
    pub risk: Risk,
    pub consequential: bool,
    pub required: bool,
    pub business_hours: bool,
    pub minute: i64,
    pub mfa_minutes: Option<u64>,
    pub reauth_minutes: Option<u64>,
    pub token: BTreeSet<String>,
    pub ask: BTreeSet<String>,
    pub ttl_seconds: u64,
    pub amount: Option<i64>,
    pub uses: u64,
}

pub fn scene() -> impl Strategy<Value = Scene> {
    let of = |all: &'static [&'static str]| {
        let owned = |it: Vec<&str>| it.into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
        subsequence(all, 0..=all.len()).prop_map(owned)
    };
    let risk = select(vec![Risk::Low, Risk::Low, Risk::Medium, Risk::Critical]);
    let flags = any::<[bool; 6]>();
    let ages = (prop::option::of(0..20_u64), prop::option::of(0..10_u64));
    let scopes = (of(&["agent:calc", "read:context"]), of(&["read", "write", "delete"]));
    let rest = (select(vec![0, 60, 900, 4000, 90_000]), prop::option::of(0..1000_i64), 1..6_u64);
    (0..TOGETHER.len(), flags, risk, 0..10_080_i64, ages, scopes, rest).prop_map(
        |(bundle, flags, risk, minute, ages, scopes, rest)| Scene {
            bundle,
            is_agent: flags[0],
            is_call: flags[1],
            admin: flags[2],
            consequential: flags[3],
            required: flags[4],
            business_hours: flags[5],
            risk,
            minute,
            mfa_minutes: ages.0,
            reauth_minutes: ages.1,
            token: scopes.0,
            ask: scopes.1,
            ttl_seconds: rest.0,
            amount: rest.1,
            uses: rest.2,
        },
    )
}

impl Scene {
    /// An agent that calls a harmless tool on a Tuesday at noon, by the starter bundle.
    pub fn plain() -> Scene {
        Scene {
            bundle: 0,
            is_agent: true,
            is_call: true,
            admin: false,
            risk: Risk::Low,
            consequential: false,
            required: false,
            business_hours: false,
            minute: 36 * 60,
            mfa_minutes: None,
            reauth_minutes: None,
            token: BTreeSet::new(),
            ask: BTreeSet::from(["read".to_owned()]),
            ttl_seconds: 60,
            amount: None,
            uses: 1,
        }
    }

    pub fn case(&self) -> Case {
        let principal = match self.is_agent {
            true => uid(Kind::Agent, "bot"),
            false => uid(Kind::User, "uma"),
        };
        let verb = if self.is_call { "invoke" } else { "request_credential" };
        Case {
            principal: principal.clone(),
            action: action(verb),
            resource: uid(Kind::Tool, "tool"),
            others: Some(Vec::new()),
            facts: self.facts(),
            entities: vec![self.principal(principal), self.tool()],
            links: Vec::new(),
        }
    }

    fn principal(&self, it: EntityUid) -> Entity {
        let state = RestrictedExpression::new_entity_uid(uid(Kind::Lifecycle, "active"));
        let mut attributes = HashMap::from([("state".to_owned(), state)]);
        let mut roles = HashSet::new();
        if self.is_agent {
            let owner = RestrictedExpression::new_entity_uid(uid(Kind::User, "olaf"));
            attributes.insert("owner".into(), owner);
            attributes.insert("attested".into(), RestrictedExpression::new_bool(true));
            roles.insert(uid(Kind::Role, "agent"));
        } else {
            roles.insert(uid(Kind::Role, "user"));
            if self.admin {
                roles.insert(uid(Kind::Role, "admin"));
            }
        }
        Entity::new(it, attributes, roles).unwrap()
    }

    fn tool(&self) -> Entity {
        let one = |kind, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let scopes =
            |all: &[&str]| RestrictedExpression::new_set(all.iter().map(|it| one(Kind::Scope, it)));
        let required: &[&str] = if self.required { &["agent:calc"] } else { &[] };
        let attributes = HashMap::from([
            ("owner".to_owned(), one(Kind::User, "olaf")),
            ("state".to_owned(), one(Kind::ToolState, "active")),
            ("risk".to_owned(), one(Kind::RiskLevel, self.risk.as_str())),
            ("consequential".to_owned(), RestrictedExpression::new_bool(self.consequential)),
            ("allowed_scopes".to_owned(), scopes(&["read", "write"])),
            ("required_scopes".to_owned(), scopes(required)),
            ("max_ttl".to_owned(), RestrictedExpression::new_duration("2h")),
        ]);
        let sets = self.business_hours.then(|| uid(Kind::ToolSet, "business-hours"));
        Entity::new(uid(Kind::Tool, "tool"), attributes, sets.into_iter().collect()).unwrap()
    }

    fn facts(&self) -> Facts {
        let age = |minutes: u64| Age::from_millis(minutes * 60_000);
        // A Monday, at midnight in UTC; and not at a full minute.
        let monday: Timestamp = "2026-03-09T00:00:00Z".parse().unwrap();
        let now = Timestamp::from_second(monday.as_second() + self.minute * 60 + 17).unwrap();
        Facts {
            clock: Arc::new(ClockFacts::at(now, &home(), bundles()[self.bundle].zones()).unwrap()),
            net: NetFacts::new("192.0.2.7".parse().unwrap(), BTreeSet::new(), None),
            session: SessionFacts {
                aal: 1,
                age: age(30),
                mfa_age: self.mfa_minutes.filter(|_| !self.is_agent).map(age),
                reauth_age: self.reauth_minutes.filter(|_| !self.is_agent).map(age),
                by_client: false,
            },
            risk: Risk::Low,
            risk_reasons: Vec::new(),
            token_scopes: self.token.clone(),
            delegation: None,
            history: None,
            particulars: self.particulars(),
        }
    }

    fn particulars(&self) -> Particulars {
        let usage = Usage {
            calls_last_minute: self.uses,
            calls_today: self.uses,
            cost_today_micros: self.uses * 20_000,
            failures_last_hour: 0,
            calls_ever: self.uses,
        };
        if !self.is_call {
            let ask = Ask { scopes: self.ask.clone(), ttl_seconds: self.ttl_seconds };
            return Particulars::Credential { usage, ask, approval: None };
        }
        let version = ToolVersion {
            id: "v".into(),
            tool: "tool".into(),
            signed: true,
            schema_digest: "v".into(),
        };
        let arguments = match self.amount {
            Some(amount) => json!({ "amount": amount, "to": "somebody" }),
            None => json!({ "to": "somebody" }),
        };
        let call =
            Call { digest: "this".into(), version, confirmed: false, arguments, tool_name: None };
        Particulars::Call { usage, call: Box::new(call), approval: None }
    }
}
