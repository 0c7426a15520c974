//! `ImportAccounts` and `ExportAccounts`: the two streams of `AdminService`, and the form of an account that both speak.
//! Apart from the other RPCs because each is a task that reads or writes message after message.

use std::time::Duration;

use futures_util::stream;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tonic::codegen::BoxStream;
use tonic::{Status, Streaming};

use super::convert;
use super::status::Failure;
use crate::accounts::{Accounts, Actor, Import, Imported};
use crate::domain::{
    AccountStatus, AuthError, Call, DraftError, DraftProblem, Identity, PasswordHash, PortableAccount, PortableDraft,
};
use crate::pb;
use crate::pb::portable_account::Handle as PbHandle;

/// How long a reader may take for a response.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a writer may take for a request.
const PAUSE: Duration = Duration::from_secs(300);

/// Accounts a response of an export: with the longest of all texts it is a message that an import takes.
const ACCOUNTS_A_MESSAGE: usize = 25;

/// Stores message after message, and answers each.
pub(super) async fn import(
    accounts: Accounts,
    actor: Actor,
    call: Call,
    requests: Streaming<pb::ImportAccountsRequest>,
) -> Result<BoxStream<pb::ImportAccountsResponse>, Status> {
    // Before the first message, so that who may not is told so at once.
    let mut import = accounts.import(&actor, &call, false).await.map_err(Failure)?;
    Ok(respond(async move |sender| {
        let result = each(&accounts, &actor, &call, &mut import, requests, sender).await;
        accounts.tell_import(&actor, &call, &import);
        result
    }))
}

async fn each(
    accounts: &Accounts,
    actor: &Actor,
    call: &Call,
    import: &mut Import,
    mut requests: Streaming<pb::ImportAccountsRequest>,
    sender: Sender<pb::ImportAccountsResponse>,
) -> Result<(), Status> {
    let mut dry_run: Option<Import> = None;
    while let Some(request) = next(&mut requests).await? {
        // Between two messages, the actor may have become somebody else.
        accounts.require_platform_admin(actor, call).await.map_err(Failure)?;
        let import = match (request.dry_run, &mut dry_run) {
            (false, _) => &mut *import,
            (true, Some(import)) => import,
            (true, none) => none.insert(accounts.import(actor, call, true).await.map_err(Failure)?),
        };
        let response = take(import, request.accounts, accounts.now()).await?;
        if send(&sender, response).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Sends all accounts, some a message.
pub(super) async fn export(
    accounts: Accounts,
    actor: Actor,
    call: Call,
) -> Result<BoxStream<pb::ExportAccountsResponse>, Status> {
    let mut page = accounts.export(&actor, &call).await.map_err(Failure)?;
    Ok(respond(async move |sender| {
        while let Some(last) = page.last() {
            let after = last.id;
            for some in page.chunks(ACCOUNTS_A_MESSAGE) {
                let accounts = some.iter().map(message).collect();
                if send(&sender, pb::ExportAccountsResponse { accounts }).await.is_err() {
                    return Ok(());
                }
            }
            page = accounts.export_after(&actor, &call, after).await.map_err(Failure)?;
        }
        Ok(())
    }))
}

type Sender<T> = mpsc::Sender<Result<T, Status>>;

/// Runs `work` in a task of its own, which ends when its responses are read no more.
fn respond<T, F>(work: impl FnOnce(Sender<T>) -> F + Send + 'static) -> BoxStream<T>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Status>> + Send,
{
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(status) = work(sender.clone()).await {
            // Nobody is there to tell when the reader is gone.
            let _ = sender.send_timeout(Err(status), PATIENCE).await;
        }
    });
    Box::pin(stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver))))
}

async fn send<T>(sender: &Sender<T>, response: T) -> Result<(), ()> {
    sender.send_timeout(Ok(response), PATIENCE).await.map_err(drop)
}

async fn next(
    requests: &mut Streaming<pb::ImportAccountsRequest>,
) -> Result<Option<pb::ImportAccountsRequest>, Status> {
    tokio::time::timeout(PAUSE, requests.message()).await.unwrap_or_else(|_| Err(Failure(AuthError::OutOfTime).into()))
}

async fn take(
    import: &mut Import,
    messages: Vec<pb::PortableAccount>,
    now: OffsetDateTime,
) -> Result<pb::ImportAccountsResponse, Status> {
    let (mut accounts, mut places) = (Vec::with_capacity(messages.len()), Vec::with_capacity(messages.len()));
    let mut response = pb::ImportAccountsResponse::default();
    for (index, message) in (0..).zip(&messages) {
        match parse(message, now) {
            Ok(account) => {
                accounts.push(account);
                places.push(index);
            }
            Err(error) => response.problems.push(pb::ImportProblem { index, description: error.to_string() }),
        }
    }
    for (imported, index) in import.take(accounts).await.map_err(Failure)?.into_iter().zip(places) {
        match imported {
            Imported::New => response.imported_count += 1,
            Imported::Unchanged => response.unchanged_count += 1,
            Imported::HandleTaken | Imported::IdTaken => {
                response.problems.push(pb::ImportProblem { index, description: imported.problem().to_owned() });
            }
        }
    }
    response.problems.sort_by_key(|problem| problem.index);
    Ok(response)
}

fn parse(message: &pb::PortableAccount, now: OffsetDateTime) -> Result<PortableAccount, DraftError> {
    let bad = |field, problem| DraftError { field, problem: DraftProblem::Value(problem) };
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
    let created_at = match message.create_time {
        Some(time) => {
            let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
            let time = OffsetDateTime::from_unix_timestamp_nanos(nanos);
            Some(time.map_err(|_| bad("create_time", "is out of range"))?)
        }
        None => None,
    };
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
    draft.parse(now)
}

fn message(account: &PortableAccount) -> pb::PortableAccount {
    let status = match account.status {
        AccountStatus::Active => pb::AccountStatus::Active,
        AccountStatus::Inactive => pb::AccountStatus::Inactive,
    };
    let message = pb::PortableAccount {
        id: account.id.to_string(),
        password_hash: account.password_hash.as_ref().map(PasswordHash::to_phc).unwrap_or_default(),
        status: status.into(),
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
