//! Questions about decisions, as AuthZEN 1.0 puts them.

mod bundle;
mod certification;
mod coaz;
mod conditions;
mod evaluation;
mod memberships;
mod search;
