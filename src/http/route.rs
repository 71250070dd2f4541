//! One line of the API: how a request becomes an action, and an allowed action an answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use warp::http::Method;
use warp::reply::Response;

use super::BODY_BYTES_MAX;
use super::call::{Call, decoded};
use super::describe::Described;
use crate::audit::Outcome;
use crate::authn::{Caller, Service};
use crate::authz::{Action, Listing, Permit, Visible, Warrant};
use crate::{App, Error, Result};

/// A way in. There are three kinds and no fourth.
pub struct Route {
    pub method: Method,
    /// The path as a template, `/api/v1/tools/{tool}`. Also the label of its metrics.
    pub path: &'static str,
    pub kind: Kind,
    /// What the API document says about it.
    pub about: Described,
    /// Whom it takes tokens for.
    pub service: Service,
    /// The largest body that it takes.
    pub body_bytes_max: usize,
    serve: Serve,
}

/// What comes of a request, in time.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response>> + Send>>;
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
    ) -> Route
    where
        A: Action,
        Act: Fn(Arc<App>, Permit<A>) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let serve = move |app: Arc<App>, call: Call| -> Answer {
            Box::pin(async move {
                let caller = app.identify(call.request(), call.origin.clone())?;
                decide_and_act(app, caller, call, parse, act).await
            })
        };
        Route {
            method,
            path,
            kind: Kind::Guarded(A::NAME),
            about: Described::default(),
            service: Service::Api,
            body_bytes_max: BODY_BYTES_MAX,
            serve: Box::new(serve),
        }
    }

    /// The same, for a caller that may show a credential for one tool in the place of an access
    /// token. Who is refused is answered by `instead`, which gets what was asked and the error.
    pub fn guarded_for_holders<A, Act, Fut>(
        method: Method,
        path: &'static str,
        parse: fn(&Call) -> Result<A>,
        act: Act,
        instead: fn(Arc<App>, Caller, A, Error) -> Answer,
    ) -> Route
    where
        A: Action + Clone,
        Act: Fn(Arc<App>, Permit<A>) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let serve = move |app: Arc<App>, mut call: Call| -> Answer {
            Box::pin(async move {
                let presented = app.identify_holder(call.request(), call.origin.clone()).await?;
                let caller = match presented {
                    Some((caller, presented)) => {
                        call.presented = Some(presented);
                        caller
                    }
                    None => app.identify(call.request(), call.origin.clone())?,
                };
                expect_query(&call)?;
                let action = parse(&call)?;
                match app.authz.authorize(caller.clone(), action.clone()).await {
                    Ok(permit) => acted(app, permit, act).await,
                    Err(refused) => instead(app, caller, action, refused).await,
                }
            })
        };
        Route { serve: Box::new(serve), ..Route::guarded(method, path, parse, act) }
    }

    /// Mounts a list: every member is decided on, and `show` sees only those that may be seen.
    pub fn listed<L: Listing>(
        path: &'static str,
        parse: fn(&Call) -> Result<L>,
        show: fn(&Visible<L>) -> Response,
    ) -> Route {
        let serve = move |app: Arc<App>, call: Call| -> Answer {
            Box::pin(async move {
                let caller = app.identify(call.request(), call.origin.clone())?;
                let visible = app.authz.visible(caller, parse(&call)?).await?;
                settle(&app, visible.warrant(), Outcome::Success).await?;
                Ok(show(&visible))
            })
        };
        let kind = Kind::Guarded(L::NAME);
        Route {
            method: Method::GET,
            path,
            kind,
            about: Described::default(),
            service: Service::Api,
            body_bytes_max: BODY_BYTES_MAX,
            serve: Box::new(serve),
        }
    }

    /// Mounts a route that knows its caller and authorizes what it finds in the body.
    pub fn identified<Act, Fut>(method: Method, path: &'static str, act: Act) -> Route
    where
        Act: Fn(Arc<App>, Caller, Call) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let serve = move |app: Arc<App>, call: Call| -> Answer {
            Box::pin(async move {
                let caller = app.identify(call.request(), call.origin.clone())?;
                expect_query(&call)?;
                act(app, caller, call).await
            })
        };
        Route {
            method,
            path,
            kind: Kind::Identified,
            about: Described::default(),
            service: Service::Api,
            body_bytes_max: BODY_BYTES_MAX,
            serve: Box::new(serve),
        }
    }

    /// Mounts a route that anyone may call.
    pub fn public<Act, Fut>(method: Method, path: &'static str, act: Act) -> Route
    where
        Act: Fn(Arc<App>, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let serve = move |app: Arc<App>, call: Call| -> Answer { Box::pin(act(app, call)) };
        Route {
            method,
            path,
            kind: Kind::Public,
            about: Described::default(),
            service: Service::Api,
            body_bytes_max: BODY_BYTES_MAX,
            serve: Box::new(serve),
        }
    }

    /// The same, for bodies larger than usual.
    pub fn taking_up_to(mut self, bytes: usize) -> Route {
        self.body_bytes_max = bytes;
        self
    }

    /// The same, for tokens that are given for the MCP server.
    pub fn of_mcp(mut self) -> Route {
        self.service = Service::Mcp;
        self
    }

    pub fn serve(&self, app: Arc<App>, call: Call) -> Answer {
        (self.serve)(app, call)
    }
}

