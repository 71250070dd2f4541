//! Every way in: method, path, parse, act.

use warp::http::Method;

use super::audit::{ConsistencyAnswer, EventPage, InclusionAnswer};
use super::credentials::{
    AccessAnswer, AccessBody, CredentialView, RequestBody, ValidateAnswer, ValidateBody,
};
use super::describe::about;
use super::list::Page;
use super::route::Route;
use super::{agents, audit, credentials, docs, health, oauth, session, tools, users, well_known};
use crate::registry::{Definition, ToolPatch};

const PAGE: &[(&str, &str)] = &[
    ("page_size", "1 to 200, 50 by default."),
    ("page_token", "`next_page_token` of the page before."),
];

/// Every route there is, in the order of the API document.
pub fn routes() -> Vec<Route> {
    let rooms = [open(), sign_in(), people(), machines(), registry(), vending(), auditing()];
    rooms.into_iter().flatten().collect()
}

/// What the listener of figures answers.
pub fn figures() -> Vec<Route> {
    let about = about("Health", "Figures for Prometheus").gives_text("text/plain");
    vec![Route::public(Method::GET, "/metrics", health::own_figures, about)]
}

fn open() -> Vec<Route> {
    const HEALTH: &str = "Health";
    const KEYS: &str = "Keys and feeds";
    let get = Method::GET;
    vec![
        Route::public(
            get.clone(),
            "/livez",
            health::live,
            about(HEALTH, "Whether the process lives").gives::<health::Live>(),
        ),
        Route::public(
            get.clone(),
            "/readyz",
            health::ready,
            about(HEALTH, "Whether everything a decision needs is there")
                .gives::<health::Ready>()
                .or_gives::<health::Ready>(503),
        ),
        Route::public(
            get.clone(),
            "/health",
            health::ready,
            about(HEALTH, "The same as /readyz")
                .gives::<health::Ready>()
                .or_gives::<health::Ready>(503),
        ),
        Route::public(
            get.clone(),
            "/metrics",
            health::figures,
            about(HEALTH, "Figures for Prometheus").gives_text("text/plain"),
        ),
        Route::public(
            get.clone(),
            "/openapi.json",
            docs::document,
            about(HEALTH, "This document").gives::<serde_json::Value>(),
        ),
        Route::public(
            get.clone(),
            "/docs",
            docs::index,
            about(HEALTH, "This document, to read and try out").with_status(307),
        ),
        Route::public(
            get.clone(),
            "/docs/{file}",
            docs::file,
            about(HEALTH, "A file of the page at /docs").gives_text("text/html"),
        ),
        Route::public(
            get.clone(),
            "/.well-known/jwks.json",
            well_known::jwks,
            about(KEYS, "Public keys of access tokens").gives::<crate::authn::JwksDocument>(),
        ),
        Route::public(
            get.clone(),
            "/.well-known/biscuit-keys.json",
            well_known::biscuit_keys,
            about(KEYS, "Public root keys of credentials").gives::<well_known::BiscuitKeys>(),
        ),
        Route::public(
            get.clone(),
            "/.well-known/audit-key.json",
            well_known::audit_key,
            about(KEYS, "Verifier key of audit checkpoints").gives::<well_known::AuditKey>(),
        ),
        Route::public(
            get.clone(),
            "/api/v1/revocations",
            well_known::revocations,
            about(KEYS, "The signed revocation feed for offline verifiers")
                .gives::<well_known::FeedPage>()
                .asks(&[("since", "The cursor of the page before; everything when left out.")]),
        ),
        Route::public(
            get,
            "/api/v1/audit/checkpoint",
            audit::checkpoint,
            about(KEYS, "The signed head of the audit's tree (C2SP checkpoint)")
                .gives_text("text/plain"),
        ),
    ]
}

