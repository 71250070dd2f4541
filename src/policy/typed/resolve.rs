//! Finding the types of the tools that policies name, and keeping them with the bundle.

use std::collections::BTreeMap;

use cedar_policy::SchemaFragment;

use super::{Declarations, Generated, PREFIX, TypedCalls, generate, schema_file, tool_of};
use crate::policy::landscape::{Landscape, meant};
use crate::policy::syntax::Written;
use crate::policy::{Fault, Severity, SourceFile, Sources};

/// Where a bundle keeps what was generated for it, among its schema files.
pub(in crate::policy) const FILE: &str = "generated/tools.cedarschema";

/// Each tool costs every check of the bundle.
const TOOLS_MAX: usize = 100;

/// The tools that policies name, each with the policies that do.
pub(in crate::policy) type Named = BTreeMap<String, Vec<String>>;

/// The tools whose typed action some policy names.
pub(in crate::policy) fn named(all: &[Written]) -> Named {
    let mut named = Named::new();
    for policy in all {
        for literal in &policy.literals {
            if let Some(tool) = tool_of(literal) {
                let by = named.entry(tool.to_owned()).or_default();
                if by.last() != Some(&policy.id) {
                    by.push(policy.id.clone());
                }
            }
        }
    }
    named
}

/// Adds to `sources` a schema file for the tools in `named` that no file declares. `fault` makes a
/// fault of a problem with what a policy calls a tool. Gives warnings of types that the tools have
/// no more.
///
/// # Errors
/// A tool that nobody knows the types of; more tools than a schema can hold.
pub(in crate::policy) fn resolve(
    sources: &mut Sources,
    named: &Named,
    landscape: Option<&dyn Landscape>,
    fault: &dyn Fn(&str, &str, String) -> Fault,
) -> Result<Vec<Fault>, Vec<Fault>> {
    // What a registry says now counts more than what one said then.
    if landscape.is_some() {
        sources.schema.retain(|it| it.name != FILE);
    }
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let fragments = sources.schema.iter().filter_map(|it| {
        SchemaFragment::from_cedarschema_str(&it.text).ok().map(|(fragment, _)| fragment)
    });
    let declared = Declarations::of(&fragments.collect::<Vec<_>>());
    // What is wrong with the declarations is told where the schema is read.
    let Ok(calls) = declared.calls() else { return Ok(Vec::new()) };
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (tool, by) in named.iter().filter(|(tool, _)| !is_declared(tool, &calls)) {
        match types_of(tool, landscape) {
            Ok(it) => found.push((tool.clone(), it)),
            Err(problem) => faults.extend(by.iter().map(|id| {
                let literal = format!("\"{PREFIX}{tool}\"");
                let Unknown { problem, mend } = problem.clone();
                fault(id, &literal, problem).ruled("unknown-tool").fixed_by(mend)
            })),
        }
    }
    if found.len() > TOOLS_MAX {
        let problem = format!("policies name more than {TOOLS_MAX} tools");
        faults.push(Fault::whole("policies", problem).fixed_by("speak of sets of tools instead"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    if !found.is_empty() {
        let text = schema_file(&found, &declared).map_err(|it| vec![Fault::whole(FILE, it)])?;
        sources.schema.push(SourceFile { name: FILE.to_owned(), path: FILE.to_owned(), text });
        sources.schema.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(landscape.map_or_else(Vec::new, |it| stale(named, &calls, it)))
}

/// The schema files without types of tools, and those types by the name of the tool.
pub type Gathered = (Vec<SourceFile>, Vec<(String, Generated)>);

/// A schema without the calls of tools, and the types of these: of a registry where there is one,
/// else of what the sources declare.
///
/// # Errors
/// A tool that nobody knows the types of; a schema that cannot be read.
pub fn gather(
    sources: &Sources,
    tools: &[String],
    landscape: Option<&dyn Landscape>,
) -> Result<Gathered, Vec<Fault>> {
    let schema = |problem| vec![Fault::whole("schemas", problem).ruled("schema")];
    let (mut core, mut calls, mut faults) = (Vec::new(), TypedCalls::new(), Vec::new());
    for file in &sources.schema {
        let parsed = SchemaFragment::from_cedarschema_str(&file.text);
        let (fragment, _) = parsed.map_err(|it| vec![Fault::found(file, &it).ruled("schema")])?;
        let declared = Declarations::of(&[fragment]).calls().map_err(schema)?;
        match declared.is_empty() {
            true => core.push(file.clone()),
            false => calls.extend(declared),
        }
    }
    let mut types = Vec::new();
    for tool in tools {
        let declared = || calls.get(&tool.to_lowercase()).map(|it| it.input.clone());
        match types_of(tool, landscape) {
            Ok(it) => types.push((tool.clone(), it)),
            Err(Unknown { problem, mend }) => match declared().filter(|_| landscape.is_none()) {
                Some(input) => {
                    types.push((tool.clone(), Generated { input, left_out: Vec::new() }))
                }
                None => faults
                    .push(Fault::whole("schemas", problem).ruled("unknown-tool").fixed_by(mend)),
            },
        }
    }
    if faults.is_empty() { Ok((core, types)) } else { Err(faults) }
}

/// Warns of what a file declares otherwise than the registered tool has it.
fn stale(named: &Named, calls: &TypedCalls, landscape: &dyn Landscape) -> Vec<Fault> {
    let warning = |tool: &String| {
        let call = calls.get(&tool.to_lowercase())?;
        let known = landscape.tool(tool)?;
        if generate(tool, &known.input_schema).input == call.input {
            return None;
        }
        let problem =
            format!("the types of the tool `{tool}` are not those that it is registered with");
        let fault = Fault::whole("schemas", problem).ruled("stale-types");
        let mend = "write them anew: `gatewright policy schema --tools-only`";
        Some(Fault { severity: Severity::Warning, ..fault.fixed_by(mend) })
    };
    named.keys().filter_map(warning).collect()
}

/// Under another spelling it is the validator that tells which is meant.
fn is_declared(tool: &str, calls: &TypedCalls) -> bool {
    calls.contains_key(&tool.to_lowercase())
}

#[derive(Clone)]
struct Unknown {
    problem: String,
    mend: String,
}

fn types_of(tool: &str, landscape: Option<&dyn Landscape>) -> Result<Generated, Unknown> {
    let Some(landscape) = landscape else {
        return Err(Unknown {
            problem: format!("the types of the tool `{tool}` are not known here"),
            mend: "ask a server for them (`--url`), or keep them beside the schema \
                   (`gatewright policy schema --tools-only -o schemas/tools.cedarschema`)"
                .to_owned(),
        });
    };
    match landscape.tool(tool) {
        Some(it) if it.name == tool => Ok(generate(tool, &it.input_schema)),
        Some(it) => Err(Unknown {
            problem: format!("the tool is called `{}`", it.name),
            mend: format!("write `{PREFIX}{}`", it.name),
        }),
        None => {
            let names = landscape.tool_names();
            let mend = match meant(tool, names.iter().map(String::as_str)) {
                Some(it) => format!("did you mean `{it}`?"),
                None => "register it first, or keep its types beside the schema \
                         (`gatewright policy schema`)"
                    .to_owned(),
            };
            Err(Unknown { problem: format!("no registered tool `{tool}`"), mend })
        }
    }
}
