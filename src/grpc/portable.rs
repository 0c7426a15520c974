//! `ImportAccounts` and `ExportAccounts`: the two streams of `AdminService`, and the form of an account that both use.
//! Separate from the other RPCs because each is a task that reads or writes one message after another.

use countersign_guard::layer::Caller;
use prost_types::Timestamp;
use time::OffsetDateTime;
use tonic::codegen::BoxStream;
use tonic::{Request, Status, Streaming};

use super::call_context::{actor, call, caller};
use super::responses::{ResponseSender, respond};
use super::status::ToStatus;
use super::{admin_convert, convert};
use crate::accounts::{Accounts, Actor, Import};
use crate::domain::{
    Call, DraftError, DraftProblem, Identity, ImportTerms, Imported, PasswordHash, PortableAccount, PortableDraft,
    UnreadableRow,
};
use crate::pb;
use crate::pb::portable_account::Handle as PbHandle;

/// The accounts in a response of an export. Even with the longest texts, such a response is a message that an import
/// accepts.
const ACCOUNTS_PER_MESSAGE: usize = 25;

/// The caller that imports or exports. The guard checks it once, and the stream checks it again for each message.
struct Administrator {
    accounts: Accounts,
    caller: Caller,
    actor: Actor,
    call: Call,
}

impl Administrator {
    fn of<T>(request: &Request<T>, accounts: &Accounts) -> Result<Self, Status> {
        let (caller, actor) = (caller(request)?.clone(), actor(request)?);
        Ok(Self { accounts: accounts.clone(), caller, actor, call: call(request) })
    }

    /// Fails as soon as the guard would refuse the caller.
    fn require_session(&self) -> Result<(), Status> {
        Ok(self.accounts.require_session(self.caller.claims()).map_err(ToStatus)?)
    }

    async fn import(&self, dry_run: bool) -> Result<Import, Status> {
        Ok(self.accounts.import(&self.actor, &self.call, dry_run).await.map_err(ToStatus)?)
    }
}

/// Stores one request after another, and answers each.
pub(super) async fn import(
    accounts: &Accounts,
    request: Request<Streaming<pb::ImportAccountsRequest>>,
) -> Result<BoxStream<pb::ImportAccountsResponse>, Status> {
    let by = Administrator::of(&request, accounts)?;
    // Before the first message, so that a caller without permission is refused at once.
    let mut import = by.import(false).await?;
    Ok(respond(async move |sender| {
        let result = import_requests(&by, &mut import, request.into_inner(), sender).await;
        by.accounts.record_import(&by.actor, &by.call, &import);
        result
    }))
}

async fn import_requests(
    by: &Administrator,
    import: &mut Import,
    mut requests: Streaming<pb::ImportAccountsRequest>,
    sender: ResponseSender<pb::ImportAccountsResponse>,
) -> Result<(), Status> {
    let mut dry_run: Option<Import> = None;
    // This does not wait for ever: the listener and the JSON APIs limit how long a client may be silent.
    while let Some(request) = requests.message().await? {
        // Before anything is stored, so that everything that is stored is also answered.
        let permit = sender.permit().await?;
        // Between two messages, the caller may have signed out or lost its permission.
        by.require_session()?;
        by.accounts.require_platform_admin(&by.actor, &by.call).await.map_err(ToStatus)?;
        let import = match (request.dry_run, &mut dry_run) {
            (false, _) => &mut *import,
            (true, Some(import)) => import,
            (true, none) => none.insert(by.import(true).await?),
        };
        permit.send(import_accounts(import, request.accounts, by.accounts.import_terms()).await?);
    }
    Ok(())
}

/// Sends all accounts, a few in each response.
pub(super) async fn export(
    accounts: &Accounts,
    request: &Request<pb::ExportAccountsRequest>,
) -> Result<BoxStream<pb::ExportAccountsResponse>, Status> {
    let by = Administrator::of(request, accounts)?;
    let mut page = by.accounts.export(&by.actor, &by.call).await.map_err(ToStatus)?;
    Ok(respond(async move |sender| {
        loop {
            let accounts = page.found.chunks(ACCOUNTS_PER_MESSAGE).map(|some| pb::ExportAccountsResponse {
                accounts: some.iter().map(message).collect(),
                problems: Vec::new(),
            });
            let problems = page.unreadable.chunks(ACCOUNTS_PER_MESSAGE).map(|some| pb::ExportAccountsResponse {
                accounts: Vec::new(),
                problems: some.iter().map(problem).collect(),
            });
            for response in accounts.chain(problems) {
                let permit = sender.permit().await?;
                // Between two messages, the caller may have signed out.
                by.require_session()?;
                permit.send(response);
            }
            let Some(last) = page.found.last().filter(|_| !page.is_last) else {
                return Ok(());
            };
            page = by.accounts.export_after(&by.actor, &by.call, last.id).await.map_err(ToStatus)?;
        }
    }))
}

