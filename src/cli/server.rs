//! A running server: listeners, background watches, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use http::uri::Scheme;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::clock::Clock;
use crate::http::door::{Door, Rules};
use crate::http::{figures_only, service};
use crate::identify::Strangers;
use crate::net::host::{Hosts, Origins};
use crate::net::tls::{Acceptor, Clients, Files, LOOK_EVERY};
use crate::net::{self, Limits};
use crate::policy::bundles::{Offer, Reading};
use crate::policy::{self, Landscape};
use crate::settings::{Origin, Settings};
use crate::watch::{Pace, Watch};

/// Serves until it is told to stop.
pub struct Server {
    pub app: Arc<App>,
    /// Where it listens; the port that was given when the settings asked for any.
    pub address: SocketAddr,
    pub settings: Settings,
    stop: CancellationToken,
    /// Listeners, and what must be finished after them.
    tasks: Vec<JoinHandle<()>>,
    watches: Vec<Watch>,
}

impl Server {
    /// Starts a server that brings these policies with it. It listens before this returns.
    pub async fn start(
        settings: Settings,
        offer: impl Into<Offer>,
        clock: Clock,
    ) -> anyhow::Result<Server> {
        Server::start_for(settings, offer.into(), clock, Strangers::Refused).await
    }

    /// The same on loopback, where requests that carry no proof are taken for this user's, and
    /// every answer says so.
    pub async fn start_without_auth(
        settings: Settings,
        offer: impl Into<Offer>,
        clock: Clock,
        username: &str,
    ) -> anyhow::Result<Server> {
        let here = settings.listen.ip().is_loopback() && !settings.environment.is_production();
        anyhow::ensure!(here, "a server that asks nobody who they are stays on loopback");
        let strangers = Strangers::TakenFor(username.to_owned());
        Server::start_for(settings, offer.into(), clock, strangers).await
    }

    async fn start_for(
        mut settings: Settings,
        offer: Offer,
        clock: Clock,
        strangers: Strangers,
    ) -> anyhow::Result<Server> {
        let listener = net::bind(settings.listen)
            .with_context(|| format!("cannot listen on {}", settings.listen))?;
        let address = listener.local_addr()?;
        settle_port(&mut settings, address);
        let app = App::start_for(&settings, &offer, clock, strangers).await?;
        app.bootstrap(&settings).await.context("making the bootstrap administrator")?;
        app.bundles.begin(&app.authz, &offer).await?;
        let stop = CancellationToken::new();
        let rules = Arc::new(rules_for(&settings, address, &app)?);
        let tls = tls(&settings, &stop)?;
        let door = Door::new(warp::service(service(app.clone())), rules);
        let limits = Limits::default;
        let mut tasks = vec![tokio::spawn(net::serve(listener, tls, limits(), door, stop.clone()))];
        if let Some(own) = settings.metrics.listen {
            let listener =
                net::bind(own).with_context(|| format!("cannot listen on {own} for metrics"))?;
            let own = listener.local_addr()?;
            let rules = Arc::new(rules_for(&settings, own, &app)?);
            let door = Door::new(warp::service(figures_only(app.clone())), rules);
            tracing::info!(figures = %own, "serving figures");
            tasks.push(tokio::spawn(net::serve(listener, None, limits(), door, stop.clone())));
        }
        let tokens = app.standing.watch(Pace::default()).context("watching the tokens file")?;
        let places = app.places.clone().watch(Pace::default());
        let places = places.context("watching the GeoIP file")?;
        let (read, readings) = mpsc::channel(1);
        let policies = watch(&settings, &app, &offer, read)?;
        let watches = tokens.into_iter().chain(places).chain(policies).collect();
        tokio::spawn(app.authn.clone().keep_pruned(stop.clone()));
        tokio::spawn(app.gateway.clone().keep_settled(stop.clone()));
        tokio::spawn(app.past.clone().keep_pruned(stop.clone()));
        tokio::spawn(app.approvals.clone().keep(stop.clone()));
        let follow = app.bundles.clone().follow(app.clone(), readings, stop.clone());
        tasks.push(tokio::spawn(follow));
        tokio::spawn(app.grants.clone().keep(stop.clone()));
        tokio::spawn(app.rehearsal.clone().follow(stop.clone()));
        tasks.push(tokio::spawn(app.api_keys.clone().keep_uses(stop.clone())));
        tasks.push(tokio::spawn(app.clone().go_round(stop.clone())));
        tasks.push(tokio::spawn(app.secrets.clone().keep(stop.clone())));
        Ok(Server { app, address, settings, stop, tasks, watches })
    }

