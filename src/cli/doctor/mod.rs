//! `gatewright doctor`: whether a server would run well with these settings, what is wrong, and how
//! to mend it. Looks, and changes nothing.

mod clock;
mod files;
mod keys;
mod people;
mod proxies;
mod sandbox;
mod secrets;
mod store;

use std::process::ExitCode;
use std::sync::Arc;

use super::exit;
use super::out::say;
use super::serve::with_tools_of;
use crate::clock::Clock;
use crate::policy::{Bundle, Fault, Sources};
use crate::settings::{Environment, Faults, Settings, SettingsArgs};

use self::store::Standing;

/// What one look found.
#[derive(Debug)]
pub struct Finding {
    /// What was looked at, in one word.
    of: &'static str,
    state: State,
    said: String,
    /// What to do about it.
    mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Well,
    /// It works, and should not stay as it is.
    Weak,
    /// Something does not work.
    Broken,
}

impl Finding {
    fn well(of: &'static str, said: impl Into<String>) -> Finding {
        Finding { of, state: State::Well, said: said.into(), mend: None }
    }

    fn weak(of: &'static str, said: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding { of, state: State::Weak, said: said.into(), mend: Some(mend.into()) }
    }

    fn broken(of: &'static str, said: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding { of, state: State::Broken, said: said.into(), mend: Some(mend.into()) }
    }

    fn tell(&self) {
        let state = match self.state {
            State::Well => "ok",
            State::Weak => "weak",
            State::Broken => "BROKEN",
        };
        say(&format!("{state:<7} {:<9} {}", self.of, self.said));
        if let Some(mend) = &self.mend {
            say(&format!("{:17} mend: {mend}", ""));
        }
    }
}

/// Looks at everything, and fails if something is broken.
pub async fn run(args: &SettingsArgs, clock: Clock) -> anyhow::Result<ExitCode> {
    let cwd = std::env::current_dir()?;
    let findings = match Settings::load(args, std::env::vars_os(), &cwd) {
        Ok(settings) => examine(&settings, &clock).await,
        Err(faults) => faulty(&faults),
    };
    findings.iter().for_each(Finding::tell);
    let count = |state| findings.iter().filter(|it| it.state == state).count();
    let (broken, weak) = (count(State::Broken), count(State::Weak));
    say(&format!("{broken} broken, {weak} weak, {} well", count(State::Well)));
    Ok(ExitCode::from(if broken == 0 { exit::DONE } else { exit::FAILED }))
}

/// Without settings nothing else can be looked at.
fn faulty(faults: &Faults) -> Vec<Finding> {
    let finding = |it: &crate::settings::Fault| {
        let said = format!("`{}` ({}): {}", it.key, it.source, it.problem);
        Finding::broken("settings", said, &it.fix)
    };
    faults.0.iter().map(finding).collect()
}

async fn examine(settings: &Settings, clock: &Clock) -> Vec<Finding> {
    let mut findings = vec![environment(settings)];
    let (of_store, standing) = store::examine(&settings.database.url).await;
    let (of_policies, bundle) = policies(settings, standing.as_ref()).await;
    findings.extend(of_policies);
    findings.push(of_store);
    findings.push(clock::examine(settings, standing.as_ref(), clock).await);
    findings.extend(keys::examine(settings, standing.as_ref()));
    findings.extend(secrets::examine(settings, standing.as_ref(), clock).await);
    findings.push(proxies::examine(settings));
    findings.extend(files::examine(settings, clock));
    findings.push(sandbox::examine(settings, clock).await);
    // A server that starts on a broken part might change it.
    let sound = findings.iter().all(|it| it.state != State::Broken);
    if let (true, Some(bundle), Some(Standing { used: true, .. })) = (sound, bundle, standing) {
        findings.extend(people::examine(settings, bundle, clock).await);
    }
    findings
}

fn environment(settings: &Settings) -> Finding {
    let url = &settings.public_url;
    match settings.environment {
        Environment::Production => Finding::well("settings", format!("production, {url}")),
        Environment::Development if url.is_loopback() => {
            Finding::well("settings", format!("development, {url}"))
        }
        Environment::Development => Finding::weak(
            "settings",
            format!("development, though callers come by {url}"),
            "set `environment = \"production\"`, which refuses weak secrets and plain HTTP",
        ),
    }
}

/// The policies on disk; where they look at the arguments of tools, as the store has those.
async fn bundle(settings: &Settings, standing: Option<&Standing>) -> Result<Bundle, Vec<Fault>> {
    let sources = Sources::read(&settings.policy.schema_dir, &settings.policy.dir)?;
    match standing.filter(|_| sources.may_name_calls()) {
        Some(Standing { db, .. }) => with_tools_of(&**db, sources)
            .await
            .unwrap_or_else(|it| Err(vec![Fault::of_store(&it.to_string())])),
        None => Bundle::from_sources(sources),
    }
}

/// The policies, their decision table included, and what is wrong with them.
async fn policies(
    settings: &Settings,
    standing: Option<&Standing>,
) -> (Vec<Finding>, Option<Arc<Bundle>>) {
    match bundle(settings, standing).await {
        Ok(bundle) => {
            let said = format!("{} in force, digest {}", bundle.metas().len(), bundle.digest());
            (vec![Finding::well("policies", said)], Some(Arc::new(bundle)))
        }
        Err(faults) => {
            let finding = |it: &Fault| {
                let mend = "change it, then `gatewright policy check`";
                Finding::broken("policies", it.to_string(), mend)
            };
            (faults.iter().map(finding).collect(), None)
        }
    }
}
