//! The accept loop.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::body::{BoxError, Timed};
use super::connection::Terms;
use super::room::Room;
use super::vitals::Vitals;
use super::{Limits, tls};

/// Connections the kernel completes and keeps until we accept them; it may cap this further
/// (`net.core.somaxconn`). The usual 128 overflow at the first flood, and callers beyond are reset.
const BACKLOG: u32 = 4096;

/// Opens the port; to be called within the runtime.
///
/// # Errors
/// The address is taken, not ours, or not permitted.
pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server must not wait for its predecessor's last connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Serves HTTP/1.1 and HTTP/2 on `listener` (see [`bind`]) until `shutdown`: over TLS if `tls` is given, else in
/// the clear (HTTP/2 with prior knowledge).
///
/// Each request carries a [`Peer`](super::Peer) in its extensions. A handler that panics is
/// answered for with 500. On `shutdown` the listener closes at once, idle connections end, requests
/// under way finish within `limits.drain`, and what is left then is cut.
pub async fn serve<S, B>(
    listener: TcpListener,
    tls: Option<Arc<tls::Acceptor>>,
    limits: Limits,
    service: S,
    shutdown: CancellationToken,
) where
    S: Service<Request<Timed<Incoming>>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Error: Into<BoxError>> + Send + 'static,
{
    let drain = limits.drain;
    let room = Room::new(limits.clone());
    let terms = Terms { tls, protocols: Arc::new(limits.protocols()), limits, service };
    let mut connections = JoinSet::new();
    loop {
        let arrival = async {
            let (tcp, addr) = accept(|cx| listener.poll_accept(cx)).await;
            let vitals = Vitals::new(&shutdown);
            let place = room.enter(addr.ip(), &vitals).await?;
            Some((tcp, addr, vitals, place))
        };
        let Some(arrival) = shutdown.run_until_cancelled(arrival).await else { break };
        while connections.try_join_next().is_some() {}
        let Some((tcp, addr, vitals, place)) = arrival else { continue };
        // Answers are written whole; waiting for more to send only delays them.
        let _: io::Result<()> = tcp.set_nodelay(true);
        let terms = terms.clone();
        connections.spawn(async move {
            terms.attend(tcp, addr, vitals).await;
            drop(place);
        });
        // Let it read a request that is already there before the next newcomer can displace it.
        tokio::task::yield_now().await;
    }
    drop(listener);
    let ended = timeout(drain, async { while connections.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::warn!(left = connections.len(), "connections cut at the end of the drain");
    }
}

/// The next connection, whatever errors come before it. Out of file descriptors is the common one;
/// it passes as connections end, and to try at once would only burn the processor.
pub(super) async fn accept<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> T {
    let mut pause = Duration::from_millis(10);
    loop {
        match poll_fn(&mut poll).await {
            Ok(arrival) => return arrival,
            Err(error) if is_callers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, ?pause, "cannot accept connections");
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}

/// Whether it is only that a caller was gone before its connection was taken up.
fn is_callers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
