//! Calls that wait for a person's yes: how a client is told, and how it comes back.
//!
//! A client of 2026-07-28 that can send its person to an address is answered `input_required` with
//! the approval's, and carries the approval's id as its `requestState`. The id alone gives nobody
//! anything: an approval is good for whoever asked for it, for exactly that call, and once.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock,
    ElicitRequest, ElicitRequestParams, InputRequest, InputRequests, InputRequiredResult,
    MetaObject,
};
use serde_json::Value;
use uuid::Uuid;

use super::super::approvals::{awaiting, path};
use crate::approvals::Awaiting;
use crate::{App, Error, Result};

/// Names the approval of a call, in `_meta`.
pub const APPROVAL: &str = "gatewright/approval_id";
/// What the person is asked, among the inputs that are required.
const ASKED: &str = "approval";

/// How a client can be told that a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It sends its person to an address, and then the call again.
    Elicitation,
    /// By a result, which says that it failed.
    Result,
}

impl Way {
    /// The way of this client, unless its person has just said that they want none of it.
    pub fn of(client: Option<&ClientCapabilities>, params: &CallToolRequestParams) -> Way {
        let url = client.and_then(|it| it.elicitation.as_ref()).and_then(|it| it.url.as_ref());
        let answer = params.input_responses.as_ref().and_then(|it| it.get(ASKED));
        let declined = answer.is_some_and(|it| it.get("action").is_none_or(|it| it != "accept"));
        match url.is_some() && !declined {
            true => Way::Elicitation,
            false => Way::Result,
        }
    }
}

/// The approval that a call carries, in `_meta` or as the state that it was given.
///
/// # Errors
/// It is no id.
pub fn carried(meta: Option<Value>, state: Option<String>) -> Result<Option<Uuid>> {
    let in_meta = meta.map(|it| {
        let id = it.as_str().and_then(|it| it.parse().ok());
        id.ok_or_else(|| Error::field("/params/_meta/gatewright~1approval_id", "must be an id"))
    });
    let in_state = state.map(|it| {
        it.parse().map_err(|_| Error::field("/params/requestState", "is not one of this server's"))
    });
    in_meta.or(in_state).transpose()
}

/// What a client is told of a call that waits.
pub fn told(app: &App, it: &Awaiting, way: Way) -> CallToolResponse {
    match way {
        Way::Elicitation => asked(app, it).into(),
        Way::Result => waits(app, it).into(),
    }
}

fn asked(app: &App, it: &Awaiting) -> InputRequiredResult {
    let id = it.approval.id;
    let ask = ElicitRequestParams::UrlElicitationParams {
        meta: None,
        message: said(it),
        url: format!("{}{}", app.approvals.public_url(), path(id)),
        elicitation_id: id.to_string(),
    };
    let ask = InputRequest::Elicitation(ElicitRequest::new(ask));
    let asks = InputRequests::from([(ASKED.to_owned(), ask)]);
    InputRequiredResult::new(Some(asks), Some(id.to_string())).with_meta(meta(it))
}

fn waits(app: &App, it: &Awaiting) -> CallToolResult {
    let again = "Make the same call again once it is approved.";
    let mut result =
        CallToolResult::error(vec![ContentBlock::text(format!("{} {again}", said(it)))]);
    result.structured_content = serde_json::to_value(awaiting(app, it)).ok();
    result.meta = Some(meta(it));
    result
}

fn said(it: &Awaiting) -> String {
    let approval = &it.approval;
    format!(
        "A person must approve this call of `{}` first: approval `{}`, which is {}.",
        approval.tool_name,
        approval.id,
        approval.state.as_str()
    )
}

fn meta(it: &Awaiting) -> MetaObject {
    let mut meta = MetaObject::new();
    meta.0.insert("gatewright/decision_id".to_owned(), it.decision_id.to_string().into());
    meta.0.insert(APPROVAL.to_owned(), it.approval.id.to_string().into());
    meta
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_declined_is_not_asked_again() {
        let client = |it: Value| serde_json::from_value::<ClientCapabilities>(it).unwrap();
        let url = client(json!({ "elicitation": { "url": {} } }));
        let form = client(json!({ "elicitation": {} }));
        let params = |it: Value| serde_json::from_value::<CallToolRequestParams>(it).unwrap();
        let fresh = params(json!({ "name": "pay" }));
        let answered = |action: &str| {
            params(json!({ "name": "pay", "inputResponses": { "approval": { "action": action } } }))
        };
        assert_eq!(Way::of(Some(&url), &fresh), Way::Elicitation);
        assert_eq!(Way::of(Some(&form), &fresh), Way::Result);
        assert_eq!(Way::of(None, &fresh), Way::Result);
        assert_eq!(Way::of(Some(&url), &answered("accept")), Way::Elicitation);
        for no in ["decline", "cancel", "anything"] {
            assert_eq!(Way::of(Some(&url), &answered(no)), Way::Result, "{no}");
        }
    }

    #[test]
    fn an_approval_is_carried_as_an_id() {
        let id = Uuid::from_u128(7);
        assert_eq!(carried(Some(json!(id)), None).unwrap(), Some(id));
        assert_eq!(carried(None, Some(id.to_string())).unwrap(), Some(id));
        assert_eq!(carried(None, None).unwrap(), None);
        for (meta, state) in [
            (Some(json!(7)), None),
            (Some(json!("x")), Some(id.to_string())),
            (None, Some(String::new())),
            (None, Some("../x".into())),
        ] {
            assert!(carried(meta, state).is_err());
        }
    }
}
