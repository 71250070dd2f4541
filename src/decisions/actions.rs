//! Looking at a decision, and asking why.

use uuid::Uuid;

use super::Told;
use crate::Result;
use crate::authz::facts::Particulars;
use crate::authz::{Action, World};

/// Looking at one.
#[derive(Debug)]
pub struct ShowDecision(pub Uuid);

impl Action for ShowDecision {
    const NAME: &'static str = "view_decision";
    const EVENT: &'static str = "decision.show";
    type Resource = Told;

    async fn find(&self, world: &World) -> Result<Option<Told>> {
        world.decisions.find(self.0, &world.directory.snapshot()).await
    }

    fn particulars(&self, _: &Told) -> Particulars {
        Particulars::Token
    }
}

/// Asking why, and what would have helped.
#[derive(Debug)]
pub struct ExplainDecision {
    pub id: Uuid,
    /// Whether it is for people to read.
    pub as_text: bool,
}

impl Action for ExplainDecision {
    const NAME: &'static str = "view_decision";
    const EVENT: &'static str = "decision.explain";
    type Resource = Told;

    async fn find(&self, world: &World) -> Result<Option<Told>> {
        world.decisions.find(self.id, &world.directory.snapshot()).await
    }

    fn particulars(&self, _: &Told) -> Particulars {
        Particulars::Token
    }
}
