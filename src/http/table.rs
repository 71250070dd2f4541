//! Every way in: method, path, parse, act.

use warp::http::Method;

use super::audit::{ConsistencyAnswer, EventPage, InclusionAnswer};
use super::credentials::{
    AccessAnswer, AccessBody, CredentialView, RequestBody, ValidateAnswer, ValidateBody,
};
use super::list::Page;
use super::route::Route;
use super::{
    access_requests, account, agent_actions, agents, api_keys, approvals, audit, credentials, docs,
    factors, forward_auth, health, import, invoke, mandates, mcp, oauth, passkeys, probes, session,
    tools, users, versions, well_known,
};
use crate::authn::oauth::{MCP, MCP_METADATA, RESOURCE_METADATA};
use crate::registry::{ImportBody, NewTool, ProbeView, ToolPatch};

const PAGE: &[(&str, &str)] = &[
    ("page_size", "1 to 200, 50 by default."),
    ("page_token", "`next_page_token` of the page before."),
];

/// Every route there is, in the order of the API document.
pub fn routes() -> Vec<Route> {
    let sections = [
        ("Health", health_and_docs()),
        ("Keys and feeds", keys_and_feeds()),
        ("Sign-in", sign_in()),
        ("OAuth", authorization_server()),
        ("Second factors", second_factors()),
        ("Users", people()),
        ("Agents", machines()),
        ("API keys", keys()),
        ("Mandates", delegation()),
        (
            "Tools",
            [registry(), servers(), versions_of_tools(), calls()].into_iter().flatten().collect(),
        ),
        ("MCP", mcp_server()),
        ("Credentials", vending()),
        ("Approvals", human_in_the_loop()),
        ("Access requests", requests_for_access()),
        ("Audit", auditing()),
    ];
    let filed = |(tag, routes): (&'static str, Vec<Route>)| {
        routes.into_iter().map(move |route| route.filed_under(tag))
    };
    sections.into_iter().flat_map(filed).collect()
}

/// What the listener of figures answers.
pub fn figures() -> Vec<Route> {
    let route = Route::public(Method::GET, "/metrics", health::own_figures);
    vec![route.about("Figures for Prometheus").gives_text("text/plain")]
}

fn health_and_docs() -> Vec<Route> {
    vec![
        Route::public(Method::GET, "/livez", health::live)
            .about("Whether the process lives")
            .gives::<health::Live>(),
        Route::public(Method::GET, "/readyz", health::ready)
            .about("Whether everything a decision needs is there")
            .gives::<health::Ready>()
            .or_gives::<health::Ready>(503),
        Route::public(Method::GET, "/health", health::ready)
            .about("The same as /readyz")
            .gives::<health::Ready>()
            .or_gives::<health::Ready>(503),
        Route::public(Method::GET, "/metrics", health::figures)
            .about("Figures for Prometheus")
            .gives_text("text/plain"),
        Route::public(Method::GET, "/openapi.json", docs::document)
            .about("This document")
            .gives::<serde_json::Value>(),
        Route::public(Method::GET, "/docs", docs::index)
            .about("This document, to read and try out")
            .with_status(307),
        Route::public(Method::GET, "/docs/{file}", docs::file)
            .about("A file of the page at /docs")
            .gives_text("text/html"),
    ]
}

fn keys_and_feeds() -> Vec<Route> {
    vec![
        Route::public(Method::GET, "/.well-known/jwks.json", well_known::jwks)
            .about("Public keys of access tokens")
            .gives::<crate::authn::JwksDocument>(),
        Route::public(Method::GET, "/.well-known/biscuit-keys.json", well_known::biscuit_keys)
            .about("Public root keys of credentials")
            .gives::<well_known::BiscuitKeys>(),
        Route::public(Method::GET, "/.well-known/audit-key.json", well_known::audit_key)
            .about("Verifier key of audit checkpoints")
            .gives::<well_known::AuditKey>(),
        Route::public(Method::GET, "/api/v1/revocations", well_known::revocations)
            .about("The signed revocation feed for offline verifiers")
            .gives::<well_known::FeedPage>()
            .asks(&[("since", "The cursor of the page before; everything when left out.")]),
        Route::public(Method::GET, "/api/v1/audit/checkpoint", audit::checkpoint)
            .about("The signed head of the audit's tree (C2SP checkpoint)")
            .gives_text("text/plain"),
    ]
}

