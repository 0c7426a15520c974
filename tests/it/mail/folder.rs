//! Mail into a folder, which shows the mails that are sent, the requests that cause none, and several workers at once.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use countersign::domain::{AccountStatus, MailKind, Role};
use countersign::store::NewInvitation;
use uuid::Uuid;

use super::*;
use crate::support::postgres::Database;

/// The finished mails of a folder, with their ids.
fn mails(folder: &Path) -> Vec<(String, String)> {
    let mut mails: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .map(|path| {
            let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (id, readable(&fs::read_to_string(path).unwrap()))
        })
        .collect();
    mails.sort();
    mails
}

impl Office {
    /// A folder for mail, separate from that of the database.
    fn folder(&self) -> std::path::PathBuf {
        let folder = self.dir.path().join("mail");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Waits until the outbox is empty. Everything in it must be due.
    async fn until_idle(&self, folder: &Path, worker: MailWorker) -> Vec<(String, String)> {
        let last = self.verify("last@example.com").await.to_string();
        let began = Instant::now();
        while !mails(folder).iter().any(|(id, _)| *id == last) {
            assert!(began.elapsed() < PATIENCE, "{:?}", mails(folder).len());
            tokio::task::yield_now().await;
        }
        // Waits for deliveries that are still in progress.
        worker.finish(PATIENCE).await;
        mails(folder).into_iter().filter(|(id, _)| *id != last).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_mail_says_what_it_is_about_to_whom_it_concerns() {
    let office = Office::open().await;
    office.register(Uuid::from_u128(9), "last@example.com", "Last").await;
    let firm = match office.store.find_account(ADA).await.unwrap().unwrap().identity {
        Identity::Email { firm, .. } => firm.id,
        Identity::Username(_) => panic!("a username"),
    };
    let now = office.clock.now();
    let invitation = NewInvitation {
        id: Uuid::from_u128(30),
        firm_id: firm,
        email: Email::parse("grace@example.com").unwrap(),
        role: Role::Viewer,
        invited_by: Some(ADA),
        created_at: now,
        expires_at: now + Duration::from_secs(7 * 86_400),
    };
    let (folder, ada, nil) = (office.folder(), "ada@example.com", Uuid::nil());
    let mut expected = vec![
        (office.queue(MailKind::VerifyEmail, ada, nil).await, ada, "/auth/verify#token=", "within 24 hours"),
        (
            office.queue(MailKind::ResetPassword, ada, nil).await,
            ada,
            "/auth/password/reset#token=",
            "within 30 minutes",
        ),
        (
            office.queue(MailKind::ChangeEmail, "new@example.com", ADA).await,
            "new@example.com",
            "/auth/verify#token=",
            "within 24 hours",
        ),
        (
            office.queue(MailKind::EmailChanged, "old@example.com", ADA).await,
            "old@example.com",
            "Hello Ada Lovelace,",
            "",
        ),
        (
            office.queue(MailKind::PasswordChanged, ada, ADA).await,
            ada,
            "Hello Ada Lovelace,",
            "other sessions were ended",
        ),
    ];
    let invited = Uuid::now_v7();
    assert!(office.store.create_invitation(&invitation, invited).await.unwrap());
    expected.push((invited, "grace@example.com", "/auth/invitations/accept#token=", "within 7 days"));
    let worker = office.start(&format!("file:{}", folder.display()), |_| {});
    let sent = office.until_idle(&folder, worker).await;
    assert_eq!(sent.len(), expected.len(), "{sent:#?}");
    for (id, to, part, other) in expected {
        let (_, mail) = sent.iter().find(|(its, _)| *its == id.to_string()).unwrap();
        assert!(mail.contains(&format!("To: {to}\n")) && mail.contains(part) && mail.contains(other), "{mail}");
        assert!(!mail.contains("{{"), "{mail}");
    }
    let (_, mail) = sent.iter().find(|(id, _)| *id == invited.to_string()).unwrap();
    assert!(
        mail.contains("Ada Lovelace invites you to join Analytical at auth.example.com with the role viewer."),
        "{mail}"
    );
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_strangers_nor_about_what_is_over_and_nobody_is_told() {
    let office = Office::open().await;
    office.register(Uuid::from_u128(3), "bo@example.com", "Bo").await;
    office.register(Uuid::from_u128(4), "gone@example.com", "Gone").await;
    office.register(Uuid::from_u128(9), "last@example.com", "Last").await;
    let (folder, nil) = (office.folder(), Uuid::nil());
    office.queue(MailKind::VerifyEmail, "nobody@example.com", nil).await;
    office.queue(MailKind::ResetPassword, "nobody@example.com", nil).await;
    office.queue(MailKind::ResetPassword, "gone@example.com", nil).await;
    office.queue(MailKind::ChangeEmail, "bo@example.com", ADA).await;
    office.queue(MailKind::ChangeEmail, "free@example.com", Uuid::from_u128(77)).await;
    office.queue(MailKind::Invitation, "grace@example.com", Uuid::from_u128(77)).await;
    office.queue(MailKind::PasswordChanged, "ada@example.com", Uuid::from_u128(77)).await;
    office.store.set_status(Uuid::from_u128(4), AccountStatus::Inactive, office.clock.now()).await.unwrap();
    let url = format!("file:{}", folder.display());
    assert!(office.until_idle(&folder, office.start(&url, |_| {})).await.is_empty());
    // A second mail is refused within the minute, whether or not the first one was really sent. The outbox thus reveals
    // no account.
    let next = |id, to: &str| {
        NewMail::to_address(Uuid::from_u128(id), MailKind::ResetPassword, Email::parse(to).unwrap(), office.clock.now())
    };
    for (id, to) in [(90, "nobody@example.com"), (91, "gone@example.com")] {
        assert!(office.store.queue_mail(&next(id, to)).await.unwrap());
        assert!(!office.store.queue_mail(&next(id + 10, to)).await.unwrap());
    }
    // An address that is verified meanwhile gets no verification mail.
    office.clock.advance(60);
    let worker = office.start(&url, |_| {});
    office.verify("ada@example.com").await;
    let sent = office.until_idle(&folder, worker).await;
    let to_ada = sent.iter().find(|(_, mail)| mail.contains("To: ada@example.com")).unwrap();
    assert!(office.verify_by(&to_ada.1).await && office.is_verified().await);
    office.clock.advance(60);
    office.verify("ada@example.com").await;
    let worker = office.start(&url, |_| {});
    assert_eq!(office.until_idle(&folder, worker).await.len(), sent.len() + 1, "nothing but what was the last before");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_words_are_sent_and_names_cannot_forge_a_header() {
    let office = Office::open().await;
    office.register(Uuid::from_u128(9), "last@example.com", "Last").await;
    let (folder, templates) = (office.folder(), office.dir.path().join("templates"));
    fs::create_dir(&templates).unwrap();
    fs::write(templates.join("reset_password.txt"), "Für {{name}}\n\nHier: {{link}}\n").unwrap();
    fs::write(templates.join("reset_password.html"), "<p title=\"{{name}}\">{{link}}</p>").unwrap();
    office.register(Uuid::from_u128(3), "bo@example.com", "<b>\"Bo\" & ſon").await;
    office.register(Uuid::from_u128(4), "ad@example.com", "Win at evil.example").await;
    let bo = office.queue(MailKind::ResetPassword, "bo@example.com", Uuid::nil()).await;
    let ad = office.queue(MailKind::ResetPassword, "ad@example.com", Uuid::nil()).await;
    let worker = office.start(&format!("file:{}", folder.display()), |options| options.templates = Some(templates));
    let sent = office.until_idle(&folder, worker).await;
    let find = |id: Uuid| &sent.iter().find(|(its, _)| *its == id.to_string()).unwrap().1;
    let (bo, ad) = (find(bo), find(ad));
    assert!(bo.contains("&lt;b&gt;&quot;Bo&quot; &amp; "), "{bo}");
    assert!(!bo.split("text/html").nth(1).unwrap().contains("<b>") && bo.contains("Subject: =?utf-8?"), "{bo}");
    assert!(!ad.contains("evil") && ad.contains("there"), "{ad}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_away_is_tried_again() {
    let office = Office::open().await;
    let folder = office.folder();
    let post = office.post(&format!("file:{}", folder.display()), |_| {});
    fs::remove_dir(&folder).unwrap();
    office.verify("ada@example.com").await;
    let worker = MailWorker::start(post, PublicUrl::parse("https://auth.example.com").unwrap());
    let dead = office.until_dead(3_600).await;
    assert!(dead.attempts >= 10, "{dead:?}");
    assert!(dead.cause.contains("No such file"), "{}", dead.cause);
    fs::create_dir(&folder).unwrap();
    assert!(office.store.retry_dead_mail(dead.id, office.clock.now()).await.unwrap());
    while mails(&folder).is_empty() {
        tokio::task::yield_now().await;
    }
    worker.finish(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_one_postgresql_send_each_mail_once() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut replicas = Vec::new();
    for name in ["a", "b"] {
        let store = store::open(&database.url(), Purpose::Serve).await.unwrap();
        let replica = Office { store, clock: ManualClock::at(START), dir: tempfile::tempdir().unwrap() };
        let folder = dir.path().join(name);
        fs::create_dir(&folder).unwrap();
        replicas.push((replica, folder));
    }
    let mut queued = BTreeSet::new();
    for number in 0..60 {
        let (replica, _) = &replicas[number % 2];
        let to = format!("a{number}@example.com");
        replica.register(Uuid::now_v7(), &to, "A").await;
        queued.insert(replica.verify(&to).await.to_string());
    }
    let workers: Vec<_> =
        replicas.iter().map(|(replica, folder)| replica.start(&format!("file:{}", folder.display()), |_| {})).collect();
    let count = || replicas.iter().map(|(_, folder)| mails(folder).len()).sum::<usize>();
    let began = Instant::now();
    while count() < queued.len() {
        assert!(began.elapsed() < PATIENCE, "{}", count());
        tokio::task::yield_now().await;
    }
    for worker in workers {
        worker.finish(PATIENCE).await;
    }
    let all: Vec<_> = replicas.iter().flat_map(|(_, folder)| mails(folder)).collect();
    assert_eq!(all.len(), queued.len());
    assert_eq!(all.into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>(), queued);
    for (replica, _) in replicas {
        assert!(replica.store.list_dead_mail(None, 1).await.unwrap().found.is_empty());
        replica.store.close().await;
    }
}
