//! Every way in: method, path, parse, act.

mod access;
mod authzen;
mod open;
mod policies;
mod principals;
mod rehearsal;
mod sign_in;
mod tools;

use warp::http::Method;

use self::access::{auditing, decided, granting, human_in_the_loop, requests_for_access, vending};
use self::authzen::questions;
use self::open::{health_and_docs, keys_and_feeds};
use self::policies::{in_force, lifecycle};
use self::principals::{delegation, keys, machines, people};
use self::rehearsal::rehearsal;
use self::sign_in::{authorization_server, second_factors, sign_in};
use self::tools::{calls, mcp_server, registry, servers, versions_of_tools};
use super::health;
use super::route::Route;

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
        ("Grants", granting()),
        ("Approvals", human_in_the_loop()),
        ("Access requests", requests_for_access()),
        ("Access questions", questions()),
        ("Policies", in_force()),
        ("Bundles", lifecycle()),
        ("Decisions", decided()),
        ("Rehearsal", rehearsal()),
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
