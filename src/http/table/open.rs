//! Ways in for anybody: health, documents, keys and feeds.

use warp::http::Method;

use super::super::route::Route;
use super::super::{audit, docs, health, well_known};

pub fn health_and_docs() -> Vec<Route> {
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

pub fn keys_and_feeds() -> Vec<Route> {
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
