//! The settings of the audit trail.

use std::time::Duration;

use clap::Args;

use super::duration;

/// How long the audit trail is kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct AuditSettings {
    /// How long events of the audit trail are kept
    #[arg(long, env, global = true, default_value = "365d", value_parser = duration)]
    pub audit_retention: Duration,
}
