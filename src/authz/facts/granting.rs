//! What is known of a grant that somebody asks for.

use anyhow::Result;
use cedar_policy::RestrictedExpression;
use serde::{Deserialize, Serialize};

use super::express::{count, entity};
use crate::authz::uid::Kind;

/// A grant that is not there yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granting {
    /// Whether its template speaks of uses of tools, and of nothing else.
    pub about_use: bool,
    /// The role that it is for, if it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// How many grants in force the caller made for the same principal that do the same: permit, or
    /// forbid.
    #[serde(default)]
    pub made_for_same: u64,
    /// The same for whomever.
    #[serde(default)]
    pub made: u64,
}

impl Granting {
    /// The first one of its maker, of uses of a tool, to no role.
    pub fn of_use() -> Granting {
        Granting { about_use: true, role: None, made_for_same: 0, made: 0 }
    }

    pub(super) fn expression(&self) -> Result<RestrictedExpression> {
        let role = self.role.iter().map(|it| ("role".to_owned(), entity(Kind::Role, it)));
        let always = [
            ("about_use", RestrictedExpression::new_bool(self.about_use)),
            ("made_for_same", count(self.made_for_same)),
            ("made", count(self.made)),
        ];
        let always = always.map(|(key, value)| (key.to_owned(), value));
        Ok(RestrictedExpression::new_record(always.into_iter().chain(role))?)
    }
}