fn sign_in() -> Vec<Route> {
    vec![
        Route::public(Method::POST, "/api/v1/auth/login", session::login)
            .about("Sign in with a password")
            .takes::<session::LoginBody>()
            .gives::<session::Tokens>(),
        Route::public(Method::POST, "/api/v1/auth/mfa", session::mfa)
            .about("Prove the second factor that a sign-in waits for")
            .takes::<session::MfaBody>()
            .gives::<session::Tokens>(),
        Route::public(Method::POST, "/api/v1/auth/refresh", session::refresh)
            .about("Exchange a refresh token for a new pair; a used one ends the session")
            .takes::<session::RefreshBody>()
            .gives::<session::Tokens>(),
        Route::guarded(Method::GET, "/api/v1/auth/me", session::parse_me, session::me)
            .about("Who the token stands for")
            .gives::<session::Me>(),
        Route::identified(Method::POST, "/api/v1/auth/elevate", session::elevate)
            .about("Prove the password again for a short-lived elevated token")
            .takes::<session::ElevateBody>()
            .gives::<session::Elevated>(),
        Route::guarded(Method::POST, "/api/v1/auth/logout", session::parse_logout, session::logout)
            .about("End the session")
            .with_status(204),
    ]
}

/// OAuth 2.1; its errors are in its own form.
fn authorization_server() -> Vec<Route> {
    const SERVER: &str = "/.well-known/oauth-authorization-server";
    const FEDERATION_START: &str = "/oauth/federation/{issuer}/start";
    const FEDERATION_CALLBACK: &str = "/oauth/federation/{issuer}/callback";
    const HTML: &str = "text/html";
    let page = |it: Route| it.gives_text(HTML).or_gives_text(400, HTML).or_gives_text(403, HTML);
    let told = |it: Route| {
        let statuses = [400, 401, 403, 404, 429, 503];
        statuses.into_iter().fold(it, |it, status| it.or_gives_text(status, HTML))
    };
    vec![
        Route::public(Method::GET, SERVER, oauth::server)
            .about("What OAuth clients can do here (RFC 8414)")
            .gives::<oauth::ServerMetadata>(),
        Route::public(Method::GET, RESOURCE_METADATA, oauth::resource)
            .about("Which authorization server gives tokens for this API (RFC 9728)")
            .gives::<oauth::ResourceMetadata>(),
        Route::public(Method::POST, "/oauth/register", oauth::register)
            .about("Register an OAuth client (RFC 7591)")
            .takes::<serde_json::Value>()
            .gives::<oauth::Registration>()
            .with_status(201)
            .or_gives::<oauth::TokenError>(400),
        Route::public(Method::POST, "/oauth/token", oauth::token)
            .about("A token for a code, a refresh token, or a machine's own credentials")
            .takes_form::<oauth::TokenForm>()
            .gives::<oauth::TokenAnswer>()
            .or_gives::<oauth::TokenError>(400)
            .or_gives::<oauth::TokenError>(401),
        Route::public(Method::POST, "/oauth/revoke", oauth::revoke)
            .about("End a token, and what was got with it; 200 for one that is not good, too")
            .takes_form::<oauth::AboutForm>()
            .or_gives::<oauth::TokenError>(400)
            .or_gives::<oauth::TokenError>(401),
        Route::public(Method::POST, "/oauth/introspect", oauth::introspect)
            .about("What a token is good for, for its client and for those whom policy lets know")
            .takes_form::<oauth::AboutForm>()
            .gives::<oauth::Introspection>()
            .or_gives::<oauth::TokenError>(400)
            .or_gives::<oauth::TokenError>(401),
        page(Route::public(Method::GET, "/oauth/authorize", oauth::authorize))
            .about("Ask a person to let a client act in their name (OAuth 2.1 section 4.1)")
            .asks(oauth::AUTHORIZE),
        page(Route::public(Method::GET, "/oauth/sign-in", oauth::sign_in_form))
            .about("The page to sign in with a browser"),
        page(Route::public(Method::POST, "/oauth/sign-in", oauth::sign_in))
            .about("Its form: name and password")
            .takes_form::<oauth::Fields>(),
        page(Route::public(Method::POST, "/oauth/second-factor", oauth::second_factor))
            .about("The form of the second factor")
            .takes_form::<oauth::Fields>(),
        told(Route::public(Method::GET, FEDERATION_START, oauth::federation::start))
            .about("Go to a provider, to sign in there (OpenID Connect)")
            .with_status(303)
            .asks(oauth::federation::START),
        told(Route::public(Method::GET, FEDERATION_CALLBACK, oauth::federation::callback))
            .about("Where the provider sends a browser back to")
            .gives_text(HTML)
            .asks(oauth::federation::CALLBACK),
        page(Route::public(Method::POST, "/oauth/consent", oauth::consent))
            .about("The form of a person's answer to a client")
            .takes_form::<oauth::Fields>(),
        page(Route::public(Method::GET, "/oauth/account", oauth::account))
            .about("Who is signed in with this browser"),
        page(Route::public(Method::POST, "/oauth/sign-out", oauth::sign_out))
            .about("Sign out with this browser")
            .takes_form::<oauth::Fields>(),
        Route::public(Method::GET, "/oauth/style.css", oauth::pages::style)
            .about("How these pages look")
            .gives_text("text/css"),
    ]
}

