//! Under which action a call is asked about: one of its tool's own, where policies name it.

use cedar_policy::{EntityUid, RestrictedExpression};

use super::{Call, Facts, Particulars};
use crate::policy::Bundle;
use crate::policy::typed::{TypedCall, Unfit};

/// What a call is asked under.
#[derive(Clone, Debug)]
pub struct Typed {
    /// `Gatewright::Action::"call:pay"`.
    pub action: EntityUid,
    /// `context.input`.
    pub input: RestrictedExpression,
}

impl Facts {
    /// What `bundle` is asked in the place of `invoke`: the tool's own action, if it has one. `tool`
    /// is the name of the tool, where the question says it and not the facts.
    ///
    /// # Errors
    /// The arguments do not fit the types that the bundle was checked with. Then nobody can say
    /// what its policies would make of them, and nothing is allowed.
    pub fn typed(&self, tool: Option<&str>, bundle: &Bundle) -> Result<Option<Typed>, Unfit> {
        let Some((of_tool, call)) = self.typed_call(tool, bundle) else { return Ok(None) };
        let input = of_tool.input_of(&call.arguments)?;
        Ok(Some(Typed { action: of_tool.action.clone(), input }))
    }

    /// The action of that name alone, whether or not the arguments fit.
    pub fn typed_action(&self, tool: Option<&str>, bundle: &Bundle) -> Option<EntityUid> {
        self.typed_call(tool, bundle).map(|(it, _)| it.action.clone())
    }

    fn typed_call<'a>(
        &'a self,
        tool: Option<&str>,
        bundle: &'a Bundle,
    ) -> Option<(&'a TypedCall, &'a Call)> {
        let Particulars::Call { call, .. } = &self.particulars else { return None };
        let tool = tool.or(call.tool_name.as_deref())?;
        Some((bundle.typed_call(tool)?, &**call))
    }
}
