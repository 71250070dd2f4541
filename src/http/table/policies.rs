//! Ways in about policies and bundles of them.

use warp::http::Method;

use super::super::bundles::{BundleView, DraftBody, ReviewBody};
use super::super::list::Page;
use super::super::policies::{AddBody, PoliciesView, PolicyInForce, ReplaceBody, SchemaView};
use super::super::route::Route;
use super::super::{bundles, policies};

/// A whole bundle travels in one body.
const BUNDLE_BYTES_MAX: usize = 4 * 1024 * 1024;

pub fn in_force() -> Vec<Route> {
    let one = "/api/v1/policies/{policy}";
    vec![
        Route::guarded(Method::GET, "/api/v1/policies", policies::parse_show, policies::list)
            .about("The policies that decide now")
            .gives::<PoliciesView>(),
        Route::guarded(Method::GET, one, policies::parse_one, policies::get)
            .about("One of the policies that decide now")
            .gives::<PolicyInForce>(),
        Route::guarded(Method::GET, "/api/v1/schema", policies::parse_show, policies::schema)
            .about("The schema that policies are written against")
            .gives::<SchemaView>(),
        Route::guarded(Method::POST, "/api/v1/policies", policies::parse_add, policies::draft)
            .about("Draft a bundle: the active one with this policy besides")
            .takes::<AddBody>()
            .gives::<BundleView>()
            .with_status(201)
            .or_gives::<BundleView>(200),
        Route::guarded(Method::PUT, one, policies::parse_replace, policies::draft)
            .about("Draft a bundle: the active one with this policy changed")
            .takes::<ReplaceBody>()
            .gives::<BundleView>()
            .with_status(201)
            .or_gives::<BundleView>(200),
        Route::guarded(Method::DELETE, one, policies::parse_remove, policies::draft)
            .about("Draft a bundle: the active one without this policy")
            .gives::<BundleView>()
            .with_status(201)
            .or_gives::<BundleView>(200),
    ]
}

pub fn lifecycle() -> Vec<Route> {
    vec![
        Route::guarded(Method::POST, "/api/v1/bundles", bundles::parse_draft, bundles::draft)
            .about("Draft a bundle; answers with what the check found")
            .takes::<DraftBody>()
            .taking_up_to(BUNDLE_BYTES_MAX)
            .gives::<BundleView>()
            .with_status(201)
            .or_gives::<BundleView>(200),
        Route::listed("/api/v1/bundles", bundles::parse_list, bundles::list)
            .about("The bundles there are, newest first")
            .gives::<Page<BundleView>>()
            .asks(bundles::FILTERS),
        Route::guarded(Method::GET, "/api/v1/bundles/{bundle}", bundles::parse_show, bundles::get)
            .about("One bundle with its files, what was found about it and who reviewed it")
            .gives::<BundleView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/bundles/{bundle}/check",
            bundles::parse_check,
            bundles::check,
        )
        .about("Check a bundle again, against the one that is active now")
        .gives::<BundleView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/bundles/{bundle}/review",
            bundles::parse_review,
            bundles::review,
        )
        .about("Say yes or no to a bundle that somebody else wrote")
        .takes::<ReviewBody>()
        .gives::<BundleView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/bundles/{bundle}/activate",
            bundles::parse_activate,
            bundles::activate,
        )
        .about("Make a reviewed bundle the one that decides, on every replica")
        .gives::<BundleView>(),
        Route::guarded(
            Method::POST,
            "/api/v1/bundles/{bundle}/rollback",
            bundles::parse_rollback,
            bundles::roll_back,
        )
        .about("Go back to a bundle that was active before")
        .gives::<BundleView>(),
    ]
}