fn second_factors() -> Vec<Route> {
    let page = |it: Route| it.gives_text("text/html");
    vec![
        Route::guarded(Method::GET, "/api/v1/auth/factors", factors::parse_list, factors::list)
            .about("Your second factors")
            .gives::<factors::FactorsView>(),
        Route::identified(Method::POST, "/api/v1/auth/factors/totp", factors::begin_totp)
            .about("A secret for an authenticator app, shown this once")
            .takes::<factors::TotpBody>()
            .gives::<factors::TotpView>()
            .with_status(201),
        Route::identified(
            Method::POST,
            "/api/v1/auth/factors/totp/{factor}/confirm",
            factors::confirm_totp,
        )
        .about("Make the app a factor by its first code; recovery codes come with the first factor")
        .takes::<factors::ConfirmBody>()
        .gives::<factors::NewFactorView>(),
        Route::identified(Method::POST, "/api/v1/auth/factors/passkeys", passkeys::begin_enrolment)
            .about("Begin to enrol a passkey")
            .takes::<passkeys::PasskeyBody>()
            .gives::<passkeys::CeremonyView>(),
        Route::identified(
            Method::POST,
            "/api/v1/auth/factors/passkeys/finish",
            passkeys::finish_enrolment,
        )
        .about("Enrol the passkey that the browser has made")
        .takes::<passkeys::MadeBody>()
        .gives::<factors::NewFactorView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/auth/factors/recovery-codes",
            factors::parse_renew,
            factors::renew_recovery,
        )
        .about("New recovery codes, which end the old ones; needs an elevated token")
        .gives::<factors::RecoveryCodes>(),
        Route::guarded(
            Method::DELETE,
            "/api/v1/auth/factors/{factor}",
            factors::parse_remove,
            factors::remove,
        )
        .about("Remove a second factor; needs an elevated token")
        .with_status(204),
        page(Route::public(Method::POST, "/oauth/account/passkey", oauth::passkey::begin))
            .about("Begin to enrol a passkey from the page of one's account")
            .takes_form::<oauth::Fields>(),
        page(Route::public(Method::GET, "/oauth/passkey", oauth::passkey::page))
            .about("The page on which a browser makes the passkey of an enrolment that was begun")
            .asks(&[("ceremony", "What `POST /api/v1/auth/factors/passkeys` gave.")]),
        page(Route::public(Method::POST, "/oauth/passkey", oauth::passkey::enrol))
            .about("What that page sends")
            .takes_form::<oauth::passkey::EnrolmentForm>(),
        Route::public(Method::GET, "/oauth/passkey.js", oauth::passkey::script)
            .about("The script of pages that know passkeys")
            .gives_text("text/javascript"),
        Route::public(Method::POST, "/api/v1/auth/mfa/passkey", passkeys::begin_mfa)
            .about("Begin to prove a passkey for a sign-in that asks for a second factor")
            .takes::<passkeys::HeldBody>()
            .gives::<passkeys::CeremonyView>(),
        Route::public(Method::POST, "/api/v1/auth/mfa/passkey/finish", passkeys::finish_mfa)
            .about("Go on with that sign-in by what the passkey signed")
            .takes::<passkeys::HeldSignedBody>()
            .gives::<session::Tokens>(),
        Route::identified(Method::POST, "/api/v1/auth/elevate/passkey", passkeys::begin_elevation)
            .about("Begin to prove a passkey for an elevated token")
            .gives::<passkeys::CeremonyView>(),
    ]
}

