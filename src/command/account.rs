//! `countersign account …`: what an operator does with accounts.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use uuid::Uuid;

use super::{CommandError, kernel, operator_for, output, passwords};
use crate::accounts::{AccountRecord, Operator, Registration};
use crate::config::{AccountCommand, Output, PlatformAdminCommand, Printed, Settings};
use crate::domain::{
    Account, AccountStatus, AuthError, Email, FirmName, Handle, Identity, NewPassword, Password, PasswordContext,
    PersonName, Role,
};
use crate::hashing::PasswordHasher;
use crate::store::{AccountOrder, AccountPage, Purpose};

/// Accounts that are read at once.
const PAGE: usize = 500;

/// Who is to be created.
struct New {
    handle: String,
    name: String,
    firm_name: String,
    firm: Option<Uuid>,
    role: String,
    verified: bool,
}

/// Runs one command.
pub async fn account(settings: &Settings, printed: Printed<AccountCommand>) -> Result<(), CommandError> {
    let Printed { output, command } = printed;
    // There is nothing to do in a database that is not there; most likely another one was meant.
    let purpose = match command {
        AccountCommand::Create { .. } => Purpose::Operate,
        _ => Purpose::OperateExisting,
    };
    operator_for(settings, purpose, async |operator| run(settings, operator, output, command).await).await
}

async fn run(
    settings: &Settings,
    operator: &Operator,
    output: Output,
    command: AccountCommand,
) -> Result<(), CommandError> {
    match command {
        AccountCommand::Create { handle, name, firm_name, firm, role, verified } => {
            create(settings, operator, output, New { handle, name, firm_name, firm, role, verified }).await
        }
        AccountCommand::List { firm, prefix, role, status, limit } => {
            let prefix = prefix.map(|prefix| Handle::prefix(&prefix)).transpose();
            let prefix = prefix.map_err(|why| CommandError::Invalid("--prefix", why))?;
            let order =
                prefix.map_or_else(AccountOrder::default, |prefix| AccountOrder::Handle { prefix, after: None });
            let role = role.as_deref().and_then(Role::parse);
            let status = status.as_deref().and_then(AccountStatus::parse);
            let page = AccountPage { firm, role, status, order, limit: 0 };
            list(operator, output, page, limit.unwrap_or(usize::MAX)).await
        }
        AccountCommand::Show { handle } => {
            let account = find(operator, &handle).await?;
            let shown = output::account(&record(operator, account).await?);
            output.print(|| output::in_full(&shown), || shown.clone())
        }
        AccountCommand::Disable { handle } => set_status(operator, output, &handle, AccountStatus::Inactive).await,
        AccountCommand::Enable { handle } => set_status(operator, output, &handle, AccountStatus::Active).await,
        AccountCommand::Role { handle, role } => set_role(operator, output, &handle, &role).await,
        AccountCommand::Rename { handle, name } => {
            let name = PersonName::parse(&name).map_err(|why| CommandError::Invalid("name", why))?;
            let account = find(operator, &handle).await?;
            if matches!(account.identity, Identity::Username(_)) {
                return Err(CommandError::NoName(account.identity.handle()));
            }
            let changed = operator.rename(account.id, name.clone()).await?;
            let already = if changed { "" } else { " already" };
            let line = format!("{}{already} has the name {}", account.identity.handle(), name.as_str());
            output.changed(&line, &record(operator, account).await?, changed)
        }
        AccountCommand::Password { handle } => {
            let account = find(operator, &handle).await?;
            let password = new_password(settings, &PasswordContext::of(&account.identity)).await?;
            let hasher = PasswordHasher::start(settings.hash_params.clone(), kernel(settings)?, 1, 1)?;
            if !operator.set_password(&hasher, account.id, password).await? {
                return Err(CommandError::Unknown(account.identity.handle()));
            }
            let line = format!("{} has another password", account.identity.handle());
            output.changed(&line, &record(operator, account).await?, true)
        }
        AccountCommand::PlatformAdmin(command) => {
            let (handle, is_one) = match command {
                PlatformAdminCommand::Grant { handle } => (handle, true),
                PlatformAdminCommand::Revoke { handle } => (handle, false),
            };
            let account = find(operator, &handle).await?;
            let changed = operator.set_platform_admin(account.id, is_one).await?;
            let already = if changed { "" } else { "already " };
            let what = if is_one { "administers the whole service" } else { "does not administer the whole service" };
            let line = format!("{} {already}{what}", account.identity.handle());
            output.changed(&line, &record(operator, account).await?, changed)
        }
        AccountCommand::Delete { handle } => {
            let account = find(operator, &handle).await?;
            let last = record(operator, account.clone()).await?;
            operator.delete(account.id).await?;
            output.changed(&format!("deleted {}", account.identity.handle()), &last, true)
        }
    }
}

