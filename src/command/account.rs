//! `countersign account …`: creates, lists and changes accounts.

use std::fmt;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{CommandError, account_problems, all, kernel, operator_for, output, passwords};
use crate::accounts::{Operator, Registration};
use crate::config::{AccountCommand, Output, PlatformAdminCommand, Printed, Settings};
use crate::domain::{
    AccountRecord, AccountStatus, AuthError, Email, FirmName, Handle, Identity, NewPassword, Password, PasswordContext,
    PersonName, Role, SignInName, Username,
};
use crate::hashing::PasswordHasher;
use crate::store::{AccountOrder, AccountPage, Purpose};

/// The number of accounts in one page.
const PAGE: usize = 500;

/// The names of an account that is to be created.
struct New {
    handle: String,
    name: String,
    firm_name: String,
    firm: Option<Uuid>,
    role: String,
    verified: bool,
}

/// Works with accounts. Only `create` makes a database that does not exist; every other command fails without one.
pub(crate) async fn account(settings: &Settings, printed: Printed<AccountCommand>) -> Result<(), CommandError> {
    let Printed { output, command } = printed;
    // A database that does not exist has no accounts to change; most likely its address is wrong.
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
        AccountCommand::List { problems: true, .. } => account_problems::list(operator, output).await,
        AccountCommand::List { firm, prefix, role, status, limit, problems: false } => {
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
            let shown = shown(operator, &find(operator, &handle).await?).await?;
            output.print(|| output::in_full(&shown), || shown.clone())
        }
        AccountCommand::Disable { handle, force } => {
            set_status(operator, output, &handle, AccountStatus::Inactive, force).await
        }
        AccountCommand::Enable { handle } => set_status(operator, output, &handle, AccountStatus::Active, false).await,
        AccountCommand::Role { handle, role, force } => set_role(operator, output, &handle, &role, force).await,
        AccountCommand::Rename { handle, name } => rename(operator, output, &handle, &name).await,
        AccountCommand::Password { handle } => {
            let target = find(operator, &handle).await?;
            let Ok(Some(record)) = operator.record(target.id).await else {
                return Err(CommandError::Unreadable(target.name));
            };
            let password = new_password(settings, &PasswordContext::of(&record.account.identity)).await?;
            let hasher = PasswordHasher::start(settings.hash_params.clone(), kernel(settings)?, 1, 1)?;
            if !operator.set_password(&hasher, target.id, password).await? {
                return Err(CommandError::Unknown(target.name));
            }
            output.changed(&format!("{target} has a new password"), shown(operator, &target).await?, true)
        }
        AccountCommand::PlatformAdmin(command) => {
            let (handle, is_one) = match command {
                PlatformAdminCommand::Grant { handle } => (handle, true),
                PlatformAdminCommand::Revoke { handle } => (handle, false),
            };
            let target = find(operator, &handle).await?;
            let changed = operator.set_platform_admin(target.id, is_one).await?;
            let line = match (is_one, changed) {
                (true, true) => "is now a platform administrator",
                (true, false) => "is already a platform administrator",
                (false, true) => "is no longer a platform administrator",
                (false, false) => "is not a platform administrator",
            };
            output.changed(&format!("{target} {line}"), shown(operator, &target).await?, changed)
        }
        AccountCommand::RemoveSecondFactors { handle } => {
            let target = find(operator, &handle).await?;
            let removed = operator.remove_second_factors(target.id).await?;
            let line = if removed { "has no second factor any more" } else { "has no second factor" };
            output.changed(&format!("{target} {line}"), shown(operator, &target).await?, removed)
        }
        AccountCommand::Delete { handle, force } => {
            let target = find(operator, &handle).await?;
            let last = shown(operator, &target).await?;
            operator.delete(target.id, force).await?;
            output.changed(&format!("deleted {target}"), last, true)
        }
    }
}

