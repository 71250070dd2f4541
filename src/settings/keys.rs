//! The list of settings, read off the `Settings` type itself: names, kinds, ranges and defaults
//! of file, variables, flags and documentation are this one list.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::Settings;

/// What a setting's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// One of these words.
    Choice(Vec<String>),
    /// A whole number between these two.
    Number {
        min: u64,
        max: u64,
    },
    Switch,
    /// A list of texts; parted by commas where the source has no lists.
    List,
    /// Named lists of texts.
    Lists,
    /// A list of tables; as JSON where the source has no tables.
    Tables,
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Key {
    /// As in TOML: `auth.issuer`.
    pub name: String,
    /// As on the command line, without dashes: `auth-issuer`.
    pub flag: String,
    pub kind: Kind,
    pub doc: String,
    pub default: Option<Value>,
    pub example: Option<Value>,
    /// Whether its value must not be shown.
    pub secret: bool,
    /// The secret that is read from the file this setting names.
    pub fills: Option<String>,
}

/// A TOML table of settings.
#[derive(Clone, Debug)]
pub struct Section {
    pub name: String,
    pub doc: String,
    /// The first sentence of `doc`.
    pub heading: String,
}

/// Every setting, in the order of the fields.
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| list().0);

/// Every section, in the order of the fields.
pub static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| list().1);

impl Key {
    /// What the value may be, in brackets, where its kind alone does not say it.
    pub fn bounds(&self) -> String {
        match &self.kind {
            Kind::Number { min, max } => format!(" ({min} to {max})"),
            Kind::Choice(words) => format!(" ({})", words.join(", ")),
            _ => String::new(),
        }
    }

    /// What to write instead, for whoever wrote something wrong.
    pub fn advice(&self) -> String {
        let example = self.example.as_ref().or(self.default.as_ref()).map(toml_text);
        let such_as = example.map(|it| format!(", such as `{it}`")).unwrap_or_default();
        match &self.kind {
            Kind::Text => format!("set `{}` to a text{such_as}", self.name),
            Kind::Choice(words) => format!("set `{}` to `{}`", self.name, words.join("` or `")),
            Kind::Number { min, max } => {
                format!("set `{}` to a whole number from {min} to {max}{such_as}", self.name)
            }
            Kind::Switch => format!("set `{}` to `true` or `false`", self.name),
            Kind::List => format!("set `{}` to a list{such_as}", self.name),
            Kind::Lists => format!("set `{}.NAME` to a list", self.name),
            Kind::Tables => format!("set `{}` to a list of tables{such_as}", self.name),
        }
    }
}

/// The setting that a name stands for. A name below a setting of named lists, such as
/// `risk.zones.vpn`, stands for that setting.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| match key.kind {
        Kind::Lists => entry(key, name).is_some(),
        _ => key.name == name,
    })
}

/// The last part of a name such as `risk.zones.vpn`, if it names an entry of `key`.
pub fn entry<'a>(key: &Key, name: &'a str) -> Option<&'a str> {
    let rest = name.strip_prefix(&key.name)?.strip_prefix('.')?;
    (!rest.is_empty() && !rest.contains('.')).then_some(rest)
}

/// Whether a name stands for a table rather than a value.
pub fn is_table(name: &str) -> bool {
    let lists = |key: &Key| key.kind == Kind::Lists && key.name == name;
    SECTIONS.iter().any(|it| it.name == name) || KEYS.iter().any(lists)
}

/// `auth.issuer` as a variable: `GATEWRIGHT_AUTH__ISSUER`.
pub fn variable(name: &str) -> String {
    format!("{}{}", super::PREFIX, name.replace('.', "__").to_uppercase())
}

/// `auth.key_file` as a flag, without dashes: `auth-key-file`.
pub fn flag(name: &str) -> String {
    name.replace(['.', '_'], "-")
}

/// The known name nearest to one that nobody knows, if it is near enough to have been meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let names = KEYS.iter().map(|it| it.name.as_str()).chain(SECTIONS.iter().map(|it| &*it.name));
    names
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// A value as it stands in TOML.
pub fn toml_text(value: &Value) -> String {
    toml::Value::try_from(value).map(|it| it.to_string()).unwrap_or_default()
}

fn list() -> (Vec<Key>, Vec<Section>) {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|it| {
        it.inline_subschemas = true;
    });
    let schema = settings.into_generator().into_root_schema_for::<Settings>();
    let (mut keys, mut sections) = (Vec::new(), Vec::new());
    for (name, of_field) in properties(schema.as_object()) {
        match of_field.get("properties") {
            None => push(&mut keys, name.clone(), of_field),
            Some(_) => {
                let doc = text(of_field, "description");
                let heading = doc.split('.').next().unwrap_or_default().to_owned();
                sections.push(Section { name: name.clone(), doc, heading });
                for (inner, of_inner) in properties(of_field.as_object()) {
                    push(&mut keys, format!("{name}.{inner}"), of_inner);
                }
            }
        }
    }
    (keys, sections)
}

fn properties(schema: Option<&Map<String, Value>>) -> impl Iterator<Item = (&String, &Value)> {
    schema.and_then(|it| it.get("properties")?.as_object()).into_iter().flatten()
}

/// Adds a setting and, for a secret, the setting that names a file holding it.
fn push(keys: &mut Vec<Key>, name: String, schema: &Value) {
    let secret = schema.get("writeOnly") == Some(&Value::Bool(true));
    let companion = format!("{name}_file");
    keys.push(Key {
        flag: flag(&name),
        kind: kind(schema),
        doc: text(schema, "description"),
        default: schema.get("default").filter(|it| !it.is_null()).cloned(),
        example: schema.pointer("/examples/0").cloned(),
        secret,
        fills: None,
        name: name.clone(),
    });
    if secret {
        keys.push(Key {
            flag: flag(&companion),
            kind: Kind::Text,
            doc: format!("File to read `{name}` from."),
            default: None,
            example: Some(Value::from(format!("/run/secrets/{}", flag(&name)))),
            secret: false,
            name: companion,
            fills: Some(name),
        });
    }
}

fn text(schema: &Value, field: &str) -> String {
    schema.get(field).and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

fn kind(schema: &Value) -> Kind {
    let bound =
        |name: &str, otherwise| schema.get(name).and_then(Value::as_u64).unwrap_or(otherwise);
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Kind::Choice(words.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    match schema.get("type").and_then(|it| it.as_str().or_else(|| it.get(0)?.as_str())) {
        Some("integer") => {
            Kind::Number { min: bound("minimum", 0), max: bound("maximum", u64::MAX) }
        }
        Some("boolean") => Kind::Switch,
        Some("array") if schema.pointer("/items/type") == Some(&"string".into()) => Kind::List,
        Some("array") => Kind::Tables,
        Some("object") => Kind::Lists,
        _ => Kind::Text,
    }
}
