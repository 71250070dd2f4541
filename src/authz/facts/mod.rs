//! Everything Cedar is told about one request: plain values in, context and helper entities out.
//!
//! The shapes are those of `schemas/gatewright.cedarschema`. Values become Cedar expressions
//! directly: by way of JSON a context costs six times as much.

mod amount;
mod approval;
mod call;
mod circumstances;
mod clock;
mod delegation;
mod express;
mod granting;
mod history;
mod shape;
mod typed;
mod usage;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use cedar_policy::{Context, Entity, RestrictedExpression};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::amount::{Amount, Inexact};
pub use self::approval::{Approval, ApprovalState};
pub use self::call::{Call, Flat, POINTER_BYTES_MAX, ToolVersion, can_be_told, flatten};
pub use self::circumstances::{Age, NetFacts, Risk, SessionFacts};
pub use self::clock::{ClockFacts, LocalTime, Weekday};
pub use self::delegation::{Delegation, Mandate};
pub use self::granting::Granting;
pub use self::history::{History, Tally};
pub use self::shape::Shape;
pub use self::typed::Typed;
pub use self::usage::{Ask, Usage};

use self::express::{entity, record, scopes};
use crate::authn::risk::Reason;
use crate::authz::uid::Kind;

/// The facts of one request. Serialized, they are what the audit keeps: read back, the same
/// context and the same entities come out, whatever has become of clocks and zones since.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The time, shared by every request of the same second.
    pub clock: Arc<ClockFacts>,
    /// Where the request comes from.
    pub net: NetFacts,
    /// How well the caller has proven who it is.
    pub session: SessionFacts,
    /// How risky the request is rated.
    pub risk: Risk,
    /// Why, where the request is a sign-in; for the audit, not for Cedar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risk_reasons: Vec<Reason>,
    /// What the caller's access token holds; Cedar is not told where the shape is `Base`.
    pub token_scopes: BTreeSet<String>,
    /// In whose name the request is made, when it is not the caller's own; Cedar is not told where
    /// the shape is `Base`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Delegation>,
    /// What happened before, as far as the decision needs it; Cedar is told, where the shape is
    /// `Credential` or `Call`, of nothing where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// What only some actions need.
    pub particulars: Particulars,
}

/// What the action's context holds besides the common facts: one variant per context type of the
/// schema.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "snake_case")]
pub enum Particulars {
    /// `BaseCtx`: nobody is signed in yet, there is no token.
    Base,
    /// `TokenCtx`.
    Token,
    /// `AdminCtx`.
    Admin { approval: Option<Approval> },
    /// `RoleCtx`: the role that is given or taken.
    Role { role: String, approval: Option<Approval> },
    /// `GrantCtx`: the grant that is made.
    Grant { granting: Granting, approval: Option<Approval> },
    /// `FindCtx`.
    Find,
    /// `CredCtx`.
    Credential { usage: Usage, ask: Ask, approval: Option<Approval> },
    /// `CallCtx`.
    Call { usage: Usage, call: Box<Call>, approval: Option<Approval> },
    /// `QueryCtx`: the id of the user who owns the tool that the question is about, if one is.
    Query { tool_owner: Option<String> },
    /// Of an action that the bundle declares for types of its own: which of the common facts its
    /// context has, and what it has besides, in Cedar's JSON.
    Declared { common: BTreeSet<String>, members: BTreeMap<String, Value> },
}

impl Facts {
    /// The context of the request, not yet checked against a schema: `Request::new` does that.
    ///
    /// # Errors
    /// A value that Cedar cannot hold, such as a duration beyond 64 bits of milliseconds.
    pub fn context(&self) -> Result<Context> {
        self.context_with(None)
    }

