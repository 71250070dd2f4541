//! The names of Cedar entities: every entity type of the schema once, parsed once.

use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use serde::{Deserialize, Serialize};

/// The namespace of every type in `schemas/gatewright.cedarschema`.
pub const NAMESPACE: &str = "Gatewright";

macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        /// An entity type of the schema. Parsing a type name costs more than evaluating a policy,
        /// so each is parsed once per process.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`Gatewright::", stringify!($kind), "`")] $kind,)+
        }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &[Kind] = &[$(Kind::$kind),+];

            /// The name without its namespace, as in `Tool`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => stringify!($kind),)+
                }
            }

            /// The name as Cedar knows it.
            pub fn type_name(self) -> &'static EntityTypeName {
                match self {
                    $(Kind::$kind => {
                        static NAME: LazyLock<EntityTypeName> =
                            LazyLock::new(|| parse(stringify!($kind)));
                        &NAME
                    })+
                }
            }
        }
    };
}

kinds! {
    Action, Agent, ApiKey, Approval, ApprovalState, ArgFlag, ArgNumber, ArgText, AuditLog, Bundle,
    BundleState, BundleTier, Client, Credential, Decision, Grant, Group, Lifecycle, Mandate, McpServer, NetZone,
    Registry, RiskLevel, Role, Scope, Tool, ToolSet, ToolState, ToolVersion, User, Weekday,
    WorldClock,
}

impl Kind {
    /// The kind called `name` (without namespace), if there is one.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|it| it.name() == name)
    }

    /// The kind that Cedar knows as `type_name`, if there is one.
    pub fn of(type_name: &EntityTypeName) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|it| it.type_name() == type_name)
    }
}

/// `Gatewright::Tool::"calc"` from its parts. The id is data: nothing in it is ever parsed.
pub fn uid(kind: Kind, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.type_name().clone(), EntityId::new(id))
}

/// `Gatewright::Action::"invoke"`.
pub fn action(id: &str) -> EntityUid {
    uid(Kind::Action, id)
}

/// The `Registry`: what is acted on when nothing exists yet, and by sessions.
pub fn registry() -> EntityUid {
    uid(Kind::Registry, "registry")
}

/// An entity as people write it: `Agent:bot`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(pub EntityUid);

impl From<Reference> for String {
    fn from(Reference(it): Reference) -> String {
        format!("{}:{}", it.type_name().basename(), it.id().unescaped())
    }
}

impl TryFrom<String> for Reference {
    type Error = String;

    fn try_from(text: String) -> Result<Reference, String> {
        text.split_once(':')
            .and_then(|(kind, id)| Some(Reference(uid(Kind::named(kind)?, id))))
            .ok_or_else(|| format!("`{text}` is not like `Agent:bot`"))
    }
}

#[expect(clippy::expect_used, reason = "the names are the identifiers of the list above")]
fn parse(name: &str) -> EntityTypeName {
    format!("{NAMESPACE}::{name}").parse().expect("an identifier is a type name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_name_cedar_gives_it() {
        for kind in Kind::ALL {
            assert_eq!(kind.type_name().to_string(), format!("Gatewright::{}", kind.name()));
            assert_eq!(Kind::of(kind.type_name()), Some(*kind));
            assert_eq!(Kind::named(kind.name()), Some(*kind));
        }
    }

    #[test]
    fn an_id_is_data() {
        let strange = uid(Kind::Tool, "a\", Gatewright::Role::\"admin");
        assert_eq!(strange.type_name(), Kind::Tool.type_name());
        assert_eq!(strange.id().unescaped(), "a\", Gatewright::Role::\"admin");
    }
}
