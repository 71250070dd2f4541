//! How a conversation begins: which transport and which protocol the server speaks.

use http::StatusCode;
use rmcp::model::{
    ClientCapabilities, DiscoverResult, ErrorCode, Implementation, InitializeRequestParams,
    InitializeResult, JsonObject, ProtocolVersion,
};
use serde::Serialize;
use serde_json::Value;

use super::failure::Failure;
use super::line::Line;
use super::session::{Aside, Question, Session};
use super::sse::Sse;
use super::streamable::{Streamable, client_info};
use super::target::{Dialect, Preference, Transport};

/// A conversation that has begun, and who the server says that it is.
pub(super) struct Begun<'a> {
    pub session: Session<'a>,
    pub server_info: Option<Implementation>,
}

/// Begins a conversation as the target prefers, or as is known of it.
pub(super) async fn begin<'a>(line: &'a Line<'a>) -> Result<Begun<'a>, Failure> {
    match known(line).await {
        Err(failure) if failure.is_hung_up() => known(line).await,
        other => other,
    }
}

async fn known<'a>(line: &'a Line<'a>) -> Result<Begun<'a>, Failure> {
    match (&line.target.known, line.target.preference) {
        (Some(Dialect { transport: Transport::Sse, .. }), _) | (None, Preference::Sse) => {
            sse(line).await
        }
        (Some(known), _) if known.protocol.has_initialize() => session(line).await,
        (Some(_), _) => {
            let session = Session::Streamable(Streamable::stateless(line));
            Ok(Begun { session, server_info: None })
        }
        (None, _) => unknown(line).await,
    }
}

/// Begins a conversation with a server of which nothing is known. A server may hang up on a
/// connection that was kept open just when it is used again; greeting it twice does no harm.
pub(super) async fn ask<'a>(line: &'a Line<'a>) -> Result<Begun<'a>, Failure> {
    match unknown(line).await {
        Err(failure) if failure.is_hung_up() => unknown(line).await,
        other => other,
    }
}

async fn unknown<'a>(line: &'a Line<'a>) -> Result<Begun<'a>, Failure> {
    match line.target.preference {
        Preference::Sse => sse(line).await,
        Preference::StreamableHttp => streamable(line).await,
        Preference::Auto => match streamable(line).await {
            Err(refused) if is_no_such_endpoint(&refused) => match sse(line).await {
                // What the server wants is more telling than what it lacks.
                Err(Failure::Status { .. } | Failure::Protocol(_)) => Err(refused),
                other => other,
            },
            other => other,
        },
    }
}

/// Whether this may be the older transport: the address takes no POST, or means another thing by it.
fn is_no_such_endpoint(failure: &Failure) -> bool {
    match failure {
        Failure::Status { status } => {
            status.is_client_error() && *status != StatusCode::TOO_MANY_REQUESTS
        }
        Failure::Protocol(_) => true,
        _ => false,
    }
}

async fn streamable<'a>(line: &'a Line<'a>) -> Result<Begun<'a>, Failure> {
    let mut stateless = Streamable::stateless(line);
    let question = Question::new("server/discover", JsonObject::new());
    match stateless.ask(&question, &mut Aside::new(None)).await {
        Ok(result) => match serde_json::from_value::<DiscoverResult>(result) {
            Ok(it) if it.supported_versions.contains(&ProtocolVersion::V_2026_07_28) => {
                let server_info = it.server_info();
                Ok(Begun { session: Session::Streamable(stateless), server_info })
            }
            // Whoever knows the question, but not the protocol that it came with, speaks an older one.
            _ => session(line).await,
        },
        Err(Failure::Rpc(error)) if !is_of_the_newer_era(error.code) => session(line).await,
        Err(Failure::Status { status })
            if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
        {
            session(line).await
        }
        Err(other) => Err(other),
    }
}

/// Whether only a server of 2026-07-28 or later has this error: it needs another request, not an
/// older protocol.
fn is_of_the_newer_era(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::HEADER_MISMATCH | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY)
}

async fn session<'a>(line: &'a Line<'a>) -> Result<Begun<'a>, Failure> {
    let mut it = Streamable::uninitialized(line);
    let (protocol, server_info) = agreed(it.ask(&initialize()?, &mut Aside::new(None)).await?)?;
    it.agree(protocol).await?;
    Ok(Begun { session: Session::Streamable(it), server_info: Some(server_info) })
}

async fn sse<'a>(line: &'a Line<'a>) -> Result<Begun<'a>, Failure> {
    let mut it = Sse::open(line).await?;
    let (protocol, server_info) = agreed(it.ask(&initialize()?, &mut Aside::new(None)).await?)?;
    it.agree(protocol).await?;
    Ok(Begun { session: Session::Sse(it), server_info: Some(server_info) })
}

fn initialize() -> Result<Question<'static>, Failure> {
    let params = InitializeRequestParams::new(ClientCapabilities::default(), client_info())
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE);
    Ok(Question::new("initialize", object(&params)?))
}

/// The protocol that a server chose. It may choose any that it likes; it must be one that is known,
/// and one that begins like this.
fn agreed(result: Value) -> Result<(ProtocolVersion, Implementation), Failure> {
    let result: InitializeResult = serde_json::from_value(result)
        .map_err(|_| Failure::Protocol("its answer to `initialize` cannot be read"))?;
    let protocol = result.protocol_version;
    if ProtocolVersion::KNOWN_VERSIONS.contains(&protocol) && protocol.has_initialize() {
        Ok((protocol, result.server_info))
    } else {
        Err(Failure::Protocol("it chose a version of the protocol that is not known here"))
    }
}

pub(super) fn object(params: &impl Serialize) -> Result<JsonObject, Failure> {
    match serde_json::to_value(params) {
        Ok(Value::Object(it)) => Ok(it),
        _ => Err(Failure::Protocol("the request cannot be written as JSON")),
    }
}
