//! The wire: one accept loop where callers come in, under which every connection lives by
//! deadlines, and one client for calls to the outside.

pub mod body;
pub mod host;
pub mod outbound;
pub mod places;
pub mod tls;

mod connection;
mod limits;
mod listener;
mod reply;
mod request;
mod room;
mod vitals;

#[cfg(test)]
mod tests;

pub use limits::Limits;
pub use listener::{bind, serve};

use std::net::SocketAddr;

/// Who is at the other end of the connection; every request carries it in its extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address the connection came from: a proxy's, when there is one in front.
    pub addr: SocketAddr,
    /// Whether this listener took the connection over TLS.
    pub tls: bool,
}
