//! `countersign account …`: what an operator does with accounts.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::sync::Arc;

use super::{CommandError, passwords, say};
use crate::accounts::{Operator, Registration};
use crate::clock::SystemClock;
use crate::config::{AccountCommand, Settings};
use crate::domain::{
    Account, AccountStatus, AuthError, FirmName, Handle, Identity, Password, PasswordContext, PersonName, Role,
};
use crate::hashing::PasswordHasher;
use crate::store::{self, Purpose};

/// Runs one command.
pub async fn account(settings: &Settings, command: AccountCommand) -> Result<(), CommandError> {
    // There is nothing to do in a database that is not there; most likely another one was meant.
    let purpose = match command {
        AccountCommand::Create { .. } => Purpose::Operate,
        _ => Purpose::OperateExisting,
    };
    let store = store::open(&settings.database_url, purpose).await?;
    let operator = Operator::new(Arc::clone(&store), Arc::new(SystemClock));
    let result = run(settings, &operator, command).await;
    store.close().await;
    result
}

async fn run(settings: &Settings, operator: &Operator, command: AccountCommand) -> Result<(), CommandError> {
    match command {
        AccountCommand::Create { handle, name, firm_name } => {
            create(settings, operator, &handle, &name, &firm_name).await
        }
        AccountCommand::List => list(operator).await,
        AccountCommand::Disable { handle } => set_status(operator, &handle, AccountStatus::Inactive).await,
        AccountCommand::Enable { handle } => set_status(operator, &handle, AccountStatus::Active).await,
        AccountCommand::Role { handle, role } => set_role(operator, &handle, &role).await,
        AccountCommand::Delete { handle } => {
            let account = find(operator, &handle).await?;
            operator.delete(account.id).await?;
            say(&format!("deleted {}", account.identity.handle()))
        }
    }
}

async fn create(
    settings: &Settings,
    operator: &Operator,
    handle: &str,
    name: &str,
    firm_name: &str,
) -> Result<(), CommandError> {
    let handle = parse(handle)?;
    let (registration, context) = match handle.clone() {
        Handle::Username(_) if !(name.is_empty() && firm_name.is_empty()) => {
            return Err(CommandError::NotAnEmailAccount);
        }
        Handle::Username(username) => {
            let context = PasswordContext::of_username(Some(&username));
            (Registration::Username(username), context)
        }
        Handle::Email(email) => {
            let name = PersonName::parse(name).map_err(|why| CommandError::Invalid("--name", why))?;
            let firm_name = FirmName::parse(firm_name).map_err(|why| CommandError::Invalid("--firm-name", why))?;
            let context = PasswordContext::of_email(Some(&email), Some(&name), Some(&firm_name));
            (Registration::Email { email, name, firm_name }, context)
        }
    };
    if operator.find(&handle).await?.is_none() {
        // Before anybody types one: the file may be of no use.
        let rules = passwords::rules(settings)?;
        let password = read_password().map_err(CommandError::Password)?;
        let password = Password::parse(password, 1).map_err(|why| CommandError::Invalid("password", why))?;
        let password = rules.judge("password", password, &context).await.map_err(unfit)?;
        let hasher = PasswordHasher::start(settings.hash_params.clone(), 1, 1)?;
        if let Some(id) = operator.create(&hasher, registration, password).await? {
            return say(&format!("created {handle} ({id})"));
        }
    }
    // Repeating it is safe, as a set-up script does; and it never changes a password.
    say(&format!("{handle} exists already; nothing was changed"))
}

async fn list(operator: &Operator) -> Result<(), CommandError> {
    let mut after = None;
    loop {
        let page = operator.list(after).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.id);
        for Account { id, identity, status, created_at, .. } in &page {
            say(&format!("{id}  {:8}  {}  {}", status.as_str(), timestamp(*created_at), identity.handle()))?;
        }
    }
}

async fn set_status(operator: &Operator, handle: &str, status: AccountStatus) -> Result<(), CommandError> {
    let account = find(operator, handle).await?;
    let changed = operator.set_status(account.id, status).await?;
    let already = if changed { "" } else { "already " };
    say(&format!("{} is {already}{}", account.identity.handle(), status.as_str()))
}

async fn set_role(operator: &Operator, handle: &str, role: &str) -> Result<(), CommandError> {
    let role = Role::parse(role).ok_or(CommandError::Invalid("role", "must be admin, user or viewer"))?;
    let account = find(operator, handle).await?;
    if matches!(account.identity, Identity::Username(_)) {
        return Err(CommandError::NoRole(account.identity.handle()));
    }
    let changed = operator.set_role(account.id, role).await?;
    let already = if changed { "" } else { " already" };
    say(&format!("{}{already} has the role {}", account.identity.handle(), role.as_str()))
}

async fn find(operator: &Operator, handle: &str) -> Result<Account, CommandError> {
    let handle = parse(handle)?;
    operator.find(&handle).await?.ok_or(CommandError::Unknown(handle))
}

fn parse(handle: &str) -> Result<Handle, CommandError> {
    Handle::parse(handle).map_err(|why| CommandError::Invalid("username or email", why))
}

/// What is wrong with a password, instead of that something is.
fn unfit(error: AuthError) -> CommandError {
    if let AuthError::Validation(bad) = &error
        && let Some(violation) = bad.iter().next()
    {
        return CommandError::Invalid(violation.field, violation.description);
    }
    error.into()
}

/// Asked for without echo, twice; or the first line of standard input.
fn read_password() -> io::Result<String> {
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        // More than any password; whatever follows is not read.
        io::stdin().lock().take(8 * 1_024).read_line(&mut line)?;
        let length = line.trim_end_matches(['\n', '\r']).len();
        line.truncate(length);
        return Ok(line);
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Again: ")? == password {
        Ok(password)
    } else {
        Err(io::Error::other("the two are not the same"))
    }
}

fn timestamp(time: time::OffsetDateTime) -> String {
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}