fn sign_in() -> Vec<Route> {
    const TAG: &str = "Sign-in";
    let post = Method::POST;
    vec![
        Route::public(
            post.clone(),
            "/api/v1/auth/login",
            session::login,
            about(TAG, "Sign in with a password")
                .takes::<session::LoginBody>()
                .gives::<session::Tokens>(),
        ),
        Route::public(
            post.clone(),
            "/api/v1/auth/refresh",
            session::refresh,
            about(TAG, "Exchange a refresh token for a new pair; a used one ends the session")
                .takes::<session::RefreshBody>()
                .gives::<session::Tokens>(),
        ),
        Route::public(
            post.clone(),
            "/oauth/token",
            oauth::token,
            about(TAG, "An access token for a machine (client credentials)")
                .takes_form::<oauth::TokenForm>()
                .gives::<oauth::TokenAnswer>()
                .or_gives::<oauth::TokenError>(400)
                .or_gives::<oauth::TokenError>(401),
        ),
        Route::guarded(
            Method::GET,
            "/api/v1/auth/me",
            session::parse_me,
            session::me,
            about(TAG, "Who the token stands for").gives::<session::Me>(),
        ),
        Route::identified(
            post.clone(),
            "/api/v1/auth/elevate",
            session::elevate,
            about(TAG, "Prove the password again for a short-lived elevated token")
                .takes::<session::ElevateBody>()
                .gives::<session::Elevated>(),
        ),
        Route::guarded(
            post,
            "/api/v1/auth/logout",
            session::parse_logout,
            session::logout,
            about(TAG, "End the session").with_status(204),
        ),
    ]
}

fn people() -> Vec<Route> {
    const TAG: &str = "Users";
    let view = |summary| about(TAG, summary).gives::<users::UserView>();
    vec![
        Route::guarded(
            Method::POST,
            "/api/v1/users",
            users::parse_create,
            users::create,
            view("Register a user").takes::<users::UserBody>().with_status(201),
        ),
        Route::listed(
            "/api/v1/users",
            users::parse_list,
            users::list,
            about(TAG, "The users you may see").gives::<Page<users::UserView>>().asks(PAGE),
        ),
        Route::guarded(
            Method::GET,
            "/api/v1/users/{user}",
            users::parse_show,
            users::get,
            view("One user"),
        ),
        Route::guarded(
            Method::POST,
            "/api/v1/users/{user}/suspend",
            users::parse_suspend,
            users::suspend,
            view("Suspend a user and revoke what was vended to them"),
        ),
        Route::guarded(
            Method::POST,
            "/api/v1/users/{user}/resume",
            users::parse_resume,
            users::resume,
            view("Let a suspended user act again"),
        ),
        Route::guarded(
            Method::PUT,
            "/api/v1/users/{user}/roles/{role}",
            users::parse_grant,
            users::grant,
            view("Grant a role"),
        ),
        Route::guarded(
            Method::DELETE,
            "/api/v1/users/{user}/roles/{role}",
            users::parse_revoke,
            users::revoke,
            view("Take a role away"),
        ),
    ]
}

fn machines() -> Vec<Route> {
    const TAG: &str = "Agents";
    let view = |summary| about(TAG, summary).gives::<agents::AgentView>();
    vec![
        Route::guarded(
            Method::POST,
            "/api/v1/register/machine",
            agents::parse_create,
            agents::create,
            about(TAG, "Register an agent; its secret is shown this once")
                .takes::<agents::AgentBody>()
                .gives::<agents::Registered>()
                .with_status(201),
        ),
        Route::listed(
            "/api/v1/agents",
            agents::parse_list,
            agents::list,
            about(TAG, "The agents you may see").gives::<Page<agents::AgentView>>().asks(PAGE),
        ),
        Route::guarded(
            Method::GET,
            "/api/v1/agents/{agent}",
            agents::parse_show,
            agents::get,
            view("One agent"),
        ),
        Route::guarded(
            Method::POST,
            "/api/v1/agents/{agent}/suspend",
            agents::parse_suspend,
            agents::suspend,
            view("Suspend an agent and revoke what was vended to it"),
        ),
        Route::guarded(
            Method::POST,
            "/api/v1/agents/{agent}/resume",
            agents::parse_resume,
            agents::resume,
            view("Let a suspended agent act again"),
        ),
        Route::guarded(
            Method::PUT,
            "/api/v1/agents/{agent}/roles/{role}",
            agents::parse_grant,
            agents::grant,
            view("Grant a role"),
        ),
        Route::guarded(
            Method::DELETE,
            "/api/v1/agents/{agent}/roles/{role}",
            agents::parse_revoke,
            agents::revoke,
            view("Take a role away"),
        ),
    ]
}

