//! `ImportAccounts` and `ExportAccounts`: the same use case as streams, for platform administrators only.

use std::time::Duration;

use countersign::pb;
use countersign::pb::admin_service_client::AdminServiceClient;
use countersign::pb::portable_account::Handle;
use countersign::pb::{ExportAccountsRequest, ImportAccountsRequest, ImportAccountsResponse, PortableAccount};
use futures_util::stream;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::BCRYPT;
use crate::session_service::with;
use crate::support::TestApp;
use crate::wire;

pub async fn make_platform_admin(app: &TestApp, is_one: bool) {
    let file = SqliteConnectOptions::new().filename(app.database());
    let mut database = SqliteConnection::connect_with(&file).await.unwrap();
    let changed = sqlx::query("update accounts set platform_admin = ? where username = 'alice'").bind(is_one);
    assert_eq!(changed.execute(&mut database).await.unwrap().rows_affected(), 1);
}

pub async fn import(
    app: &TestApp,
    token: &str,
    requests: Vec<ImportAccountsRequest>,
) -> Result<Vec<ImportAccountsResponse>, Status> {
    let mut client = AdminServiceClient::new(app.service.clone());
    let mut responses = client.import_accounts(with(token, stream::iter(requests))).await?.into_inner();
    let mut all = Vec::new();
    while let Some(response) = responses.message().await? {
        all.push(response);
    }
    Ok(all)
}

async fn export(app: &TestApp, token: &str) -> Result<Vec<PortableAccount>, Status> {
    let mut client = AdminServiceClient::new(app.service.clone());
    let mut responses = client.export_accounts(with(token, ExportAccountsRequest {})).await?.into_inner();
    let mut all = Vec::new();
    while let Some(response) = responses.message().await? {
        all.extend(response.accounts);
    }
    Ok(all)
}

pub fn by_username(name: &str) -> PortableAccount {
    let handle = Some(Handle::Username(name.to_owned()));
    PortableAccount { handle, password_hash: BCRYPT.to_owned(), ..Default::default() }
}

pub fn request(accounts: &[PortableAccount], dry_run: bool) -> ImportAccountsRequest {
    ImportAccountsRequest { accounts: accounts.to_vec(), dry_run }
}

#[tokio::test]
async fn only_an_administrator_of_the_whole_service_imports_and_exports() {
    let app = TestApp::start().await;
    let (alice, ada) = (app.sign_in_username("alice").await, app.sign_in_email("ada@example.com").await);
    for token in [&alice, &ada] {
        for refused in [
            import(&app, token, vec![request(&[by_username("bobby")], false)]).await.unwrap_err(),
            export(&app, token).await.unwrap_err(),
        ] {
            let reason = refused.get_details_error_info().unwrap().reason;
            assert_eq!((refused.code(), reason.as_str()), (Code::PermissionDenied, "INSUFFICIENT_PERMISSIONS"));
        }
    }
    make_platform_admin(&app, true).await;
    assert_eq!(export(&app, &alice).await.unwrap().len(), 2);
    make_platform_admin(&app, false).await;
    assert_eq!(export(&app, &alice).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn each_message_is_stored_and_answered_with_what_became_of_it() {
    let mut app = TestApp::start().await;
    // The served app writes the audit trail.
    let served = app.serve().await;
    let token = app.sign_in_username("alice").await;
    make_platform_admin(&app, true).await;
    let ada = PortableAccount {
        id: "00000000-0000-7000-8000-000000000002".to_owned(),
        handle: Some(Handle::Email("Ada@Example.com".to_owned())),
        name: "Ada".to_owned(),
        firm_id: "00000000-0000-7000-8000-000000000003".to_owned(),
        firm_name: "Engines".to_owned(),
        role: pb::Role::Viewer.into(),
        status: pb::AccountStatus::Inactive.into(),
        email_verified: true,
        create_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 89_000_000 }),
        ..Default::default()
    };
    let at = |seconds, nanos| PortableAccount {
        create_time: Some(prost_types::Timestamp { seconds, nanos }),
        ..by_username("david")
    };
    let batch = [
        by_username("bobby"),
        PortableAccount { password_hash: "nonsense".to_owned(), ..by_username("carol") },
        by_username("alice"),
        ada.clone(),
        PortableAccount::default(),
        PortableAccount { role: 77, ..ada.clone() },
        at(0, -1),
        at(0, 1_000_000_000),
        at(-62_135_596_801, 0),
        at(253_402_300_800, 0),
        at(i64::MIN, 0),
    ];
    let requests = vec![request(&batch, true), request(&batch, false), request(&batch[..1], false)];
    let responses = import(&app, &token, requests).await.unwrap();
    let counts: Vec<_> = responses.iter().map(|response| (response.imported_count, response.unchanged_count)).collect();
    assert_eq!(counts, [(2, 0), (2, 0), (0, 1)]);
    assert_eq!(responses[0], responses[1], "a dry run told it");
    let problems: Vec<_> =
        responses[1].problems.iter().map(|problem| (problem.index, problem.description.as_str())).collect();
    assert!(problems[0].1.starts_with("password_hash: the scheme of the hash is unknown"));
    assert_eq!(
        (problems[0].0, &problems[1..]),
        (
            1,
            &[
                (2, "another account has this username or email"),
                (4, "username or email is required"),
                (5, "role must be admin, user or viewer"),
                (6, "create_time is out of range"),
                (7, "create_time is out of range"),
                (8, "create_time is out of range"),
                (9, "create_time is out of range"),
                (10, "create_time is out of range"),
            ][..]
        )
    );
    let exported = export(&app, &token).await.unwrap();
    assert_eq!(exported.len(), 3);
    let found = exported.iter().find(|account| account.id == ada.id).unwrap();
    assert_eq!(*found, PortableAccount { handle: Some(Handle::Email("ada@example.com".to_owned())), ..ada });
    assert!(format!("{found:?}").starts_with("PortableAccount"), "no hash is printed");

    // The audit trail has the import of two accounts, and the export.
    let mut client = AdminServiceClient::new(app.service.clone());
    for (action, detail) in [("import", "accounts 2"), ("export", "")] {
        let mut event = None;
        let found = async || {
            let request = pb::ListAuditEventsRequest { action: action.to_owned(), ..Default::default() };
            event =
                client.list_audit_events(with(&token, request)).await.unwrap().into_inner().events.into_iter().next();
            event.is_some()
        };
        assert!(wire::eventually(Duration::from_secs(10), found).await, "{action}");
        let event = event.unwrap();
        assert_eq!((event.result.as_str(), event.detail.as_str()), ("ok", detail));
    }

    // An export can be imported again. Here, all accounts exist already.
    let responses = import(&app, &token, vec![request(&exported, false)]).await.unwrap();
    assert_eq!((responses[0].unchanged_count, &responses[0].problems[..]), (3, &[][..]));
    served.stop().await;
}

#[tokio::test]
async fn an_export_of_many_accounts_is_complete_in_messages_that_an_import_takes() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    make_platform_admin(&app, true).await;
    let requests =
        (0..11).map(|m| request(&(0..100).map(|n| by_username(&format!("user{m}x{n}"))).collect::<Vec<_>>(), false));
    let responses = import(&app, &token, requests.collect()).await.unwrap();
    assert_eq!(responses.iter().map(|response| response.imported_count).sum::<i32>(), 1_100);
    assert_eq!(export(&app, &token).await.unwrap().len(), 1_101);
}