fn people() -> Vec<Route> {
    vec![
        Route::public(Method::POST, "/api/v1/register/user", users::register)
            .about("Register: anyone as a plain user; other roles take an access token or the bootstrap token")
            .takes::<users::UserBody>()
            .with_status(201)
            .gives::<users::RegisteredUser>(),
        Route::guarded(Method::POST, "/api/v1/users", users::parse_create, users::create)
            .about("Register a user")
            .takes::<users::UserBody>()
            .with_status(201)
            .gives::<users::UserView>(),
        Route::listed("/api/v1/users", users::parse_list, users::list)
            .about("The users you may see")
            .gives::<Page<users::UserView>>()
            .asks(PAGE),
        Route::guarded(Method::GET, "/api/v1/users/{user}", users::parse_show, users::get)
            .about("One user")
            .gives::<users::UserView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/users/{user}/suspend",
            users::parse_suspend,
            users::suspend,
        )
        .about("Suspend a user and revoke what was vended to them")
        .gives::<users::UserView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/users/{user}/resume",
            users::parse_resume,
            users::resume,
        )
        .about("Let a suspended user act again")
        .gives::<users::UserView>(),
        Route::guarded(
            Method::PUT,
            "/api/v1/users/{user}/roles/{role}",
            users::parse_grant,
            users::grant,
        )
        .about("Grant a role")
        .gives::<users::UserView>(),
        Route::guarded(
            Method::DELETE,
            "/api/v1/users/{user}/roles/{role}",
            users::parse_revoke,
            users::revoke,
        )
        .about("Take a role away")
        .gives::<users::UserView>(),
    ]
}

fn machines() -> Vec<Route> {
    vec![
        Route::guarded(
            Method::POST,
            "/api/v1/register/machine",
            agents::parse_create,
            agents::create,
        )
        .about("Register an agent; its secret is shown this once")
        .takes::<agents::AgentBody>()
        .gives::<agents::Registered>()
        .with_status(201),
        Route::listed("/api/v1/agents", agents::parse_list, agents::list)
            .about("The agents you may see")
            .gives::<Page<agents::AgentView>>()
            .asks(PAGE),
        Route::guarded(Method::GET, "/api/v1/agents/{agent}", agents::parse_show, agents::get)
            .about("One agent")
            .gives::<agents::AgentView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/agents/{agent}/suspend",
            agents::parse_suspend,
            agents::suspend,
        )
        .about("Suspend an agent and revoke what was vended to it")
        .gives::<agents::AgentView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/agents/{agent}/resume",
            agents::parse_resume,
            agents::resume,
        )
        .about("Let a suspended agent act again")
        .gives::<agents::AgentView>(),
        Route::guarded(
            Method::PUT,
            "/api/v1/agents/{agent}/keys",
            agents::parse_keys,
            agents::set_keys,
        )
        .about("Put other public keys in place of an agent's; one that is gone ends its sessions")
        .takes::<agents::JwkSet>()
        .gives::<agents::AgentView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/agents/{agent}/secret",
            agents::parse_rotate,
            agents::rotate,
        )
        .about("Give an agent a new client secret, shown this once")
        .takes::<agents::SecretBody>()
        .gives::<agents::NewSecret>(),
        Route::guarded(
            Method::PUT,
            "/api/v1/agents/{agent}/roles/{role}",
            agents::parse_grant,
            agents::grant,
        )
        .about("Grant a role")
        .gives::<agents::AgentView>(),
        Route::guarded(
            Method::DELETE,
            "/api/v1/agents/{agent}/roles/{role}",
            agents::parse_revoke,
            agents::revoke,
        )
        .about("Take a role away")
        .gives::<agents::AgentView>(),
    ]
}

fn keys() -> Vec<Route> {
    vec![
        Route::identified(Method::POST, "/api/v1/api-keys", api_keys::create)
            .about("Make an API key; it is shown this once. Needs an elevated token")
            .takes::<api_keys::ApiKeyBody>()
            .gives::<api_keys::ApiKeyMade>()
            .with_status(201),
        Route::listed("/api/v1/api-keys", api_keys::parse_list, api_keys::list)
            .about("The API keys you may see")
            .gives::<Page<api_keys::ApiKeyView>>()
            .asks(api_keys::FILTERS),
        Route::guarded(
            Method::GET,
            "/api/v1/api-keys/{key}",
            api_keys::parse_show,
            api_keys::get,
        )
        .about("One API key")
        .gives::<api_keys::ApiKeyView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/api-keys/{key}/rotate",
            api_keys::parse_rotate,
            api_keys::rotate,
        )
        .about("Give a key a new text, shown this once; the old one may overlap. Needs an elevated token")
        .takes::<api_keys::KeyRotation>()
        .gives::<api_keys::ApiKeyMade>(),
        Route::guarded(
            Method::POST,
            "/api/v1/api-keys/{key}/disable",
            api_keys::parse_disable,
            api_keys::disable,
        )
        .about("Make a key good for nothing until it is enabled again")
        .gives::<api_keys::ApiKeyView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/api-keys/{key}/enable",
            api_keys::parse_enable,
            api_keys::enable,
        )
        .about("Let a disabled key be used again; needs an elevated token")
        .gives::<api_keys::ApiKeyView>(),
        Route::guarded(
            Method::DELETE,
            "/api/v1/api-keys/{key}",
            api_keys::parse_revoke,
            api_keys::revoke,
        )
        .about("Revoke a key for good")
        .with_status(204),
    ]
}