    /// Stops taking connections, lets requests under way finish, and ends.
    pub async fn stop(self) {
        drop(self.watches);
        self.stop.cancel();
        for task in self.tasks {
            // A task that panicked has stopped, too.
            let _ = task.await;
        }
    }
}

/// A port that was left to the system to choose is part of the URL once it is known.
fn settle_port(settings: &mut Settings, address: SocketAddr) {
    if settings.listen.port() != 0 {
        return;
    }
    let scheme = if settings.public_url.is_https() { Scheme::HTTPS } else { Scheme::HTTP };
    let before = settings.public_url.to_string();
    if settings.public_url == Origin::of_listener(&scheme, settings.listen) {
        settings.public_url = Origin::of_listener(&scheme, address);
        for name in [&mut settings.auth.issuer, &mut settings.auth.audience] {
            if *name == before {
                *name = settings.public_url.to_string();
            }
        }
    }
    settings.listen = address;
}

/// The names we answer to: our public one, our address, and this machine's own.
fn rules_for(settings: &Settings, address: SocketAddr, app: &App) -> anyhow::Result<Rules> {
    let url = settings.public_url.to_string();
    let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host).to_owned();
    let mut names = vec![host];
    let everywhere = address.ip().is_unspecified();
    if !everywhere {
        names.push(address.to_string());
    }
    let origins = settings.cors.allowed_origins.iter().map(ToString::to_string);
    let mut origins = Origins::new(origins)?;
    if settings.public_url.is_https() {
        origins = origins.https_only();
    }
    let hosts = Hosts::new(names)?.and_loopback();
    let hosts = if everywhere { hosts.and_addresses() } else { hosts };
    let (clock, strangers) = (app.clock.clone(), app.strangers.clone());
    Ok(Rules { clock, hosts, origins, strangers })
}

fn tls(settings: &Settings, stop: &CancellationToken) -> anyhow::Result<Option<Arc<Acceptor>>> {
    let (Some(certificate), Some(key)) = (&settings.tls.cert_file, &settings.tls.key_file) else {
        return Ok(None);
    };
    let clients = settings.tls.client_ca_file.clone().map_or(Clients::Unasked, Clients::Required);
    let files = Files { certificate: certificate.clone(), key: key.clone(), clients };
    let acceptor = Arc::new(Acceptor::open(files)?);
    tokio::spawn(acceptor.clone().watch(LOOK_EVERY, stop.clone()));
    Ok(Some(acceptor))
}

/// Reads the policies again whenever they change while the server runs.
fn watch(
    settings: &Settings,
    app: &Arc<App>,
    offer: &Offer,
    read: mpsc::Sender<Reading>,
) -> anyhow::Result<Option<Watch>> {
    let policy = &settings.policy;
    if !policy.watch {
        return Ok(None);
    }
    let seen = offer.bundle().map(|it| it.sources().clone()).map_err(|it| it.0);
    // Whoever followed has ended before the watch, and nobody needs to know any more.
    let tell = move |reading| drop(read.blocking_send(reading));
    let surveyor = app.clone();
    let landscape = move || surveyor.authz.landscape() as Arc<dyn Landscape>;
    let (schemas, pace) = (&policy.schema_dir, Pace::default());
    let watch = policy::watch(schemas, &policy.dir, seen, pace, landscape, tell)
        .context("watching the policies")?;
    Ok(Some(watch))
}
