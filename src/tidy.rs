//! Tidying up: what nobody asks for, and is done now and then.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Result;

/// Does `work` as often as this, the first time at once, until told to stop. When it fails, `kept`
/// says what is left as it was, and it is tried again the next time.
pub async fn now_and_then<W: Future<Output = Result<()>> + Send>(
    every: Duration,
    stop: CancellationToken,
    kept: &'static str,
    work: impl Fn() -> W + Send,
) {
    let mut turns = tokio::time::interval(every);
    while stop.run_until_cancelled(turns.tick()).await.is_some() {
        if let Err(error) = work().await {
            tracing::warn!(error = %error, "{kept}");
        }
    }
}