async fn create(settings: &Settings, operator: &Operator, output: Output, new: New) -> Result<(), CommandError> {
    let handle = Handle::parse(&new.handle).map_err(|why| CommandError::Invalid("username or email", why))?;
    let identity = identity(operator, &handle, &new).await?;
    if operator.find(&handle).await?.is_none() {
        // The file of breached passwords is checked before anybody types a password.
        let password = new_password(settings, &PasswordContext::of(&identity)).await?;
        let hasher = PasswordHasher::start(settings.hash_params.clone(), kernel(settings)?, 1, 1)?;
        if let Some(id) = operator.create(&hasher, identity, new.firm.is_some(), password).await? {
            let made = shown(
                operator,
                &Target { id, name: handle.to_string(), is_username: matches!(handle, Handle::Username(_)) },
            )
            .await?;
            return output.changed(&format!("created {handle} ({id})"), made, true);
        }
    }
    // Set-up scripts repeat the command. It succeeds when the account exists, and never changes a password.
    let there = find(operator, &new.handle).await?;
    output.changed(&format!("{handle} exists already; nothing was changed"), shown(operator, &there).await?, false)
}

/// Returns the identity of the new account.
async fn identity(operator: &Operator, handle: &Handle, new: &New) -> Result<Identity, CommandError> {
    let email: Email = match handle {
        Handle::Username(_) if !(new.name.is_empty() && new.firm_name.is_empty() && new.firm.is_none()) => {
            return Err(CommandError::NotAnEmailAccount);
        }
        Handle::Username(username) => return Ok(operator.new_identity(Registration::Username(username.clone()))),
        Handle::Email(email) => email.clone(),
    };
    let name = PersonName::parse(&new.name).map_err(|why| CommandError::Invalid("--name", why))?;
    if let Some(id) = new.firm {
        let firm = operator.firm(id).await?.ok_or(CommandError::NoFirm(id))?.firm;
        let role = Role::parse(&new.role).ok_or(CommandError::Invalid("--role", "must be admin, user or viewer"))?;
        return Ok(Identity::Email { email, name, firm, role, verified: new.verified });
    }
    let firm_name = FirmName::parse(&new.firm_name).map_err(|why| CommandError::Invalid("--firm-name", why))?;
    let mut identity = operator.new_identity(Registration::Email { email, name, firm_name });
    if let Identity::Email { verified, .. } = &mut identity {
        *verified = new.verified;
    }
    Ok(identity)
}

async fn list(operator: &Operator, output: Output, page: AccountPage, mut left: usize) -> Result<(), CommandError> {
    let by_name = |order: &AccountOrder, AccountRecord { account: last, .. }: &AccountRecord| match order {
        AccountOrder::Registration(_) => AccountOrder::Registration(Some((last.created_at, last.id))),
        AccountOrder::Handle { prefix, .. } => {
            let after = Some((last.identity.handle().as_str().to_owned(), last.id));
            AccountOrder::Handle { prefix: prefix.clone(), after }
        }
    };
    all(
        async |after: Option<AccountOrder>| {
            let limit = u32::try_from(left.min(PAGE)).unwrap_or(1);
            let order = after.unwrap_or_else(|| page.order.clone());
            let records = operator.list(&AccountPage { order, limit, ..page.clone() }).await?;
            left -= records.found.len();
            Ok(records)
        },
        |last| by_name(&page.order, last),
        |record| output.print(|| output::account_line(record), || output::account(record)),
    )
    .await
}

async fn set_status(
    operator: &Operator,
    output: Output,
    handle: &str,
    status: AccountStatus,
    force: bool,
) -> Result<(), CommandError> {
    let target = find(operator, handle).await?;
    let changed = operator.set_status(target.id, status, force).await?;
    let already = if changed { "" } else { "already " };
    output.changed(&format!("{target} is {already}{}", status.as_str()), shown(operator, &target).await?, changed)
}

async fn set_role(
    operator: &Operator,
    output: Output,
    handle: &str,
    role: &str,
    force: bool,
) -> Result<(), CommandError> {
    let role = Role::parse(role).ok_or(CommandError::Invalid("role", "must be admin, user or viewer"))?;
    let target = find(operator, handle).await?;
    if target.is_username {
        return Err(CommandError::NoRole(target.name));
    }
    let changed = operator.set_role(target.id, role, force).await?;
    let already = if changed { "" } else { " already" };
    let line = format!("{target}{already} has the role {}", role.as_str());
    output.changed(&line, shown(operator, &target).await?, changed)
}

