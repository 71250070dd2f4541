//! Request bodies that must have arrived in time.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::vitals::Arriving;

/// The error of a body: [`Late`], or whatever broke the connection.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The request body did not arrive in time; deserves the status 408 (RFC 9110 section 15.5.9).
#[derive(Debug, thiserror::Error)]
#[error("request body did not arrive within {allowance:?}")]
pub struct Late {
    allowance: Duration,
}

impl Late {
    /// Whether `error`, or anything that caused it, is a late body. HTTP layers wrap it.
    pub fn caused(error: &(dyn Error + 'static)) -> bool {
        error.is::<Late>() || error.source().is_some_and(Late::caused)
    }
}

/// A request body with one deadline for all of it, which starts when the reader first has to
/// wait. Once missed, every further read is [`Late`], so a part never passes for the whole.
pub struct Timed<B> {
    inner: B,
    allowance: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    missed: bool,
    arriving: Option<Arriving>,
}

impl<B: Body> Timed<B> {
    pub(super) fn new(inner: B, allowance: Duration, arriving: Arriving) -> Timed<B> {
        let arriving = (!inner.is_end_stream()).then_some(arriving);
        Timed { inner, allowance, deadline: None, missed: false, arriving }
    }
}

impl<B> Timed<B> {
    /// Ready once the time is up.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Late> {
        if !self.missed {
            let allowance = self.allowance;
            let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(allowance)));
            ready!(deadline.as_mut().poll(cx));
            self.missed = true;
            if let Some(arriving) = self.arriving.take() {
                arriving.late();
            }
        }
        Poll::Ready(Late { allowance: self.allowance })
    }
}

impl<B> Body for Timed<B>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = &mut *self;
        if !this.missed
            && let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx)
        {
            if frame.is_none() || this.inner.is_end_stream() {
                this.arriving = None;
            }
            return Poll::Ready(frame.map(|it| it.map_err(Into::into)));
        }
        this.poll_deadline(cx).map(|late| Some(Err(late.into())))
    }

    fn is_end_stream(&self) -> bool {
        !self.missed && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
