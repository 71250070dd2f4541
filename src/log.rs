//! The log: one line per event on standard error, as JSON or for people.
//!
//! A request's events stand in a span that carries `request_id`, and whoever logs adds fields
//! rather than prose: `tracing::info!(decision = %id, "denied")`.
//!
//! A secret cannot be written here by accident: secrets are `secrecy` types, which print as
//! redacted, and the crates below us, which print what passes through them when asked for more
//! than warnings, are held to warnings at any level.

use std::fmt;
use std::io::{self, Write};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::Clock;
use crate::settings::{Log, LogFormat, LogLevel};

/// These write down what Vault says; whoever calls them says how it went.
const SILENT: [&str; 2] = ["vaultrs", "rustify"];

/// Sends the process's events to standard error from now on. A later call changes nothing, so
/// that each test may make one.
pub fn init(settings: Log, clock: Clock) {
    // The one error is that a log is there already.
    let _ = subscriber(settings, clock, io::stderr).try_init();
}

/// Tells of panics as events like all others: where, and what only if it stood so in the source,
/// for a text made on the spot may hold anything.
pub fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let said = panic.payload().downcast_ref::<&'static str>();
        tracing::error!(place, said, "panicked");
    }));
}

/// What [`init`] installs, writing elsewhere.
pub fn subscriber<W>(settings: Log, clock: Clock, out: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = level(settings.level);
    let others = level.min(LevelFilter::WARN);
    let filter = Targets::new()
        .with_default(others)
        .with_target(env!("CARGO_PKG_NAME"), level)
        // It warns of whatever a client does wrong, which is the client's to know.
        .with_target("rmcp", level.min(LevelFilter::ERROR))
        .with_targets(SILENT.map(|it| (it, LevelFilter::OFF)));
    let lines = layer().with_ansi(false).with_timer(OnClock(clock)).with_writer(Lines(out));
    let layer = match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    registry().with(layer.with_filter(filter))
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

struct OnClock(Clock);

impl FormatTime for OnClock {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        write!(out, "{:.6}", self.0.now())
    }
}

/// Keeps an event on its line. Events hold what callers send, and a line feed or a terminal's
/// control character among it would let them write lines of their own.
struct Lines<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Lines<W> {
    type Writer = Lines<W::Writer>;

    fn make_writer(&'a self) -> Lines<W::Writer> {
        Lines(self.0.make_writer())
    }
}

impl<W: Write> Write for Lines<W> {
    /// Takes one event, which the formatter hands over whole.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event.strip_suffix(b"\n").unwrap_or(event));
        let mut line = String::with_capacity(event.len() + 1);
        for sign in text.chars() {
            match sign {
                it if it.is_control() => line.extend(it.escape_default()),
                it => line.push(it),
            }
        }
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use secrecy::SecretString;
    use serde_json::Value;
    use tracing::subscriber::with_default;
    use tracing::{debug, info, info_span, warn};

    use super::*;
    use crate::clock::instant;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(level: LogLevel, format: LogFormat, act: impl FnOnce()) -> Vec<String> {
        let (page, clock) = (Page::default(), Clock::manual(instant(1_790_000_000_000_000)));
        let writer = page.clone();
        let settings = Log { level, format };
        with_default(subscriber(settings, clock, move || writer.clone()), act);
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn json_lines_carry_time_level_message_and_the_request() {
        let lines = written(LogLevel::Info, LogFormat::Json, || {
            info_span!("request", request_id = "r-1").in_scope(|| info!(status = 403, "denied"));
        });
        assert_eq!(lines.len(), 1);
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["timestamp"], "2026-09-21T14:13:20.000000Z");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "denied");
        assert_eq!(line["status"], 403);
        assert_eq!(line["span"]["request_id"], "r-1");
    }

    #[test]
    fn text_lines_carry_the_same() {
        let lines = written(LogLevel::Info, LogFormat::Text, || {
            info_span!("request", request_id = "r-1").in_scope(|| info!(status = 403, "denied"));
        });
        let [line] = &lines[..] else { panic!("{lines:?}") };
        for part in ["2026-09-21T14:13:20.000000Z", "INFO", "denied", "status=403", "r-1"] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn the_level_is_ours_and_other_crates_are_held_to_warnings() {
        let act = || {
            debug!("ours");
            info!(target: "hyper", "theirs");
            warn!(target: "hyper", "their warning");
        };
        assert_eq!(written(LogLevel::Trace, LogFormat::Text, act).len(), 2);
        assert_eq!(written(LogLevel::Info, LogFormat::Text, act).len(), 1);
        assert_eq!(written(LogLevel::Error, LogFormat::Text, act).len(), 0);
    }

    #[test]
    fn nothing_a_caller_sends_begins_a_line() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let lines = written(LogLevel::Info, format, || {
                let sent = "scout\r\n2026-09-21T14:13:20Z INFO allowed\u{1b}[2J";
                info!(agent = %sent, "seen: {sent}");
            });
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(!lines[0].contains(['\r', '\u{1b}']), "{lines:?}");
        }
    }

    #[test]
    fn a_secret_is_written_as_redacted() {
        let lines = written(LogLevel::Info, LogFormat::Text, || {
            let token = SecretString::from("canary-7f3a91");
            info!(?token, "read");
        });
        assert!(lines[0].contains("REDACTED") && !lines[0].contains("canary"), "{lines:?}");
    }

    #[test]
    fn a_second_log_changes_nothing() {
        init(Log::default(), Clock::system());
        init(Log { level: LogLevel::Error, ..Log::default() }, Clock::system());
        assert!(tracing::enabled!(tracing::Level::INFO));
    }
}
