//! Ways in of OpenID AuthZEN Authorization API 1.0: questions about decisions.

use warp::http::Method;

use super::super::authzen;
use super::super::route::Route;
use crate::queries::model::{Asked, Decision, Named, Verb};

pub fn questions() -> Vec<Route> {
    vec![
        Route::public(Method::GET, "/.well-known/authzen-configuration", authzen::metadata)
            .about("Where the policy decision point is asked (AuthZEN 1.0)")
            .gives::<authzen::Metadata>(),
        Route::identified(Method::POST, "/access/v1/evaluation", authzen::evaluation)
            .about("Whether somebody would be allowed something")
            .takes::<Asked>()
            .gives::<Decision>(),
        Route::identified(Method::POST, "/access/v1/evaluations", authzen::evaluations)
            .about("The same for several questions")
            .takes::<authzen::EvaluationsBody>()
            .gives::<authzen::Evaluated>(),
        Route::identified(Method::POST, "/access/v1/search/subject", authzen::subjects)
            .about("Who would be allowed something")
            .takes::<authzen::SubjectSearchBody>()
            .gives::<authzen::SearchAnswer<Named>>(),
        Route::identified(Method::POST, "/access/v1/search/resource", authzen::resources)
            .about("On what somebody would be allowed something")
            .takes::<authzen::ResourceSearchBody>()
            .gives::<authzen::SearchAnswer<Named>>(),
        Route::identified(Method::POST, "/access/v1/search/action", authzen::actions)
            .about("What somebody would be allowed on something")
            .takes::<authzen::ActionSearchBody>()
            .gives::<authzen::SearchAnswer<Verb>>(),
    ]
}