    /// The same with the arguments of a call under the types that its tool has.
    ///
    /// # Errors
    /// As [`Facts::context`].
    pub fn context_with(&self, input: Option<RestrictedExpression>) -> Result<Context> {
        let mut told: Vec<(&str, RestrictedExpression)> = Vec::with_capacity(10);
        told.push(("clock", self.clock.expression()));
        told.push(("net", self.net.expression()?));
        told.push(("session", self.session.expression()?));
        told.push(("risk", entity(Kind::RiskLevel, self.risk.as_str())));
        if !matches!(self.particulars, Particulars::Base) {
            told.push(("token", record([("scopes", scopes(&self.token_scopes))])?));
            if let Some(delegation) = &self.delegation {
                told.push(("delegation", delegation.expression()?));
            }
        }
        if matches!(self.particulars.shape(), Shape::Credential | Shape::Call) {
            told.push((
                "history",
                self.history.as_ref().map_or_else(nothing, History::expression)?,
            ));
        }
        self.particulars.tell(&mut told)?;
        told.extend(input.map(|it| ("input", it)));
        let told = told.into_iter().map(|(key, value)| (key.to_owned(), value));
        let context = Context::from_pairs(told).context("the facts do not make a context")?;
        match &self.particulars {
            Particulars::Declared { members, .. } => {
                let members = serde_json::to_value(members)?;
                Ok(context.merge(Context::from_json_value(members, None)?)?)
            }
            _ => Ok(context),
        }
    }

    /// The same with the clocks of all of `zones`, for a bundle that reads more of them.
    ///
    /// # Errors
    /// A zone that this machine does not know.
    pub fn reading(&self, zones: &[String]) -> Result<Facts> {
        let mut facts = self.clone();
        if let Some(clock) = self.clock.reading(zones)? {
            facts.clock = Arc::new(clock);
        }
        Ok(facts)
    }

    /// The entities that the context points at: world clock, mandate, approval, tool version and
    /// arguments. Principal, resource and action come from elsewhere.
    ///
    /// # Errors
    /// As [`Facts::context`].
    pub fn entities(&self) -> Result<Vec<Entity>> {
        let mut entities = vec![self.clock.world_clock()];
        if let Some(mandate) = self.delegation.as_ref().and_then(|it| it.mandate.as_ref()) {
            entities.push(mandate.entity()?);
        }
        if let Some(approval) = self.particulars.approval() {
            entities.push(approval.entity()?);
        }
        if let Particulars::Call { call, .. } = &self.particulars {
            entities.extend(call.entities()?);
        }
        Ok(entities)
    }
}

fn nothing() -> Result<RestrictedExpression> {
    History::default().expression()
}

impl Particulars {
    /// Which context type of the schema these are for.
    pub fn shape(&self) -> Shape {
        match self {
            Particulars::Base => Shape::Base,
            Particulars::Token => Shape::Token,
            Particulars::Admin { .. } => Shape::Admin,
            Particulars::Role { .. } => Shape::Role,
            Particulars::Grant { .. } => Shape::Grant,
            Particulars::Find => Shape::Find,
            Particulars::Credential { .. } => Shape::Credential,
            Particulars::Call { .. } => Shape::Call,
            Particulars::Query { .. } => Shape::Query,
            Particulars::Declared { .. } => Shape::Declared,
        }
    }

    fn tell(&self, told: &mut Vec<(&'static str, RestrictedExpression)>) -> Result<()> {
        match self {
            Particulars::Base
            | Particulars::Token
            | Particulars::Admin { .. }
            | Particulars::Find => {}
            Particulars::Role { role, .. } => told.push(("role", entity(Kind::Role, role))),
            Particulars::Grant { granting, .. } => {
                told.push(("granting", granting.expression()?));
            }
            Particulars::Credential { usage, ask, .. } => {
                told.push(("usage", usage.expression()?));
                told.push(("ask", ask.expression()?));
            }
            Particulars::Call { usage, call, .. } => {
                told.push(("usage", usage.expression()?));
                told.push(("call", call.expression()?));
            }
            Particulars::Query { tool_owner } => {
                let owner =
                    tool_owner.iter().map(|it| ("tool_owner".to_owned(), entity(Kind::User, it)));
                told.push(("query", RestrictedExpression::new_record(owner)?));
            }
            Particulars::Declared { common, .. } => told.retain(|(key, _)| common.contains(*key)),
        }
        if let Some(approval) = self.approval() {
            told.push(("approval", entity(Kind::Approval, &approval.id)));
        }
        Ok(())
    }

    fn approval(&self) -> Option<&Approval> {
        match self {
            Particulars::Base
            | Particulars::Token
            | Particulars::Find
            | Particulars::Query { .. }
            | Particulars::Declared { .. } => None,
            Particulars::Admin { approval }
            | Particulars::Role { approval, .. }
            | Particulars::Grant { approval, .. }
            | Particulars::Credential { approval, .. }
            | Particulars::Call { approval, .. } => approval.as_ref(),
        }
    }
}