/// All routes, found by path.
pub struct Table {
    routes: Vec<(Vec<Segment>, Arc<Route>)>,
}

enum Segment {
    Literal(&'static str),
    Param(&'static str),
}

pub enum Found {
    Route(Arc<Route>, Vec<(&'static str, String)>),
    /// The path is known; these methods are.
    OtherMethods(String),
    Nothing,
}

impl Table {
    pub fn new(routes: Vec<Route>) -> Table {
        let segment = |text: &'static str| match text.strip_prefix('{') {
            Some(name) => Segment::Param(name.trim_end_matches('}')),
            None => Segment::Literal(text),
        };
        let split = |it: Route| (it.path.split('/').map(segment).collect(), Arc::new(it));
        Table { routes: routes.into_iter().map(split).collect() }
    }

    /// The route for this method and path. A `HEAD` is a `GET` whose body hyper keeps back.
    pub fn find(&self, method: &Method, path: &str) -> Found {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let mut allow = Vec::new();
        for (segments, route) in &self.routes {
            let Some(params) = matches(segments, path) else { continue };
            if route.method == *method {
                return Found::Route(route.clone(), params);
            }
            allow.push(route.method.as_str());
            if route.method == Method::GET {
                allow.push(Method::HEAD.as_str());
            }
        }
        if allow.is_empty() { Found::Nothing } else { Found::OtherMethods(allow.join(", ")) }
    }
}

/// A literal is compared as it came: there is one spelling of every path. Only parameters are decoded.
fn matches(segments: &[Segment], path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut parts = path.split('/');
    let mut params = Vec::new();
    for segment in segments {
        let part = parts.next()?;
        match segment {
            Segment::Literal(text) if *text == part => {}
            Segment::Literal(_) => return None,
            Segment::Param(name) if !part.is_empty() => {
                params.push((*name, decoded(part)?.into_owned()));
            }
            Segment::Param(_) => return None,
        }
    }
    parts.next().is_none().then_some(params)
}

/// From who asks to the answer.
async fn decide_and_act<A, Act, Fut>(
    app: Arc<App>,
    caller: Caller,
    call: Call,
    parse: fn(&Call) -> Result<A>,
    act: Act,
) -> Result<Response>
where
    A: Action,
    Act: Fn(Arc<App>, Permit<A>) -> Fut,
    Fut: Future<Output = Result<Response>>,
{
    expect_query(&call)?;
    let permit = app.authz.authorize(caller, parse(&call)?).await?;
    acted(app, permit, act).await
}

/// What comes of an act that was allowed.
async fn acted<A, Act, Fut>(app: Arc<App>, permit: Permit<A>, act: Act) -> Result<Response>
where
    A: Action,
    Act: Fn(Arc<App>, Permit<A>) -> Fut,
    Fut: Future<Output = Result<Response>>,
{
    let record = permit.warrant().record().clone();
    app.authz.settled(&record, act(app.clone(), permit)).await
}

/// Refuses a query where none is read; a route that reads one refuses the rest itself.
fn expect_query(call: &Call) -> Result<()> {
    if call.asks.is_empty() { call.query().end() } else { Ok(()) }
}

/// Writes down a decision whose act wrote nothing itself.
pub async fn settle(app: &App, warrant: &Warrant, outcome: Outcome) -> Result<()> {
    app.authz.settle(warrant.record(), outcome).await
}
