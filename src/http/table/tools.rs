//! Ways in about tools: what they are, and calls of them.

use warp::http::Method;

use super::super::list::Page;
use super::super::route::Route;
use super::super::{
    account, agent_actions, approvals, import, invoke, mcp, oauth, probes, tools, versions,
};
use super::PAGE;
use crate::authn::oauth::{MCP, MCP_METADATA};
use crate::registry::{ImportBody, NewTool, ProbeView, ToolPatch};

pub fn registry() -> Vec<Route> {
    vec![
        Route::guarded(Method::POST, "/api/v1/tools", tools::parse_create, tools::create)
            .about("Register a tool; an MCP server is looked at first, and its tools come with it")
            .takes::<NewTool>()
            .with_status(201)
            .gives::<tools::ToolView>(),
        Route::listed("/api/v1/tools", tools::parse_list, tools::list)
            .about("The tools you may discover")
            .gives::<Page<tools::ToolView>>()
            .asks(tools::FILTERS),
        Route::guarded(Method::GET, "/api/v1/tools/{tool}", tools::parse_show, tools::get)
            .about("One tool")
            .gives::<tools::ToolView>(),
        Route::guarded(Method::PATCH, "/api/v1/tools/{tool}", tools::parse_update, tools::update)
            .about("Change a tool; `If-Match` guards against changing what you have not seen")
            .takes::<ToolPatch>()
            .gives::<tools::ToolView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/activate",
            tools::parse_activate,
            tools::activate,
        )
        .about("Let a tool be used")
        .gives::<tools::ToolView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/deactivate",
            tools::parse_deactivate,
            tools::deactivate,
        )
        .about("Let a tool be used no more")
        .gives::<tools::ToolView>(),
        Route::identified(Method::GET, "/api/v1/agent/actions", agent_actions::list)
            .about("The actions of agents, which tool each is, and whether the caller may use it")
            .gives::<Page<agent_actions::ActionView>>(),
        Route::identified(Method::POST, "/api/v1/agent/execute", agent_actions::execute)
            .about("Call several tools at once; each call is decided on by itself")
            .takes::<agent_actions::ExecuteBody>()
            .gives::<agent_actions::ExecuteAnswer>(),
        Route::guarded(Method::DELETE, "/api/v1/tools/{tool}", tools::parse_delete, tools::delete)
            .about("Delete a tool and revoke its credentials; needs an elevated token")
            .with_status(204),
        Route::guarded(Method::POST, "/api/v1/tools/import", import::parse, import::import)
            .about("Register a tool for each operation of an OpenAPI 3 document, or none at all")
            .takes::<ImportBody>()
            .with_status(201)
            .gives::<import::ImportAnswer>(),
    ]
}

pub fn servers() -> Vec<Route> {
    vec![
        Route::guarded(
            Method::POST,
            "/api/v1/tools/remote/test-connection",
            probes::parse_test,
            probes::test,
        )
        .about("Look at an MCP server and its tools, and register nothing")
        .takes::<probes::TestConnectionBody>()
        .gives::<probes::FoundView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/reprobe",
            probes::parse_reprobe,
            probes::reprobe,
        )
        .about(
            "Look at an MCP server again; tools that changed are quarantined, new ones are drafts",
        )
        .gives::<probes::FoundView>(),
        Route::guarded(
            Method::GET,
            "/api/v1/tools/{tool}/probes",
            probes::parse_list,
            probes::list,
        )
        .about("What looks at an MCP server found, newest first")
        .gives::<Page<ProbeView>>()
        .asks(PAGE),
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/accept",
            probes::parse_accept,
            probes::accept,
        )
        .about("Accept what a quarantined tool has become; send `If-Match` to accept what you saw")
        .gives::<tools::ToolView>(),
    ]
}

pub fn versions_of_tools() -> Vec<Route> {
    vec![
        Route::guarded(
            Method::GET,
            "/api/v1/tools/{tool}/versions",
            versions::parse_list,
            versions::list,
        )
        .about("What a tool is and was, newest first")
        .gives::<Page<versions::VersionView>>()
        .asks(PAGE),
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/versions",
            versions::parse_publish,
            versions::publish,
        )
        .about("Change a tool into a version with a name of its own")
        .takes::<ToolPatch>()
        .gives::<tools::ToolView>()
        .with_status(201),
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/versions/{version}/rollback",
            versions::parse_roll_back,
            versions::roll_back,
        )
        .about("Make a tool what it was in this version, named or by number")
        .gives::<tools::ToolView>(),
    ]
}

pub fn calls() -> Vec<Route> {
    vec![
        Route::guarded_for_holders(
            Method::POST,
            "/api/v1/tools/{tool}/invoke",
            invoke::parse_invoke,
            invoke::invoke,
            invoke::instead,
        )
        .about("Call a tool through the gateway, which holds its secrets")
        .takes::<invoke::InvokeBody>()
        .gives::<invoke::InvokeAnswer>()
        .or_gives::<approvals::AwaitingAnswer>(202),
        Route::guarded(
            Method::PUT,
            "/api/v1/tools/{tool}/account",
            account::parse_connect,
            account::connect,
        )
        .about("Store what the tool knows you by; for tools that want it of each user")
        .takes::<account::AccountBody>()
        .with_status(204),
        Route::guarded(
            Method::DELETE,
            "/api/v1/tools/{tool}/account",
            account::parse_disconnect,
            account::disconnect,
        )
        .about("Forget what the tool knows you by")
        .with_status(204),
    ]
}

pub fn mcp_server() -> Vec<Route> {
    vec![
        Route::identified(Method::POST, MCP, mcp::serve)
            .about("The tools you may use, as an MCP server: one JSON-RPC message")
            .takes::<serde_json::Value>()
            .gives::<serde_json::Value>()
            .of_mcp(),
        Route::public(Method::GET, MCP_METADATA, oauth::mcp_resource)
            .about("Which authorization server gives tokens for the MCP server (RFC 9728)")
            .gives::<oauth::ResourceMetadata>(),
    ]
}
