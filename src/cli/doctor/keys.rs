//! The key files: there, readable, their owner's alone.

use std::path::Path;

use super::Finding;
use super::store::Standing;
use crate::credentials::keys::KeyRing;
use crate::keys;
use crate::settings::Settings;

const OF: &str = "keys";

/// One line for all that are well, and one for each that is not.
pub fn examine(settings: &Settings, store: Option<&Standing>) -> Vec<Finding> {
    let used = store.is_some_and(|it| it.used);
    let seeds = [
        (&settings.auth.key_file, "every access token ends"),
        (&settings.auth.factors_key_file, "every second factor is lost"),
        (&settings.audit.key_file, "the audit cannot be continued"),
    ];
    let seeds = seeds.map(|(path, loss)| (path, loss, keys::load_seed(path).map(drop)));
    let path = &settings.credentials.key_file;
    let ring = KeyRing::load(path).map(drop).map_err(anyhow::Error::from);
    let all = seeds.into_iter().chain([(path, "every credential ends", ring)]);
    let findings = all.map(|(path, loss, read)| match (path.exists(), read) {
        (true, Ok(())) => None,
        (true, Err(error)) => {
            let mend = "mend what it says, or put the file back from a backup";
            Some(Finding::broken(OF, format!("{error:#}"), mend))
        }
        (false, _) => Some(missing(path, loss, used)),
    });
    let faults: Vec<Finding> = findings.flatten().collect();
    match faults.is_empty() {
        true => vec![Finding::well(OF, "all there, and their owner's alone")],
        false => faults,
    }
}

fn missing(path: &Path, loss: &str, used: bool) -> Finding {
    let said = format!("`{}` is not there", path.display());
    match used {
        true => Finding::broken(
            OF,
            said,
            format!("put it back from a backup; a start without it makes another, and {loss}"),
        ),
        false => Finding::weak(OF, said, "`gatewright init`, or the first start; then back it up"),
    }
}
