//! Whether a tool may become what somebody makes of it, as far as policies look at its arguments.

use serde_json::Value;

use crate::authz::Authz;
use crate::error::FieldFault;
use crate::patience::outside;
use crate::policy::Fault;
use crate::registry::{Definition, Tool};
use crate::{Error, Result};

/// Refuses a name, or a schema of the arguments, with which an active policy would not say any more
/// what it says. `before` is the tool as it is, if it is one already.
///
/// # Errors
/// Each policy that is in the way, with the argument that it looks at.
pub async fn expect_fit(authz: &Authz, before: Option<&Tool>, next: &Definition) -> Result<()> {
    let bundle = authz.bundle();
    let key = next.name.to_lowercase();
    if let Some(before) = before.filter(|it| it.name_key() != key) {
        let about = bundle.about_calls_of(before.name_key());
        if !about.is_empty() {
            let detail = format!(
                "policies speak of calls of `{}` and would not hold for it under another name: {}; \
                 change them first",
                before.definition.name,
                about.join(", ")
            );
            return Err(Error::field("/name", detail));
        }
    }
    if bundle.typed_call(&key).is_none() {
        return Ok(());
    }
    let schema: Value = next.input_schema.clone();
    // It takes as long as there are policies to read.
    let checked = outside(tokio::task::spawn_blocking(move || bundle.fits(&key, &schema))).await;
    let checked = checked.map_err(|it| Error::Internal(it.into()))?;
    checked.map_err(|faults| Error::Invalid(faults.iter().map(told).collect()))
}

fn told(fault: &Fault) -> FieldFault {
    FieldFault {
        pointer: "/input_schema".to_owned(),
        detail: format!("an active policy would not hold any more: {fault}"),
    }
}
