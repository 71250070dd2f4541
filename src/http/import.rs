//! `POST /api/v1/tools/import`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::created;
use super::probes::UnusableView;
use super::tools::{self, ToolView};
use super::typed::expect_fit;
use crate::authz::Permit;
use crate::registry::{Decided, ImportBody, ImportTools, New};
use crate::secrets::SecretPath;
use crate::{App, Result};

#[derive(Serialize, JsonSchema)]
pub struct ImportAnswer {
    items: Vec<ToolView>,
    /// Operations that cannot be tools, and why.
    unusable: Vec<UnusableView>,
}

/// What is asked, and no more: the document is worked on once somebody may import it.
pub fn parse(call: &Call) -> Result<ImportTools> {
    call.json::<ImportBody>().map(ImportTools::new)
}

/// Registers a tool for each operation of an OpenAPI document, or none at all.
pub async fn import(app: Arc<App>, permit: Permit<ImportTools>) -> Result<Response> {
    let (caller, imported) = (permit.caller(), permit.action().imported().await?);
    let owner = caller.principal().id();
    let mut decided = Vec::with_capacity(imported.definitions.len());
    for definition in &imported.definitions {
        expect_fit(&app.authz, None, definition).await?;
        let (id, change) = (app.clock.new_id(), imported.secrets.clone());
        let state = tools::state_for(&app, caller, owner, definition.clone())?;
        let secrets = app.secrets.stage(permit.warrant(), SecretPath::tool(id), change).await?;
        decided.push(New { id, decided: Decided { state, found: None, secrets } });
    }
    let unusable = imported.unusable.iter().map(UnusableView::of).collect();
    let tools = app.registry.import(permit, decided).await?;
    let items = tools.iter().map(|it| tools::view(it)).collect();
    Ok(created(json(&ImportAnswer { items, unusable }).into_response(), "/api/v1/tools"))
}
