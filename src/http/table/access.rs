//! Ways in about credentials, approvals, and what became of them all.

use warp::http::Method;

use super::super::audit::{ConsistencyAnswer, EventPage, InclusionAnswer};
use super::super::credentials::{
    AccessAnswer, AccessBody, CredentialView, RequestBody, ValidateAnswer, ValidateBody,
};
use super::super::list::Page;
use super::super::route::Route;
use super::super::{
    access_requests, approvals, audit, credentials, decisions, forward_auth, grants,
};
use super::PAGE;

pub fn vending() -> Vec<Route> {
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

pub fn granting() -> Vec<Route> {
    vec![
        Route::guarded(Method::POST, "/api/v1/grants", grants::parse_create, grants::create)
            .about("Link a template of the policies for a principal and a tool, or a set of tools")
            .takes::<grants::GrantBody>()
            .with_status(201)
            .gives::<grants::GrantView>(),
        Route::listed("/api/v1/grants", grants::parse_list, grants::list)
            .about("The grants of tools that you may grant, oldest first")
            .gives::<Page<grants::GrantView>>()
            .asks(PAGE),
        Route::guarded(Method::GET, "/api/v1/grants/{grant}", grants::parse_show, grants::get)
            .about("One grant")
            .gives::<grants::GrantView>(),
        Route::guarded(
            Method::DELETE,
            "/api/v1/grants/{grant}",
            grants::parse_revoke,
            grants::revoke,
        )
        .about("Take a grant back at once")
        .with_status(204),
    ]
}

pub fn human_in_the_loop() -> Vec<Route> {
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
pub fn requests_for_access() -> Vec<Route> {
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

pub fn decided() -> Vec<Route> {
    vec![
        Route::guarded(
            Method::GET,
            "/api/v1/decisions/{decision}",
            decisions::parse_show,
            decisions::get,
        )
        .about("One decision: who asked what, what the policies were told, and which decided")
        .gives::<decisions::DecisionView>(),
        Route::guarded(
            Method::GET,
            "/api/v1/decisions/{decision}/explain",
            decisions::parse_explain,
            decisions::explain,
        )
        .about("Why, and the smallest change that flips it; as text for `Accept: text/plain`")
        .gives::<decisions::ExplainAnswer>(),
    ]
}

pub fn auditing() -> Vec<Route> {
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
