//! The log: lines on standard error, in UTC, each within the span of its request. Passwords, tokens and text that a
//! client has typed are never logged.

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the log of lines of `level` and above, as JSON objects or in a form for people.
pub(crate) fn start(json: bool, level: LevelFilter) {
    let lines = fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(std::io::stderr)
        .with_target(false)
        // If the log cannot be written, the server goes on. Reporting that on standard error would panic.
        .log_internal_errors(false);
    let filter = FilterFn::new(move |metadata| is_logged(metadata, level));
    if json {
        lines.json().flatten_event(true).with_span_list(false).finish().with(filter).init();
    } else {
        lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).finish().with(filter).init();
    }
}

/// Whether the log has this line or span. Libraries log requests and statements with everything in them below `info`,
/// so lower levels are for this service only. The span of a request is there at every level: it has the request's id.
fn is_logged(metadata: &Metadata<'_>, level: LevelFilter) -> bool {
    let level = if metadata.target().starts_with("countersign") { level } else { level.min(LevelFilter::INFO) };
    let level = if metadata.is_span() { level.max(LevelFilter::INFO) } else { level };
    *metadata.level() <= level
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing::level_filters::LevelFilter;
    use tracing_subscriber::filter::FilterFn;
    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::is_logged;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged at `level` of two lines for each level, one of ours and one of a library.
    fn logged(level: LevelFilter) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = fmt().with_max_level(LevelFilter::TRACE).with_ansi(false).without_time();
        let log = log.with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log.with(FilterFn::new(move |metadata| is_logged(metadata, level))), || {
            let _request = tracing::info_span!("request", id = 7).entered();
            tracing::error!("ours");
            tracing::warn!("ours");
            tracing::info!("ours");
            tracing::debug!("ours");
            tracing::trace!("ours");
            tracing::error!(target: "h2::codec", "library");
            tracing::info!(target: "h2::codec", "library");
            tracing::debug!(target: "h2::codec", "library");
        });
        let lines = lines.0.lock().unwrap().clone();
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn a_level_is_ours_alone_below_info_and_every_line_has_its_request() {
        for (level, ours, library) in [
            (LevelFilter::ERROR, 1, 1),
            (LevelFilter::WARN, 2, 1),
            (LevelFilter::INFO, 3, 2),
            (LevelFilter::DEBUG, 4, 2),
        ] {
            let log = logged(level);
            let count = |text: &str| log.lines().filter(|line| line.contains(text)).count();
            assert_eq!([count("ours"), count("library")], [ours, library], "{level}: {log}");
            assert!(log.lines().all(|line| line.contains("request{id=7}")), "{log}");
        }
    }
}
