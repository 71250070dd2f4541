//! What can be asked about approvals.

use std::sync::Arc;

use uuid::Uuid;

use super::approval::columns;
use super::{Approval, RequestKey};
use crate::authn::Caller;
use crate::authz::facts::{ApprovalState, Particulars};
use crate::authz::{Action, Behalf, Candidates, Listing, TheRegistry, World};
use crate::error::Denial;
use crate::gateway::{Called, InvokeTool};
use crate::store::Value;
use crate::{Error, Result};

/// How many are looked through for one page.
const SCANNED_MAX: i64 = 500;

/// Asking that a person allow a call, which was refused for want of nothing else.
#[derive(Debug)]
pub struct RequestApproval {
    pub call: InvokeTool,
    pub refused: Box<Denial>,
    /// Makes asking again harmless, where the door has such keys.
    pub key: Option<RequestKey>,
}

impl Action for RequestApproval {
    const NAME: &'static str = "request_approval";
    const EVENT: &'static str = "approval.request";
    type Resource = Called;

    fn asked_by(&mut self, caller: &Caller, behalf: Option<&Behalf>) {
        self.call.asked_by(caller, behalf);
    }

    async fn find(&self, world: &World) -> Result<Option<Called>> {
        self.call.find(world).await
    }

    fn check(&self, called: &Called, world: &World) -> Result<()> {
        self.call.check(called, world)
    }

    fn particulars(&self, _: &Called) -> Particulars {
        Particulars::Find
    }

    fn on_behalf_of(&self) -> Option<Uuid> {
        self.call.on_behalf_of()
    }
}

#[derive(Debug)]
pub struct ShowApproval(pub Uuid);

impl Action for ShowApproval {
    const NAME: &'static str = "view_approval";
    const EVENT: &'static str = "approval.show";
    type Resource = Arc<Approval>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Approval>>> {
        world.approvals.find(self.0).await
    }

    fn particulars(&self, _: &Arc<Approval>) -> Particulars {
        Particulars::Token
    }
}

/// What a person says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Approve,
    Reject,
}

impl Verdict {
    /// The state that it brings an approval to.
    pub fn state(self) -> ApprovalState {
        match self {
            Verdict::Approve => ApprovalState::Approved,
            Verdict::Reject => ApprovalState::Rejected,
        }
    }
}

#[derive(Debug)]
pub struct DecideApproval {
    pub approval: Uuid,
    pub verdict: Verdict,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// The revision that the person has seen.
    pub if_match: Option<i64>,
}

impl Action for DecideApproval {
    const NAME: &'static str = "decide_approval";
    const EVENT: &'static str = "approval.decide";
    type Resource = Arc<Approval>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Approval>>> {
        world.approvals.find(self.approval).await
    }

    fn check(&self, approval: &Arc<Approval>, _: &World) -> Result<()> {
        expect_pending(approval)
    }

    fn particulars(&self, _: &Arc<Approval>) -> Particulars {
        Particulars::Token
    }
}

/// Taking a request back.
#[derive(Debug)]
pub struct CancelApproval {
    pub approval: Uuid,
    pub reason: Option<String>,
}

impl Action for CancelApproval {
    const NAME: &'static str = "cancel_approval";
    const EVENT: &'static str = "approval.cancel";
    type Resource = Arc<Approval>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Approval>>> {
        world.approvals.find(self.approval).await
    }

    fn check(&self, approval: &Arc<Approval>, _: &World) -> Result<()> {
        expect_pending(approval)
    }

    fn particulars(&self, _: &Arc<Approval>) -> Particulars {
        Particulars::Token
    }
}

/// Only what is pending can be decided or taken back.
fn expect_pending(approval: &Approval) -> Result<()> {
    match approval.state {
        ApprovalState::Pending => Ok(()),
        other => Err(Error::Conflict(format!("the approval is {} already", other.as_str()).into())),
    }
}

/// Being told of approvals as they come and change.
#[derive(Debug)]
pub struct FollowApprovals;

impl Action for FollowApprovals {
    const NAME: &'static str = "follow_approvals";
    const EVENT: &'static str = "approval.follow";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }

    fn particulars(&self, _: &TheRegistry) -> Particulars {
        Particulars::Token
    }
}

/// The approvals a caller may see, newest first.
#[derive(Debug)]
pub struct ListApprovals {
    pub state: Option<ApprovalState>,
    pub tool: Option<Uuid>,
    pub after: Option<Uuid>,
    pub page_size: usize,
}

impl Listing for ListApprovals {
    const NAME: &'static str = "view_approval";
    const EVENT: &'static str = "approval.list";
    type Item = Arc<Approval>;

    async fn candidates(&self, world: &World) -> Result<Candidates<Arc<Approval>>> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM approvals
              WHERE ($1 = '' OR (CASE WHEN state IN ('pending', 'approved') AND expires_at <= $2
                                      THEN 'expired' ELSE state END) = $1)
                AND ($3 = '' OR tool_id = $3) AND ($4 = '' OR id < $4)
              ORDER BY id DESC LIMIT $5"
        );
        let text = |id: Option<Uuid>| Value::Text(id.map(|it| it.to_string()).unwrap_or_default());
        let state = self.state.map(ApprovalState::as_str).unwrap_or_default();
        let now = world.approvals.clock.micros();
        let params =
            vec![state.into(), now.into(), text(self.tool), text(self.after), SCANNED_MAX.into()];
        let items = world.approvals.select(SQL, params).await?;
        let more = items.len() as i64 == SCANNED_MAX;
        Ok(Candidates { items, more })
    }

    fn particulars(&self) -> Particulars {
        Particulars::Token
    }

    fn page_size(&self) -> usize {
        self.page_size
    }

    fn token_after(&self, item: &Arc<Approval>) -> String {
        item.id.to_string()
    }
}
