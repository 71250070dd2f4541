//! `GET /api/v1/approvals/events`: server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_stream::wrappers::ReceiverStream;
use warp::http::{HeaderMap, Method};
use warp::reply::{Reply as _, Response};
use warp::sse::{Event, keep_alive};

use super::approvals::view;
use super::call::Call;
use crate::approvals::{Approval, FollowApprovals, Following, SEAT_TIME_MAX};
use crate::audit::entry::Origin;
use crate::authn::{Caller, Request, Service};
use crate::authz::facts::Particulars;
use crate::authz::{Action as _, TheRegistry};
use crate::{App, Result};

/// A connection on which nothing is said is taken for dead by what stands in between.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often it is looked whether whoever listens still is who they were.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A proof of a key is good for one request: who listens by one comes again soon.
const BOUND_TIME_MAX: Duration = Duration::from_secs(60);
/// How many events wait for a listener that reads slowly.
const WAITING_MAX: usize = 16;

/// Begins with what is pending, and goes on with whatever comes and changes. Whoever listens is told
/// of what policy lets them see at that moment.
pub async fn follow(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let permit = app.authz.authorize(caller, FollowApprovals).await?;
    let following = async { app.approvals.follow(&permit) };
    let following = app.authz.settled(permit.warrant().record(), following).await?;
    let listener = Listener {
        app,
        caller: permit.caller().clone(),
        headers: call.headers,
        method: call.method,
        path: call.path,
        origin: call.origin,
    };
    let (events, told) = mpsc::channel(WAITING_MAX);
    tokio::spawn(listener.tell(following, events));
    let stream = ReceiverStream::new(told).map(Ok::<Event, Infallible>);
    Ok(warp::sse::reply(keep_alive().interval(HEARTBEAT).stream(stream)).into_response())
}

/// Somebody who listens, and what they showed to be let in.
struct Listener {
    app: Arc<App>,
    caller: Caller,
    headers: HeaderMap,
    method: Method,
    path: String,
    origin: Arc<Origin>,
}

impl Listener {
    async fn tell(mut self, mut following: Following, events: mpsc::Sender<Event>) {
        let time_max = if self.is_bound() { BOUND_TIME_MAX } else { SEAT_TIME_MAX };
        let (mut looks, end) = (interval(LOOK_EVERY), sleep(time_max));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(end);
        let Ok(pending) = self.app.approvals.pending().await else { return };
        for approval in pending {
            if self.send(&approval, &events).await.is_none() {
                return;
            }
        }
        loop {
            let told = tokio::select! {
                told = following.next() => told,
                _ = looks.tick() => match self.look() {
                    Some(()) => continue,
                    None => return,
                },
                () = events.closed() => return,
                () = &mut end => return,
            };
            let Some(approval) = told else { return };
            if self.look().is_none() || self.send(&approval, &events).await.is_none() {
                return;
            }
        }
    }

    fn is_bound(&self) -> bool {
        self.caller.session().proof.key.is_some()
    }

    /// Whether what was shown is still good, and lets them listen: None ends it.
    fn look(&mut self) -> Option<()> {
        match self.is_bound() {
            true => self.expect_unchanged()?,
            false => {
                let Listener { headers, method, path, .. } = &*self;
                let request =
                    Request { headers, method, path, server: None, service: Service::Api };
                self.caller = self.app.identify(request, self.origin.clone()).ok()?;
            }
        }
        let (name, token) = (FollowApprovals::NAME, Particulars::Token);
        let allowed = self.app.authz.would_allow(&self.caller, name, &TheRegistry, &token);
        allowed.ok()?.then_some(())
    }

    /// Whoever showed a proof of a key cannot show it again: they are still who they were as long as
    /// nothing about them has changed.
    fn expect_unchanged(&self) -> Option<()> {
        let before = self.caller.principal();
        let now = self.app.directory.snapshot().principal(before.kind(), before.id())?;
        (now.revision() == before.revision()).then_some(())
    }

    /// Tells of one approval, if the listener may see it. None where nobody listens any more.
    async fn send(&self, approval: &Arc<Approval>, events: &mpsc::Sender<Event>) -> Option<()> {
        let seen = self.app.authz.would_allow(
            &self.caller,
            "view_approval",
            approval,
            &Particulars::Token,
        );
        if !seen.is_ok_and(|it| it) {
            return Some(());
        }
        let event = Event::default().event("approval").json_data(view(approval)).ok()?;
        events.send(event).await.ok()
    }
}
