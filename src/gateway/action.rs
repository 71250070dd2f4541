//! Asking to call a tool.

use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::earlier::Earlier;
use super::upstream::Along;
use crate::Result;
use crate::authn::Caller;
use crate::authz::facts::{Approval, Call, POINTER_BYTES_MAX, Particulars, can_be_told};
use crate::authz::quota::NOTHING_USED;
use crate::authz::{Action, Behalf, Made, Resource, Use, UseKind, View, World};
use crate::credentials::{Presented, ToolRef};
use crate::error::Error;
use crate::exact::exact_bytes;
use crate::registry::{Connection, Tool};

/// Calling a tool with arguments.
#[derive(Clone, Debug)]
pub struct InvokeTool {
    pub tool: ToolRef,
    pub arguments: Value,
    /// Whether a person said that the effects are wanted.
    pub confirmed: bool,
    /// Makes sending the same request again harmless.
    pub idempotency_key: Option<String>,
    /// What goes along with the call, and decides nothing.
    pub along: Along,
    /// The user in whose name it is asked for; what the access token says, when left out.
    pub on_behalf_of: Option<Uuid>,
    /// The approval that the call uses up.
    pub approval_id: Option<Uuid>,
    /// Who asks, which is noted when it is authorized.
    pub asker: Option<Asker>,
    /// The credential that the caller showed in the place of an access token: it must admit the call.
    pub presented: Option<Presented>,
}

/// Whose call it is.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    principal: Uuid,
    /// Whom it acts for, when not for itself.
    user: Option<Uuid>,
}

/// The tool that is called: a server that has one tool stands for that one.
#[derive(Clone, Debug)]
pub struct Called {
    pub tool: Arc<Tool>,
    /// The server that it is a tool of.
    pub server: Option<Arc<Tool>>,
    pub approval: Option<Approval>,
    /// What the same key was used for before.
    pub(super) earlier: Earlier,
}

impl Called {
    /// The tool of this id or name; where that is a server of one tool, that one.
    pub(super) fn find(named: &ToolRef, world: &World) -> Option<Called> {
        let named = named.find(world)?;
        let catalogue = world.registry.catalogue();
        let mut members = catalogue.members(named.id);
        let tool = match (members.next(), members.next()) {
            (Some(only), None) => only.clone(),
            _ => named,
        };
        let server = catalogue.server_of(&tool).cloned();
        Some(Called { tool, server, approval: None, earlier: Earlier::default() })
    }

    /// What says how it is reached, and keeps the secrets for that: its server, or the tool itself.
    pub fn reached(&self) -> &Tool {
        self.server.as_ref().unwrap_or(&self.tool)
    }
}

impl InvokeTool {
    /// A call and nothing besides: unconfirmed, in the caller's own name, to be made once.
    pub fn new(tool: ToolRef, arguments: Value) -> InvokeTool {
        InvokeTool {
            tool,
            arguments,
            confirmed: false,
            idempotency_key: None,
            along: Along::default(),
            on_behalf_of: None,
            approval_id: None,
            presented: None,
            asker: None,
        }
    }

    /// SHA-256 over who asks and for whom, action, tool, pinned definition, canonical arguments
    /// (RFC 8785) and scopes: what an approval is bound to.
    pub fn digest(&self, tool: &Tool) -> String {
        let said = json!({
            "principal": self.asker.map(|it| it.principal),
            "on_behalf_of": self.asker.and_then(|it| it.user),
            "action": Self::NAME,
            "tool": tool.id,
            "tool_digest": tool.digest(),
            "arguments": self.arguments,
            "scopes": tool.definition.scopes,
        });
        format!("sha256:{}", hex::encode(Sha256::digest(exact_bytes(&said))))
    }

    fn call(&self, tool: &Tool) -> Call {
        Call {
            digest: self.digest(tool),
            version: tool.version(),
            confirmed: self.confirmed,
            arguments: self.arguments.clone(),
            tool_name: Some(tool.definition.name.clone()),
        }
    }
}

impl Action for InvokeTool {
    const NAME: &'static str = "invoke";
    const EVENT: &'static str = "tool.invoke";
    type Resource = Called;

    fn asked_by(&mut self, caller: &Caller, behalf: Option<&Behalf>) {
        let principal = caller.principal().id();
        self.asker = Some(Asker { principal, user: behalf.map(Behalf::user) });
    }

    async fn find(&self, world: &World) -> Result<Option<Called>> {
        let Some(mut called) = Called::find(&self.tool, world) else { return Ok(None) };
        let Some(Asker { principal, .. }) = self.asker else { return Ok(Some(called)) };
        if let Some(id) = self.approval_id {
            let approval = world.approvals.of(principal, id).await?;
            called.approval = approval.map(|it| it.facts());
        }
        if let Some(key) = &self.idempotency_key {
            let digest = self.digest(&called.tool);
            called.earlier = world.calls.earlier(principal, key, &digest).await?;
        }
        Ok(Some(called))
    }

    fn check(&self, called: &Called, world: &World) -> Result<()> {
        if !can_be_told(&self.arguments) {
            let detail = format!(
                "have names too long for the number of values below them: their JSON pointers may \
                 take {POINTER_BYTES_MAX} bytes together"
            );
            return Err(Error::field("/arguments", detail));
        }
        if let Some(presented) = &self.presented {
            world.credentials.expect_admitted(presented, &called.tool, &self.arguments)?;
        }
        let it = &called.tool.definition;
        match &it.connection {
            Connection::Function => Err(Error::Conflict(
                "agents run this tool themselves: ask for a credential (POST …/access) instead"
                    .into(),
            )),
            connection if connection.is_server() => Err(Error::Conflict(
                "this is a server of several tools: call one of them by its own id or name".into(),
            )),
            _ => {
                let faults = called.tool.faults_in(&self.arguments)?;
                if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
            }
        }
    }

    fn particulars(&self, called: &Called) -> Particulars {
        Particulars::Call {
            usage: NOTHING_USED,
            call: Box::new(self.call(&called.tool)),
            approval: called.approval.clone(),
        }
    }

    /// A credential that was given in somebody's name is good in that name alone.
    fn on_behalf_of(&self) -> Option<Uuid> {
        let held_for = self.presented.as_ref().and_then(|it| it.credential.on_behalf_of);
        held_for.or(self.on_behalf_of)
    }

    fn use_of(&self, called: &Called) -> Option<Use> {
        let tool = &called.tool;
        Some(Use { tool: tool.id, cost_micros: tool.definition.cost_per_call, kind: UseKind::Call })
    }

    fn made(&self, called: &Called) -> Option<Made> {
        called.earlier.made()
    }
}

impl Resource for Called {
    fn uid(&self) -> EntityUid {
        self.tool.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        self.tool.entity()
    }

    fn written(&self) -> Option<Arc<RawValue>> {
        self.tool.written()
    }

    fn name(&self) -> &str {
        self.tool.name()
    }

    fn view(&self) -> Option<View> {
        self.tool.view()
    }
}