async fn create(settings: &Settings, operator: &Operator, output: Output, new: New) -> Result<(), CommandError> {
    let handle = parse(&new.handle)?;
    let identity = identity(operator, &handle, &new).await?;
    if operator.find(&handle).await?.is_none() {
        // Before anybody types one: the file may be of no use.
        let password = new_password(settings, &PasswordContext::of(&identity)).await?;
        let hasher = PasswordHasher::start(settings.hash_params.clone(), kernel(settings)?, 1, 1)?;
        if let Some(id) = operator.create(&hasher, identity, new.firm.is_some(), password).await? {
            let made = operator.record(id).await?.ok_or_else(|| CommandError::Unknown(handle.clone()))?;
            return output.changed(&format!("created {handle} ({id})"), &made, true);
        }
    }
    // Repeating it is safe, as a set-up script does; and it never changes a password.
    let there = find(operator, &new.handle).await?;
    output.changed(&format!("{handle} exists already; nothing was changed"), &record(operator, there).await?, false)
}

/// Who the new account will be.
async fn identity(operator: &Operator, handle: &Handle, new: &New) -> Result<Identity, CommandError> {
    let email: Email = match handle {
        Handle::Username(_) if !(new.name.is_empty() && new.firm_name.is_empty() && new.firm.is_none()) => {
            return Err(CommandError::NotAnEmailAccount);
        }
        Handle::Username(username) => return Ok(operator.registrant(Registration::Username(username.clone()))),
        Handle::Email(email) => email.clone(),
    };
    let name = PersonName::parse(&new.name).map_err(|why| CommandError::Invalid("--name", why))?;
    if let Some(id) = new.firm {
        let firm = operator.firm(id).await?.ok_or(CommandError::NoFirm(id))?.firm;
        let role = Role::parse(&new.role).ok_or(CommandError::Invalid("--role", "must be admin, user or viewer"))?;
        return Ok(Identity::Email { email, name, firm, role, verified: new.verified });
    }
    let firm_name = FirmName::parse(&new.firm_name).map_err(|why| CommandError::Invalid("--firm-name", why))?;
    let mut identity = operator.registrant(Registration::Email { email, name, firm_name });
    if let Identity::Email { verified, .. } = &mut identity {
        *verified = new.verified;
    }
    Ok(identity)
}

async fn list(operator: &Operator, output: Output, mut page: AccountPage, mut left: usize) -> Result<(), CommandError> {
    while left > 0 {
        page.limit = u32::try_from(left.min(PAGE)).unwrap_or(1);
        let records = operator.list(&page).await?;
        let Some(AccountRecord { account: last, .. }) = records.last() else {
            return Ok(());
        };
        page.order = match page.order {
            AccountOrder::Registration(_) => AccountOrder::Registration(Some((last.created_at, last.id))),
            AccountOrder::Handle { prefix, .. } => {
                AccountOrder::Handle { prefix, after: Some(last.identity.handle().as_str().to_owned()) }
            }
        };
        left -= records.len();
        for record in &records {
            output.print(|| output::account_line(record), || output::account(record))?;
        }
    }
    Ok(())
}

async fn set_status(
    operator: &Operator,
    output: Output,
    handle: &str,
    status: AccountStatus,
) -> Result<(), CommandError> {
    let account = find(operator, handle).await?;
    let changed = operator.set_status(account.id, status).await?;
    let already = if changed { "" } else { "already " };
    let line = format!("{} is {already}{}", account.identity.handle(), status.as_str());
    output.changed(&line, &record(operator, account).await?, changed)
}

async fn set_role(operator: &Operator, output: Output, handle: &str, role: &str) -> Result<(), CommandError> {
    let role = Role::parse(role).ok_or(CommandError::Invalid("role", "must be admin, user or viewer"))?;
    let account = find(operator, handle).await?;
    if matches!(account.identity, Identity::Username(_)) {
        return Err(CommandError::NoRole(account.identity.handle()));
    }
    let changed = operator.set_role(account.id, role).await?;
    let already = if changed { "" } else { " already" };
    let line = format!("{}{already} has the role {}", account.identity.handle(), role.as_str());
    output.changed(&line, &record(operator, account).await?, changed)
}

/// The account that signs in with what was typed.
pub(super) async fn find(operator: &Operator, handle: &str) -> Result<Account, CommandError> {
    let handle = parse(handle)?;
    operator.find(&handle).await?.ok_or(CommandError::Unknown(handle))
}

/// As it is now.
async fn record(operator: &Operator, account: Account) -> Result<AccountRecord, CommandError> {
    operator.record(account.id).await?.ok_or_else(|| CommandError::Unknown(account.identity.handle()))
}

pub(super) fn parse(handle: &str) -> Result<Handle, CommandError> {
    Handle::parse(handle).map_err(|why| CommandError::Invalid("username or email", why))
}

/// One that stands up to the server's settings.
async fn new_password(settings: &Settings, context: &PasswordContext) -> Result<NewPassword, CommandError> {
    let rules = passwords::rules(settings)?;
    let password = read_password().map_err(CommandError::Password)?;
    let password = Password::parse(password, 1).map_err(|why| CommandError::Invalid("password", why))?;
    rules.judge("password", password, context).await.map_err(unfit)
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