async fn rename(operator: &Operator, output: Output, handle: &str, name: &str) -> Result<(), CommandError> {
    let target = find(operator, handle).await?;
    let bad = |why| CommandError::Invalid("name", why);
    let (changed, name, what) = if target.is_username {
        let username = Username::parse(name).map_err(bad)?;
        (operator.rename_username(target.id, username.clone()).await?, username.as_str().to_owned(), "username")
    } else {
        let name = PersonName::parse(name).map_err(bad)?;
        (operator.rename(target.id, name.clone()).await?, name.as_str().to_owned(), "name")
    };
    let already = if changed { "" } else { " already" };
    output.changed(&format!("{target}{already} has the {what} {name}"), shown(operator, &target).await?, changed)
}

/// An account, and the name by which the operator named it.
pub(super) struct Target {
    pub id: Uuid,
    name: String,
    is_username: bool,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Finds the account with this id or sign-in name. A username is always shorter than an id.
pub(super) async fn find(operator: &Operator, name: &str) -> Result<Target, CommandError> {
    if let Ok(id) = Uuid::try_parse(name) {
        let found = operator.outline(id).await?.ok_or_else(|| CommandError::Unknown(name.to_owned()))?;
        return Ok(Target { id, name: name.to_owned(), is_username: found.member.is_none() });
    }
    let handle = parse(name)?;
    let found = operator.find(&handle).await?;
    // A listing shows the name that an earlier version stored, and signing in by it may reach another account.
    let listed = match SignInName::username(name).ok().and_then(|name| name.once_stored) {
        Some(once_stored) => operator.find(&once_stored).await?,
        None => None,
    };
    let account = match (found, listed) {
        (Some(found), Some(listed)) => return Err(CommandError::Ambiguous(name.to_owned(), listed.id, found.id)),
        (found, listed) => found.or(listed).ok_or_else(|| CommandError::Unknown(handle.to_string()))?,
    };
    let is_username = matches!(handle, Handle::Username(_));
    Ok(Target { id: account.id, name: handle.to_string(), is_username })
}

/// Returns the account as it is now, or only its id when it cannot be read.
async fn shown(operator: &Operator, target: &Target) -> Result<Value, CommandError> {
    match operator.record(target.id).await {
        Ok(Some(record)) => Ok(output::account(&record)),
        Ok(None) => Err(CommandError::Unknown(target.name.clone())),
        Err(AuthError::Internal(cause)) => Ok(json!({ "id": target.id, "unreadable": cause.to_string() })),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn parse(handle: &str) -> Result<Handle, CommandError> {
    Handle::typed(handle).map_err(|why| CommandError::Invalid("username or email", why))
}

/// Reads a password and checks it against the server's policy.
async fn new_password(settings: &Settings, context: &PasswordContext) -> Result<NewPassword, CommandError> {
    let rules = passwords::rules(settings)?;
    let password = read_password().map_err(CommandError::Password)?;
    let password = Password::parse(password, 1).map_err(|why| CommandError::Invalid("password", why))?;
    rules.check("password", password, context).await.map_err(unfit)
}

/// Says which rule a password breaks.
fn unfit(error: AuthError) -> CommandError {
    if let AuthError::Validation(bad) = &error
        && let Some(violation) = bad.iter().next()
    {
        return CommandError::Invalid(violation.field, violation.description);
    }
    error.into()
}

/// Asks for the password twice without echo, or reads the first line of standard input.
fn read_password() -> io::Result<String> {
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        // The limit is longer than any password; the rest is not read.
        io::stdin().lock().take(8 * 1_024).read_line(&mut line)?;
        let length = line.trim_end_matches(['\n', '\r']).len();
        line.truncate(length);
        return Ok(line);
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Again: ")? == password {
        Ok(password)
    } else {
        Err(io::Error::other("the two passwords are not the same"))
    }
}
