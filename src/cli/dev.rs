//! `gatewright dev`: a server to try things on, gone when it stops.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use clap::Args;
use rand::TryRngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::signal::unix::SignalKind;

use super::client::Client;
use super::out::say;
use super::server::Server;
use super::signals::Stop;
use crate::clock::Clock;
use crate::log;
use crate::policy::Bundle;
use crate::settings::{DatabaseUrl, Settings};

const ADMIN: &str = "admin";

#[derive(Debug, Args)]
pub struct DevArgs {
    /// Address and port to listen on
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Ask nobody who they are: requests without a token are taken for the administrator's
    #[arg(long)]
    no_auth: bool,
}

/// A server on a temporary store, with the starter policies and an administrator.
pub struct Playground {
    pub server: Server,
    pub password: SecretString,
    /// Holds the store and the keys; removed at the end.
    folder: tempfile::TempDir,
}

impl Playground {
    pub async fn start(listen: SocketAddr, clock: Clock) -> anyhow::Result<Playground> {
        Playground::prepare(listen, async |settings, bundle| {
            Server::start(settings, bundle, clock).await
        })
        .await
    }

    /// The same, with requests that carry no token taken for the administrator's.
    pub async fn start_without_auth(
        listen: SocketAddr,
        clock: Clock,
    ) -> anyhow::Result<Playground> {
        Playground::prepare(listen, async |settings, bundle| {
            Server::start_without_auth(settings, bundle, clock, ADMIN).await
        })
        .await
    }

    async fn prepare(
        listen: SocketAddr,
        start: impl AsyncFnOnce(Settings, Arc<Bundle>) -> anyhow::Result<Server>,
    ) -> anyhow::Result<Playground> {
        anyhow::ensure!(listen.ip().is_loopback(), "a server to try things on stays on loopback");
        let folder = tempfile::tempdir()?;
        let password = random_password()?;
        let settings = settings(listen, folder.path(), &password);
        let bundle = Bundle::starter().map_err(|faults| {
            anyhow::anyhow!("the built-in policies have {} fault(s)", faults.len())
        })?;
        let server = start(settings, Arc::new(bundle)).await?;
        Ok(Playground { server, password, folder })
    }

    pub fn url(&self) -> String {
        self.server.settings.public_url.to_string()
    }

    /// The administrator, signed in.
    pub async fn admin(&self) -> anyhow::Result<Client> {
        Client::new(&self.url())?.sign_in(ADMIN, self.password.expose_secret()).await
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.server.stop().await;
        Ok(self.folder.close()?)
    }
}

fn settings(listen: SocketAddr, folder: &Path, password: &SecretString) -> Settings {
    let mut settings = Settings { listen, ..Settings::default() };
    settings.public_url = crate::settings::Origin::of_listener(&http::uri::Scheme::HTTP, listen);
    settings.auth.issuer = settings.public_url.to_string();
    settings.auth.audience = settings.public_url.to_string();
    settings.database.url = DatabaseUrl::SqliteFile(folder.join("gatewright.db"));
    settings.auth.key_file = folder.join("access.key");
    settings.auth.factors_key_file = folder.join("factors.key");
    settings.credentials.key_file = folder.join("credentials.key");
    settings.secrets.master_key_file = folder.join("secrets.key");
    settings.audit.key_file = folder.join("audit.key");
    settings.auth.bootstrap_admin_username = Some(ADMIN.to_owned());
    settings.auth.bootstrap_admin_password = Some(password.clone());
    // The policies are those of the binary; there are no files to watch.
    settings.policy.watch = false;
    settings
}

fn random_password() -> anyhow::Result<SecretString> {
    let mut bytes = [0u8; 18];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes).into())
}

/// The tool that samples and the demo register: translation, which role `translator` may use.
pub fn translate() -> Value {
    json!({
        "tool_type": "function",
        "name": "translate",
        "display_name": "Translate",
        "description": "Translates a text into another language",
        "tags": ["translation"],
        "risk_level": "low",
        "scopes": ["read", "translate"],
        "required_scopes": ["agent:translate"],
        "max_ttl_seconds": 3600,
        "input_schema": {
            "type": "object",
            "properties": { "text": { "type": "string" }, "to": { "type": "string" } },
            "required": ["text", "to"],
            "additionalProperties": false
        }
    })
}

