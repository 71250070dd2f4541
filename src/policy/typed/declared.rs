//! Reading typed actions out of schema files, whoever wrote them.

use cedar_policy::SchemaFragment;
use serde_json::{Map, Value, json};

#[cfg(feature = "prove")]
use super::INPUTS;
use super::{Field, Fields, PREFIX, Type, TypedCall, TypedCalls, Words};
use crate::authz::uid::{NAMESPACE, action};
#[cfg(feature = "prove")]
use crate::policy::SourceFile;

/// The action of calls that have no types, and the pattern for those that have.
const PLAIN: &str = "invoke";
/// Types that refer to types.
const DEPTH_MAX: usize = 16;

/// What schema files declare, each in Cedar's JSON.
pub(in crate::policy) struct Declarations {
    files: Vec<Value>,
}

/// Fragments, and the typed calls in them.
pub(in crate::policy) type Based = (Vec<SchemaFragment>, TypedCalls);

/// Gives every typed action the facts that calls have in this very schema, whatever the file said
/// when it was written; its own is what it says of `input`.
pub(in crate::policy) fn based(fragments: Vec<SchemaFragment>) -> Result<Based, String> {
    let declared = Declarations::of(&fragments);
    let calls = declared.calls()?;
    if calls.is_empty() {
        return Ok((fragments, calls));
    }
    let based = fragments.into_iter().zip(&declared.files).map(|(fragment, json)| {
        match declared.with_facts(json) {
            Some(json) => SchemaFragment::from_json_value(json).map_err(|it| it.to_string()),
            None => Ok(fragment),
        }
    });
    Ok((based.collect::<Result<_, _>>()?, calls))
}

/// What a schema declares besides the calls of tools and their types, file by file; files with
/// nothing else in them are left out.
///
/// # Errors
/// A file that is no schema.
#[cfg(feature = "prove")]
pub(in crate::policy) fn core_of(files: &[SourceFile]) -> Result<Vec<Value>, String> {
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        let parsed = SchemaFragment::from_cedarschema_str(&file.text);
        let (fragment, _) = parsed.map_err(|it| format!("{}: {it}", file.path))?;
        let json = fragment.to_json_value().map_err(|it| format!("{}: {it}", file.path))?;
        all.extend(without_calls(json));
    }
    Ok(all)
}

/// None where nothing is left.
#[cfg(feature = "prove")]
fn without_calls(mut file: Value) -> Option<Value> {
    let types = format!("{INPUTS}::");
    let namespaces = file.as_object_mut()?;
    namespaces.retain(|name, _| !name.starts_with(&types));
    let core = namespaces.get_mut(NAMESPACE).and_then(Value::as_object_mut);
    if let Some(actions) = core.and_then(|it| it.get_mut("actions")).and_then(Value::as_object_mut)
    {
        actions.retain(|id, _| !id.starts_with(PREFIX));
    }
    let is_empty = |it: &Value| it.as_object().is_some_and(Map::is_empty);
    namespaces.retain(|_, it| !it.as_object().is_some_and(|it| it.values().all(is_empty)));
    (!namespaces.is_empty()).then_some(file)
}

impl Declarations {
    pub(in crate::policy) fn of(fragments: &[SchemaFragment]) -> Declarations {
        let json = |it: &SchemaFragment| it.clone().to_json_value().unwrap_or_default();
        Declarations { files: fragments.iter().map(json).collect() }
    }

    /// The typed calls that they declare, by the tool's name without regard to case.
    ///
    /// # Errors
    /// A type that arguments cannot be converted to; a tool that is declared twice.
    pub(in crate::policy) fn calls(&self) -> Result<TypedCalls, String> {
        let mut calls = TypedCalls::new();
        for (id, tool, it) in self.files.iter().flat_map(typed_actions) {
            let input = self
                .input_of(it)
                .map_err(|problem| format!("the action `{id}` has no usable `input`: {problem}"))?;
            let call = TypedCall { action: action(id), input };
            if calls.insert(tool.to_lowercase(), call).is_some() {
                return Err(format!("the action `{id}` is declared twice"));
            }
        }
        Ok(calls)
    }

    /// What every call has: `invoke` as it is declared, with its context spelled out.
    pub(super) fn pattern(&self) -> Option<Value> {
        let declared =
            self.files.iter().find_map(|it| it.get(NAMESPACE)?.get("actions")?.get(PLAIN));
        let mut pattern = declared?.clone();
        let context = pattern.get("appliesTo")?.get("context")?.clone();
        let attributes = self.attributes(&context, NAMESPACE, 0).ok()?.clone();
        let spelled = json!({ "type": "Record", "attributes": attributes });
        *pattern.get_mut("appliesTo")?.get_mut("context")? = spelled;
        Some(pattern)
    }

