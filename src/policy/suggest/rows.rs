//! The rows that hold a suggestion: what was used is still allowed, and each policy refuses what it
//! is there to refuse. They are made from recorded decisions, on what these were made on, but for
//! the arguments of calls: those are nobody's to keep in a file.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Entity, EntityUid};
use jiff::tz::{Offset, TimeZone};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::WithoutRow;
use super::used::Used;
use super::write::{ids, prefix, short, slug};
use crate::authz::case::{Case, written};
use crate::authz::facts::{Call, ClockFacts, Facts, Particulars, Weekday};
use crate::authz::uid::{Kind, uid};
use crate::policy::Bundle;
use crate::policy::replay::Known;

const DAY_MS: i64 = 86_400_000;
/// No clock is further ahead of another.
const AHEAD_MS_MAX: i64 = 14 * 3_600_000;
const LONG: &str = "30d";

/// A table of tests, the entities that it is about, by file name, and what it does not hold.
pub struct Rows {
    /// None where there is no row.
    pub table: Option<String>,
    pub fixtures: BTreeMap<String, String>,
    pub without: Vec<WithoutRow>,
}

type Row = Map<String, Value>;

#[derive(Serialize)]
struct Table {
    test: Vec<Row>,
}

/// What the rows are made from.
pub struct Evidence<'a> {
    pub agent: &'a Known,
    pub used: &'a [Used],
    /// Uses, each with the newest decision on it that was recorded in full.
    pub uses: Vec<(&'a Used, Case)>,
    pub active: &'a Bundle,
    pub candidate: &'a Bundle,
}

