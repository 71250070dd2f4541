//! Answers, handed to the connection piece by piece, so that a caller who stops reading shows.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::body::BoxError;
use super::vitals::Serving;

/// Bytes in one piece. Also about what may be lost when a connection is cut after its last answer.
pub(super) const PIECE: usize = 16 * 1024;

/// A response body that ends its request when it is dropped.
///
/// HTTP stacks drop a body as soon as they own its last frame, and take frames of any size. Cut
/// into pieces, nearly all of the body has left when that happens.
pub(super) struct Reply<B> {
    source: Option<Pin<Box<B>>>,
    rest: Bytes,
    serving: Serving,
}

impl<B: Body> Reply<B> {
    pub(super) fn new(source: B, serving: Serving) -> Reply<B> {
        Reply { source: Some(Box::pin(source)), rest: Bytes::new(), serving }
    }
}

impl<B> Reply<B> {
    pub(super) fn fixed(text: &'static str, serving: Serving) -> Reply<B> {
        Reply { source: None, rest: Bytes::from_static(text.as_bytes()), serving }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(PIECE);
        Frame::data(self.rest.split_to(length))
    }
}

impl<B> Reply<B>
where
    B: Body<Error: Into<BoxError>>,
{
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        let Some(frame) = ready!(source.as_mut().poll_frame(cx)) else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into)?.map_data(|mut it| it.copy_to_bytes(it.remaining()));
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(data) => {
                self.rest = data;
                self.piece()
            }
            Err(trailers) => trailers,
        })))
    }
}

impl<B> Body for Reply<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.serving.asked();
        let piece = ready!(self.poll_piece(cx));
        if piece.is_some() {
            self.serving.handed();
        }
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.source.as_ref().is_none_or(|it| it.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let Some(source) = &self.source else { return SizeHint::with_exact(rest) };
        let mut hint = source.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}
