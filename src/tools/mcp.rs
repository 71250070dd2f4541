//! The tools as MCP has them. Calls come here only after the front let them through.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
    Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Provider;
use super::message::Call;
use crate::clock::Clock;

/// How long a call waits for others to end.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A call that a credential admits. Only the front makes one; it travels in the request's
/// extensions, where no caller can put anything.
#[derive(Clone, Debug)]
pub(super) struct Admitted(pub(super) Call);

#[derive(Clone)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) provider: Arc<dyn Provider>,
    /// Calls under way at once; they keep processors busy, so more would only be slower.
    pub(super) room: Arc<Semaphore>,
    pub(super) clock: Clock,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let about = Implementation::new(&*self.name, env!("CARGO_PKG_VERSION"));
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(about)
            .with_instructions(self.provider.instructions())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.provider.tools().into_iter().find(|it| it.name == name)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.provider.tools()))
    }

    async fn call_tool(
        &self,
        asked: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<Parts>();
        let Some(Admitted(call)) = parts.and_then(|it| it.extensions.get()).cloned() else {
            let unknown = format!("there is no tool `{}` here", asked.name);
            return Err(ErrorData::invalid_params(unknown, None));
        };
        Ok(self.run(call).await.into())
    }
}

impl Server {
    /// What comes of the call; also what goes wrong is told as the tool's own result, which is
    /// what models get to see.
    async fn run(&self, call: Call) -> CallToolResult {
        let Ok(Ok(place)) = timeout(WAIT_MAX, self.room.clone().acquire_owned()).await else {
            return failed("the tool is busy; try again shortly");
        };
        let (provider, clock) = (self.provider.clone(), self.clock.clone());
        let work = move || {
            let _place = place;
            provider.call(&call.tool, call.arguments, &clock)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(result)) => CallToolResult::structured(result),
            Ok(Err(trouble)) => failed(&trouble.to_string()),
            Err(error) => {
                tracing::error!(%error, "a call broke off");
                failed("the tool broke off; this is not the caller's fault")
            }
        }
    }
}

fn failed(detail: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(detail)])
}
