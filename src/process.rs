//! The process: parses the command line, starts telemetry, runs, maps the result to an exit code.
//!
//! It belongs to the library and not to `main.rs`, because an `async fn` is compiled in the crate that runs it: the
//! whole server would be compiled a second time, for the program.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use crate::command::{self, CommandError};
use crate::config::{ArgumentsError, Cli, Command, LogFormat, ServeArgs};
use crate::{server, telemetry};

/// The exit code of a wrong setting; clap ends with the same one.
const CANNOT_START: u8 = 2;

/// Runs the command that the arguments of this process name, or the server.
pub fn run() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        // Ends the process on a wrong value, with a message that names it.
        Err(ArgumentsError::Clap(error)) => error.exit(),
        Err(ArgumentsError::EnvFile(error)) => return fail(CANNOT_START, &error),
    };
    let environment = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unread = match cli.settings.check(environment) {
        Ok(unread) => unread,
        Err(error) => return fail(CANNOT_START, &error),
    };
    let command = cli.command.unwrap_or(Command::Serve(ServeArgs::default()));
    // Only the server has a log. A command prints its result or one error, and lines that a driver logs would stand in
    // between.
    if let Command::Serve(_) = command {
        telemetry::start(cli.settings.log.log_format == LogFormat::Json, cli.settings.log.log_level.filter());
        for variable in unread {
            tracing::warn!(event = "settings", "{variable}");
        }
    }
    // Connections have threads of their own (`transport/workers.rs`).
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(CANNOT_START, &error),
    };
    let settings = &cli.settings;
    let failed = |error: CommandError| fail(error.exit_code(), &error);
    let result = match command {
        Command::Serve(args) => {
            runtime.block_on(server::run(settings, &args)).map_err(|error| fail(error.exit_code(), &error))
        }
        Command::Health(args) => runtime.block_on(command::health(settings, args.address)).map_err(failed),
        Command::Account(what) => runtime.block_on(command::account(settings, what)).map_err(failed),
        Command::Session(what) => runtime.block_on(command::session(settings, what)).map_err(failed),
        Command::Firm(what) => runtime.block_on(command::firm(settings, what)).map_err(failed),
        Command::Attempts(what) => runtime.block_on(command::attempts(settings, what)).map_err(failed),
        Command::Mail(what) => runtime.block_on(command::mail(settings, what)).map_err(failed),
        Command::Keys(what) => runtime.block_on(command::keys(settings, what)).map_err(failed),
        Command::Audit(what) => runtime.block_on(command::audit(settings, what)).map_err(failed),
        Command::Completions { shell } => command::completions(shell).map_err(failed),
        Command::Manual { folder } => command::manual(&folder).map_err(failed),
        Command::MigrateStore { from, to } => runtime.block_on(command::migrate_store(&from, &to)).map_err(failed),
        Command::Calibrate(args) => {
            runtime.block_on(command::calibrate(settings, args.target, args.within)).map_err(failed)
        }
        Command::Import(args) => runtime.block_on(command::import(settings, &args)).map_err(failed),
        Command::Export(args) => runtime.block_on(command::export(settings, &args)).map_err(failed),
        Command::Passwords(command) => runtime.block_on(command::passwords(command)).map_err(failed),
        Command::Backup { file } => runtime.block_on(command::backup(settings, &file)).map_err(failed),
    };
    // Tasks that are still running after the drain are not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    // A closed standard error is ignored; `eprintln!` would panic.
    let _ = writeln!(std::io::stderr(), "countersign: {error}");
    ExitCode::from(code)
}
