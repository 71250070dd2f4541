//! Ways in about proving who one is.

use warp::http::Method;

use super::super::route::Route;
use super::super::{factors, oauth, passkeys, session};
use crate::authn::oauth::RESOURCE_METADATA;

pub fn sign_in() -> Vec<Route> {
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
pub fn authorization_server() -> Vec<Route> {
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

pub fn second_factors() -> Vec<Route> {
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
