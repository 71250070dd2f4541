//! From an action's name and what goes with it to the particulars of a decision.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::EntityUid;
use serde_json::Value;

use super::circumstances::words;
use super::inquiry::Inquiry;
use super::model::{Decision, Properties, Verb};
use super::names::Thing;
use crate::authz::facts::{Granting, Particulars, Shape};
use crate::authz::{Action as _, Use};
use crate::credentials::{RequestCredential, ToolRef, Ttl};
use crate::gateway::InvokeTool;
use crate::{Error, Result};

/// The facts that every context may hold.
const COMMON: [&str; 5] = ["clock", "net", "session", "risk", "token"];
pub(super) const ARGUMENTS: &str = "arguments";
const CONFIRM: &str = "confirm_consequential";
/// What an action about a role is told.
pub(super) const ROLE: &str = "role";

/// What goes with an action, and whose word the context of the question is.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The action's.
    pub name: &'a str,
    pub properties: &'a Properties,
    pub context: &'a Properties,
    /// Whether the context counts.
    pub trusted: bool,
}

/// What a decision is told of its own.
#[derive(Clone)]
pub struct Particular {
    pub particulars: Particulars,
    /// What it would take from a quota.
    pub takes: Option<Use>,
    /// The names in `action.properties` and `context` that were made use of.
    pub used: BTreeSet<String>,
    /// Whether it is a call, and nobody said with which arguments.
    pub lacks_arguments: bool,
}

/// What of an action matters to how its answer is told.
#[derive(Clone, Copy)]
pub(super) struct Telling {
    /// Millionths of a US dollar.
    pub cost_micros: u64,
    pub lacks_arguments: bool,
}

impl<'a> Given<'a> {
    pub fn new(verb: &'a Verb, context: &'a Properties, trusted: bool) -> Given<'a> {
        Given { name: &verb.name, properties: &verb.properties, context, trusted }
    }

    /// A member of the action, or else of the context: part of the question, whoever asks it.
    pub(super) fn asked(&self, name: &str) -> Option<&'a Value> {
        self.properties.get(name).or_else(|| self.context.get(name))
    }
}

impl Particular {
    fn plain(particulars: Particulars) -> Particular {
        Particular { particulars, takes: None, used: BTreeSet::new(), lacks_arguments: false }
    }

    pub(super) fn telling(&self) -> Telling {
        let cost_micros = self.takes.map_or(0, |it| it.cost_micros.unsigned_abs());
        Telling { cost_micros, lacks_arguments: self.lacks_arguments }
    }
}

