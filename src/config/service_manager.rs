//! Whether a service manager watches this process. Separate because the variable is not a setting: systemd sets it.

/// Whether a service manager waits to be told that the server is ready (`NOTIFY_SOCKET` of sd_notify(3)).
#[expect(
    clippy::disallowed_methods,
    reason = "this is no setting, and is read in the folder of the settings all the same"
)]
pub(crate) fn has_service_manager() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}
