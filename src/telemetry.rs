//! The log: lines on standard error, in UTC, each within the span of its request. Passwords, tokens and text that a
//! client has typed are never logged.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

/// Starts the log at level `info`, as JSON objects or in a form for people.
pub(crate) fn start(json: bool) {
    let lines = fmt()
        .with_max_level(LevelFilter::INFO)
        .with_writer(std::io::stderr)
        .with_target(false)
        // If the log cannot be written, the server goes on. Reporting that on standard error would panic.
        .log_internal_errors(false);
    if json {
        lines.json().flatten_event(true).with_span_list(false).init();
    } else {
        lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    }
}
