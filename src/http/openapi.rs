//! The API document (OpenAPI 3.1), made from the table of routes and the types they carry.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::describe::Described;
use super::problem::Problem;
use super::route::{Kind, Route};

const PROBLEM: &str = "application/problem+json";

/// The document for these routes.
pub fn document(routes: &[Route]) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = SchemaGenerator::new(settings);
    let problem = generator.subschema_for::<Problem>();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route, &mut generator);
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gatewright",
            "version": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
        },
        "servers": [{ "url": "/" }],
        "tags": tags(routes),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
            "responses": {
                "Problem": {
                    "description": "What is wrong and how to mend it (RFC 9457)",
                    "content": { PROBLEM: { "schema": problem } },
                },
            },
        },
    })
}

fn tags(routes: &[Route]) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for route in routes {
        if !names.contains(&route.about.tag) {
            names.push(route.about.tag);
        }
    }
    names.into_iter().map(|it| json!({ "name": it, "description": it })).collect()
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let about = &route.about;
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [about.tag],
        "summary": about.summary,
        "description": description(route),
        "parameters": parameters(route),
        "responses": {
            about.status.to_string(): answer(about, generator),
            "default": { "$ref": "#/components/responses/Problem" },
        },
        "security": match route.kind {
            Kind::Public => json!([]),
            Kind::Guarded(_) | Kind::Identified => json!([{ "bearer": [] }]),
        },
    });
    for (status, media_type, schema) in &about.others {
        operation["responses"][status.to_string()] = json!({
            "description": "Not done; the answer says why",
            "content": { *media_type: { "schema": schema(generator) } },
        });
    }
    if let Some((media_type, schema)) = about.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": { media_type: { "schema": schema(generator) } },
        });
    }
    operation
}

fn answer(about: &Described, generator: &mut SchemaGenerator) -> Value {
    let description = match about.status {
        201 => "Created",
        204 => "Done; there is nothing to say",
        307 => "It is elsewhere",
        _ => "Done",
    };
    match about.answer {
        Some((media_type, schema)) => json!({
            "description": description,
            "content": { media_type: { "schema": schema(generator) } },
        }),
        None => json!({ "description": description }),
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let braces = route.path.split('/').filter_map(|it| it.strip_prefix('{'));
    let path = braces.map(|it| {
        json!({
            "name": it.trim_end_matches('}'), "in": "path", "required": true,
            "schema": { "type": "string" },
        })
    });
    let query = route.about.query.iter().map(|(name, description)| {
        json!({
            "name": name, "in": "query", "required": false, "description": description,
            "schema": { "type": "string" },
        })
    });
    path.chain(query).collect()
}

/// What decides it: the same words that policies use.
fn description(route: &Route) -> String {
    match route.kind {
        Kind::Public => "Open to anyone.".into(),
        Kind::Identified => "Needs an access token; decided on what the body asks for.".into(),
        Kind::Guarded(action) => format!("Decided by policy as the Cedar action `{action}`."),
    }
}

/// `get_tools_tool_access`: unique, because method and path are.
fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1");
    let words = path.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty());
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    format!("{}_{}", route.method.as_str().to_lowercase(), words.join("_"))
}
