//! What the API document says about one route, beside what the route itself knows.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::route::Route;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A route's words and shapes.
pub struct Described {
    pub tag: &'static str,
    pub summary: &'static str,
    pub status: u16,
    pub body: Option<(&'static str, SchemaOf)>,
    pub answer: Option<(&'static str, SchemaOf)>,
    /// Answers with another status, which are no problem documents, by media type.
    pub others: Vec<(u16, &'static str, SchemaOf)>,
    pub query: &'static [(&'static str, &'static str)],
}

impl Default for Described {
    fn default() -> Self {
        Described {
            tag: "",
            summary: "",
            status: 200,
            body: None,
            answer: None,
            others: Vec::new(),
            query: &[],
        }
    }
}

impl Route {
    /// Says what the route is for, in one line.
    pub fn about(mut self, summary: &'static str) -> Route {
        self.about.summary = summary;
        self
    }

    /// The section of the document that it stands in.
    pub fn filed_under(mut self, tag: &'static str) -> Route {
        self.about.tag = tag;
        self
    }

    /// The JSON that the body must be.
    pub fn takes<T: JsonSchema>(mut self) -> Route {
        self.about.body = Some((JSON, |it| it.subschema_for::<T>()));
        self
    }

    /// The form that the body must be.
    pub fn takes_form<T: JsonSchema>(mut self) -> Route {
        self.about.body = Some((FORM, |it| it.subschema_for::<T>()));
        self
    }

    /// The JSON that a success answers with.
    pub fn gives<T: JsonSchema>(mut self) -> Route {
        self.about.answer = Some((JSON, |it| it.subschema_for::<T>()));
        self
    }

    /// An answer that is not JSON.
    pub fn gives_text(mut self, media_type: &'static str) -> Route {
        self.about.answer = Some((media_type, |it| it.subschema_for::<String>()));
        self
    }

    /// The status of a success, when it is not 200.
    pub fn with_status(mut self, status: u16) -> Route {
        self.about.status = status;
        self
    }

    /// What a status means that is neither the usual one nor answered with a problem document.
    pub fn or_gives<T: JsonSchema>(mut self, status: u16) -> Route {
        self.about.others.push((status, JSON, |it| it.subschema_for::<T>()));
        self
    }

    /// The same for an answer that is not JSON.
    pub fn or_gives_text(mut self, status: u16, media_type: &'static str) -> Route {
        self.about.others.push((status, media_type, |it| it.subschema_for::<String>()));
        self
    }

    /// Names of the query's parameters, each with what it means.
    pub fn asks(mut self, query: &'static [(&'static str, &'static str)]) -> Route {
        self.about.query = query;
        self
    }
}
