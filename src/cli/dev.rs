//! `gatewright dev`: a server to try things on, gone when it stops.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
use super::samples::{Sampled, Seats, transfer, translate};
use super::server::Server;
use super::signals::Stop;
use crate::clock::Clock;
use crate::log;
use crate::policy::Bundle;
use crate::settings::{DatabaseUrl, Settings};

const ADMIN: &str = "admin";
/// What runs code for agents, on a host that has it.
const PYTHON: &str = "/usr/bin/python3";

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
    tools: Sampled,
    /// Holds the store and the keys; removed at the end.
    folder: tempfile::TempDir,
}

impl Playground {
    pub async fn start(listen: SocketAddr, clock: Clock) -> anyhow::Result<Playground> {
        Playground::prepare(listen, &clock, async |settings, bundle| {
            Server::start(settings, bundle, clock.clone()).await
        })
        .await
    }

    /// The same, with requests that carry no token taken for the administrator's.
    pub async fn start_without_auth(
        listen: SocketAddr,
        clock: Clock,
    ) -> anyhow::Result<Playground> {
        Playground::prepare(listen, &clock, async |settings, bundle| {
            Server::start_without_auth(settings, bundle, clock.clone(), ADMIN).await
        })
        .await
    }

    async fn prepare(
        listen: SocketAddr,
        clock: &Clock,
        start: impl AsyncFnOnce(Settings, Arc<Bundle>) -> anyhow::Result<Server>,
    ) -> anyhow::Result<Playground> {
        anyhow::ensure!(listen.ip().is_loopback(), "a server to try things on stays on loopback");
        let folder = tempfile::tempdir()?;
        let password = random_password()?;
        let seats = Seats::take()?;
        let mut settings = settings(listen, folder.path(), &password);
        seats.allow(&mut settings);
        // All who try it are on one machine: the address tells nobody apart.
        settings.rate_limits.login_ip = "100/minute".parse()?;
        let bundle = Bundle::starter().map_err(|faults| {
            anyhow::anyhow!("the built-in policies have {} fault(s)", faults.len())
        })?;
        let server = start(settings, Arc::new(bundle)).await?;
        let tools = seats.serve(&server.settings.public_url.to_string(), clock).await?;
        Ok(Playground { server, password, tools, folder })
    }

    pub fn url(&self) -> String {
        self.server.settings.public_url.to_string()
    }

    /// The administrator, signed in.
    pub async fn admin(&self) -> anyhow::Result<Client> {
        Client::new(&self.url())?.sign_in(ADMIN, self.password.expose_secret()).await
    }

    /// Registers the tools of the agents' actions.
    pub async fn register_actions(&self, admin: &Client) -> anyhow::Result<()> {
        self.tools.register(admin).await
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.tools.stop().await;
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
    settings.gateway.sandbox = Some(PathBuf::from(PYTHON)).filter(|it| it.is_file());
    // The policies are those of the binary; there are no files to watch.
    settings.policy.watch = false;
    settings
}

fn random_password() -> anyhow::Result<SecretString> {
    let mut bytes = [0u8; 18];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes).into())
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
    admin.post("/api/v1/tools", &transfer()).await?.ok()?;
    playground.register_actions(&admin).await?;
    say(&format!("Gatewright serves {url} from a temporary store. Stop it with Ctrl-C.\n"));
    say(&format!("  page      {url}/docs"));
    say(&format!("  admin     {ADMIN} / {}", playground.password.expose_secret()));
    let lingua = agent(&admin, "lingua", "translator").await?;
    let bot = agent(&admin, "bot", "agent").await?;
    say("\nNext:\n");
    say("  # the agent bot calls several tools at once; each call is decided on by itself");
    say(&format!("  BOT=$({} | {})", sign_in(&url, &bot), read("[\"access_token\"]")));
    say(&format!(
        "  curl -s {url}/api/v1/agent/execute -H \"Authorization: Bearer $BOT\" \\\n    \
         -H 'Content-Type: application/json' \\\n    \
         -d '{{\"calculator_expression\": \"2 ** 64 / 3\", \"db_keyword\": \"delegation\"}}' \\\n    \
         | python3 -m json.tool\n"
    ));
    say("  # the agent lingua gets a credential, which a tool verifies by itself");
    say(&format!("  TOKEN=$({} | {})", sign_in(&url, &lingua), read("[\"access_token\"]")));
    say(&format!(
        "  CREDENTIAL=$(curl -s {url}/api/v1/tools/{}/access \\\n    \
         -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n    \
         -d '{{\"scopes\": [\"read\", \"translate\"]}}' | {})",
        text(&tool["id"]),
        read("[\"credential\"][\"token\"]")
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

/// Registers an agent and says how it signs in.
async fn agent(admin: &Client, name: &str, role: &str) -> anyhow::Result<Value> {
    let body = json!({ "name": name, "role": role });
    let agent = admin.post("/api/v1/register/machine", &body).await?.ok()?;
    let (id, secret) = (text(&agent["client_id"]), text(&agent["client_secret"]));
    say(&format!("  {name:9} {id} / {secret}   (role {role})"));
    Ok(agent)
}

/// The command by which an agent gets an access token.
fn sign_in(url: &str, agent: &Value) -> String {
    format!(
        "curl -s {url}/oauth/token -d grant_type=client_credentials \\\n    \
         -d client_id={} -d client_secret={}",
        text(&agent["client_id"]),
        text(&agent["client_secret"])
    )
}

/// The command that takes one value out of an answer.
fn read(at: &str) -> String {
    format!("python3 -c \\\n    'import json,sys; print(json.load(sys.stdin){at})'")
}

fn text(it: &Value) -> String {
    it.as_str().unwrap_or_default().to_owned()
}
