//! The listener over real sockets; this file is the stage, the plays are in the others.

mod host;
mod hostile;
mod orderly;
mod room;
mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, BodyStream, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::body::{Late, Timed};
use super::{Limits, Peer, bind, serve, tls as tls_module};

/// Everything is awaited with this deadline, and mostly comes at once.
const SOON: Duration = Duration::from_secs(10);

/// A listener on a port of its own, with a handler that tells what happened to it.
struct Stage {
    addr: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
    seen: Seen,
}

#[derive(Clone)]
struct Seen {
    /// Each permit added lets one `/gated` request end.
    gate: Arc<Semaphore>,
    /// `/gated` requests that have arrived.
    arrived: Arc<AtomicUsize>,
    /// Request bodies that failed as late.
    late: Arc<AtomicUsize>,
    /// `/large` answers that are under way.
    large: Arc<AtomicUsize>,
}

impl Stage {
    async fn set(limits: Limits) -> Stage {
        Stage::set_behind(None, limits).await
    }

    async fn set_behind(tls: Option<Arc<tls_module::Acceptor>>, limits: Limits) -> Stage {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let seen = Seen {
            gate: Arc::new(Semaphore::new(0)),
            arrived: Arc::default(),
            late: Arc::default(),
            large: Arc::default(),
        };
        let service = Handler(seen.clone());
        let served = tokio::spawn(serve(listener, tls, limits, service, shutdown.clone()));
        Stage { addr, shutdown, served, seen }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }
}

#[derive(Clone)]
struct Handler(Seen);

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl tower_service::Service<Request<Timed<Incoming>>> for Handler {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Timed<Incoming>>) -> Self::Future {
        let seen = self.0.clone();
        Box::pin(async move { Ok(seen.answer(request).await) })
    }
}

impl Seen {
    async fn answer(&self, request: Request<Timed<Incoming>>) -> Answer {
        let (parts, body) = request.into_parts();
        match parts.uri.path() {
            "/hello" => text("hello"),
            "/peer" => text(format!("{:?}", parts.extensions.get::<Peer>().unwrap())),
            "/echo" => self.echo(body).await,
            "/panic" => panic!("as asked"),
            "/gated" => {
                self.arrived.fetch_add(1, Ordering::SeqCst);
                self.gate.acquire().await.unwrap().forget();
                text("passed")
            }
            "/large" => Response::new(Large::new(&self.large).boxed_unsync()),
            "/events" => Response::new(events().boxed_unsync()),
            other => panic!("no such scene: {other}"),
        }
    }

    async fn echo(&self, body: Timed<Incoming>) -> Answer {
        let chunks = BodyStream::new(body).map_ok(|it| it.into_data().unwrap_or_default());
        match chunks.try_collect::<Vec<Bytes>>().await {
            Ok(chunks) => text(chunks.concat()),
            Err(error) => {
                let late = Late::caused(error.as_ref());
                self.late.fetch_add(usize::from(late), Ordering::SeqCst);
                let mut response = text("");
                *response.status_mut() =
                    if late { StatusCode::REQUEST_TIMEOUT } else { StatusCode::BAD_REQUEST };
                response
            }
        }
    }
}

fn text(content: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(content.into()).boxed_unsync())
}

/// Events without end, each small.
fn events() -> impl Body<Data = Bytes, Error = Infallible> + Send {
    let tick = Duration::from_millis(50);
    StreamBody::new(stream::repeat(()).then(move |()| async move {
        tokio::time::sleep(tick).await;
        Ok(Frame::data(Bytes::from_static(b"data: tick\n\n")))
    }))
}

const LARGE: usize = 64 * 1024 * 1024;

/// One frame of 64 MiB that counts itself while it lives.
struct Large {
    whole: Full<Bytes>,
    living: Arc<AtomicUsize>,
}

impl Large {
    fn new(living: &Arc<AtomicUsize>) -> Large {
        living.fetch_add(1, Ordering::SeqCst);
        Large { whole: Full::new(Bytes::from(vec![b'x'; LARGE])), living: Arc::clone(living) }
    }
}

impl Body for Large {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.whole).poll_frame(cx)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.whole.size_hint()
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        self.living.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Sends `request` (method and path) with `body`, and reads the whole answer: head and content.
async fn ask<I>(io: &mut I, request: &str, body: &str) -> std::io::Result<(String, Vec<u8>)>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nhost: gate\r\ncontent-length: {length}\r\n\r\n");
    io.write_all((head + body).as_bytes()).await?;
    read_answer(io).await
}

async fn read_answer<I>(io: &mut I) -> std::io::Result<(String, Vec<u8>)>
where
    I: AsyncRead + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")).unwrap();
    let mut content = vec![0; length.parse().unwrap()];
    io.read_exact(&mut content).await?;
    Ok((head, content))
}

/// Waits until the server has ended the connection, dropping what it still sends.
async fn gone<I: AsyncRead + Unpin>(io: &mut I) {
    let mut buffer = vec![0; 64 * 1024];
    let ended = async { while io.read(&mut buffer).await.is_ok_and(|it| it > 0) {} };
    timeout(SOON, ended).await.expect("the connection should end");
}

/// Waits until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, poll).await.expect("the condition should come true");
}
