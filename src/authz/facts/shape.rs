//! Which of the schema's context types an action takes.

/// A context type of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    Base,
    Token,
    Admin,
    Role,
    Grant,
    Find,
    Credential,
    Call,
    Query,
    /// The context of an action that a bundle declares for types of its own.
    Declared,
}

impl Shape {
    /// The shape that the schema calls `name`, as in `TokenCtx`.
    pub fn named(name: &str) -> Option<Shape> {
        Some(match name {
            "BaseCtx" => Shape::Base,
            "TokenCtx" => Shape::Token,
            "AdminCtx" => Shape::Admin,
            "RoleCtx" => Shape::Role,
            "GrantCtx" => Shape::Grant,
            "FindCtx" => Shape::Find,
            "CredCtx" => Shape::Credential,
            "CallCtx" => Shape::Call,
            "QueryCtx" => Shape::Query,
            _ => return None,
        })
    }
}
