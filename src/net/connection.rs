//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tower_service::Service;

use super::body::{BoxError, Timed};
use super::request::Attended;
use super::vitals::{Outlook, Vitals};
use super::{Limits, Peer, tls};

/// Counts connections ended from our side before their time, by cause.
const CUT: &str = "gatewright_connections_cut_total";

/// What all connections of a listener have in common.
#[derive(Clone)]
pub(super) struct Terms<S> {
    pub(super) tls: Option<Arc<tls::Acceptor>>,
    pub(super) protocols: Arc<Builder<TokioExecutor>>,
    pub(super) limits: Limits,
    pub(super) service: S,
}

impl<S, B> Terms<S>
where
    S: Service<Request<Timed<Incoming>>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Error: Into<BoxError>> + Send + 'static,
{
    /// Serves one caller until either side ends it, or its place is needed.
    pub(super) async fn attend(self, tcp: TcpStream, addr: SocketAddr, vitals: Arc<Vitals>) {
        let evict = vitals.evict.clone();
        if evict.run_until_cancelled(self.converse(tcp, addr, vitals)).await.is_none() {
            cut("evicted");
        }
    }

    async fn converse(self, tcp: TcpStream, addr: SocketAddr, vitals: Arc<Vitals>) {
        let Some(acceptor) = self.tls.clone() else {
            return self.exchange(tcp, Peer { addr, tls: false }, vitals).await;
        };
        let handshake = timeout(self.limits.handshake, acceptor.accept(tcp));
        match vitals.finish.run_until_cancelled(handshake).await {
            Some(Ok(Ok(stream))) => {
                vitals.opened();
                self.exchange(stream, Peer { addr, tls: true }, vitals).await;
            }
            Some(Ok(Err(error))) => tracing::debug!(%addr, %error, "handshake failed"),
            Some(Err(_)) => cut("handshake"),
            None => {}
        }
    }

    async fn exchange<I>(self, io: I, peer: Peer, vitals: Arc<Vitals>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Terms { protocols, limits, service, .. } = self;
        let addr = peer.addr;
        let attended = Attended { service, peer, body: limits.body, vitals: Arc::clone(&vitals) };
        let mut exchange = std::pin::pin!(protocols.serve_connection(TokioIo::new(io), attended));
        let mut closing = None;
        loop {
            let look_again = match vitals.outlook(Instant::now(), closing, &limits) {
                Outlook::Until(due) => due,
                Outlook::Finish => {
                    vitals.finish.cancel();
                    Instant::now() + limits.farewell
                }
                Outlook::Over(cause) => return cut(cause.label()),
            };
            tokio::select! {
                ended = exchange.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%addr, error, "connection broke");
                    }
                    return;
                }
                () = vitals.finish.cancelled(), if closing.is_none() => {
                    exchange.as_mut().graceful_shutdown();
                    closing = Some(Instant::now());
                }
                () = sleep_until(look_again) => {}
            }
        }
    }
}

fn cut(cause: &'static str) {
    metrics::counter!(CUT, "cause" => cause).increment(1);
}
