//! The promises of every store about invitations.

use countersign::domain::MailKind;
use countersign::store::{Invitation, InvitationPage, NewInvitation};

use super::mail::{FIRM, ada, address, claim, ids, new_ticket, send, ticket};
use super::*;

pub fn invitation(id: u128, to: &str, role: Role, second: i64) -> NewInvitation {
    NewInvitation {
        id: Uuid::from_u128(id),
        firm_id: Uuid::from_u128(FIRM),
        email: address(to),
        role,
        invited_by: Some(Uuid::from_u128(2)),
        created_at: at(second),
        expires_at: at(second + 4_000),
    }
}

pub fn joining(id: u128, to: &str, role: Role) -> NewAccount {
    let mut new = NewAccount { joins: true, ..email(id, to, FIRM) };
    if let Identity::Email { role: its, verified, .. } = &mut new.identity {
        (*its, *verified) = (role, true);
    }
    new
}

pub async fn an_invitation_is_listed_accepted_once_and_as_it_was_made(store: Store) {
    ada(&store).await;
    let create = async |new: &NewInvitation, mail| store.create_invitation(new, Uuid::from_u128(mail)).await;
    let grace = invitation(30, "grace@example.com", Role::Viewer, 0);
    assert!(create(&grace, 100).await.unwrap());
    assert!(create(&invitation(31, "bo@example.com", Role::User, 1), 101).await.unwrap());
    assert!(
        !create(&NewInvitation { firm_id: Uuid::from_u128(9), ..grace.clone() }, 102).await.unwrap(),
        "no such firm"
    );
    let taken = create(&invitation(32, "ada@example.com", Role::User, 1), 103).await;
    assert!(matches!(taken, Err(StoreError::HandleTaken)));
    let list = async |after, limit, second| {
        let page = InvitationPage { after, limit, now: at(second) };
        let found = store.list_invitations(Uuid::from_u128(FIRM), &page).await.unwrap().found;
        found.iter().map(|invitation| invitation.id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 10, 1).await, [31, 30]);
    assert_eq!(list(Some((at(1), Uuid::from_u128(31))), 10, 1).await, [30]);
    assert_eq!((list(None, 1, 1).await, list(None, 10, 4_000).await), (vec![31], vec![31]));

    let sent: Vec<_> = claim(&store, 1).await;
    assert_eq!(ids(&sent), [100, 101]);
    let [ticket, old] = [ticket(1), ticket(2)];
    for (mail, ticket) in sent.iter().map(|mail| (mail, if mail.id.as_u128() == 100 { &ticket } else { &old })) {
        assert!(store.issue_ticket(mail, &new_ticket(ticket, MailKind::Invitation, None)).await.unwrap());
    }
    let found = store.find_invitation_by_ticket(&ticket.digest(), at(1)).await.unwrap().unwrap();
    let firm = Firm { id: Uuid::from_u128(FIRM), name: FirmName::parse("Analytical").unwrap() };
    let NewInvitation { id, email, role, invited_by, created_at, expires_at, .. } = grace;
    assert_eq!(found, Invitation { id, firm, email, role, invited_by, created_at, expires_at });
    assert_eq!(store.find_invitation(id, at(3_999)).await.unwrap(), Some(found));
    assert_eq!(store.find_invitation(id, at(4_000)).await.unwrap(), None);
    // A newer invitation replaces the previous one, and voids its link.
    assert!(create(&invitation(33, "bo@example.com", Role::Admin, 2), 104).await.unwrap());
    assert!(store.find_invitation_by_ticket(&old.digest(), at(2)).await.unwrap().is_none());
    assert_eq!(list(None, 10, 2).await, [33, 30]);
    assert_eq!(store.revoke_invitation(Uuid::from_u128(33), at(2)).await.unwrap().unwrap().role, Role::Admin);
    assert_eq!(store.revoke_invitation(Uuid::from_u128(33), at(2)).await.unwrap(), None);

    let accept =
        async |account: &NewAccount, second| store.accept_invitation(&ticket.digest(), account, at(second)).await;
    for other in [
        joining(40, "grace@example.com", Role::Admin),
        joining(40, "grace@example.net", Role::Viewer),
        NewAccount { joins: false, ..joining(40, "grace@example.com", Role::Viewer) },
        username(40, "grace"),
    ] {
        assert!(!accept(&other, 2).await.unwrap(), "not what was offered");
    }
    assert!(!accept(&joining(40, "grace@example.com", Role::Viewer), 4_000).await.unwrap(), "expired");
    assert!(accept(&joining(40, "grace@example.com", Role::Viewer), 2).await.unwrap());
    assert!(!accept(&joining(41, "grace@example.com", Role::Viewer), 2).await.unwrap(), "used");
    let Identity::Email { firm, role, verified, .. } =
        store.find_account(Uuid::from_u128(40)).await.unwrap().unwrap().identity
    else {
        panic!("no email account");
    };
    assert_eq!((firm.id, role, verified), (Uuid::from_u128(FIRM), Role::Viewer, true));
    assert!(list(None, 10, 2).await.is_empty());
}

pub async fn an_invitation_whose_address_was_taken_meanwhile_stays(store: Store) {
    ada(&store).await;
    store.create_invitation(&invitation(30, "grace@example.com", Role::User, 0), Uuid::from_u128(100)).await.unwrap();
    let mail = claim(&store, 0).await.pop().unwrap();
    let ticket = ticket(1);
    assert!(store.issue_ticket(&mail, &new_ticket(&ticket, MailKind::Invitation, None)).await.unwrap());
    store.insert_account(&email(3, "grace@example.com", 8), None, None).await.unwrap();
    let accepted = store.accept_invitation(&ticket.digest(), &joining(4, "grace@example.com", Role::User), at(1)).await;
    assert!(matches!(accepted, Err(StoreError::HandleTaken)));
    assert!(store.find_invitation_by_ticket(&ticket.digest(), at(1)).await.unwrap().is_some());
    // Deleting the account deletes its firm, the firm's invitation with its ticket, and the account's other tickets.
    let reset = send(&store, MailKind::ResetPassword, "ada@example.com", 0, 9).await;
    store.delete_account(Uuid::from_u128(2), at(9_000), Authority::Operator).await.unwrap();
    assert!(store.find_invitation_by_ticket(&ticket.digest(), at(1)).await.unwrap().is_none());
    assert!(store.find_ticket(&reset.digest(), at(1)).await.unwrap().is_none());
    assert!(!store.issue_ticket(&mail, &new_ticket(&self::ticket(5), MailKind::Invitation, None)).await.unwrap());
}
