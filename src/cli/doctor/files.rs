//! Files that an operator keeps beside the settings: GeoIP data, tokens.

use super::Finding;
use crate::authn::tokens_file::TokensFile;
use crate::clock::Clock;
use crate::net::places::Places;
use crate::settings::Settings;

/// Days. Networks change hands; a file this old sends people to countries where they are not.
const GEOIP_AGE_MAX: i64 = 180;
const SECONDS_PER_DAY: i64 = 86_400;

pub fn examine(settings: &Settings, clock: &Clock) -> Vec<Finding> {
    vec![geoip(settings, clock), tokens(settings, clock)]
}

fn geoip(settings: &Settings, clock: &Clock) -> Finding {
    const OF: &str = "geoip";
    let Some(path) = &settings.risk.geoip_db else {
        return Finding::well(OF, "no file: every country is unknown");
    };
    let places = match Places::open(path) {
        Ok(it) => it,
        Err(error) => {
            let mend = "correct `risk.geoip_db`, or put a GeoLite2 or DB-IP file there";
            return Finding::broken(OF, format!("{:#}", anyhow::Error::from(error)), mend);
        }
    };
    let built = places.built_at().unwrap_or_default();
    let days = clock.now().duration_since(built).as_secs() / SECONDS_PER_DAY;
    let said = format!("`{}` of {}", path.display(), built.strftime("%F"));
    match days > GEOIP_AGE_MAX {
        true => Finding::weak(OF, format!("{said} is {days} days old"), "get a newer one"),
        false => Finding::well(OF, said),
    }
}

fn tokens(settings: &Settings, clock: &Clock) -> Finding {
    const OF: &str = "tokens";
    let Some(path) = &settings.auth.tokens_file else {
        return Finding::well(OF, "no file of tokens");
    };
    let otherwise = settings.auth.tokens_principal.clone();
    match TokensFile::open(path, otherwise, clock.clone()) {
        Ok(file) => Finding::well(OF, format!("{} in `{}`", file.count(), path.display())),
        Err(error) => Finding::broken(OF, error.to_string(), "correct the lines that it names"),
    }
}