impl Evidence<'_> {
    pub fn rows(&self) -> Rows {
        let (mut test, mut fixtures) = (Vec::new(), BTreeMap::new());
        let mut without = self.unrecorded();
        for (used, case) in &self.uses {
            let case = without_arguments(case);
            if self.allows(self.candidate, &case) {
                fixtures.extend(fixtures_of(&case));
                let name = format!("{} still does: {}", self.agent.name, self.called(used));
                test.push(self.row(&case, &name, "allow"));
                test.extend(self.refusals(used, &case));
            } else {
                let what = format!("that it may {} {}", used.action, used.tool.name);
                without.push(WithoutRow { what, why: why_unheld(&case).to_owned() });
            }
        }
        if let Some((case, row)) = self.beyond() {
            fixtures.extend(fixtures_of(&case));
            test.push(row);
        }
        without.extend(self.unheld(&test));
        let table = (!test.is_empty()).then(|| toml::to_string(&Table { test }).ok()).flatten();
        Rows { table, fixtures, without }
    }

    /// A use by its action and its tool; by the tool's id, too, where several go by that name.
    fn called(&self, used: &Used) -> String {
        let Used { action, tool, .. } = used;
        let is_other = |it: &&Used| it.tool.name == tool.name && it.tool.id != tool.id;
        match self.used.iter().find(is_other) {
            Some(_) => format!("{action} {} ({})", tool.name, tool.id),
            None => format!("{action} {}", tool.name),
        }
    }

    /// Uses that no decision of is at hand.
    fn unrecorded(&self) -> Vec<WithoutRow> {
        let is_missing = |it: &&Used| self.uses.iter().all(|(used, _)| !std::ptr::eq(*used, *it));
        let told = |it: &Used| WithoutRow {
            what: format!("that it may {} {}", it.action, it.tool.name),
            why: "no such use by the agent itself was recorded with all that it was decided on"
                .to_owned(),
        };
        self.used.iter().filter(is_missing).map(told).collect()
    }

    /// The policies that none of these rows is refused by.
    fn unheld(&self, rows: &[Row]) -> Vec<WithoutRow> {
        let held: BTreeSet<&str> = rows
            .iter()
            .filter_map(|it| it.get("by")?.as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let why = match self.used.is_empty() {
            true => "nothing was used, so there is no decision to make a row from",
            false => "what a row can be made from is refused without it, too, or cannot be decided",
        };
        let ids = ids(self.agent, self.used).into_iter();
        ids.filter(|it| !held.contains(&**it))
            .map(|id| WithoutRow { what: format!("`{id}`"), why: why.to_owned() })
            .collect()
    }

    /// A tool that was not used, refused by the suggestion alone.
    fn beyond(&self) -> Option<(Case, Row)> {
        self.uses.iter().find_map(|(used, case)| {
            let case = self.unused(&without_arguments(case))?;
            let row = self.refused(&case, &[], "only", &used.action)?;
            Some((case, row))
        })
    }

    /// What goes beyond the scopes and the life that were asked for.
    fn refusals(&self, used: &Used, case: &Case) -> Vec<Row> {
        let Particulars::Credential { ask, .. } = &case.facts.particulars else {
            return Vec::new();
        };
        let other = "another-scope".to_owned();
        let mut scopes = used.scopes.clone();
        scopes.insert(other.clone());
        let offered = json!(scopes);
        let mut wider = ask.clone();
        wider.scopes = BTreeSet::from([other]);
        let mut longer = ask.clone();
        longer.ttl_seconds = used.ttl_seconds.unwrap_or_default() + 1;
        let asks =
            [("scopes", wider, "allowed_scopes", offered), ("ttl", longer, "max_ttl", json!(LONG))];
        let rows = asks.into_iter().filter_map(|(policy, ask, attribute, value)| {
            let mut facts = case.facts.clone();
            if let Particulars::Credential { ask: it, .. } = &mut facts.particulars {
                *it = ask;
            }
            let case = changed(&case.with(facts), attribute, &value)?;
            let policy = format!("{}.{policy}", short(used, self.used));
            self.refused(&case, &[(attribute, value)], &policy, &used.action)
        });
        rows.collect()
    }

    /// A row for what this policy of the suggestion refuses; none where it does not decide.
    fn refused(
        &self,
        case: &Case,
        change: &[(&str, Value)],
        policy: &str,
        action: &str,
    ) -> Option<Row> {
        let outcome = case.decide(self.candidate).ok()?;
        let id = format!("{}{policy}", prefix(self.agent));
        // Where the active bundle refuses it as well, nobody would miss the policy.
        if !self.allows(self.active, case) {
            return None;
        }
        if outcome.allow || !outcome.errors.is_empty() || !outcome.reasons.contains(&id) {
            return None;
        }
        let name = format!("{} no more: {action}, {policy}", self.agent.name);
        let mut row = self.row(case, &name, "deny");
        row.insert("by".to_owned(), json!(outcome.reasons));
        if !change.is_empty() {
            let change: Map<String, Value> =
                change.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect();
            row.insert("change".to_owned(), json!({ reference(&case.resource): change }));
        }
        Some(row)
    }

    fn allows(&self, bundle: &Bundle, case: &Case) -> bool {
        case.decide_for(&case.principal, bundle).is_ok_and(|it| it.allow)
    }

    /// The same about a tool that is like the one that was used, and another.
    fn unused(&self, case: &Case) -> Option<Case> {
        let resource = uid(Kind::Tool, &format!("{}unused", prefix(self.agent)));
        let (_, attributes, parents) = case.entity(&case.resource)?.clone().into_inner();
        let entity = Entity::new(resource.clone(), attributes, parents).ok()?;
        let mut facts = case.facts.clone();
        if let Particulars::Call { call, .. } = &mut facts.particulars {
            call.version.tool = resource.id().unescaped().to_owned();
            // No policy names it, so its calls are of no type of their own.
            call.tool_name = None;
        }
        Some(Case { resource, ..case.with(facts).about(entity) })
    }

    /// A row on the facts of a decision. A call of a tool that policies name goes by its own action.
    fn row(&self, case: &Case, name: &str, expect: &str) -> Row {
        let mut row = row(case, &case.action_in(self.candidate), name, expect);
        let declared = self.candidate.past().facts();
        let is_declared = |name: &str| declared.iter().any(|it| it.name == name);
        let history = case.facts.history.as_ref().map(|it| it.only(is_declared));
        row.extend(history.map(|it| ("history".to_owned(), json!(it))));
        row
    }
}

fn without_arguments(case: &Case) -> Case {
    let mut facts = case.facts.clone();
    if let Particulars::Call { call, .. } = &mut facts.particulars {
        call.arguments = json!({});
    }
    case.with(facts)
}

/// The resource with another value of an attribute.
fn changed(case: &Case, attribute: &str, value: &Value) -> Option<Case> {
    let mut json = case.entity(&case.resource)?.to_json_value().ok()?;
    let scope = |id: &Value| json!({ "__entity": { "type": "Gatewright::Scope", "id": id } });
    let value = match value {
        Value::Array(ids) => ids.iter().map(scope).collect(),
        other => json!({ "__extn": { "fn": "duration", "arg": other } }),
    };
    json.get_mut("attrs")?.as_object_mut()?.insert(attribute.to_owned(), value);
    Some(case.about(Entity::from_json_value(json, None).ok()?))
}

/// Why what was allowed is not seen to be allowed still.
fn why_unheld(case: &Case) -> &'static str {
    match case.facts.particulars {
        Particulars::Call { .. } => {
            "policies look at the arguments of the call, which are not kept in a file"
        }
        _ => "the newest such use cannot be decided as it was under the suggestion",
    }
}

