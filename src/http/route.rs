//! One line of the API: how a request becomes an action, and an allowed action an answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use warp::http::Method;
use warp::reply::Response;

use super::call::Call;
use super::describe::Described;
use crate::audit::Outcome;
use crate::authn::Caller;
use crate::authz::{Action, Listing, Permit, Visible, Warrant};
use crate::{App, Result};

/// A way in. There are three kinds and no fourth.
pub struct Route {
    pub method: Method,
    /// The path as a template, `/api/v1/tools/{tool}`. Also the label of its metrics.
    pub path: &'static str,
    pub kind: Kind,
    /// What the API document says about it.
    pub about: Described,
    serve: Serve,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response>> + Send>>;
type Serve = Box<dyn Fn(Arc<App>, Call) -> Answer + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Identified and authorized before its act begins; the Cedar action it is decided by.
    Guarded(&'static str),
    /// Identified; it asks for its permits itself, because what is asked stands in the body.
    Identified,
    /// Anyone may call it; it can do nothing that needs a caller's permit.
    Public,
}

impl Route {
    /// Mounts a route whose `act` runs only with a permit for what `parse` read.
    pub fn guarded<A, Act, Fut>(
        method: Method,
        path: &'static str,
        parse: fn(&Call) -> Result<A>,
        act: Act,
        about: Described,
    ) -> Route
    where
        A: Action,
        Act: Fn(Arc<App>, Permit<A>) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let serve = move |app: Arc<App>, call: Call| -> Answer {
            Box::pin(async move {
                let caller = app.authn.identify(&call.headers, call.origin.clone())?;
                let permit = app.authz.authorize(caller, parse(&call)?).await?;
                let record = permit.warrant().record().clone();
                let answer = act(app.clone(), permit).await;
                app.authz.settle(&record, outcome(&answer)).await?;
                answer
            })
        };
        Route { method, path, kind: Kind::Guarded(A::NAME), about, serve: Box::new(serve) }
    }

    /// Mounts a list: every member is decided on, and `show` sees only those that may be seen.
    pub fn listed<L: Listing>(
        path: &'static str,
        parse: fn(&Call) -> Result<L>,
        show: fn(&Visible<L>) -> Response,
        about: Described,
    ) -> Route {
        let serve = move |app: Arc<App>, call: Call| -> Answer {
            Box::pin(async move {
                let caller = app.authn.identify(&call.headers, call.origin.clone())?;
                let visible = app.authz.visible(caller, parse(&call)?).await?;
                settle(&app, visible.warrant(), Outcome::Success).await?;
                Ok(show(&visible))
            })
        };
        let kind = Kind::Guarded(L::NAME);
        Route { method: Method::GET, path, kind, about, serve: Box::new(serve) }
    }

    /// Mounts a route that knows its caller and authorizes what it finds in the body.
    pub fn identified<Act, Fut>(
        method: Method,
        path: &'static str,
        act: Act,
        about: Described,
    ) -> Route
    where
        Act: Fn(Arc<App>, Caller, Call) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let serve = move |app: Arc<App>, call: Call| -> Answer {
            Box::pin(async move {
                let caller = app.authn.identify(&call.headers, call.origin.clone())?;
                act(app, caller, call).await
            })
        };
        Route { method, path, kind: Kind::Identified, about, serve: Box::new(serve) }
    }

    /// Mounts a route that anyone may call.
    pub fn public<Act, Fut>(
        method: Method,
        path: &'static str,
        act: Act,
        about: Described,
    ) -> Route
    where
        Act: Fn(Arc<App>, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let serve = move |app: Arc<App>, call: Call| -> Answer { Box::pin(act(app, call)) };
        Route { method, path, kind: Kind::Public, about, serve: Box::new(serve) }
    }

    pub fn serve(&self, app: Arc<App>, call: Call) -> Answer {
        (self.serve)(app, call)
    }
}

/// Writes down a decision whose act wrote nothing itself.
pub async fn settle(app: &App, warrant: &Warrant, outcome: Outcome) -> Result<()> {
    app.authz.settle(warrant.record(), outcome).await
}

fn outcome(answer: &Result<Response>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failed,
    }
}
