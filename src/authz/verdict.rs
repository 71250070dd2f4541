//! Reading Cedar's answer: whether it allows, and which policies say so.

use cedar_policy::{Decision, Response};

/// What one evaluation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// True only when Cedar allows and no policy failed to evaluate.
    pub allow: bool,
    /// Ids of the determining policies, sorted. None on a denial means that no permit matched.
    pub reasons: Vec<String>,
    /// What failed to evaluate, sorted; for the operator, never for the caller.
    pub errors: Vec<String>,
}

impl Outcome {
    /// A denial that no policy has a word for.
    pub fn denied() -> Outcome {
        Outcome { allow: false, reasons: Vec::new(), errors: Vec::new() }
    }

    /// A denial because something failed.
    pub fn failed(error: String) -> Outcome {
        Outcome { allow: false, reasons: Vec::new(), errors: vec![error] }
    }

    /// What comes of asking about one more who must be allowed: an allow for all of them, or the
    /// denial that this one got.
    pub fn and(mut self, mut other: Outcome) -> Outcome {
        if !self.allow || !other.allow {
            return if self.allow { other } else { self };
        }
        self.reasons.append(&mut other.reasons);
        self.reasons.sort_unstable();
        self.reasons.dedup();
        self
    }
}

/// Reads `response`. Any evaluation error denies: Cedar itself skips an erring policy, and a
/// skipped guard-rail would let through what it is there to stop.
pub fn verdict(response: &Response) -> Outcome {
    let mut reasons: Vec<String> =
        response.diagnostics().reason().map(ToString::to_string).collect();
    let mut errors: Vec<String> =
        response.diagnostics().errors().map(ToString::to_string).collect();
    reasons.sort_unstable();
    errors.sort_unstable();
    Outcome { allow: response.decision() == Decision::Allow && errors.is_empty(), reasons, errors }
}

#[cfg(test)]
mod tests {
    use cedar_policy::{Authorizer, Context, Entities, PolicySet, Request};

    use super::*;
    use crate::authz::uid::{Kind, action, uid};

    fn answer(policies: &str) -> Outcome {
        let policies: PolicySet = policies.parse().unwrap();
        let request = Request::new(
            uid(Kind::Agent, "bot"),
            action("invoke"),
            uid(Kind::Tool, "calc"),
            Context::empty(),
            None,
        )
        .unwrap();
        verdict(&Authorizer::new().is_authorized(&request, &policies, &Entities::empty()))
    }

    #[test]
    fn a_permit_allows_and_is_named() {
        let it = answer("permit (principal, action, resource);");
        assert_eq!(
            it,
            Outcome { allow: true, reasons: vec!["policy0".to_owned()], errors: vec![] }
        );
    }

    #[test]
    fn a_guard_rail_that_cannot_be_evaluated_denies() {
        let it = answer(
            "permit (principal, action, resource);
             forbid (principal, action, resource) when { context.absent > 1 };",
        );
        assert!(!it.allow, "cedar skips the forbid and says Allow: that must not count");
        assert_eq!(it.reasons, ["policy0"]);
        assert_eq!(it.errors.len(), 1);
        assert!(it.errors[0].contains("policy1"), "{:?}", it.errors);
    }
}
