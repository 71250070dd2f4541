//! Types of arguments: which there are, what fits them, and that whatever a schema admits does.

mod generated;
mod instances;
mod numbers;

use cedar_policy::{Context, EntityUid, Request, Schema, SchemaFragment};
use serde_json::Value;

use super::{Declarations, Generated, TypedCall, Unfit, based, generate, schema_file};

/// As small as a schema can be that has calls.
const CORE: &str = r#"
namespace Gatewright {
  entity User, Agent, Tool;
  type CallCtx = { confirmed: Bool };
  action "use";
  action "call" in ["use"];
  action "invoke" in ["call"]
    appliesTo { principal: [User, Agent], resource: [Tool], context: CallCtx };
}
"#;

fn fragment(text: &str) -> SchemaFragment {
    SchemaFragment::from_cedarschema_str(text).unwrap().0
}

/// The schema file for one tool, and the whole schema with its typed call.
fn typed(tool: &str, schema: &Value) -> (Generated, String, Schema, TypedCall) {
    let generated = generate(tool, schema);
    let core = fragment(CORE);
    let declared = Declarations::of(std::slice::from_ref(&core));
    let text = schema_file(&[(tool.to_owned(), generated.clone())], &declared).unwrap();
    let (fragments, calls) = based(vec![core, fragment(&text)]).unwrap();
    let whole =
        Schema::from_schema_fragments(fragments).unwrap_or_else(|it| panic!("{it}\n{text}"));
    (generated, text, whole, calls[&tool.to_lowercase()].clone())
}

/// Whether a request with these arguments is one that the schema has.
fn asked(schema: &Schema, call: &TypedCall, arguments: &Value) -> Result<(), Unfit> {
    let input = call.input_of(arguments)?;
    let confirmed = cedar_policy::RestrictedExpression::new_bool(true);
    let context = [("confirmed".to_owned(), confirmed), ("input".to_owned(), input)];
    let uid = |text: &str| text.parse::<EntityUid>().unwrap();
    Request::new(
        uid("Gatewright::Agent::\"a\""),
        call.action.clone(),
        uid("Gatewright::Tool::\"t\""),
        Context::from_pairs(context).unwrap(),
        Some(schema),
    )
    .unwrap_or_else(|it| panic!("{it:?}\nabout {arguments}"));
    Ok(())
}
