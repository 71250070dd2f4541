//! One question, or several with what they have in common said once.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use warp::reply::{Reply as _, Response};

use super::super::call::Call;
use super::{bad_request, body, inquiry};
use crate::authn::Caller;
use crate::authz::{Permit, Warrant};
use crate::queries::model::{Answer, Asked, Decision, Mapped, Named, Properties, Verb};
use crate::queries::{Inquiry, QueryAccess, Question};
use crate::{App, Error, Result};

/// Questions in one request.
const EVALUATIONS_MAX: usize = 100;
const COMMON: [&str; 4] = ["subject", "action", "resource", "context"];

/// Several questions. What stands outside of `evaluations` is said of each that does not say
/// otherwise; without any it is the one question.
#[derive(Deserialize, JsonSchema)]
pub struct EvaluationsBody {
    subject: Option<Named>,
    action: Option<Verb>,
    resource: Option<Named>,
    context: Option<Properties>,
    /// At most 100.
    #[serde(default)]
    evaluations: Vec<Value>,
    #[serde(default)]
    options: Options,
}

#[derive(Default, Deserialize, JsonSchema)]
#[schemars(rename = "EvaluationsOptions")]
struct Options {
    #[serde(default)]
    evaluations_semantic: Semantic,
}

/// How far the questions are answered.
#[derive(Clone, Copy, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EvaluationsSemantic")]
enum Semantic {
    #[default]
    ExecuteAll,
    /// Up to the first no.
    DenyOnFirstDeny,
    /// Up to the first yes.
    PermitOnFirstPermit,
}

/// One answer, or as many as there were questions.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Evaluated {
    One(Decision),
    Many { evaluations: Vec<Decision> },
}

impl Semantic {
    fn ends_with(self, decision: bool) -> bool {
        match self {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !decision,
            Semantic::PermitOnFirstPermit => decision,
        }
    }
}

pub async fn evaluation(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let asked: Asked = body(&call)?;
    one(&app, &caller, &asked).await.map_err(bad_request)
}

pub async fn evaluations(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let said: EvaluationsBody = body(&call)?;
    if said.evaluations.is_empty() {
        let asked: Asked = body(&call)?;
        return one(&app, &caller, &asked).await.map_err(bad_request);
    }
    if said.evaluations.len() > EVALUATIONS_MAX {
        let many = format!("`/evaluations` holds more than {EVALUATIONS_MAX}");
        return Err(Error::Malformed(many));
    }
    several(&app, &caller, said).await.map_err(bad_request)
}

async fn one(app: &App, caller: &Caller, asked: &Asked) -> Result<Response> {
    let inquiry = inquiry(app, caller);
    let question = inquiry.question(asked);
    let permit = app.authz.authorize(caller.clone(), question.right()).await?;
    permit.warrant().note("asked", shown(asked));
    let answered = async {
        let Answer { decision, mapped } = inquiry.answer(&question).await?;
        note_mapped(permit.warrant(), &mapped);
        permit.warrant().note("answered", decision.decision);
        Ok::<_, Error>(decision)
    };
    let decision = app.authz.settled(permit.warrant().record(), answered).await?;
    Ok(warp::reply::json(&Evaluated::One(decision)).into_response())
}

async fn several(app: &App, caller: &Caller, said: EvaluationsBody) -> Result<Response> {
    let semantic = said.options.evaluations_semantic;
    let asked = said.each();
    let inquiry = inquiry(app, caller);
    let questions: Vec<Result<Question<'_>>> = asked
        .iter()
        .map(|it| match it {
            Ok(it) => Ok(inquiry.question(it)),
            Err(fault) => Err(Error::Malformed(fault.clone())),
        })
        .collect();
    let permit = permit(app, caller, &inquiry, &questions).await?;
    let asked: Vec<Value> = asked.iter().map(|it| it.as_ref().map_or(Value::Null, shown)).collect();
    permit.warrant().note("asked", asked);
    let answered = async {
        let (evaluations, mapped) = answers(&inquiry, &questions, semantic).await?;
        note_mapped(permit.warrant(), &mapped);
        let answered: Vec<bool> = evaluations.iter().map(|it| it.decision).collect();
        permit.warrant().note("answered", answered);
        Ok::<_, Error>(evaluations)
    };
    let evaluations = app.authz.settled(permit.warrant().record(), answered).await?;
    Ok(warp::reply::json(&Evaluated::Many { evaluations }).into_response())
}

/// The answers to the questions, as far as `semantic` wants them, and what mappings asked for them.
async fn answers(
    inquiry: &Inquiry<'_>,
    questions: &[Result<Question<'_>>],
    semantic: Semantic,
) -> Result<(Vec<Decision>, Vec<Mapped>)> {
    let (mut answers, mut mapped) = (Vec::new(), Vec::new());
    for question in questions {
        let decision = match question {
            Ok(it) if inquiry.may_ask(it)? => {
                let answer = inquiry.answer(it).await?;
                mapped.extend(answer.mapped);
                answer.decision
            }
            Ok(_) => Decision::forbidden(),
            Err(fault) => Decision::failed(fault),
        };
        let ends = semantic.ends_with(decision.decision);
        answers.push(decision);
        if ends {
            break;
        }
    }
    Ok((answers, mapped))
}

/// The permit to ask the first question that may be asked; a refusal where none may.
async fn permit(
    app: &App,
    caller: &Caller,
    inquiry: &Inquiry<'_>,
    questions: &[Result<Question<'_>>],
) -> Result<Permit<QueryAccess>> {
    let mut right = None;
    for question in questions.iter().flatten() {
        let may = inquiry.may_ask(question)?;
        if may || right.is_none() {
            right = Some(question.right());
        }
        if may {
            break;
        }
    }
    // Where nothing can be read there is nothing to ask but about oneself.
    let right = right.unwrap_or_else(|| QueryAccess::of(caller.principal()));
    app.authz.authorize(caller.clone(), right).await
}

/// The questions that the mappings of tools asked, where they did.
fn note_mapped(warrant: &Warrant, mapped: &[Mapped]) {
    if !mapped.is_empty() {
        warrant.note("mapped", json!(mapped));
    }
}

impl EvaluationsBody {
    /// Each question with what is said of all; or what is wrong with it.
    fn each(self) -> Vec<Result<Asked, String>> {
        let common = json!({
            "subject": self.subject, "action": self.action, "resource": self.resource,
            "context": self.context,
        });
        let complete = |item: Value| {
            let Value::Object(mut item) = item else { return Err("must be an object".into()) };
            for name in COMMON {
                let said = common.get(name).filter(|it| !it.is_null());
                if let (Some(said), false) = (said, item.contains_key(name)) {
                    item.insert(name.to_owned(), said.clone());
                }
            }
            serde_json::from_value(Value::Object(item)).map_err(|it| it.to_string())
        };
        self.evaluations.into_iter().map(complete).collect()
    }
}

/// What the audit says of a question: names and ids, and of what goes with it the names alone.
fn shown(asked: &Asked) -> Value {
    let names = |it: &Map<String, Value>| it.keys().cloned().collect::<Vec<_>>();
    json!({
        "subject": { "type": asked.subject.kind, "id": asked.subject.id },
        "action": asked.action.name,
        "resource": { "type": asked.resource.kind, "id": asked.resource.id },
        "properties": names(&asked.action.properties),
        "supplied": {
            "subject": names(&asked.subject.properties),
            "resource": names(&asked.resource.properties),
            "context": names(&asked.context),
        },
    })
}