async fn import_accounts(
    import: &mut Import,
    messages: Vec<pb::PortableAccount>,
    terms: ImportTerms,
) -> Result<pb::ImportAccountsResponse, Status> {
    let (mut accounts, mut positions) = (Vec::with_capacity(messages.len()), Vec::with_capacity(messages.len()));
    let mut response = pb::ImportAccountsResponse::default();
    for (index, message) in (0..).zip(&messages) {
        match parse(message, &terms) {
            Ok(account) => {
                positions.push((index, account.notes.join("; ")));
                accounts.push(account);
            }
            Err(error) => response.problems.push(pb::ImportProblem { index, description: error.to_string() }),
        }
    }
    for (imported, (index, notes)) in import.take(accounts).await.map_err(ToStatus)?.into_iter().zip(positions) {
        match imported {
            Imported::New => {
                response.imported_count += 1;
                if !notes.is_empty() {
                    response.cleaned.push(pb::ImportProblem { index, description: notes });
                }
            }
            Imported::Unchanged => response.unchanged_count += 1,
            Imported::HandleTaken | Imported::IdTaken => {
                response.problems.push(pb::ImportProblem { index, description: imported.problem().to_owned() });
            }
        }
    }
    response.problems.sort_by_key(|problem| problem.index);
    Ok(response)
}

fn bad(field: &'static str, problem: &'static str) -> DraftError {
    DraftError { field, problem: DraftProblem::Value(problem) }
}

/// Refuses a time that protobuf does not allow in a `Timestamp`, because an export could not send it.
fn time(timestamp: &Timestamp) -> Result<OffsetDateTime, DraftError> {
    let nanos = u32::try_from(timestamp.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let time = nanos
        .and_then(|nanos| OffsetDateTime::from_unix_timestamp(timestamp.seconds).ok()?.replace_nanosecond(nanos).ok());
    time.filter(|time| time.year() > 0).ok_or_else(|| bad("create_time", "is out of range"))
}

fn parse(message: &pb::PortableAccount, terms: &ImportTerms) -> Result<PortableAccount, DraftError> {
    let (username, email) = match &message.handle {
        Some(PbHandle::Username(username)) => (username.as_str(), ""),
        Some(PbHandle::Email(email)) => ("", email.as_str()),
        None => ("", ""),
    };
    let role = match pb::Role::try_from(message.role) {
        Ok(pb::Role::Unspecified) => "",
        Ok(pb::Role::Admin) => "admin",
        Ok(pb::Role::User) => "user",
        Ok(pb::Role::Viewer) => "viewer",
        Err(_) => return Err(bad("role", "must be admin, user or viewer")),
    };
    let status = match pb::AccountStatus::try_from(message.status) {
        Ok(pb::AccountStatus::Unspecified | pb::AccountStatus::Active) => "active",
        Ok(pb::AccountStatus::Inactive) => "inactive",
        Err(_) => return Err(bad("status", "must be active or inactive")),
    };
    let created_at = message.create_time.as_ref().map(time).transpose()?;
    let draft = PortableDraft {
        id: &message.id,
        username,
        email,
        name: &message.name,
        firm_id: &message.firm_id,
        firm_name: &message.firm_name,
        role,
        password_hash: &message.password_hash,
        status,
        email_verified: message.email_verified,
        created_at,
    };
    draft.parse(terms)
}

fn problem(UnreadableRow { row, column, .. }: &UnreadableRow) -> pb::ExportProblem {
    pb::ExportProblem { account_id: row.clone(), column: column.clone() }
}

fn message(account: &PortableAccount) -> pb::PortableAccount {
    let message = pb::PortableAccount {
        id: account.id.to_string(),
        password_hash: account.password_hash.as_ref().map(PasswordHash::to_exported).unwrap_or_default(),
        status: admin_convert::pb_status(account.status).into(),
        create_time: Some(convert::timestamp(account.created_at)),
        ..Default::default()
    };
    match &account.identity {
        Identity::Username(username) => {
            pb::PortableAccount { handle: Some(PbHandle::Username(username.to_string())), ..message }
        }
        Identity::Email { email, name, firm, role, verified } => pb::PortableAccount {
            handle: Some(PbHandle::Email(email.to_string())),
            name: name.as_str().to_owned(),
            firm_id: firm.id.to_string(),
            firm_name: firm.name.as_str().to_owned(),
            role: convert::pb_role(*role).into(),
            email_verified: *verified,
            ..message
        },
    }
}
