//! Where, when and with what a principal has signed in before, as the store keeps it.

use uuid::Uuid;

use super::FirstUse;
use super::sighting::{Agent, Network, Sighting};
use crate::Result;
use crate::directory::Kind;
use crate::net::places::{Country, Place, Places};
use crate::store::{Database, Row, Statement};

/// Contexts kept of each principal: the latest.
const CONTEXTS_MAX: i64 = 50;

/// What is known of one principal's sign-ins.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Those that still count.
    pub contexts: Vec<Context>,
    /// Hours of the day, and how many sign-ins fell into each.
    pub hours: Vec<(i64, i64)>,
    /// What this sign-in counts as if it is the first; none if there was any before, be it too
    /// long ago to count.
    pub first_use: Option<FirstUse>,
}

/// From where and with what the principal has signed in.
#[derive(Clone, Debug)]
pub struct Context {
    pub network: Network,
    pub agent: Agent,
    pub place: Place,
    /// Microseconds since the epoch.
    pub last_at: i64,
}

impl History {
    /// Reads the history of a principal, of this kind; contexts from before `since` (microseconds since the
    /// epoch) do not count any more. Where they are is asked of `places`, so that what is compared
    /// comes from one file.
    pub async fn load(
        db: &dyn Database,
        (kind, principal): (Kind, Uuid),
        since: i64,
        places: &Places,
    ) -> Result<History> {
        let contexts = db.query(
            "SELECT network, user_agent, country, last_at FROM known_contexts
             WHERE principal_id = $1 ORDER BY last_at DESC LIMIT $2",
            vec![principal.into(), CONTEXTS_MAX.into()],
        );
        let hours = db.query(
            "SELECT hour, times FROM known_hours WHERE principal_id = $1",
            vec![principal.into()],
        );
        let (contexts, hours) = tokio::try_join!(contexts, hours)?;
        let first_use = match contexts.is_empty() {
            true => Some(first_use(db, kind, principal).await?),
            false => None,
        };
        let mut known = Vec::with_capacity(contexts.len());
        for row in &contexts {
            known.extend(context(row, places)?.filter(|it| it.last_at >= since));
        }
        let hours = hours.iter().map(|row| Ok((row.int(0)?, row.int(1)?)));
        Ok(History { contexts: known, hours: hours.collect::<Result<_>>()?, first_use })
    }
}

async fn first_use(db: &dyn Database, kind: Kind, principal: Uuid) -> Result<FirstUse> {
    if kind == Kind::Agent {
        return Ok(FirstUse::Trusted);
    }
    let trusted = db
        .query(
            "SELECT principal_id FROM trusted_first_uses WHERE principal_id = $1",
            vec![principal.into()],
        )
        .await?;
    Ok(if trusted.is_empty() { FirstUse::Unknown } else { FirstUse::Trusted })
}

/// Lets the first sign-in of a person set what is known of them; for the commit that makes them.
pub fn trust_first_use(person: Uuid) -> Statement {
    Statement::new("INSERT INTO trusted_first_uses (principal_id) VALUES ($1)").bind(person)
}

/// None for what nobody can compare, which then counts as unknown.
fn context(row: &Row, places: &Places) -> Result<Option<Context>> {
    let (network, agent) = (Network::parse(row.text(0)?), Agent::from_bytes(row.bytes(1)?));
    let (Some(network), Some(agent)) = (network, agent) else { return Ok(None) };
    let mut place = places.find(network.address());
    place.country = place.country.or_else(|| Country::parse(row.opt_text(2).ok()??));
    Ok(Some(Context { network, agent, place, last_at: row.int(3)? }))
}

/// What makes a sighting known, for the commit that lets the principal in.
pub fn remember(principal: Uuid, seen: &Sighting) -> Vec<Statement> {
    let context = Statement::new(
        "INSERT INTO known_contexts
             (principal_id, network, user_agent, country, first_at, last_at, times)
         VALUES ($1, $2, $3, $4, $5, $5, 1)
         ON CONFLICT (principal_id, network, user_agent) DO UPDATE SET
             times = known_contexts.times + 1, last_at = excluded.last_at,
             country = COALESCE(excluded.country, known_contexts.country)",
    )
    .bind(principal)
    .bind(seen.network.to_string())
    .bind(seen.agent.as_bytes().to_vec())
    .bind(seen.place.country.map(|it| it.to_string()))
    .bind(seen.at);
    let hour = Statement::new(
        "INSERT INTO known_hours (principal_id, hour, times) VALUES ($1, $2, 1)
         ON CONFLICT (principal_id, hour) DO UPDATE SET times = known_hours.times + 1",
    )
    .bind(principal)
    .bind(seen.hour);
    let forget = Statement::new(
        "DELETE FROM known_contexts WHERE principal_id = $1 AND last_at <
             (SELECT last_at FROM known_contexts WHERE principal_id = $1
              ORDER BY last_at DESC LIMIT 1 OFFSET $2)",
    )
    .bind(principal)
    .bind(CONTEXTS_MAX - 1);
    vec![context, hour, forget]
}

/// A conflict where another context became known meanwhile: of two first uses at once, one is the
/// first. Goes behind [`remember`].
pub fn expect_first(principal: Uuid) -> Statement {
    Statement::new("UPDATE known_contexts SET times = times WHERE principal_id = $1")
        .bind(principal)
        .expect_rows(1)
}