fn delegation() -> Vec<Route> {
    vec![
        Route::guarded(
            Method::POST,
            "/api/v1/users/{user}/mandates",
            mandates::parse_give,
            mandates::give,
        )
        .about("Let an agent act in your name")
        .takes::<mandates::MandateBody>()
        .gives::<mandates::MandateView>()
        .with_status(201),
        Route::listed("/api/v1/users/{user}/mandates", mandates::parse_list, mandates::list)
            .about("The mandates a user gave, as far as you may see them, newest first")
            .gives::<Page<mandates::MandateView>>()
            .asks(PAGE),
        Route::guarded(
            Method::GET,
            "/api/v1/mandates/{mandate}",
            mandates::parse_show,
            mandates::get,
        )
        .about("One mandate")
        .gives::<mandates::MandateView>(),
        Route::guarded(
            Method::DELETE,
            "/api/v1/mandates/{mandate}",
            mandates::parse_revoke,
            mandates::revoke,
        )
        .about("Revoke a mandate, and every token and credential under it")
        .with_status(204),
    ]
}

fn registry() -> Vec<Route> {
    vec![
        Route::guarded(Method::POST, "/api/v1/tools", tools::parse_create, tools::create)
            .about("Register a tool; an MCP server is looked at first, and its tools come with it")
            .takes::<NewTool>()
            .with_status(201)
            .gives::<tools::ToolView>()
            .patient(),
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
            .gives::<tools::ToolView>()
            .patient(),
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
            .gives::<agent_actions::ExecuteAnswer>()
            .patient(),
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

fn servers() -> Vec<Route> {
    vec![
        Route::guarded(
            Method::POST,
            "/api/v1/tools/remote/test-connection",
            probes::parse_test,
            probes::test,
        )
        .about("Look at an MCP server and its tools, and register nothing")
        .takes::<probes::TestConnectionBody>()
        .gives::<probes::FoundView>()
        .patient(),
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/reprobe",
            probes::parse_reprobe,
            probes::reprobe,
        )
        .about(
            "Look at an MCP server again; tools that changed are quarantined, new ones are drafts",
        )
        .gives::<probes::FoundView>()
        .patient(),
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

fn versions_of_tools() -> Vec<Route> {
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
        .with_status(201)
        .patient(),
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/versions/{version}/rollback",
            versions::parse_roll_back,
            versions::roll_back,
        )
        .about("Make a tool what it was in this version, named or by number")
        .gives::<tools::ToolView>()
        .patient(),
    ]
}

fn calls() -> Vec<Route> {
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
        .or_gives::<approvals::AwaitingAnswer>(202)
        .patient(),
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

fn mcp_server() -> Vec<Route> {
    vec![
        Route::identified(Method::POST, MCP, mcp::serve)
            .about("The tools you may use, as an MCP server: one JSON-RPC message")
            .takes::<serde_json::Value>()
            .gives::<serde_json::Value>()
            .of_mcp()
            .patient(),
        Route::public(Method::GET, MCP_METADATA, oauth::mcp_resource)
            .about("Which authorization server gives tokens for the MCP server (RFC 9728)")
            .gives::<oauth::ResourceMetadata>(),
    ]
}

fn vending() -> Vec<Route> {
    let mut routes = vec![
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/access",
            credentials::parse_access,
            credentials::issue,
        )
        .about("Ask for a credential for this tool")
        .takes::<AccessBody>()
        .gives::<AccessAnswer>()
        .with_status(201),
        Route::guarded(
            Method::POST,
            "/api/v1/credentials",
            credentials::parse_request,
            credentials::issue,
        )
        .about("Ask for a credential for the tool named in the body")
        .takes::<RequestBody>()
        .gives::<AccessAnswer>()
        .with_status(201),
        Route::listed("/api/v1/credentials", credentials::parse_list, credentials::list)
            .about("The credentials you may see, newest first")
            .gives::<Page<CredentialView>>()
            .asks(credentials::FILTERS),
        Route::guarded(
            Method::GET,
            "/api/v1/credentials/{credential}",
            credentials::parse_show,
            credentials::get,
        )
        .about("One credential")
        .gives::<CredentialView>(),
        Route::guarded(
            Method::DELETE,
            "/api/v1/credentials/{credential}",
            credentials::parse_revoke,
            credentials::revoke,
        )
        .about("Revoke a credential at once")
        .with_status(204),
        Route::identified(Method::POST, "/api/v1/credentials/validate", credentials::validate)
            .about("Verify a credential online; 200 with `valid` for every well-formed question")
            .takes::<ValidateBody>()
            .gives::<ValidateAnswer>(),
    ];
    // Some proxies ask with the method of the request that they ask about.
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    routes.extend(methods.map(|method| {
        Route::public(method, forward_auth::PATH, forward_auth::decide)
            .about("Whether a proxy may let a request through to the tool behind it")
            .asks(forward_auth::ASKS)
    }));
    routes
}

fn human_in_the_loop() -> Vec<Route> {
    vec![
        Route::listed("/api/v1/approvals", approvals::parse_list, approvals::list)
            .about("The approvals you may see, newest first, without the arguments of their calls")
            .gives::<Page<approvals::ApprovalView>>()
            .asks(approvals::FILTERS),
        Route::identified(Method::GET, "/api/v1/approvals/events", approvals::follow)
            .about("Approvals that you may see, as they come and change (server-sent events)")
            .gives_text("text/event-stream"),
        Route::guarded(
            Method::GET,
            "/api/v1/approvals/{approval}",
            approvals::parse_show,
            approvals::get,
        )
        .about("One approval, with the arguments of the call")
        .gives::<approvals::ApprovalView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/approvals/{approval}/approve",
            approvals::parse_approve,
            approvals::decide,
        )
        .about("Say yes to exactly this call, once; needs a second factor proven just now")
        .takes::<approvals::DecisionBody>()
        .gives::<approvals::ApprovalView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/approvals/{approval}/deny",
            approvals::parse_deny,
            approvals::decide,
        )
        .about("Say no; needs a second factor proven just now")
        .takes::<approvals::DecisionBody>()
        .gives::<approvals::ApprovalView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/approvals/{approval}/cancel",
            approvals::parse_cancel,
            approvals::cancel,
        )
        .about("Take back what you asked for, or what is asked for you")
        .takes::<approvals::DecisionBody>()
        .gives::<approvals::ApprovalView>(),
    ]
}

