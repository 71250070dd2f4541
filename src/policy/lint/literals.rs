//! Names of open vocabularies that are nowhere: a rule about them never applies.

use cedar_policy::EntityUid;

use super::super::landscape::{Landscape, meant};
use super::super::syntax::Written;
use super::super::typed::tool_of;
use super::{Finding, Subject};
use crate::authz::uid::{Kind, action};

/// The kinds whose members come and go.
const OPEN: [Kind; 8] = [
    Kind::Tool,
    Kind::ToolSet,
    Kind::Group,
    Kind::Scope,
    Kind::NetZone,
    Kind::Agent,
    Kind::User,
    Kind::McpServer,
];

/// Warns of what `policy` names and nobody knows. Without a registry at hand nobody can tell.
pub(super) fn check(policy: &Written, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Some(landscape) = subject.landscape else { return };
    for literal in &policy.literals {
        if let Some(tool) = tool_of(literal) {
            findings.extend(not_called(policy, tool, landscape));
            continue;
        }
        let Some(kind) = Kind::of(literal.type_name()).filter(|it| OPEN.contains(it)) else {
            continue;
        };
        let Some(mut known) = landscape.ids(kind) else { continue };
        if kind == Kind::Scope {
            // Whoever says which tokens carry a scope makes it one.
            if policy.scope.admits_action(&action("hold_scope"), subject.actions) {
                continue;
            }
            known.extend(subject.token_scopes.iter().cloned());
            known.extend(subject.token_scopes.iter().filter_map(|it| family(it)));
        }
        let id = literal.id().unescaped();
        if known.contains(id) {
            continue;
        }
        let mend = match landscape.named(kind, id) {
            Some(it) => format!("policies name it by its id: `{it}`"),
            None => match meant(id, known.iter().map(String::as_str)) {
                Some(it) => format!("did you mean `{it}`?"),
                None => "nothing goes by it now; if it will, leave it".to_owned(),
            },
        };
        findings.push(nowhere(policy, literal, kind, mend));
    }
}

/// A name in the scope leaves nothing for the policy to match.
fn nowhere(policy: &Written, literal: &EntityUid, kind: Kind, mend: String) -> Finding {
    let id = literal.id().unescaped();
    let kind = kind.name();
    let quoted = format!("\"{}\"", literal.id().escaped());
    let finding = match policy.scope.names(literal) {
        true => {
            let problem = format!("matches nothing: there is no {kind} `{id}`");
            Finding::warning("matches-nothing", policy, problem, mend)
        }
        false => {
            let problem = format!("there is no {kind} `{id}`");
            Finding::warning("unknown-literal", policy, problem, mend)
        }
    };
    finding.about(quoted)
}

/// A rule about calls that do not pass through here.
fn not_called(policy: &Written, tool: &str, landscape: &dyn Landscape) -> Option<Finding> {
    let known = landscape.tool(tool).filter(|it| !it.is_called_here)?;
    let problem =
        format!("matches nothing: agents run `{}` themselves, with a credential", known.name);
    let mend = "say what a credential for it takes (`request_credential`)";
    let finding = Finding::warning("matches-nothing", policy, problem, mend);
    Some(finding.about(format!("\"call:{tool}\"")))
}

/// `agent:*` of `agent:calc`.
fn family(scope: &str) -> Option<String> {
    scope.split_once(':').map(|(family, _)| format!("{family}:*"))
}
