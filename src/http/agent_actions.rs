//! `/api/v1/agent`: several tools called at once, each call decided on by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use warp::reply::{Reply as _, Response};

use super::approvals::{self, ApprovalView};
use super::call::Call;
use super::invoke::{self, Decided, InvokeAnswer};
use super::list::Page;
use super::problem::{self, Problem};
use crate::authn::Caller;
use crate::authz::facts::Particulars;
use crate::authz::{Action as _, Candidates, Listing, World};
use crate::credentials::ToolRef;
use crate::error::FieldFault;
use crate::gateway::{Along, Called, InvokeTool};
use crate::registry::RiskLevel;
use crate::settings::Actions;
use crate::{App, Error, Result};

/// More tools are not called at once.
const ACTIONS_MAX: usize = 32;

/// The actions that have a name and a field of their own. Which tool each is, the settings say.
const NAMED: [Named; 5] = [
    Named { name: "web_search", field: "web_query", argument: "query", tool: |it| &it.web_search },
    Named {
        name: "calculator",
        field: "calculator_expression",
        argument: "expression",
        tool: |it| &it.calculator,
    },
    Named {
        name: "external_db",
        field: "db_keyword",
        argument: "query",
        tool: |it| &it.external_db,
    },
    Named { name: "llm", field: "prompt", argument: "prompt", tool: |it| &it.llm },
    Named {
        name: "sandbox_python",
        field: "python_code",
        argument: "code",
        tool: |it| &it.sandbox_python,
    },
];

