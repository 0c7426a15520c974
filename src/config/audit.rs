//! The settings of the audit trail.

use std::time::Duration;

use clap::Args;

use super::duration;

/// What is kept of what happened.
#[derive(Debug, Clone, Args)]
pub struct AuditSettings {
    /// How long the audit trail is kept
    #[arg(long, env, global = true, default_value = "365d", value_parser = duration)]
    pub audit_retention: Duration,
}