/// OpenID AuthZEN Access Request and Approval Profile, Draft 1.
fn requests_for_access() -> Vec<Route> {
    vec![
        Route::identified(Method::POST, "/access/v1/requests", access_requests::create)
            .about("Request access that was refused for want of a person's yes")
            .takes::<access_requests::SubmissionBody>()
            .with_status(202)
            .gives::<access_requests::TaskAnswer>()
            .or_gives::<access_requests::TaskAnswer>(201),
        Route::identified(Method::GET, "/access/v1/requests/{approval}", access_requests::get)
            .about("How far a request for access has come")
            .gives::<access_requests::TaskAnswer>(),
        Route::identified(
            Method::POST,
            "/access/v1/requests/{approval}/cancel",
            access_requests::cancel,
        )
        .about("Take a request for access back")
        .takes::<access_requests::CancellationBody>()
        .gives::<access_requests::TaskAnswer>(),
    ]
}

fn auditing() -> Vec<Route> {
    vec![
        Route::guarded(Method::GET, "/api/v1/audit-events", audit::parse_read, audit::read)
            .about("Entries, newest first")
            .gives::<EventPage>()
            .asks(audit::FILTERS),
        Route::guarded(Method::GET, "/api/v1/audit/proof", audit::parse_proof, audit::proof)
            .about("That an entry is in the tree (RFC 6962 inclusion proof)")
            .gives::<InclusionAnswer>()
            .asks(&[("seq", "The place of the entry, from 0.")]),
        Route::guarded(
            Method::GET,
            "/api/v1/audit/consistency",
            audit::parse_consistency,
            audit::consistency,
        )
        .about("That a newer tree continues an older one (RFC 6962 consistency proof)")
        .gives::<ConsistencyAnswer>()
        .asks(&[
            ("from", "The older tree size."),
            ("to", "The newer tree size; the latest when left out."),
        ]),
    ]
}
