//! What the API document says about one route, beside what the route itself knows.

use schemars::{JsonSchema, Schema, SchemaGenerator};

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A route's words and shapes.
#[derive(Clone)]
pub struct Described {
    pub tag: &'static str,
    pub summary: &'static str,
    pub status: u16,
    pub body: Option<(&'static str, SchemaOf)>,
    pub answer: Option<(&'static str, SchemaOf)>,
    /// Answers in JSON with another status, which are no problem documents.
    pub others: Vec<(u16, SchemaOf)>,
    pub query: &'static [(&'static str, &'static str)],
    pub is_mutation: bool,
}

const JSON: &str = "application/json";

/// A route of the section `tag` that answers 200 with no body, until more is said.
pub const fn about(tag: &'static str, summary: &'static str) -> Described {
    Described {
        tag,
        summary,
        status: 200,
        body: None,
        answer: None,
        others: Vec::new(),
        query: &[],
        is_mutation: false,
    }
}

impl Described {
    pub fn takes<T: JsonSchema>(self) -> Described {
        Described { body: Some((JSON, |it| it.subschema_for::<T>())), ..self }
    }

    pub fn takes_form<T: JsonSchema>(self) -> Described {
        let kind = "application/x-www-form-urlencoded";
        Described { body: Some((kind, |it| it.subschema_for::<T>())), ..self }
    }

    pub fn gives<T: JsonSchema>(self) -> Described {
        Described { answer: Some((JSON, |it| it.subschema_for::<T>())), ..self }
    }

    /// An answer that is not JSON.
    pub fn gives_text(self, media_type: &'static str) -> Described {
        Described { answer: Some((media_type, |it| it.subschema_for::<String>())), ..self }
    }

    pub fn with_status(self, status: u16) -> Described {
        Described { status, ..self }
    }

    /// What a status means that is neither the usual one nor answered with a problem document.
    pub fn or_gives<T: JsonSchema>(mut self, status: u16) -> Described {
        self.others.push((status, |it| it.subschema_for::<T>()));
        self
    }

    /// Names of the query's parameters, each with what it means.
    pub fn asks(self, query: &'static [(&'static str, &'static str)]) -> Described {
        Described { query, ..self }
    }
}