fn calculate() -> Value {
    json!({
        "tool_type": "function",
        "name": "calculate",
        "description": "Evaluates an arithmetic expression",
        "scopes": ["evaluate"],
        "required_scopes": ["agent:calc"],
        "cost_per_call": 0.01,
        "input_schema": {
            "type": "object",
            "properties": { "expression": { "type": "string" } },
            "required": ["expression"]
        }
    })
}

fn transfer() -> Value {
    json!({
        "tool_type": "function",
        "name": "transfer_money",
        "description": "Moves money between accounts",
        "risk_level": "high",
        "consequential": true,
        "scopes": ["pay"],
        "required_scopes": ["agent:execute"],
        "max_ttl_seconds": 300,
        "input_schema": {
            "type": "object",
            "properties": { "amount": { "type": "number" }, "to": { "type": "string" } },
            "required": ["amount", "to"]
        }
    })
}

/// Serves until told to stop.
pub async fn run(args: DevArgs, clock: Clock) -> anyhow::Result<ExitCode> {
    let stop = Stop::on(&[SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()])?;
    let playground = match args.no_auth {
        false => Playground::start(args.listen, clock.clone()).await?,
        true => Playground::start_without_auth(args.listen, clock.clone()).await?,
    };
    introduce(&playground).await?;
    // After the introduction, which would drown in it.
    log::init(crate::settings::Log::default(), clock);
    if args.no_auth {
        say("Authentication is DISABLED: requests without a token are taken for the admin's.\n");
        tracing::warn!("authentication is disabled for this server");
    }
    stop.asked().await;
    playground.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// Registers the samples and says how to go on.
async fn introduce(playground: &Playground) -> anyhow::Result<()> {
    let (admin, url) = (playground.admin().await?, playground.url());
    let tool = admin.post("/api/v1/tools", &translate()).await?.ok()?;
    for sample in [calculate(), transfer()] {
        admin.post("/api/v1/tools", &sample).await?.ok()?;
    }
    say(&format!("Gatewright serves {url} from a temporary store. Stop it with Ctrl-C.\n"));
    say(&format!("  page      {url}/docs"));
    say(&format!("  admin     {ADMIN} / {}", playground.password.expose_secret()));
    let mut lingua = Value::Null;
    for (name, role) in [("lingua", "translator"), ("bot", "agent")] {
        let body = json!({ "name": name, "role": role });
        let agent = admin.post("/api/v1/register/machine", &body).await?.ok()?;
        let id = agent["client_id"].as_str().unwrap_or_default();
        let secret = agent["client_secret"].as_str().unwrap_or_default();
        say(&format!("  {name:9} {id} / {secret}   (role {role})"));
        if lingua.is_null() {
            lingua = agent;
        }
    }
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let (id, secret) = (text(&lingua["client_id"]), text(&lingua["client_secret"]));
    say("\nNext, as the agent lingua:\n");
    say(&format!(
        "  TOKEN=$(curl -s {url}/oauth/token -d grant_type=client_credentials \\\n    \
         -d client_id={id} -d client_secret={secret} | python3 -c \\\n    \
         'import json,sys; print(json.load(sys.stdin)[\"access_token\"])')"
    ));
    say(&format!(
        "  CREDENTIAL=$(curl -s {url}/api/v1/tools/{}/access \\\n    \
         -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n    \
         -d '{{\"scopes\": [\"read\", \"translate\"]}}' | python3 -c \\\n    \
         'import json,sys; print(json.load(sys.stdin)[\"credential\"][\"token\"])')",
        text(&tool["id"])
    ));
    // As it was called here, which works whether or not it is on the path.
    let program = std::env::args().next().unwrap_or_else(|| "gatewright".to_owned());
    say(&format!("  {program} token inspect \"$CREDENTIAL\""));
    say(&format!(
        "  {program} token verify \"$CREDENTIAL\" --tool translate --scope read \\\n    \
         --keys-url {url}/.well-known/biscuit-keys.json \\\n    \
         --feed-url {url}/api/v1/revocations\n"
    ));
    Ok(())
}
