//! What can be asked before a bundle decides: how it would have decided, and how it would now.

use std::sync::Arc;

use uuid::Uuid;

use crate::Result;
use crate::authz::facts::Particulars;
use crate::authz::{Action, World};
use crate::policy::bundles::Stored;
use crate::policy::replay::Since;
use crate::policy::shadow::Sample;

/// Asking a bundle what was asked since.
#[derive(Debug)]
pub struct ReplayBundle {
    pub bundle: Uuid,
    pub since: Since,
}

impl Action for ReplayBundle {
    const NAME: &'static str = "view_policy";
    const EVENT: &'static str = "policy.replay";
    type Resource = Arc<Stored>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Stored>>> {
        world.bundles.find(self.bundle).await
    }

    fn particulars(&self, _: &Arc<Stored>) -> Particulars {
        Particulars::Token
    }
}

/// Having a bundle decide beside the active one. It changes no decision, as no draft does.
#[derive(Debug)]
pub struct CastShadow {
    pub bundle: Uuid,
    pub sample: Sample,
}

impl Action for CastShadow {
    const NAME: &'static str = "draft_policy";
    const EVENT: &'static str = "policy.shadow";
    type Resource = Arc<Stored>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Stored>>> {
        world.bundles.find(self.bundle).await
    }
}

/// Having none decide beside the active one any more.
#[derive(Debug)]
pub struct LiftShadow;

impl Action for LiftShadow {
    const NAME: &'static str = "draft_policy";
    const EVENT: &'static str = "policy.shadow.lift";
    /// The bundle that decides now, beside which none is to decide.
    type Resource = Arc<Stored>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Stored>>> {
        world.bundles.active().await
    }
}

/// Looking at what the shadow has seen.
#[derive(Debug)]
pub struct ShowShadow;

impl Action for ShowShadow {
    const NAME: &'static str = "view_policy";
    const EVENT: &'static str = "policy.shadow.show";
    type Resource = Arc<Stored>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Stored>>> {
        world.bundles.active().await
    }

    fn particulars(&self, _: &Arc<Stored>) -> Particulars {
        Particulars::Token
    }
}

/// Proposing tighter rules for an agent.
#[derive(Debug)]
pub struct SuggestFor {
    /// Its id or its name.
    pub agent: String,
    pub since: Since,
}

impl Action for SuggestFor {
    const NAME: &'static str = "view_policy";
    const EVENT: &'static str = "policy.suggest";
    /// The bundle that decides now, which the proposal is to join.
    type Resource = Arc<Stored>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Stored>>> {
        world.bundles.active().await
    }

    fn particulars(&self, _: &Arc<Stored>) -> Particulars {
        Particulars::Token
    }
}