fn registry() -> Vec<Route> {
    const TAG: &str = "Tools";
    let view = |summary| about(TAG, summary).gives::<tools::ToolView>();
    vec![
        Route::guarded(
            Method::POST,
            "/api/v1/tools",
            tools::parse_create,
            tools::create,
            view("Register a tool").takes::<Definition>().with_status(201),
        ),
        Route::listed(
            "/api/v1/tools",
            tools::parse_list,
            tools::list,
            about(TAG, "The tools you may discover")
                .gives::<Page<tools::ToolView>>()
                .asks(tools::FILTERS),
        ),
        Route::guarded(
            Method::GET,
            "/api/v1/tools/{tool}",
            tools::parse_show,
            tools::get,
            view("One tool"),
        ),
        Route::guarded(
            Method::PATCH,
            "/api/v1/tools/{tool}",
            tools::parse_update,
            tools::update,
            view("Change a tool; `If-Match` guards against changing what you have not seen")
                .takes::<ToolPatch>(),
        ),
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/activate",
            tools::parse_activate,
            tools::activate,
            view("Let a tool be used"),
        ),
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/deactivate",
            tools::parse_deactivate,
            tools::deactivate,
            view("Let a tool be used no more"),
        ),
        Route::guarded(
            Method::DELETE,
            "/api/v1/tools/{tool}",
            tools::parse_delete,
            tools::delete,
            about(TAG, "Delete a tool and revoke its credentials; needs an elevated token")
                .with_status(204),
        ),
    ]
}

fn vending() -> Vec<Route> {
    const TAG: &str = "Credentials";
    vec![
        Route::guarded(
            Method::POST,
            "/api/v1/tools/{tool}/access",
            credentials::parse_access,
            credentials::issue,
            about(TAG, "Ask for a credential for this tool")
                .takes::<AccessBody>()
                .gives::<AccessAnswer>()
                .with_status(201),
        ),
        Route::guarded(
            Method::POST,
            "/api/v1/credentials",
            credentials::parse_request,
            credentials::issue,
            about(TAG, "Ask for a credential for the tool named in the body")
                .takes::<RequestBody>()
                .gives::<AccessAnswer>()
                .with_status(201),
        ),
        Route::listed(
            "/api/v1/credentials",
            credentials::parse_list,
            credentials::list,
            about(TAG, "The credentials you may see, newest first")
                .gives::<Page<CredentialView>>()
                .asks(credentials::FILTERS),
        ),
        Route::guarded(
            Method::GET,
            "/api/v1/credentials/{credential}",
            credentials::parse_show,
            credentials::get,
            about(TAG, "One credential").gives::<CredentialView>(),
        ),
        Route::guarded(
            Method::DELETE,
            "/api/v1/credentials/{credential}",
            credentials::parse_revoke,
            credentials::revoke,
            about(TAG, "Revoke a credential at once").with_status(204),
        ),
        Route::identified(
            Method::POST,
            "/api/v1/credentials/validate",
            credentials::validate,
            about(
                TAG,
                "Verify a credential online; 200 with `valid` for every well-formed question",
            )
            .takes::<ValidateBody>()
            .gives::<ValidateAnswer>(),
        ),
    ]
}

fn auditing() -> Vec<Route> {
    const TAG: &str = "Audit";
    vec![
        Route::guarded(
            Method::GET,
            "/api/v1/audit-events",
            audit::parse_read,
            audit::read,
            about(TAG, "Entries, newest first").gives::<EventPage>().asks(audit::FILTERS),
        ),
        Route::guarded(
            Method::GET,
            "/api/v1/audit/proof",
            audit::parse_proof,
            audit::proof,
            about(TAG, "That an entry is in the tree (RFC 6962 inclusion proof)")
                .gives::<InclusionAnswer>()
                .asks(&[("seq", "The place of the entry, from 0.")]),
        ),
        Route::guarded(
            Method::GET,
            "/api/v1/audit/consistency",
            audit::parse_consistency,
            audit::consistency,
            about(TAG, "That a newer tree continues an older one (RFC 6962 consistency proof)")
                .gives::<ConsistencyAnswer>()
                .asks(&[
                    ("from", "The older tree size."),
                    ("to", "The newer tree size; the latest when left out."),
                ]),
        ),
    ]
}
