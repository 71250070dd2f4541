//! From a tool's JSON Schema to the types of its arguments.
//!
//! A type is only taken from what every instance must obey whatever else the schema says: `type`,
//! `enum`, `const`, `properties`, `required` and `items`, also behind a reference. So whatever the
//! schema admits can be converted, but for numbers that Cedar cannot hold exactly.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Field, Fields, INPUTS, Type, Words};

/// Records within records.
const DEPTH_MAX: usize = 8;
/// Of one tool; the rest is left out.
const FIELDS_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 64;
const WORDS_MAX: usize = 100;
const WORD_CHARS_MAX: usize = 200;
/// References that lead to references.
const HOPS_MAX: usize = 8;
/// What Cedar's JSON has a use of its own for.
const RESERVED: [&str; 3] = ["__entity", "__extn", "__expr"];
/// Names of types that mean something already.
const TAKEN: [&str; 15] = [
    "Input",
    "Bool",
    "Boolean",
    "Long",
    "String",
    "Set",
    "Record",
    "Entity",
    "Extension",
    "EntityOrCommon",
    "decimal",
    "ipaddr",
    "datetime",
    "duration",
    "Action",
];

/// The types of a tool's arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    pub input: Fields,
    /// Pointers to arguments that have no type, each with the reason why.
    pub left_out: Vec<(String, &'static str)>,
}

/// The types of the arguments that `schema` describes. `tool` is the tool's name.
pub fn generate(tool: &str, schema: &Value) -> Generated {
    let mut generator = Generator {
        root: schema,
        namespace: namespace(tool),
        has_ids: has_ids(schema),
        taken: TAKEN.map(str::to_owned).into(),
        fields: 0,
        left_out: Vec::new(),
    };
    let input = match generator.followed(schema) {
        Some(Value::Object(it)) => generator.record(it, &mut Vec::new()),
        _ => Fields::new(),
    };
    Generated { input, left_out: generator.left_out }
}

/// The namespace of a tool's own types. A word of the language cannot be part of a name.
pub(super) fn namespace(tool: &str) -> String {
    let plain = format!("{INPUTS}::{tool}");
    match plain.parse::<cedar_policy::EntityTypeName>() {
        Ok(_) => plain,
        Err(_) => format!("{plain}_"),
    }
}

struct Generator<'a> {
    root: &'a Value,
    namespace: String,
    /// Below the root: then references are relative to something else.
    has_ids: bool,
    taken: BTreeSet<String>,
    fields: usize,
    left_out: Vec<(String, &'static str)>,
}

/// A type, and whether null may stand in its place.
struct Found {
    of: Type,
    nullable: bool,
}

impl Found {
    fn plain(of: Type) -> Found {
        Found { of, nullable: false }
    }
}

/// Why an argument has no type.
type Free = &'static str;

const FREE_FORM: Free = "it is free in form";

