//! One-time tokens without their mail, stored in an app's database as the worker would store them. These tests thus
//! send no mail, and can use tokens of any age.

use countersign::domain::{Ticket, TicketPurpose};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use uuid::Uuid;

use super::TestApp;
use super::app::START;

/// A token that was sent to `email` and is valid for half an hour from the beginning of the test. It belongs to an
/// account or, for [`TicketPurpose::Invitation`], to the invitation of this address.
pub async fn sent(app: &TestApp, purpose: TicketPurpose, account: &str, email: &str) -> String {
    let ticket = Ticket::new(&[Uuid::now_v7().into_bytes(), Uuid::now_v7().into_bytes()].concat().try_into().unwrap());
    let of_account = if purpose == TicketPurpose::Invitation { "null" } else { "accounts.id" };
    let of_invitation = if purpose == TicketPurpose::Invitation { "invitations.id" } else { "null" };
    let from = if purpose == TicketPurpose::Invitation { "invitations" } else { "accounts" };
    let statement = format!(
        "insert into tickets (digest, purpose, account_id, invitation_id, email, created_at, expires_at)
         select ?1, ?2, {of_account}, {of_invitation}, ?4, ?5, ?6 from {from} where email = ?3"
    );
    let mut database = open(app).await;
    let done = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(ticket.digest().as_str())
        .bind(purpose.as_str())
        .bind(account)
        .bind(email)
        .bind(START * 1_000)
        .bind((START + 1_800) * 1_000)
        .execute(&mut database)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1, "nobody is called {account}");
    ticket.expose().to_owned()
}

/// Invites `email` as a user to the firm of the account `by`, and returns the id of the invitation.
pub async fn invited(app: &TestApp, by: &str, email: &str) -> Uuid {
    let id = Uuid::now_v7();
    let done = sqlx::query(
        "insert into invitations (id, firm_id, email, role, invited_by, created_at, expires_at)
         select ?1, firm_id, ?2, 'user', id, ?4, ?5 from accounts where email = ?3",
    )
    .bind(id)
    .bind(email)
    .bind(by)
    .bind(START * 1_000)
    .bind((START + 604_800) * 1_000)
    .execute(&mut open(app).await)
    .await
    .unwrap();
    assert_eq!(done.rows_affected(), 1);
    id
}

/// The kinds of queued mail with their recipients, sorted.
pub async fn queued(app: &TestApp) -> Vec<(String, String)> {
    sqlx::query_as("select kind, recipient from outbox order by kind, recipient")
        .fetch_all(&mut open(app).await)
        .await
        .unwrap()
}

async fn open(app: &TestApp) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(app.database())).await.unwrap()
}
