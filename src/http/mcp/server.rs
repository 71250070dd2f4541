//! The MCP server as one caller meets it, for one request.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestMethod,
    CompleteRequestParams, CompleteResult, CustomRequest, CustomResult, ErrorCode, Implementation,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
    ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool as Listed,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;
use warp::http::HeaderValue;

use super::super::call::Call;
use super::super::invoke::{Decided, decided};
use super::super::route::settle;
use super::approval::{self, Way};
use super::arguments::invocation;
use super::call::{Shape, result};
use super::listing::{self, ListCallable};
use super::progress::Reports;
use super::refusal::{Refusal, refusal};
use crate::audit::Outcome;
use crate::authn::Caller;
use crate::authz::Listing as _;
use crate::authz::facts::{ApprovalState, Particulars};
use crate::gateway::InvokeTool;
use crate::patience::Patience;
use crate::{App, Result};

const INSTRUCTIONS: &str = "Every call is decided by policy and written down. A refusal says why \
    and what would help; it is not worth asking again unchanged.";
/// The methods there are: what reaches us as unknown and is named so has parameters that cannot be
/// read.
const METHODS: [&str; 3] = ["server/discover", "tools/call", "tools/list"];
/// The same of the versions that begin with a handshake.
const OLDER_METHODS: [&str; 2] = ["initialize", "ping"];
/// How long what is left of the progress of an ended call may take to leave.
const LAST_REPORTS: Duration = Duration::from_secs(1);

/// What the request holds besides its message, and what becomes of it besides its answer.
pub struct Asked {
    request_id: String,
    /// `traceparent` as a header, for clients that do not write it into their message.
    trace: Option<String>,
    session: Option<String>,
    /// The request's: rmcp answers on tasks of its own.
    patience: Patience,
    /// Set where a client that is gone has taken its request back by going.
    gone: Option<CancellationToken>,
    step_up: OnceLock<HeaderValue>,
}

impl Asked {
    pub fn new(call: &Call, is_stateless: bool, session: Option<String>) -> Asked {
        Asked {
            request_id: call.origin.id.clone(),
            trace: call.header("traceparent"),
            session,
            patience: call.patience.clone(),
            gone: is_stateless.then(|| call.hung_up.clone()),
            step_up: OnceLock::new(),
        }
    }

    /// What the client is to be challenged with.
    pub fn step_up(&self) -> Option<HeaderValue> {
        self.step_up.get().cloned()
    }
}

#[derive(Clone)]
pub struct Server {
    app: Arc<App>,
    caller: Caller,
    asked: Arc<Asked>,
}

impl Server {
    pub fn new(app: Arc<App>, caller: Caller, asked: Arc<Asked>) -> Server {
        Server { app, caller, asked }
    }

    async fn list(&self, listing: ListCallable) -> Result<ListToolsResult> {
        let visible = self.app.authz.visible(self.caller.clone(), listing).await?;
        settle(&self.app, visible.warrant(), Outcome::Success).await?;
        Ok(listing::page(&visible))
    }

    /// Calls the tool on the way that all calls go. An approval that waits to be used by this very
    /// call is used by it, for not every client can name one.
    async fn call(&self, mut action: InvokeTool, way: Way) -> Result<CallToolResponse> {
        let shape = Shape::of(action.tool.find(self.app.authz.world()).as_deref());
        let decide = async |action| {
            let decided = decided(&self.app, self.caller.clone(), action);
            self.asked.patience.clone().over(decided).await
        };
        let mut done = decide(action.clone()).await?;
        if let Decided::Awaiting(it) = &done
            && action.approval_id.is_none()
            && it.approval.state == ApprovalState::Approved
        {
            action.approval_id = Some(it.approval.id);
            done = decide(action).await?;
        }
        Ok(match done {
            Decided::Made(invoked) => result(shape, *invoked).into(),
            Decided::Awaiting(it) => approval::told(&self.app, &it, way),
        })
    }

    /// What came of a call, or the refusal that its model is to read.
    fn told(&self, error: crate::Error) -> Result<CallToolResult, ErrorData> {
        match refusal(error, &self.caller, &self.asked.request_id) {
            Refusal::Result(result) => Ok(*result),
            Refusal::Error(error) => Err(error),
            Refusal::StepUp(challenge, error) => {
                // Of the one answer to a request there is one challenge.
                let _ = self.asked.step_up.set(challenge);
                Err(error)
            }
        }
    }

    /// The same where there is no model to read it.
    fn refused(&self, error: crate::Error) -> ErrorData {
        let title = error.title();
        let internal = |data| ErrorData::new(ErrorCode::INTERNAL_ERROR, title, data);
        self.told(error).map_or_else(|it| it, |it| internal(it.structured_content))
    }

    /// Calls, and takes the call back when nobody waits for it any more.
    async fn call_while_wanted(
        &self,
        action: InvokeTool,
        way: Way,
        answering: &CancellationToken,
    ) -> Result<CallToolResponse> {
        let cancelled = action.along.cancelled.clone();
        let mut call = pin!(self.call(action, way));
        tokio::select! {
            called = &mut call => called,
            () = self.nobody_waits(answering) => {
                cancelled.cancel();
                call.await
            }
        }
    }

    /// Waits until nobody waits for the answer any more. Only the newer versions take the end of a
    /// connection for that.
    async fn nobody_waits(&self, answering: &CancellationToken) {
        match &self.asked.gone {
            Some(gone) => tokio::select! {
                () = gone.cancelled() => {}
                () = answering.cancelled() => {}
            },
            None => std::future::pending().await,
        }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let name = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(name.with_title("Gatewright"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = request.and_then(|it| it.cursor);
        let listing = ListCallable::at(cursor.as_deref())?;
        self.list(listing).await.map_err(|it| self.refused(it))
    }

    /// The schema of a tool whose arguments may stand in headers, too; of none that the caller may
    /// not see.
    fn get_tool(&self, name: &str) -> Option<Listed> {
        let tool = self.app.registry.catalogue().named(name).cloned()?;
        let seen =
            self.app.authz.would_allow(&self.caller, ListCallable::NAME, &tool, &Particulars::Find);
        seen.unwrap_or(false).then(|| listing::listed(&tool))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let room = &self.app.mcp.under_way;
        let Some(entered) = room.enter(self.asked.session.as_deref(), &context.id) else {
            let said = "a request of this id is under way: give every request an id of its own";
            return Err(ErrorData::invalid_request(said, None));
        };
        let way =
            Way::of(self.asked.gone.as_ref().and(context.client_capabilities()).as_ref(), &params);
        let RequestContext { meta, peer, ct, .. } = context;
        let reports = meta.get_progress_token().map(|it| Reports::to(peer, it));
        let called = match invocation(params, meta.0.0, self.asked.trace.clone()) {
            Ok(mut action) => {
                action.along.cancelled = entered.cancelled.clone();
                action.along.progress = reports.as_ref().map(Reports::sink);
                self.call_while_wanted(action, way, &ct).await
            }
            Err(error) => Err(error),
        };
        if let Some(reports) = reports {
            reports.end(LAST_REPORTS).await;
        }
        called.or_else(|it| self.told(it).map(Into::into))
    }

    // There are tools here and nothing else, which rmcp would answer with empty lists.

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourceTemplatesRequestMethod>())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        let older = self.asked.gone.is_none() && OLDER_METHODS.contains(&&*method);
        Err(match older || METHODS.contains(&&*method) {
            true => ErrorData::invalid_params("the parameters are not those of the method", None),
            false => ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None),
        })
    }
}