    /// A file with the facts of this schema in its typed actions; none where it has no such.
    fn with_facts(&self, file: &Value) -> Option<Value> {
        let pattern = self.pattern()?;
        let ids: Vec<&str> = typed_actions(file).map(|(id, ..)| id).collect();
        let mut based = file.clone();
        let actions = based.get_mut(NAMESPACE)?.get_mut("actions")?.as_object_mut()?;
        for id in &ids {
            let declared = actions.get(*id)?;
            let context = declared.get("appliesTo")?.get("context")?;
            let input = self.attributes(context, NAMESPACE, 0).ok()?.get("input")?.clone();
            actions.insert((*id).to_owned(), with_input(pattern.clone(), input)?);
        }
        (!ids.is_empty()).then_some(based)
    }

    fn input_of(&self, action: &Value) -> Result<Fields, String> {
        let context = action.get("appliesTo").and_then(|it| it.get("context"));
        let context = context.ok_or("it takes no context")?;
        let input = self.attributes(context, NAMESPACE, 0)?.get("input");
        match self.read(input.ok_or("its context has none")?, NAMESPACE, 0)? {
            Type::Record(fields) => Ok(fields),
            _ => Err("it is no record".to_owned()),
        }
    }

    /// The attributes of a record type, be it spelled out or named.
    fn attributes<'a>(
        &'a self,
        json: &'a Value,
        within: &str,
        depth: usize,
    ) -> Result<&'a Map<String, Value>, String> {
        if let Some(it) = json.get("attributes").and_then(Value::as_object) {
            return Ok(it);
        }
        let name = json.get("name").or_else(|| json.get("type")).and_then(Value::as_str);
        let found = name.and_then(|it| self.find("commonTypes", it, within));
        match found.filter(|_| depth < DEPTH_MAX) {
            Some((of, namespace)) => self.attributes(of, namespace, depth + 1),
            None => Err("it is no record".to_owned()),
        }
    }

    fn read(&self, json: &Value, within: &str, depth: usize) -> Result<Type, String> {
        if depth > DEPTH_MAX {
            return Err("its types are too deep".to_owned());
        }
        let name = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default();
        match name("type") {
            "Record" => self.fields(json, within, depth).map(Type::Record),
            "Set" => {
                let element = json.get("element").ok_or("a set is of nothing")?;
                Ok(Type::Set(Box::new(self.read(element, within, depth + 1)?)))
            }
            "Entity" | "EntityOrCommon" | "Extension" => self.named(name("name"), within, depth),
            other => self.named(other, within, depth),
        }
    }

    fn fields(&self, json: &Value, within: &str, depth: usize) -> Result<Fields, String> {
        let attributes = json.get("attributes").and_then(Value::as_object).into_iter().flatten();
        let read = attributes.map(|(name, it)| {
            let required = it.get("required").and_then(Value::as_bool).unwrap_or(true);
            Ok((name.clone(), Field { of: self.read(it, within, depth + 1)?, required }))
        });
        read.collect()
    }

    fn named(&self, name: &str, within: &str, depth: usize) -> Result<Type, String> {
        if let Some((of, namespace)) = self.find("commonTypes", name, within) {
            return self.read(of, namespace, depth + 1);
        }
        if let Some((of, namespace)) = self.find("entityTypes", name, within) {
            let words = of.get("enum").and_then(Value::as_array);
            let words = words.ok_or_else(|| format!("`{name}` is no list of words"))?;
            let base = name.rsplit("::").next().unwrap_or(name);
            let full = format!("{namespace}::{base}").parse();
            return Ok(Type::OneOf(Words {
                name: full.map_err(|_| format!("`{name}` is no name"))?,
                words: words.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            }));
        }
        match name.strip_prefix("__cedar::").unwrap_or(name) {
            "Bool" | "Boolean" => Ok(Type::Bool),
            "Long" => Ok(Type::Long),
            "String" => Ok(Type::Text),
            "decimal" => Ok(Type::Decimal),
            other => Err(format!("arguments cannot be converted to `{other}`")),
        }
    }

    /// A declaration by its name, as it is seen from a namespace, and the namespace it is in.
    fn find(&self, kind: &str, name: &str, within: &str) -> Option<(&Value, &str)> {
        let (namespace, base) = name.rsplit_once("::").unwrap_or((within, name));
        self.files.iter().find_map(|file| {
            let (namespace, declared) = file.as_object()?.get_key_value(namespace)?;
            Some((declared.get(kind)?.get(base)?, namespace.as_str()))
        })
    }
}

/// `action` with `input` among its facts.
pub(super) fn with_input(mut action: Value, input: Value) -> Option<Value> {
    let attributes = action.get_mut("appliesTo")?.get_mut("context")?.get_mut("attributes")?;
    attributes.as_object_mut()?.insert("input".to_owned(), input);
    Some(action)
}

/// The typed actions of a file: id, tool and declaration.
fn typed_actions(file: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let actions = file.get(NAMESPACE).and_then(|it| it.get("actions")).and_then(Value::as_object);
    let actions = actions.into_iter().flatten();
    actions.filter_map(|(id, it)| Some((id.as_str(), id.strip_prefix(PREFIX)?, it)))
}