fn fixtures_of(case: &Case) -> impl Iterator<Item = (String, String)> {
    let both = [&case.principal, &case.resource];
    both.into_iter().filter_map(|uid| fixture(case.entity(uid)?))
}

/// The file of one entity, and its text: the same for every suggestion that speaks of it.
fn fixture(entity: &Entity) -> Option<(String, String)> {
    let uid = entity.uid();
    let name = format!("{}-{}.json", uid.type_name().basename(), uid.id().unescaped());
    Some((slug(&name), format!("[{}]\n", written(entity)?.get())))
}

fn reference(uid: &EntityUid) -> String {
    format!("{}:{}", uid.type_name().basename(), uid.id().unescaped())
}

fn row(case: &Case, action: &EntityUid, name: &str, expect: &str) -> Row {
    let Facts { clock, net, session, .. } = &case.facts;
    let (net, seconds) = (json!(net), |ms: u64| ms / 1_000);
    let mut row = json!({
        "name": name, "principal": reference(&case.principal),
        "action": action.id().unescaped(), "resource": reference(&case.resource),
        "expect": expect, "at": at(clock), "ip": net.get("ip"), "zones": net.get("zones"),
        "country": net.get("country"), "aal": session.aal, "risk": case.facts.risk,
        "session_age_seconds": seconds(session.age.as_millis()),
        "mfa_age_seconds": session.mfa_age.map(|it| seconds(it.as_millis())),
        "reauth_age_seconds": session.reauth_age.map(|it| seconds(it.as_millis())),
        "by_client": session.by_client, "token": case.facts.token_scopes,
        "delegation": case.facts.delegation,
    });
    if let (Value::Object(row), Value::Object(more)) = (&mut row, particulars(&case.facts)) {
        row.extend(more);
    }
    let mut row = row.as_object().cloned().unwrap_or_default();
    let absent: Vec<String> =
        row.iter().filter(|(_, it)| it.is_null()).map(|(name, _)| name.clone()).collect();
    row.retain(|_, it| !it.is_null());
    row.values_mut().for_each(without_nulls);
    if !absent.is_empty() {
        row.insert("without".to_owned(), json!(absent));
    }
    row
}

/// What only uses are told.
fn particulars(facts: &Facts) -> Value {
    match &facts.particulars {
        Particulars::Credential { usage, ask, approval } => json!({
            "usage": usage, "ask": ask.scopes, "ttl_seconds": ask.ttl_seconds,
            "approval": approval,
        }),
        Particulars::Call { usage, call, approval } => {
            let Call { digest, version, confirmed, .. } = &**call;
            let call = json!({ "digest": digest, "version": version, "confirmed": confirmed });
            json!({ "usage": usage, "call": call, "arguments": {}, "approval": approval })
        }
        _ => json!({}),
    }
}

/// TOML has no null.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, it| !it.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// The instant, with how far the home clock was from UTC: RFC 9557.
fn at(clock: &ClockFacts) -> String {
    let day = |it: Weekday| {
        use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
        [Mon, Tue, Wed, Thu, Fri, Sat, Sun].into_iter().position(|day| day == it)
    };
    let home = clock.home();
    let home = day(home.weekday).map_or(0, |it| it as i64) * DAY_MS + i64::from(home.time_ms);
    // The epoch was a Thursday.
    let utc = (clock.now().as_millisecond() + 3 * DAY_MS).rem_euclid(7 * DAY_MS);
    let ahead = (home - utc + AHEAD_MS_MAX).rem_euclid(7 * DAY_MS) - AHEAD_MS_MAX;
    let minutes = i32::try_from(ahead.div_euclid(60_000)).unwrap_or_default();
    let zone = Offset::from_seconds(minutes * 60).map_or(TimeZone::UTC, TimeZone::fixed);
    clock.now().to_zoned(zone).to_string()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn an_instant_is_told_with_the_clock_at_home() {
        for (now, zone, expected) in [
            ("2026-03-11T10:00:00Z", "Europe/Berlin", "2026-03-11T11:00:00+01:00[+01:00]"),
            ("2026-03-15T20:00:00Z", "Asia/Tokyo", "2026-03-16T05:00:00+09:00[+09:00]"),
            ("2026-03-16T01:00:00Z", "America/New_York", "2026-03-15T21:00:00-04:00[-04:00]"),
            ("2026-03-16T01:00:00Z", "Asia/Kolkata", "2026-03-16T06:30:00+05:30[+05:30]"),
        ] {
            let now: Timestamp = now.parse().unwrap();
            let clock = ClockFacts::at(now, &TimeZone::get(zone).unwrap(), &[]).unwrap();
            assert_eq!(at(&clock), expected);
        }
    }
}