impl Inquiry<'_> {
    /// What `action` on `thing` is told; a closed answer where it cannot be asked.
    pub(super) async fn particular(
        &self,
        action: &EntityUid,
        thing: &Thing,
        given: Given<'_>,
    ) -> Result<Result<Particular, Decision>> {
        Ok(match (self.names.bundle.shape(action), thing) {
            (None | Some(Shape::Declared), _) => Ok(self.declared(action, given)),
            (Some(Shape::Base), _) => Ok(Particular::plain(Particulars::Base)),
            (Some(Shape::Token), _) => Ok(Particular::plain(Particulars::Token)),
            (Some(Shape::Find), _) => Ok(Particular::plain(Particulars::Find)),
            (Some(Shape::Admin), _) => Ok(Particular::plain(Particulars::Admin { approval: None })),
            (Some(Shape::Query), _) => {
                Ok(Particular::plain(Particulars::Query { tool_owner: None }))
            }
            (Some(Shape::Grant), _) => {
                let granting = Granting::of_use();
                Ok(Particular::plain(Particulars::Grant { granting, approval: None }))
            }
            (Some(Shape::Role), _) => role(given),
            (Some(Shape::Credential), Thing::Tool(tool)) => {
                let asked = self.credential(tool.id, given);
                let all = RequestCredential { scopes: tool.definition.scopes.clone(), ..asked };
                let asked = match given.properties.get("scopes").map(words) {
                    Some(Some(scopes)) => RequestCredential { scopes, ..all },
                    Some(None) => return Ok(Err(unacceptable("`scopes` must be words"))),
                    None => all,
                };
                Ok(Particular {
                    particulars: asked.particulars(tool),
                    takes: asked.use_of(tool),
                    used: ["scopes", "ttl_seconds"].map(str::to_owned).into(),
                    lacks_arguments: false,
                })
            }
            (Some(Shape::Call), Thing::Tool(tool)) => return self.call(tool.id, given).await,
            (Some(Shape::Credential | Shape::Call), _) => {
                Err(Decision::closed("not_applicable", "only tools are used"))
            }
        })
    }

    /// A credential for as long as is asked for, or as one lives whose request does not say.
    fn credential(&self, tool: uuid::Uuid, given: Given<'_>) -> RequestCredential {
        let ttl = given.properties.get("ttl_seconds").and_then(Value::as_u64);
        RequestCredential {
            tool: ToolRef::Id(tool),
            scopes: BTreeSet::new(),
            ttl: ttl.map_or(Ttl::AtMost(self.credential_ttl_seconds), Ttl::Seconds),
            on_behalf_of: None,
            holder_key: None,
            constraints: Vec::new(),
        }
    }

    /// A call: with the arguments that are given, or with none, and then nobody asks whether the
    /// tool would take them.
    async fn call(
        &self,
        tool: uuid::Uuid,
        given: Given<'_>,
    ) -> Result<Result<Particular, Decision>> {
        let arguments = given.asked(ARGUMENTS);
        let confirmed = given.asked(CONFIRM).and_then(Value::as_bool).unwrap_or_default();
        let empty = || Value::Object(Properties::new());
        let invoke = InvokeTool {
            confirmed,
            ..InvokeTool::new(ToolRef::Id(tool), arguments.cloned().unwrap_or_else(empty))
        };
        let world = &self.names.world;
        let Some(called) = invoke.find(world).await? else {
            return Ok(Err(Decision::closed("unknown_resource", "there is no such tool")));
        };
        match invoke.check(&called, world) {
            Ok(()) => {}
            Err(Error::Invalid(_)) if arguments.is_none() => {}
            Err(Error::Invalid(faults)) => {
                let faults: Vec<String> =
                    faults.iter().map(|it| format!("`{}` {}", it.pointer, it.detail)).collect();
                return Ok(Err(unacceptable(&faults.join("; "))));
            }
            Err(Error::Conflict(why)) => return Ok(Err(Decision::closed("not_applicable", why))),
            Err(other) => return Err(other),
        }
        Ok(Ok(Particular {
            particulars: invoke.particulars(&called),
            takes: invoke.use_of(&called),
            used: [ARGUMENTS, CONFIRM].map(str::to_owned).into(),
            lacks_arguments: arguments.is_none(),
        }))
    }

    /// The context of an action of the bundle's own: the common facts that it declares, and what is
    /// given for its other members.
    fn declared(&self, action: &EntityUid, given: Given<'_>) -> Particular {
        let declared = self.names.bundle.vocabulary().context(action);
        let (mut members, mut used) = (BTreeMap::new(), BTreeSet::new());
        let mut common = BTreeSet::new();
        for (name, of) in declared.into_iter().flatten() {
            if COMMON.contains(&name.as_str()) {
                common.insert(name.clone());
                continue;
            }
            let context = given.context.get(name).filter(|_| given.trusted);
            let value = given.properties.get(name).or(context);
            if let Some(value) = value.and_then(|it| of.value(it)) {
                members.insert(name.clone(), value);
                used.insert(name.clone());
            }
        }
        Particular { used, ..Particular::plain(Particulars::Declared { common, members }) }
    }
}

fn role(given: Given<'_>) -> Result<Particular, Decision> {
    match given.properties.get(ROLE).and_then(Value::as_str) {
        Some(role) => Ok(Particular {
            used: [ROLE.to_owned()].into(),
            ..Particular::plain(Particulars::Role { role: role.to_owned(), approval: None })
        }),
        None => Err(unacceptable("the action is about a role: say which in `properties.role`")),
    }
}

fn unacceptable(reason: &str) -> Decision {
    Decision::closed("unacceptable", reason)
}
