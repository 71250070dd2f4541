//! A browser without a script engine: cookies, forms, and pages that go on by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::header;

use super::caller::{Answer, client, send};
use super::factor::Pockets;
use super::server::{ADMIN, Gate, PASSWORD};

/// One person's browser at one server.
pub struct Browser {
    http: reqwest::Client,
    pockets: Arc<Pockets>,
    pub url: String,
    pub cookies: BTreeMap<String, String>,
}

/// A form on a page.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Browser {
    pub fn at(gate: &Gate) -> Browser {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Browser {
            http: client(),
            pockets: gate.pockets.clone(),
            url: gate.url.clone(),
            cookies: BTreeMap::new(),
        }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self.http.get(self.absolute(path));
        self.send(request).await
    }

    pub async fn submit(&mut self, form: &Form) -> Answer {
        let request = self.http.post(self.absolute(&form.action)).form(&form.fields);
        let request = request.header("origin", self.url.clone());
        self.send(request.header("sec-fetch-site", "same-origin")).await
    }

    /// A request of a page's own making; cookies go with it.
    pub async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let request = match cookies.is_empty() {
            true => request,
            false => request.header(header::COOKIE, cookies.join("; ")),
        };
        let answer = send(request).await;
        for value in answer.headers.get_all(header::SET_COOKIE) {
            let line = value.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => drop(self.cookies.remove(name)),
                value => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        answer
    }

    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.post(self.absolute(path))
    }

    pub fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { format!("{}{path}", self.url) } else { path.to_owned() }
    }

    /// Opens a client's request, signs in where that is asked for, with a second factor if need be,
    /// and gives the page that asks for consent, or whatever comes in its place.
    pub async fn sign_in_for(&mut self, path: &str, username: &str, password: &str) -> Answer {
        let page = self.get(path).await;
        let form = page.form("/oauth/sign-in").with("username", username);
        let mut answer = self.submit(&form.with("password", password)).await;
        if answer.text.contains("action=\"/oauth/second-factor\"") {
            let proof = self.pockets.proof(username);
            answer = self.submit(&answer.form("/oauth/second-factor").with("otp", &proof)).await;
        }
        match answer.onward() {
            Some(to) => self.get(&to).await,
            None => answer,
        }
    }

    /// All the way as the admin, who allows what is asked: where the answer is sent.
    pub async fn allow(&mut self, path: &str) -> String {
        let page = self.sign_in_for(path, ADMIN, PASSWORD).await;
        let form = page.form("/oauth/consent").with("decision", "allow");
        self.submit(&form).await.onward().unwrap()
    }
}

impl Form {
    pub fn with(mut self, name: &str, value: &str) -> Form {
        self.fields.retain(|(it, _)| it != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Form {
        self.fields.retain(|(it, _)| it != name);
        self
    }

    pub fn get(&self, name: &str) -> &str {
        &self.fields.iter().find(|(it, _)| it == name).unwrap().1
    }
}

impl Answer {
    /// The form that goes to `action`: its hidden fields and ticked boxes.
    #[track_caller]
    pub fn form(&self, action: &str) -> Form {
        let begin = self.text.find(&format!("action=\"{action}\""));
        let begin = begin.unwrap_or_else(|| panic!("no form to {action} in {self:?}"));
        let form = self.text[begin..].split("</form>").next().unwrap();
        let fields = form.split("<input").skip(1).filter_map(|it| {
            let tag = it.split('>').next().unwrap();
            let ticked = tag.contains(" checked");
            let told = attribute(tag, "type")? == "hidden" || ticked;
            told.then(|| Some((attribute(tag, "name")?, attribute(tag, "value")?))).flatten()
        });
        Form { action: action.to_owned(), fields: fields.collect() }
    }

    /// Where the answer goes on to by itself.
    pub fn onward(&self) -> Option<String> {
        if let Some(location) = self.headers.get(header::LOCATION) {
            return Some(location.to_str().unwrap().to_owned());
        }
        let (_, rest) = self.text.split_once("http-equiv=\"refresh\" content=\"0; url=")?;
        Some(unescaped(rest.split('"').next().unwrap()))
    }

    /// What of an address that the answer goes on to is in its query.
    #[track_caller]
    pub fn sent_back(&self) -> BTreeMap<String, String> {
        query(&self.onward().unwrap_or_else(|| panic!("nothing is sent back: {self:?}")))
    }
}

/// The query of an address.
pub fn query(location: &str) -> BTreeMap<String, String> {
    let url = reqwest::Url::parse(location).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescaped(rest.split('"').next()?))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
