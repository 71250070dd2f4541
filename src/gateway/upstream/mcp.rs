//! Tools of MCP servers.

use http::HeaderMap;
use rmcp::model::ProgressNotificationParam;
use serde_json::{Map, Value};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Answered, Outgoing};
use crate::authz::Warrant;
use crate::gateway::Gateway;
use crate::gateway::failure::{Failure, FailureKind};
use crate::gateway::mcp::{self, Call, Failed, Ran, Target};
use crate::registry::Remote;
use crate::secrets::Scrubber;

/// What MCP calls the trace that a request goes on, in `_meta`.
const TRACE: &str = "traceparent";

impl Gateway {
    /// Calls one tool of a server, which says how its server is reached.
    pub(super) async fn call_remote(
        &self,
        warrant: &Warrant,
        tool: &Remote,
        server: &Remote,
        outgoing: Outgoing<'_>,
    ) -> Result<Answered, Failure> {
        let Some(member) = &tool.member else {
            return Err(Failure::unsent(FailureKind::Refused, "a server is not a tool"));
        };
        let proof = self.prove(warrant, &outgoing).await?;
        let target = target(server, proof.headers, &outgoing)?;
        let mut meta = outgoing.along.meta;
        if let Some(trace) = outgoing.along.trace {
            meta.insert(TRACE.to_owned(), Value::String(trace));
        }
        let call = Call {
            name: &member.remote_name,
            arguments: outgoing.arguments.as_object().cloned().unwrap_or_default(),
            schema: outgoing.called.tool.definition.input_schema.as_object(),
            meta,
            progress: outgoing.along.progress,
            scrubber: Some(&proof.scrubber),
        };
        let limits = mcp::Limits {
            time_max: outgoing.limits.time_max,
            bytes_max: outgoing.limits.bytes_max,
            tools_max: 0,
        };
        let called =
            self.mcp.call_tool(warrant, &target, call, limits, &outgoing.along.cancelled).await;
        let mut called = called.map_err(|it| {
            if matches!(it.failure, mcp::Failure::Unauthorized { .. }) {
                self.machine_tokens.forget(outgoing.called.reached().id);
            }
            failure(it, &proof.scrubber)
        })?;
        proof.scrubber.json(&mut called.result);
        Ok(Answered { result: called.result, is_error: called.is_error })
    }
}

fn target(server: &Remote, headers: HeaderMap, outgoing: &Outgoing<'_>) -> Result<Target, Failure> {
    let unreadable = |_| Failure::unsent(FailureKind::NotReady, "the server's URL is none");
    Ok(Target {
        url: Url::parse(&server.server_url).map_err(unreadable)?,
        reach: outgoing.limits.reach,
        preference: server.transport_preference.into(),
        headers,
        known: outgoing.called.reached().probed.as_ref().and_then(|it| it.dialect.clone()),
    })
}

fn failure(Failed { failure, ran }: Failed, scrubber: &Scrubber) -> Failure {
    let unsent = ran == Ran::No;
    let kind = match &failure {
        mcp::Failure::Unreachable(_) => FailureKind::Unreachable,
        mcp::Failure::TimedOut { .. } => FailureKind::TimedOut,
        mcp::Failure::TooLarge { .. } => FailureKind::TooLarge,
        mcp::Failure::Cancelled => FailureKind::Cancelled,
        mcp::Failure::Unauthorized { .. }
        | mcp::Failure::Status { .. }
        | mcp::Failure::Protocol(_)
        | mcp::Failure::Rpc(_) => FailureKind::Refused,
    };
    match failure {
        mcp::Failure::Unreachable(it) => Failure::from(it),
        mcp::Failure::Rpc(error) => {
            let mut said = serde_json::to_value(&error).unwrap_or_default();
            scrubber.json(&mut said);
            let detail = "the tool's server refused the call";
            Failure { said: Some(said), unsent, ..Failure::new(kind, detail) }
        }
        other => Failure { unsent, ..Failure::new(kind, other.to_string()) },
    }
}

/// What a caller that speaks MCP itself may pass on.
#[derive(Clone, Debug, Default)]
pub struct Along {
    /// `traceparent`, as the caller sent it.
    pub trace: Option<String>,
    /// `_meta` of the caller's request.
    pub meta: Map<String, Value>,
    /// Takes what the tool reports about its progress.
    pub progress: Option<Sender<ProgressNotificationParam>>,
    /// Ends the call when the caller does not want it any more.
    pub cancelled: CancellationToken,
}
