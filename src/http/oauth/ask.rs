//! What a client asks a person for, carried from page to page as the query that it came with: each
//! page reads it anew, so nothing has to be believed.

use warp::http::StatusCode;
use warp::reply::{Reply as _, Response};

use super::super::call::{Call, split_query};
use super::find::{self, NoClient};
use super::pages;
use crate::authn::oauth::{
    AuthorizationRequest, Back, Client, Parameters, Prompt, Refusal, client_id,
};
use crate::{App, Error, Result};

const QUERY_BYTES_MAX: usize = 8 * 1024;

/// A request that was read and may be put to a person.
pub struct Ask {
    pub client: Client,
    pub request: AuthorizationRequest,
    /// The query that it came with.
    pub query: String,
}

/// Why a page does not come to be.
#[derive(Debug)]
pub enum Stop {
    Refused(Refusal),
    Failed(Error),
}

/// How the browser goes on to another address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// By a redirect: what came was no form.
    Redirect,
    /// By a page that goes on by itself: see [`pages::onward`].
    Page,
}

impl<T: Into<Error>> From<T> for Stop {
    fn from(error: T) -> Stop {
        Stop::Failed(error.into())
    }
}

impl From<NoClient> for Stop {
    fn from(it: NoClient) -> Stop {
        let here = |text: String| Stop::Refused(Refusal::Here(text));
        match it {
            NoClient::Unknown => here("The application is not known here.".into()),
            NoClient::Document(why) => here(format!("The application cannot be known: {why}.")),
            NoClient::Failed(error) => Stop::Failed(error),
        }
    }
}

impl From<Refusal> for Stop {
    fn from(it: Refusal) -> Stop {
        Stop::Refused(it)
    }
}

impl From<Back> for Stop {
    fn from(it: Back) -> Stop {
        Stop::Refused(Refusal::Back(Box::new(it)))
    }
}

impl Ask {
    pub async fn read(app: &App, call: &Call, pairs: &[(String, String)]) -> Result<Ask, Stop> {
        let parameters = Parameters::new(pairs);
        let id = client_id(parameters)?;
        let client = find::client(app, id, call.origin.ip).await?;
        let request = AuthorizationRequest::read(parameters, &client, &app.oauth.resources)?;
        let query = serde_urlencoded::to_string(pairs).map_err(anyhow::Error::from)?;
        if query.len() > QUERY_BYTES_MAX {
            return Err(Refusal::Here("The application's request is too long.".into()).into());
        }
        Ok(Ask { client, request, query })
    }

    /// Reads the query that a form carried on; none where the form was for nothing but itself.
    pub async fn carried(app: &App, call: &Call, query: &str) -> Result<Option<Ask>, Stop> {
        if query.is_empty() {
            return Ok(None);
        }
        let pairs = split_query(query)?;
        Ask::read(app, call, &pairs).await.map(Some)
    }

    /// What a person knows the client by.
    pub fn name(&self) -> &str {
        pages::name(&self.client)
    }

    /// Where the request goes on once the person has signed in.
    pub fn after_sign_in(&self) -> Result<String> {
        let mut pairs = split_query(&self.query)?;
        if self.request.prompt != Prompt::AsNeeded {
            pairs.retain(|(name, _)| name != "prompt");
            let left = self.request.prompt.after_sign_in();
            pairs.extend(left.map(|it| ("prompt".to_owned(), it.to_owned())));
        }
        let query = serde_urlencoded::to_string(pairs).map_err(anyhow::Error::from)?;
        Ok(format!("/oauth/authorize?{query}"))
    }
}

impl Stop {
    /// The answer. A fault that the client may know of goes back to it, every other is shown here.
    pub fn respond(self, app: &App, onward: Onward, request_id: &str) -> Response {
        match self {
            Stop::Failed(error) => pages::failure(&error, request_id),
            Stop::Refused(Refusal::Here(text)) => {
                let title = "This cannot go on";
                pages::notice(StatusCode::BAD_REQUEST, title, &text, request_id).respond()
            }
            Stop::Refused(Refusal::Back(back)) => onward.to(&back.location(&app.oauth.issuer)),
        }
    }
}

impl Onward {
    pub fn to(self, location: &str) -> Response {
        match self {
            Onward::Page => pages::onward("Going on", location).respond(),
            Onward::Redirect => pages::redirect(location)
                .unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        }
    }
}