#[derive(Clone, Copy)]
struct Named {
    name: &'static str,
    /// In the body of `execute`.
    field: &'static str,
    /// What the tool calls what the field holds.
    argument: &'static str,
    tool: fn(&Actions) -> &String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecuteBody {
    /// For the action `web_search`.
    web_query: Option<String>,
    /// For the action `calculator`.
    calculator_expression: Option<String>,
    /// For the action `external_db`.
    db_keyword: Option<String>,
    /// For the action `llm`.
    prompt: Option<String>,
    /// For the action `sandbox_python`.
    python_code: Option<String>,
    /// Arguments for any other tool, by the tool's name.
    #[serde(default)]
    custom_actions: BTreeMap<String, Map<String, Value>>,
    /// That a person wants the effects that the calls have.
    #[serde(default)]
    confirm_consequential: bool,
    /// For agents: the id of the user to act for, by the newest mandate that holds.
    on_behalf_of: Option<Uuid>,
    /// Approvals that persons gave for these very calls, by the names of their actions.
    #[serde(default)]
    approvals: BTreeMap<String, Uuid>,
}

#[derive(Serialize, JsonSchema)]
pub struct ExecuteAnswer {
    actor: ActorView,
    /// What came of each action, by its name.
    actions: BTreeMap<String, ActionAnswer>,
}

/// Who asked.
#[derive(Serialize, JsonSchema)]
struct ActorView {
    kind: String,
    id: String,
    name: String,
}

/// What came of one action: what a call of its tool would have been answered.
#[derive(Serialize, JsonSchema)]
struct ActionAnswer {
    status: Status,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    answer: Option<InvokeAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<ApprovalView>,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// The tool gave a result.
    Success,
    /// It was not called: policy denies it, or the caller may not see it.
    Denied,
    /// It was called in vain, or could not be called.
    Failed,
    /// A person decides: ask again with the approval's id in `approvals`.
    Awaiting,
}

/// One of the actions, for this caller.
#[derive(Serialize, JsonSchema)]
pub struct ActionView {
    name: &'static str,
    /// The field of `execute` that asks for it.
    field: &'static str,
    tool_id: Uuid,
    tool_name: String,
    description: String,
    risk_level: RiskLevel,
    /// Whether `confirm_consequential` is needed.
    consequential: bool,
    /// What the access token must hold.
    required_scopes: BTreeSet<String>,
    /// Whether policy lets this caller call it now, as far as that can be told without arguments.
    may_use: bool,
}

/// `GET /api/v1/agent/actions`: those whose tools the caller may discover.
pub async fn list(app: Arc<App>, caller: Caller, _: Call) -> Result<Response> {
    let visible = app.authz.visible(caller.clone(), ListActions(app.actions.clone())).await?;
    let show = async |it: &Offered| -> Result<ActionView> {
        let asked = it.asked();
        let tool = &it.called.tool;
        let definition = &tool.definition;
        Ok(ActionView {
            name: it.named.name,
            field: it.named.field,
            tool_id: tool.id,
            tool_name: definition.name.clone(),
            description: definition.description.clone(),
            risk_level: definition.risk_level,
            consequential: definition.consequential,
            required_scopes: definition.required_scopes.clone(),
            may_use: app.authz.would_allow_use(&caller, &asked, &it.called).await?,
        })
    };
    let shown = try_join_all(visible.items().iter().map(show));
    let items = app.authz.settled(visible.warrant().record(), shown).await?;
    Ok(warp::reply::json(&Page { items, next_page_token: String::new() }).into_response())
}

/// `POST /api/v1/agent/execute`: all at once, and none waits for or fails with another.
pub async fn execute(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let asked = parse(&call, &app.actions)?;
    let doing = asked.into_iter().map(async |(name, action)| {
        let done = invoke::decided(&app, caller.clone(), action).await;
        (name, ActionAnswer::of(&app, done, &caller.origin().id))
    });
    let actions = join_all(doing).await.into_iter().collect();
    let actor = caller.principal().actor();
    let actor = ActorView { kind: actor.kind, id: actor.id, name: actor.name };
    Ok(warp::reply::json(&ExecuteAnswer { actor, actions }).into_response())
}

/// The calls that a body asks for, by the names of their actions.
fn parse(call: &Call, tools: &Actions) -> Result<Vec<(String, InvokeTool)>> {
    let body: ExecuteBody = call.json()?;
    let (key, trace) = (invoke::idempotency_key(call)?, invoke::trace(call));
    let invoke = |action: &str, tool: &str, arguments: Value| InvokeTool {
        confirmed: body.confirm_consequential,
        // No key that a caller may send has a space in it.
        idempotency_key: key.as_ref().map(|it| format!("{it} {action}")),
        along: Along { trace: trace.clone(), ..Along::default() },
        on_behalf_of: body.on_behalf_of,
        presented: call.presented.clone(),
        approval_id: body.approvals.get(action).copied(),
        ..InvokeTool::new(ToolRef::Name(tool.to_owned()), arguments)
    };
    let given = [
        &body.web_query,
        &body.calculator_expression,
        &body.db_keyword,
        &body.prompt,
        &body.python_code,
    ];
    let mut asked: Vec<(String, InvokeTool)> = Vec::new();
    for (named, text) in NAMED.iter().zip(given) {
        if let Some(text) = text {
            let arguments = json!({ named.argument: text });
            let action = invoke(named.name, (named.tool)(tools), arguments);
            asked.push((named.name.to_owned(), action));
        }
    }
    for (name, arguments) in &body.custom_actions {
        if asked.iter().any(|(it, _)| it == name) {
            let pointer = format!("/custom_actions/{name}");
            return Err(Error::field(&pointer, "is the name of another action of this request"));
        }
        asked.push((name.clone(), invoke(name, name, Value::Object(arguments.clone()))));
    }
    let stray = body.approvals.keys().find(|it| asked.iter().all(|(name, _)| name != *it));
    Error::check([
        stray.map(|it| FieldFault {
            pointer: format!("/approvals/{it}"),
            detail: "is the name of no action of this request".to_owned(),
        }),
        asked.is_empty().then(|| fault("names no action")),
        (asked.len() > ACTIONS_MAX).then(|| fault("names more actions than may be asked at once")),
    ])?;
    Ok(asked)
}

fn fault(detail: &str) -> FieldFault {
    FieldFault { pointer: String::new(), detail: detail.to_owned() }
}

impl ActionAnswer {
    fn of(app: &App, done: Result<Decided>, request_id: &str) -> ActionAnswer {
        let none =
            ActionAnswer { status: Status::Failed, answer: None, problem: None, approval: None };
        match done {
            Ok(Decided::Made(it)) => {
                let status = if it.answered.is_error { Status::Failed } else { Status::Success };
                ActionAnswer { status, answer: Some(invoke::answer(*it)), ..none }
            }
            Ok(Decided::Awaiting(it)) => {
                let approval = Some(approvals::whole(app, &it.approval));
                ActionAnswer { status: Status::Awaiting, approval, ..none }
            }
            Err(error) => {
                let status = match error {
                    Error::Denied(_) | Error::QuotaExceeded(_) | Error::NotFound => Status::Denied,
                    _ => Status::Failed,
                };
                let problem = Some(problem::document(error, request_id));
                ActionAnswer { status, problem, ..none }
            }
        }
    }
}

/// The named actions, as far as there are tools for them.
#[derive(Debug)]
struct ListActions(Actions);

/// An action and its tool.
#[derive(Clone)]
struct Offered {
    named: Named,
    tool: String,
    called: Called,
}

impl Offered {
    /// A call of which nothing is known yet, but that somebody wants it.
    fn asked(&self) -> InvokeTool {
        unasked(&self.tool)
    }
}

fn unasked(tool: &str) -> InvokeTool {
    InvokeTool { confirmed: true, ..InvokeTool::new(ToolRef::Name(tool.to_owned()), json!({})) }
}

impl crate::authz::Resource for Offered {
    fn uid(&self) -> cedar_policy::EntityUid {
        self.called.uid()
    }

    fn entity(&self) -> Option<&cedar_policy::Entity> {
        self.called.entity()
    }

    fn name(&self) -> &str {
        self.called.name()
    }
}

impl Listing for ListActions {
    const NAME: &'static str = "discover_tool";
    const EVENT: &'static str = "agent.actions";
    type Item = Offered;

    async fn candidates(&self, world: &World) -> Result<Candidates<Offered>> {
        let mut items = Vec::new();
        for named in NAMED {
            let tool = (named.tool)(&self.0).clone();
            if let Some(called) = unasked(&tool).find(world).await? {
                items.push(Offered { named, tool, called });
            }
        }
        Ok(Candidates { items, more: false })
    }

    fn particulars(&self) -> Particulars {
        Particulars::Find
    }

    fn page_size(&self) -> usize {
        NAMED.len()
    }

    fn token_after(&self, item: &Offered) -> String {
        item.named.name.to_owned()
    }
}
