//! How long and how much a caller may take.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;

/// What one listener grants its callers. The defaults rid it of every idle or dribbling
/// connection within ten seconds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From connecting to the end of the first request's header.
    pub header: Duration,
    /// For a whole request body, from the moment the handler first waits for it.
    pub body: Duration,
    /// From the end of one answer to the end of the next request's header.
    pub idle: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// How long a piece of an answer (16 KiB) may wait for a caller that does not read.
    pub reply: Duration,
    /// For a connection that was told to end and has nothing under way.
    pub farewell: Duration,
    /// How long requests under way may still take after the shutdown began.
    pub drain: Duration,

    /// Connections open at once. One above it displaces a connection that has nothing to lose
    /// (see `room.rs`), or else waits.
    pub connections: usize,
    /// Connections open at once from one client: an IPv4 address, or an IPv6 network of 64 bits.
    /// One above it displaces one of the same client, or else is refused. A proxy in front makes
    /// all callers look like one client, hence the generous default.
    pub per_address: usize,
    /// How long a connection is not displaced by other clients' newcomers after it opened, or its
    /// last request began or ended; so one in regular use never is. Shorter, and a caller far away
    /// may lose its place before its first request is here; longer, and a flood holds its places
    /// longer: `connections / respite` is how many of it pass through in a second.
    pub respite: Duration,

    /// Bytes of a request's header section; HTTP/1 reads bodies through a buffer of this size,
    /// too. At least 8 KiB.
    pub header_bytes: u32,
    /// Header lines of an HTTP/1 request. HTTP/2 has no such count but charges 32 bytes a line to
    /// `header_bytes` (RFC 9113 section 6.5.2).
    pub header_lines: usize,
    /// Requests under way at once on one HTTP/2 connection.
    pub streams: u32,
    /// Streams the caller may open and reset before we took them up; above it the connection
    /// ends ("rapid reset", CVE-2023-44487).
    pub early_resets: usize,
    /// Streams we may have to reset for the caller's errors before the connection ends
    /// ("made you reset", CVE-2025-8671).
    pub faulty_resets: usize,
    /// How often an HTTP/2 caller must answer a ping. Finds dead peers behind open streams.
    pub ping: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header: Duration::from_secs(5),
            body: Duration::from_secs(8),
            idle: Duration::from_secs(8),
            handshake: Duration::from_secs(5),
            reply: Duration::from_secs(20),
            farewell: Duration::from_secs(1),
            drain: Duration::from_secs(15),
            connections: 1024,
            per_address: 512,
            respite: Duration::from_millis(250),
            header_bytes: 64 * 1024,
            header_lines: 100,
            streams: 100,
            early_resets: 20,
            faulty_resets: 100,
            ping: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// HTTP/1 and HTTP/2 as bounded by these limits. Neither gets read timers: a dribbler would
    /// rewind them; `vitals.rs` watches the connection as a whole instead.
    pub(super) fn protocols(&self) -> Builder<TokioExecutor> {
        let header_bytes = self.header_bytes.max(8 * 1024);
        let mut protocols = Builder::new(TokioExecutor::new());
        protocols
            .http1()
            .header_read_timeout(None)
            .max_headers(self.header_lines)
            .max_buf_size(usize::try_from(header_bytes).unwrap_or(usize::MAX))
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(self.ping)
            .keep_alive_timeout(self.ping / 2)
            .max_concurrent_streams(self.streams)
            .max_pending_accept_reset_streams(self.early_resets)
            .max_local_error_reset_streams(self.faulty_resets)
            .max_header_list_size(header_bytes)
            .max_send_buf_size(super::reply::PIECE * 4);
        protocols
    }
}
