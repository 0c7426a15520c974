//! Log lines: to standard error, in UTC, each within the span of its request. What is never in one: passwords, tokens,
//! what a client typed.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

/// Sends log lines of level `info` and above to standard error from now on; as JSON objects, or for people.
pub fn start(json: bool) {
    let lines = fmt()
        .with_max_level(LevelFilter::INFO)
        .with_writer(std::io::stderr)
        .with_target(false)
        // A log that cannot be written is no reason to stop serving: reporting that to standard error panics.
        .log_internal_errors(false);
    if json {
        lines.json().flatten_event(true).with_span_list(false).init();
    } else {
        lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    }
}
