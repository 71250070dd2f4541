//! Ways in about people, machines, and what stands for them.

use warp::http::Method;

use super::super::list::Page;
use super::super::route::Route;
use super::super::{agents, api_keys, mandates, users};
use super::PAGE;

pub fn people() -> Vec<Route> {
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

pub fn machines() -> Vec<Route> {
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

pub fn keys() -> Vec<Route> {
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

pub fn delegation() -> Vec<Route> {
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
