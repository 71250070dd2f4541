//! Who may, on what, and what: pages of those for whom the answer would be yes.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warp::reply::{Reply as _, Response};

use super::super::call::Call;
use super::{bad_request, body, inquiry};
use crate::authn::Caller;
use crate::authz::Warrant;
use crate::queries::model::{Asked, Named, Properties, Sought, Verb};
use crate::queries::page::{PageAsked, PageTold, Pages, Place, Query};
use crate::queries::{Conditional, Found, Inquiry};
use crate::{App, Result};

/// Who may do this?
#[derive(Deserialize, JsonSchema)]
pub struct SubjectSearchBody {
    subject: Sought,
    action: Verb,
    resource: Named,
    #[serde(default)]
    context: Properties,
    #[serde(default)]
    page: PageAsked,
}

/// What may they do it to?
#[derive(Deserialize, JsonSchema)]
pub struct ResourceSearchBody {
    subject: Named,
    action: Verb,
    resource: Sought,
    #[serde(default)]
    context: Properties,
    #[serde(default)]
    page: PageAsked,
}

/// What may they do to it?
#[derive(Deserialize, JsonSchema)]
pub struct ActionSearchBody {
    subject: Named,
    resource: Named,
    #[serde(default)]
    context: Properties,
    #[serde(default)]
    page: PageAsked,
}

/// A page of what was found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}SearchAnswer")]
pub struct SearchAnswer<T> {
    page: PageTold,
    context: SearchTold<T>,
    results: Vec<T>,
}

/// What is told of a search.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}SearchContext")]
struct SearchTold<T> {
    /// How many decisions the page took, for whoever reads policies: it tells of those that were
    /// looked at and are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<usize>,
    /// For whom it hangs on the arguments of the call, which nobody said: no results, for the answer
    /// is no as it stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    conditional: Vec<Conditional<T>>,
    /// JSON pointers of what was sent and did not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
}

pub async fn subjects(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let body: SubjectSearchBody = body(&call)?;
    let said = json!({
        "subject": body.subject, "action": body.action, "resource": body.resource,
        "context": body.context,
    });
    find_subjects(&app, &caller, &body, said).await.map_err(bad_request)
}

async fn find_subjects(
    app: &App,
    caller: &Caller,
    body: &SubjectSearchBody,
    said: Value,
) -> Result<Response> {
    let (query, place) = place(&app.pages, ("subject", caller), said, &body.page)?;
    let inquiry = inquiry(app, caller);
    let right = inquiry.right_to_search(&body.resource);
    let permit = app.authz.authorize(caller.clone(), right).await?;
    let shown = json!({
        "subject": { "type": body.subject.kind }, "action": body.action.name,
        "resource": { "type": body.resource.kind, "id": body.resource.id },
    });
    let asked = (&body.subject, &body.action, &body.resource);
    let found = inquiry.subjects(asked, &body.context, &place);
    told(app, (permit.warrant(), shown), &inquiry, (found, &place, &query)).await
}

pub async fn resources(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let ResourceSearchBody { subject, action, resource, context, page } = body(&call)?;
    let said = json!({
        "subject": subject, "action": action, "resource": resource, "context": context,
    });
    let Sought { kind, properties } = resource;
    let resource = Named { kind, id: String::new(), properties };
    let asked = Asked { subject, action, resource, context };
    find_resources(&app, &caller, (&asked, &page), said).await.map_err(bad_request)
}

async fn find_resources(
    app: &App,
    caller: &Caller,
    (asked, page): (&Asked, &PageAsked),
    said: Value,
) -> Result<Response> {
    let (query, place) = place(&app.pages, ("resource", caller), said, page)?;
    let inquiry = inquiry(app, caller);
    let question = inquiry.question(asked);
    let permit = app.authz.authorize(caller.clone(), question.right()).await?;
    let found = inquiry.resources(&question, &place);
    let shown = json!({
        "subject": { "type": asked.subject.kind, "id": asked.subject.id },
        "action": asked.action.name, "resource": { "type": asked.resource.kind },
    });
    told(app, (permit.warrant(), shown), &inquiry, (found, &place, &query)).await
}

pub async fn actions(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let ActionSearchBody { subject, resource, context, page } = body(&call)?;
    let said = json!({ "subject": subject, "resource": resource, "context": context });
    let action = Verb { name: String::new(), properties: Properties::new() };
    let asked = Asked { subject, action, resource, context };
    find_actions(&app, &caller, (&asked, &page), said).await.map_err(bad_request)
}

async fn find_actions(
    app: &App,
    caller: &Caller,
    (asked, page): (&Asked, &PageAsked),
    said: Value,
) -> Result<Response> {
    let (query, place) = place(&app.pages, ("action", caller), said, page)?;
    let inquiry = inquiry(app, caller);
    let question = inquiry.question(asked);
    let permit = app.authz.authorize(caller.clone(), question.right()).await?;
    let found = inquiry.actions(&question, &place);
    let shown = json!({
        "subject": { "type": asked.subject.kind, "id": asked.subject.id },
        "resource": { "type": asked.resource.kind, "id": asked.resource.id },
    });
    told(app, (permit.warrant(), shown), &inquiry, (found, &place, &query)).await
}

fn place(
    pages: &Pages,
    (of, caller): (&str, &Caller),
    mut said: Value,
    page: &PageAsked,
) -> Result<(Query, Place)> {
    if let Value::Object(it) = &mut said {
        it.insert("search".to_owned(), of.into());
        it.insert("by".to_owned(), caller.principal().id().to_string().into());
    }
    let query = Query::new(&said);
    let place = pages.read(page, &query)?;
    Ok((query, place))
}

/// Searches, and shows what it finds.
async fn told<T: Serialize>(
    app: &App,
    (warrant, shown): (&Warrant, Value),
    inquiry: &Inquiry<'_>,
    (search, place, query): (impl Future<Output = Result<Found<T>>>, &Place, &Query),
) -> Result<Response> {
    warrant.note("asked", shown);
    let answered = async {
        let found = search.await?;
        let (count, decisions) = (found.results.len(), inquiry.decisions());
        warrant.note("answered", count);
        warrant.note("decisions", decisions);
        let is_told = inquiry.inspects()?;
        let next = found.next.map(|it| app.pages.token_after(place, &it, query)).transpose()?;
        Ok(SearchAnswer {
            page: PageTold { next_token: next.unwrap_or_default(), count },
            context: SearchTold {
                decisions: is_told.then_some(decisions),
                conditional: found.conditional,
                ignored: found.ignored,
            },
            results: found.results,
        })
    };
    let answer: Result<_> = app.authz.settled(warrant.record(), answered).await;
    Ok(warp::reply::json(&answer?).into_response())
}