impl<'a> Generator<'a> {
    fn record(&mut self, schema: &'a Map<String, Value>, path: &mut Vec<String>) -> Fields {
        let mut fields = Fields::new();
        let Some(Value::Object(properties)) = schema.get("properties") else { return fields };
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|it| it.iter().any(|it| it.as_str() == Some(name)));
        // In an order that no rearrangement of the schema changes.
        let mut names: Vec<_> = properties.iter().collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        for (name, property) in names {
            path.push(name.clone());
            match self.field(name, property, path) {
                Ok(Found { of, nullable }) => {
                    let required = is_required(name) && !nullable;
                    fields.insert(name.clone(), Field { of, required });
                }
                Err(why) => self.left_out.push((pointer(path), why)),
            }
            path.pop();
        }
        fields
    }

    fn field(
        &mut self,
        name: &str,
        property: &'a Value,
        path: &mut Vec<String>,
    ) -> Result<Found, Free> {
        if !is_sayable(name) {
            return Err("its name cannot be said in Cedar");
        }
        if self.fields >= FIELDS_MAX || path.len() > DEPTH_MAX {
            return Err("there are too many before it, or it is too deep");
        }
        self.fields += 1;
        self.found(property, path)
    }

    fn found(&mut self, schema: &'a Value, path: &mut Vec<String>) -> Result<Found, Free> {
        let Some(Value::Object(schema)) = self.followed(schema) else { return Err(FREE_FORM) };
        if let Some(words) = words(schema) {
            return self.one_of(words, path).map(Found::plain);
        }
        if let Some(other) = or_null(schema) {
            let Found { of, .. } = self.found(other, path)?;
            return Ok(Found { of, nullable: true });
        }
        let (word, nullable) = kind(schema).ok_or(FREE_FORM)?;
        let of = match word {
            "boolean" => Type::Bool,
            "integer" => Type::Long,
            "number" => Type::Decimal,
            "string" => Type::Text,
            "array" => self.set(schema, path)?,
            "object" => {
                let fields = self.record(schema, path);
                if fields.is_empty() {
                    return Err(FREE_FORM);
                }
                Type::Record(fields)
            }
            _ => return Err(FREE_FORM),
        };
        Ok(Found { of, nullable })
    }

    /// Only of what has no parts: a set of records says little, and costs much.
    fn set(
        &mut self,
        schema: &'a Map<String, Value>,
        path: &mut Vec<String>,
    ) -> Result<Type, Free> {
        // What comes first is of other types.
        if schema.contains_key("prefixItems") {
            return Err(FREE_FORM);
        }
        let items = schema.get("items").ok_or(FREE_FORM)?;
        match self.found(items, path)? {
            Found { of: Type::Set(_) | Type::Record(_), .. } => {
                Err("it is an array of what has parts itself")
            }
            Found { nullable: true, .. } => Err("it is an array that may hold null"),
            Found { of, .. } => Ok(Type::Set(Box::new(of))),
        }
    }

    fn one_of(&mut self, words: Vec<String>, path: &[String]) -> Result<Type, Free> {
        let fits =
            |it: &String| it.chars().count() <= WORD_CHARS_MAX && !it.chars().any(char::is_control);
        if words.len() > WORDS_MAX || !words.iter().all(fits) {
            return Ok(Type::Text);
        }
        let name = self.type_name(path).ok_or("its name cannot be said in Cedar")?;
        Ok(Type::OneOf(Words { name, words }))
    }

    /// A name for the type of what is at `path`, which nothing else has.
    fn type_name(&mut self, path: &[String]) -> Option<cedar_policy::EntityTypeName> {
        let plain = |it: char| if it.is_ascii_alphanumeric() { it } else { '_' };
        let said: String = path.join("_").chars().map(plain).collect();
        let said = match said.starts_with(|it: char| it.is_ascii_digit()) {
            true => format!("_{said}"),
            false => said,
        };
        (1..=FIELDS_MAX).find_map(|number| {
            let name = if number == 1 { said.clone() } else { format!("{said}_{number}") };
            let full = format!("{}::{name}", self.namespace).parse().ok()?;
            self.taken.insert(name).then_some(full)
        })
    }

    /// What stands behind references, as far as they are all that is said.
    fn followed(&self, schema: &'a Value) -> Option<&'a Value> {
        let mut schema = schema;
        for _ in 0..HOPS_MAX {
            let members = schema.as_object()?;
            let speaks = ["type", "enum", "const", "properties"];
            if speaks.iter().any(|it| members.contains_key(*it)) {
                return Some(schema);
            }
            if let Some(Value::String(to)) = members.get("$ref") {
                let pointer = to.strip_prefix('#').filter(|_| !self.has_ids)?;
                schema = self.root.pointer(pointer)?;
            } else if let Some([only]) =
                members.get("allOf").and_then(Value::as_array).map(Vec::as_slice)
            {
                schema = only;
            } else {
                return Some(schema);
            }
        }
        None
    }
}

/// The one type that a schema asks for, and whether null will do as well.
fn kind(schema: &Map<String, Value>) -> Option<(&str, bool)> {
    match schema.get("type")? {
        Value::String(it) => Some((it, false)),
        Value::Array(items) => match items.as_slice() {
            [Value::String(it)] => Some((it, false)),
            [Value::String(it), Value::String(null)] | [Value::String(null), Value::String(it)]
                if null == "null" && it != "null" =>
            {
                Some((it, true))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The strings that a schema admits, where it lists them and admits nothing else.
fn words(schema: &Map<String, Value>) -> Option<Vec<String>> {
    let listed = match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(items)), None) => items.as_slice(),
        (None, Some(only)) => std::slice::from_ref(only),
        _ => return None,
    };
    let mut words = Vec::new();
    for it in listed {
        let word = it.as_str()?.to_owned();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    (!words.is_empty()).then_some(words)
}

/// The schema that holds unless it is null, as many generators write what is optional.
fn or_null(schema: &Map<String, Value>) -> Option<&Value> {
    if schema.contains_key("type") {
        return None;
    }
    let either = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    let is_null = |it: &Value| it.get("type").and_then(Value::as_str) == Some("null");
    match either.as_slice() {
        [it, null] | [null, it] if is_null(null) && !is_null(it) => Some(it),
        _ => None,
    }
}

fn is_sayable(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.chars().any(char::is_control)
        && !RESERVED.contains(&name)
        && !name.starts_with("__cedar")
}

fn has_ids(schema: &Value) -> bool {
    fn below(value: &Value) -> bool {
        match value {
            Value::Object(members) => members.contains_key("$id") || members.values().any(below),
            Value::Array(items) => items.iter().any(below),
            _ => false,
        }
    }
    schema.as_object().is_some_and(|it| it.values().any(below))
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|it| format!("/{}", it.replace('~', "~0").replace('/', "~1"))).collect()
}
