//! A caller of the API: what `dev`, `demo`, `health` and the commands of the API are made of.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Method, RequestBuilder, StatusCode, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// The same for what is analysis, which a server bounds by itself.
const ANALYSIS_TIME_MAX: Duration = Duration::from_secs(300);

/// Calls one server, as one principal once it has signed in.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    time_max: Duration,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    /// The body of a success; anything else is an error that says what the server said.
    pub fn ok(self) -> anyhow::Result<Value> {
        let Answer { status, body } = self;
        let detail = body["detail"].as_str().unwrap_or_default();
        anyhow::ensure!(status.is_success(), "the server answered {status}: {detail}");
        Ok(body)
    }
}

impl Client {
    pub fn new(url: &str) -> anyhow::Result<Client> {
        // Whoever came first has installed the same one; a second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http =
            reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build()?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Client { http, url, token: None, time_max: ANSWER_TIME_MAX })
    }

    /// A TLS server on this machine: reached at `address`, known by `host`, and trusted because its
    /// certificate is the one in the file.
    pub fn pinned(certificate: &Path, host: &str, address: SocketAddr) -> anyhow::Result<Client> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = std::fs::read(certificate).context("cannot read the certificate")?;
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
        let address = if address.ip().is_unspecified() { local } else { address };
        let http = reqwest::Client::builder()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem)?)
            .resolve(host, address)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()?;
        let url = format!("https://{host}:{}", address.port());
        Ok(Client { http, url, token: None, time_max: ANSWER_TIME_MAX })
    }

    /// The same server, for what it works at for a while.
    pub fn patient(self) -> Client {
        Client { time_max: ANALYSIS_TIME_MAX, ..self }
    }

    /// The same server, as a user.
    pub async fn sign_in(&self, username: &str, password: &str) -> anyhow::Result<Client> {
        let body = serde_json::json!({ "username": username, "password": password });
        let tokens = self.post("/api/v1/auth/login", &body).await?.ok()?;
        self.with_token(&tokens)
    }

    /// The same server, as a machine.
    pub async fn with_secret(&self, id: &str, secret: &str) -> anyhow::Result<Client> {
        let form =
            [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        let request = self.request(Method::POST, "/oauth/token");
        let tokens = send(request.form(&form)).await?.ok()?;
        self.with_token(&tokens)
    }

    /// The same server, as whoever this token stands for.
    pub fn with_bearer(self, token: &SecretString) -> Client {
        Client { token: Some(token.expose_secret().to_owned()), ..self }
    }

    pub(super) fn with_token(&self, tokens: &Value) -> anyhow::Result<Client> {
        let token = tokens["access_token"].as_str().context("no access token came back")?;
        Ok(Client { token: Some(token.to_owned()), ..self.clone() })
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        send(self.request(Method::DELETE, path)).await
    }

    /// A `POST` with no body at all.
    pub async fn act(&self, path: &str) -> anyhow::Result<Answer> {
        send(self.request(Method::POST, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// What is not JSON.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        Ok(self.request(Method::GET, path).send().await?.error_for_status()?.text().await?)
    }

    /// A `POST` whose answer takes work; without a body where `body` is null.
    pub async fn work(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let request = self.request(Method::POST, path).timeout(ANALYSIS_TIME_MAX);
        send(if body.is_null() { request } else { request.json(body) }).await
    }

    /// As plain text, where there is such a form.
    pub async fn plain(&self, path: &str) -> anyhow::Result<(StatusCode, String)> {
        let request = self.request(Method::GET, path).header("accept", "text/plain");
        let answer = request.send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request =
            self.http.request(method, format!("{}{path}", self.url)).timeout(self.time_max);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

async fn send(request: RequestBuilder) -> anyhow::Result<Answer> {
    let answer = request.send().await?;
    let status = answer.status();
    let bytes = answer.bytes().await?;
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
    Ok(Answer { status, body })
}
