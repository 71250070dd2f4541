//! Calls one tool of an MCP server, at most once.

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ErrorCode, JsonObject, ProgressNotificationParam,
    RequestMetaObject, ResultType,
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Client;
use super::budget::{Budget, Limits};
use super::failure::Failure;
use super::headers;
use super::lifecycle::{self, Begun};
use super::line::Line;
use super::session::{Aside, Progress, Question, Session};
use super::target::{Dialect, Target};
use crate::authz::Warrant;
use crate::secrets::Scrubber;

/// What keys of `_meta` begin with that the protocol keeps for itself.
const RESERVED_META: &str = "io.modelcontextprotocol/";

/// What to call.
pub struct Call<'a> {
    /// The server's own name of the tool.
    pub name: &'a str,
    pub arguments: JsonObject,
    /// The tool's schema: it may want arguments in headers, too.
    pub schema: Option<&'a JsonObject>,
    /// Passed on with the call: `traceparent`, `progressToken`, and whatever the caller's request
    /// had. Keys that the protocol keeps for itself are left out.
    pub meta: JsonObject,
    /// Takes the server's reports about the `progressToken` in `meta`.
    pub progress: Option<mpsc::Sender<ProgressNotificationParam>>,
    /// Takes out of these reports what the server was shown, where that was anything secret.
    pub scrubber: Option<&'a Scrubber>,
}

/// What a tool answered.
#[derive(Debug)]
pub struct Called {
    /// A `CallToolResult`, as JSON.
    pub result: Value,
    /// Whether the tool says that it failed.
    pub is_error: bool,
    /// What the server turned out to speak; worth keeping for the next call.
    pub dialect: Dialect,
}

/// A call that came to nothing, as far as is known.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct Failed {
    #[source]
    pub failure: Failure,
    pub ran: Ran,
}

/// Whether the tool may have done something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// The server never got the call, or refused it before it looked at the tool.
    No,
    Perhaps,
}

impl Client {
    /// Calls a tool. A server that is no longer what it is known as is asked anew; the call itself
    /// is sent again only to one that has just said that it could not read it.
    ///
    /// # Errors
    /// No answer within the limits, another than MCP allows, or `cancelled` in the meantime.
    pub async fn call_tool(
        &self,
        warrant: &Warrant,
        target: &Target,
        call: Call<'_>,
        limits: Limits,
        cancelled: &CancellationToken,
    ) -> Result<Called, Failed> {
        let budget = Budget::start(self.clock.clone(), limits);
        let line = Line { outbound: &self.outbound, warrant, target, budget };
        let work = async {
            let Prepared { question, mut aside } = prepare(call).map_err(before)?;
            let begun = until(&line, cancelled, lifecycle::begin(&line)).await.map_err(before)?;
            let first = ask(&line, begun, &question, &mut aside, cancelled).await;
            match first {
                Err(Failed { failure: Failure::Rpc(error), .. })
                    if is_of_another_era(error.code) =>
                {
                    let begun = until(&line, cancelled, lifecycle::ask(&line)).await;
                    let begun = begun.map_err(before)?;
                    ask(&line, begun, &question, &mut aside, cancelled).await
                }
                other => other,
            }
        };
        work.await
    }
}

struct Prepared<'a> {
    question: Question<'a>,
    aside: Aside<'a>,
}

fn prepare(call: Call<'_>) -> Result<Prepared<'_>, Failure> {
    let mut meta = call.meta;
    meta.retain(|key, _| !key.starts_with(RESERVED_META));
    let meta = RequestMetaObject(meta.into());
    let token = meta.get_progress_token();
    let marked = match call.schema {
        Some(schema) => headers::marked(schema, &call.arguments),
        None => Vec::new(),
    };
    let mut params =
        CallToolRequestParams::new(call.name.to_owned()).with_arguments(call.arguments);
    params.meta = Some(meta);
    let params = lifecycle::object(&params)?;
    let question = Question { method: "tools/call", params, name: Some(call.name), marked };
    let progress = token.zip(call.progress);
    let progress = progress.map(|(token, sink)| Progress { token, sink, scrubber: call.scrubber });
    Ok(Prepared { question, aside: Aside::new(progress) })
}

async fn ask(
    line: &Line<'_>,
    begun: Begun<'_>,
    question: &Question<'_>,
    aside: &mut Aside<'_>,
    cancelled: &CancellationToken,
) -> Result<Called, Failed> {
    let mut session = begun.session;
    let outcome = until(line, cancelled, session.ask(question, aside)).await;
    let dialect = session.dialect();
    finish(session, &outcome).await;
    let result = outcome.map_err(during)?;
    called(result, dialect).map_err(during)
}

async fn finish(mut session: Session<'_>, outcome: &Result<Value, Failure>) {
    if matches!(outcome, Err(Failure::Cancelled | Failure::TimedOut { .. })) {
        session.cancel().await;
    }
    session.close().await;
}

fn called(result: Value, dialect: Dialect) -> Result<Called, Failure> {
    let kind = result.get("resultType").and_then(Value::as_str);
    if kind.is_some_and(|it| it != ResultType::COMPLETE.as_str()) {
        return Err(Failure::Protocol(
            "the tool asks for more than the call, which nobody can give",
        ));
    }
    let result: CallToolResult = serde_json::from_value(result)
        .map_err(|_| Failure::Protocol("the result of the tool cannot be read"))?;
    let is_error = result.is_error.unwrap_or_default();
    let result = Value::Object(lifecycle::object(&result)?);
    Ok(Called { result, is_error, dialect })
}

fn before(failure: Failure) -> Failed {
    Failed { failure, ran: Ran::No }
}

fn during(failure: Failure) -> Failed {
    let ran = match &failure {
        Failure::Unauthorized { .. } => Ran::No,
        Failure::Rpc(error) if is_of_another_era(error.code) => Ran::No,
        other if other.is_unsent() => Ran::No,
        _ => Ran::Perhaps,
    };
    Failed { failure, ran }
}

fn is_of_another_era(code: ErrorCode) -> bool {
    code == ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
}

/// Gives up when the time is over, or when nobody wants the outcome any more.
async fn until<T>(
    line: &Line<'_>,
    cancelled: &CancellationToken,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = cancelled.cancelled() => Err(Failure::Cancelled),
        it = within(line, work) => it,
    }
}

/// Gives up when the time is over.
pub(super) async fn within<T>(
    line: &Line<'_>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let left = line.budget.time_left()?;
    tokio::time::timeout(left, work).await.unwrap_or_else(|_| Err(line.budget.timed_out()))
}
