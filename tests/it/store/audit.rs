//! The promises of every store about the audit trail.

use countersign::domain::{Action, AuditEvent, Detail, Note, Origin};
use countersign::store::AuditPage;

use super::*;

fn event(id: u128, second: i64, note: Note) -> AuditEvent {
    AuditEvent { id: Uuid::from_u128(id), at: at(second), note }
}

fn note(action: Action) -> Note {
    Note::from(action, "ok", Origin::CommandLine)
}

async fn ids(store: &Store, page: AuditPage) -> Vec<u128> {
    let page = AuditPage { limit: if page.limit == 0 { 100 } else { page.limit }, ..page };
    store.list_events(&page).await.unwrap().found.iter().map(|event| event.id.as_u128()).collect()
}

pub async fn an_event_is_read_as_it_was_written_and_with_its_firm(store: Store) {
    let (ada, alice) = (email(1, "ada@example.com", 7), username(2, "alice"));
    store.insert_account(&ada, None, None).await.unwrap();
    store.insert_account(&alice, None, None).await.unwrap();
    let [firm, other] = [7, 8].map(|id| Some(Uuid::from_u128(id)));
    let full = Note {
        result: "because".into(),
        origin: Origin::Address("2001:db8::7".parse().unwrap()),
        request_id: Some(Uuid::from_u128(99)),
        ..note(Action::Role).by(alice.id).on(ada.id).with(Detail::Role(Role::Viewer))
    };
    let expected = [
        (event(10, 1, full.clone()), firm),
        (event(11, 2, note(Action::Login).on(alice.id)), None),
        (event(12, 3, note(Action::Login).by(ada.id)), firm),
        (event(13, 4, note(Action::Delete).on(Uuid::from_u128(5)).within(other)), other),
        (event(14, 5, note(Action::Login)), None),
    ];
    let events: Vec<_> = expected.iter().map(|(event, _)| event.clone()).collect();
    for again in 0..2 {
        store.append_events(&events).await.unwrap();
        let found = store.list_events(&AuditPage { limit: 100, ..AuditPage::default() }).await.unwrap().found;
        let expected = expected.iter().rev().map(|(event, firm)| {
            let note = Note { firm: *firm, ..event.note.clone() };
            AuditEvent { note, ..event.clone() }
        });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{again}: the newest first, each once");
    }
    store.append_events(&[]).await.unwrap();
}

pub async fn events_are_asked_for_by_whom_what_when_and_page_by_page(store: Store) {
    let [ada, bo] = [1, 2].map(Uuid::from_u128);
    let events = [
        event(10, 1, note(Action::Login).by(ada).on(ada).within(Some(Uuid::from_u128(7)))),
        event(11, 2, note(Action::Role).by(ada).on(bo).within(Some(Uuid::from_u128(7)))),
        event(12, 2, note(Action::Role).by(bo).on(ada).within(Some(Uuid::from_u128(8)))),
        event(13, 3, note(Action::Login).by(bo).on(bo)),
        event(14, 4, note(Action::Start)),
    ];
    store.append_events(&events).await.unwrap();
    let all = AuditPage::default();
    for (name, page, expected) in [
        ("all", all, &[14, 13, 12, 11, 10][..]),
        ("of one account, whoever did it", AuditPage { account: Some(ada), ..all }, &[12, 11, 10]),
        ("of nobody", AuditPage { account: Some(Uuid::from_u128(9)), ..all }, &[]),
        ("of a firm", AuditPage { firm: Some(Uuid::from_u128(7)), ..all }, &[11, 10]),
        ("an action", AuditPage { action: Some(Action::Login), ..all }, &[13, 10]),
        ("not before", AuditPage { from: Some(at(2)), ..all }, &[14, 13, 12, 11]),
        ("before", AuditPage { until: Some(at(2)), ..all }, &[10]),
        (
            "all of it",
            AuditPage {
                account: Some(ada),
                firm: Some(Uuid::from_u128(7)),
                action: Some(Action::Role),
                from: Some(at(1)),
                until: Some(at(3)),
                ..all
            },
            &[11],
        ),
    ] {
        assert_eq!(ids(&store, page).await, expected, "{name}");
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let found = store.list_events(&AuditPage { after, limit: 1, ..page }).await.unwrap().found;
            let [event] = &found[..] else { break };
            after = Some((event.at, event.id));
            paged.push(event.id.as_u128());
        }
        assert_eq!(paged, expected, "{name}, page by page");
    }
}

pub async fn old_events_are_deleted_the_oldest_first_and_so_many_at_most(store: Store) {
    let events: Vec<_> = (0..10).map(|n: u8| event(n.into(), n.into(), note(Action::Login))).collect();
    store.append_events(&events).await.unwrap();
    assert_eq!(store.purge_events(at(5), 3).await.unwrap(), 3);
    assert_eq!(ids(&store, AuditPage::default()).await, [9, 8, 7, 6, 5, 4, 3]);
    assert_eq!(store.purge_events(at(5), 3).await.unwrap(), 2);
    assert_eq!(store.purge_events(at(5), 3).await.unwrap(), 0, "not at that moment");
    assert_eq!(ids(&store, AuditPage::default()).await, [9, 8, 7, 6, 5]);
}
