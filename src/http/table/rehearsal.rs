//! Ways in about what a bundle would do.

use warp::http::Method;

use super::super::rehearsal as rehearse;
use super::super::route::Route;
use crate::policy::replay::Report;
use crate::policy::suggest::Suggestion;

pub fn rehearsal() -> Vec<Route> {
    vec![
        Route::guarded(
            Method::POST,
            "/api/v1/bundles/{bundle}/replay",
            rehearse::parse_replay,
            rehearse::replay,
        )
        .about("Ask this bundle what was asked before: every recorded decision that it would turn")
        .gives::<Report>()
        .asks(rehearse::WINDOW),
        Route::guarded(
            Method::POST,
            "/api/v1/bundles/{bundle}/shadow",
            rehearse::parse_cast,
            rehearse::cast,
        )
        .about("Have this bundle decide beside the active one, without any effect")
        .with_status(204)
        .asks(rehearse::SAMPLE),
        Route::guarded(Method::GET, "/api/v1/shadow", rehearse::parse_show, rehearse::show)
            .about(
                "What the bundle that decides beside the active one would have decided otherwise",
            )
            .gives::<rehearse::ShadowView>(),
        Route::guarded(Method::DELETE, "/api/v1/shadow", rehearse::parse_lift, rehearse::lift)
            .about("Have no bundle decide beside the active one any more")
            .with_status(204),
        Route::guarded(
            Method::GET,
            "/api/v1/agents/{agent}/suggestion",
            rehearse::parse_suggest,
            rehearse::suggest,
        )
        .about("The tightest rules that this agent, by id or name, could have lived with")
        .gives::<Suggestion>()
        .asks(rehearse::WINDOW),
    ]
}
