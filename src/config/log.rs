//! The settings of the log. Separate because they are one decision.

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;

/// The form and the amount of log lines.
#[derive(Debug, Clone, Args)]
pub struct LogSettings {
    /// The format of log lines, which go to standard error
    #[arg(long, env, global = true, value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// The least severe log lines that are written
    #[arg(long, env, global = true, value_enum, default_value = "info")]
    pub log_level: LogLevel,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people to read
    Text,
    /// JSON for programs, one object a line
    Json,
}

/// The severity of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Only failures of the service itself
    Error,
    /// Also what an operator should look at
    Warn,
    /// Also what happens in normal operation
    Info,
    /// Also details of the service, but not of the libraries that it uses
    Debug,
}

impl LogLevel {
    /// Returns the level as the log's library knows it.
    pub fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}
