//! Those who hand out roles: whether each of them has a second factor. Who they are, Cedar says.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Finding;
use crate::App;
use crate::audit::entry::Origin;
use crate::authn::{Caller, Via};
use crate::authz::Action as _;
use crate::authz::facts::Particulars;
use crate::clock::Clock;
use crate::directory::{GrantUserRole, Principal, User};
use crate::policy::Bundle;
use crate::settings::Settings;

const OF: &str = "people";

/// Starts all parts of a server but its listeners, and looks at the people in it.
pub async fn examine(settings: &Settings, bundle: Arc<Bundle>, clock: &Clock) -> Vec<Finding> {
    let found = async {
        let app = App::start(settings, bundle, clock.clone()).await?;
        let weak = unprotected(&app).await?;
        anyhow::Ok(weak)
    };
    match found.await {
        Ok(names) if names.is_empty() => {
            vec![Finding::well(OF, "whoever can hand out roles has a second factor")]
        }
        Ok(names) => names.iter().map(|it| without_factor(it)).collect(),
        Err(error) => {
            let mend = "mend what it says: `gatewright serve` says the same";
            vec![Finding::broken("start", format!("{error:#}"), mend)]
        }
    }
}

fn without_factor(name: &str) -> Finding {
    let said = format!("`{name}` can hand out roles, and has no second factor");
    Finding::weak(OF, said, "sign in as they, and enrol one: POST /api/v1/auth/factors/totp")
}

/// The names of those who could hand out a role and have no second factor.
async fn unprotected(app: &App) -> anyhow::Result<Vec<String>> {
    let users = app.directory.snapshot().users();
    let roles: BTreeSet<&String> = users.iter().flat_map(|it| &it.roles).collect();
    let mut names = Vec::new();
    for user in &users {
        if can_grant(app, user, &roles)? && !app.factors.of(user.id).await?.is_active() {
            names.push(user.username.clone());
        }
    }
    Ok(names)
}

/// Whether policy would let this person hand out one of these roles, on the best of proofs.
fn can_grant(app: &App, user: &Arc<User>, roles: &BTreeSet<&String>) -> anyhow::Result<bool> {
    let Principal::User(somebody) = Principal::guest()? else { return Ok(false) };
    let caller = at_best(app, user);
    for role in roles {
        let particulars = Particulars::Role { role: (*role).clone(), approval: None };
        if app.authz.would_allow(&caller, GrantUserRole::NAME, &somebody, &particulars)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// This person with everything proven that can be, at this machine.
fn at_best(app: &App, user: &Arc<User>) -> Caller {
    let origin = Origin {
        id: String::new(),
        ip: [127, 0, 0, 1].into(),
        user_agent: String::new(),
        method: String::new(),
        route: String::new(),
    };
    let principal = Principal::User(user.clone());
    let now = app.clock.micros();
    let caller = app.authn.resumed(principal, Via::Password, now, Arc::new(origin));
    app.authn.with_factor_proven(caller)
}
