//! The order of turns and the choice of the job that gives way: by example, and as laws that hold in any history.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{LATELY, Queue, QueueClient, QueueSlot};

fn client(address: &str) -> QueueClient {
    QueueClient::from(Some(address.parse().unwrap()))
}

/// Returns clients of three networks.
fn strangers() -> [QueueClient; 3] {
    ["192.0.2.1", "198.51.100.1", "2001:db8::1"].map(client)
}

fn pop<J>(queue: &mut Queue<J>) -> Option<J> {
    queue.pop_where(|_| false, |_| Some(())).map(|(job, ())| job)
}

fn drain<J>(queue: &mut Queue<J>) -> Vec<J> {
    std::iter::from_fn(|| pop(queue)).collect()
}

fn is_empty<J>(queue: &Queue<J>) -> bool {
    queue.networks.in_turn().next().is_none() && queue.len() == 0
}

#[test]
fn networks_take_turns_and_each_is_served_in_the_order_it_came() {
    let ([a, b, _], c) = (strangers(), QueueClient::from(None));
    let mut queue = Queue::new();
    for job in ["a1", "a2", "a3", "a4"] {
        queue.push(a, job);
    }
    assert_eq!(pop(&mut queue), Some("a1"));
    assert_eq!(queue.ahead_of(b), 1, "of a flood, one");
    queue.push(b, "b1");
    assert_eq!(queue.ahead_of(c), 2);
    queue.push(c, "c1");
    queue.push(b, "b2");
    assert_eq!(drain(&mut queue), ["a2", "b1", "c1", "a3", "b2", "a4"]);
    assert!(is_empty(&queue), "nobody has a line any more");
}

#[test]
fn a_network_has_one_turn_a_round_and_its_subscribers_share_it() {
    let mut queue = Queue::new();
    for n in 0..100 {
        queue.push(client(&format!("2001:db8:1:{n:x}::1")), n);
    }
    let (same_network, elsewhere) = (client("2001:db8:1:ffff::1"), client("2001:db8:2::1"));
    assert_eq!((queue.ahead_of(same_network), queue.ahead_of(elsewhere)), (100, 1));
    queue.push(elsewhere, 1_000);
    queue.push(elsewhere, 1_001);
    queue.push(client("2001:db8:1::1"), 100);
    let served = drain(&mut queue);
    assert_eq!(served[..5], [0, 1_000, 1, 1_001, 2]);
    assert_eq!(
        served[served.len() - 2..],
        [99, 100],
        "the second job of a subscriber comes after the first of all others"
    );
}

#[test]
fn who_comes_back_at_once_waits_for_everyone_who_waits_already() {
    let [a, b, _] = strangers();
    let mut queue = Queue::new();
    queue.push(a, "a1");
    queue.push(b, "b1");
    queue.push(b, "b2");
    assert_eq!(pop(&mut queue), Some("a1"));
    queue.push(a, "a2");
    assert_eq!(pop(&mut queue), Some("b1"));
    assert_eq!(pop(&mut queue), Some("a2"));
    queue.push(a, "a3");
    assert_eq!(drain(&mut queue), ["b2", "a3"], "one at a time takes no more than its turns");
}

#[test]
fn whoever_may_not_begin_is_passed_over_and_keeps_the_turn() {
    let [a, b, _] = strangers();
    let mut queue = Queue::new();
    for (client, job) in [(a, "a1"), (a, "a2"), (b, "b1"), (b, "b2")] {
        queue.push(client, job);
    }
    let not_a = |job: &&str| job.starts_with('b').then_some(());
    assert_eq!(queue.pop_where(|_| false, not_a), Some(("b1", ())));
    assert_eq!(queue.pop_where(|_| false, |_| None::<()>), None);
    assert_eq!(drain(&mut queue), ["a1", "b2", "a2"]);
}

#[test]
fn the_latest_of_the_longest_line_of_the_largest_network_gives_way() {
    let ([a, b, c], neighbour) = (strangers(), client("192.0.2.2"));
    let mut queue = Queue::new();
    queue.push(a, "a1");
    queue.push(b, "b1");
    assert_eq!(queue.gives_way_to(c), None, "each has one");
    queue.push(a, "a2");
    assert_eq!(queue.gives_way_to(b), None, "b would have as many");
    assert_eq!(queue.gives_way_to(a), None);
    assert_eq!(queue.gives_way_to(c), Some(a));
    assert_eq!(queue.gives_way_to(neighbour), Some(a), "of its own network");
    queue.push(neighbour, "n1");
    assert_eq!(queue.gives_way_to(c), Some(a), "and not the neighbour, who has one");
    assert_eq!(queue.pop_latest(a), Some("a2"));
    assert_eq!(queue.gives_way_to(c), Some(neighbour), "whose turn comes after a's");
    assert_eq!(drain(&mut queue), ["a1", "b1", "n1"]);
}

#[test]
fn who_leaves_takes_no_turn_and_leaves_no_gap() {
    let [a, b, _] = strangers();
    let mut queue = Queue::new();
    let places: Vec<_> = ["a1", "a2", "a3"].into_iter().map(|job| queue.push(a, job)).collect();
    queue.push(b, "b1");
    queue.push(b, "b2");
    assert_eq!((queue.remove(places[0]), queue.remove(places[1])), (Some("a1"), Some("a2")));
    assert_eq!(queue.remove(places[0]), None, "it has gone");
    assert_eq!(drain(&mut queue), ["a3", "b1", "b2"]);
    let place = queue.push(a, "a4");
    assert_eq!(queue.remove(place), Some("a4"));
    assert!(is_empty(&queue));
}

#[test]
fn a_network_is_known_while_it_waits_and_for_a_while_after_its_turn() {
    let ([a, b, _], neighbour) = (strangers(), client("192.0.2.2"));
    let mut queue = Queue::new();
    assert!(!queue.is_known(a));
    let place = queue.push(a, 0);
    assert!(queue.is_known(a) && queue.is_known(neighbour) && !queue.is_known(b));
    queue.remove(place);
    assert!(!queue.is_known(a), "it had no turn");
    queue.push(a, 0);
    pop(&mut queue);
    for turn in 0..LATELY {
        assert!(queue.is_known(neighbour), "{turn}");
        queue.push(b, turn);
        pop(&mut queue);
    }
    assert!(!queue.is_known(a) && queue.is_known(b));
    assert_eq!((queue.latest.len(), queue.lately.len()), (LATELY, 1));
}

#[test]
fn addresses_of_one_subscriber_are_one_client() {
    for (one, other, same) in [
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
    ] {
        assert_eq!(client(one) == client(other), same, "{one} {other}");
    }
    assert_ne!(QueueClient::from(None), client("::"));
}

#[derive(Debug, Clone)]
enum Step {
    Push(QueueClient),
    Pop,
    /// A job that was pushed leaves, wherever it is by now.
    Leave(prop::sample::Index),
    /// Makes room for a client by displacing a job.
    Displace(QueueClient),
}

fn any_client() -> impl Strategy<Value = QueueClient> {
    (0..4_u8, 0..4_u8).prop_map(|(network, host)| QueueClient::from(Some([198, 51, network, host].into())))
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any_client().prop_map(Step::Push),
        3 => Just(Step::Pop),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        1 => any_client().prop_map(Step::Displace),
    ]
}

/// The expected content by the number of each job, and how often each other client was served while a network or client
/// waited.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<usize, QueueClient>,
    passed: BTreeMap<(String, String), usize>,
}

impl Model {
    fn count(&self, is_one: impl Fn(&QueueClient) -> bool) -> usize {
        self.waiting.values().filter(|client| is_one(client)).count()
    }

    /// Checks that neither a network nor a subscriber of one network is served twice while another waits.
    fn serve(&mut self, job: usize) -> Result<(), TestCaseError> {
        let served = self.waiting[&job];
        let first = self.waiting.iter().find(|(_, client)| **client == served);
        prop_assert_eq!(first.map(|(first, _)| *first), Some(job), "first come, first served");
        let names = |client: &QueueClient| (format!("{:?}", client.network), format!("{client:?}"));
        let (network, subscriber) = names(&served);
        self.passed.retain(|(waits, _), _| *waits != network && *waits != subscriber);
        let mut passed: Vec<_> = Vec::new();
        for client in self.waiting.values() {
            if client.network != served.network {
                passed.push((names(client).0, network.clone()));
            } else if *client != served {
                passed.push((names(client).1, subscriber.clone()));
            }
        }
        passed.sort();
        passed.dedup();
        for pair in passed {
            let times = self.passed.entry(pair).or_default();
            *times += 1;
            prop_assert!(*times <= 1, "served twice while another waits");
        }
        self.leave(job);
        Ok(())
    }

    /// A client without waiting jobs waits for no other client.
    fn leave(&mut self, job: usize) {
        let Some(client) = self.waiting.remove(&job) else { return };
        let (network, subscriber) = (format!("{:?}", client.network), format!("{client:?}"));
        let gone = [
            (network, self.count(|other| other.network == client.network)),
            (subscriber, self.count(|other| *other == client)),
        ];
        for (name, _) in gone.iter().filter(|(_, left)| *left == 0) {
            self.passed.retain(|(waits, _), _| waits != name);
        }
    }

    /// Checks that the right job gives way, or none.
    fn judge(&self, to: QueueClient, gives_way: Option<QueueClient>) -> Result<(), TestCaseError> {
        let network = |client: QueueClient| self.count(|other| other.network == client.network);
        let line = |client: QueueClient| self.count(|other| *other == client);
        let most = self.waiting.values().map(|client| network(*client)).max().unwrap_or(0);
        let of_network = |client: &&QueueClient| client.network == gives_way.unwrap_or(to).network;
        let longest = self.waiting.values().filter(of_network).map(|client| line(*client)).max().unwrap_or(0);
        match gives_way {
            Some(one) if one.network != to.network => {
                prop_assert!(network(one) == most && most > network(to) + 1 && line(one) == longest);
            }
            Some(one) => prop_assert!(most <= network(to) + 1 && line(one) == longest && longest > line(to) + 1),
            None => prop_assert!(most <= network(to) + 1 && longest <= line(to) + 1),
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_comes_and_goes_all_take_turns_and_nothing_is_lost(
        steps in prop::collection::vec(any_step(), 0..200),
        last in any_client(),
    ) {
        let (mut queue, mut model) = (Queue::new(), Model::default());
        let mut places: Vec<QueueSlot> = Vec::new();
        for step in steps {
            match step {
                Step::Push(client) => {
                    model.waiting.insert(places.len(), client);
                    places.push(queue.push(client, places.len()));
                }
                Step::Pop => match pop(&mut queue) {
                    Some(job) => model.serve(job)?,
                    None => prop_assert!(model.waiting.is_empty()),
                },
                Step::Leave(index) if !places.is_empty() => {
                    let job = index.index(places.len());
                    prop_assert_eq!(queue.remove(places[job]).is_some(), model.waiting.contains_key(&job));
                    model.leave(job);
                }
                Step::Leave(_) => {}
                Step::Displace(client) => {
                    let gives_way = queue.gives_way_to(client);
                    model.judge(client, gives_way)?;
                    if let Some(one) = gives_way {
                        let latest = model.waiting.iter().rfind(|(_, client)| **client == one).map(|(job, _)| *job);
                        prop_assert_eq!(queue.pop_latest(one), latest);
                        model.leave(latest.unwrap());
                    }
                }
            }
            prop_assert_eq!(queue.len(), model.waiting.len());
        }
        // The promised bound holds for the new job, and is exact for a new network.
        let is_new = model.count(|client| client.network == last.network) == 0;
        let promised = queue.ahead_of(last);
        queue.push(last, places.len());
        model.waiting.insert(places.len(), last);
        let served = drain(&mut queue);
        let ahead = served.iter().position(|job| *job == places.len()).unwrap();
        prop_assert!(if is_new { ahead == promised } else { ahead <= promised }, "{ahead} of {promised}");
        for job in served {
            model.serve(job)?;
        }
        prop_assert!(model.waiting.is_empty() && is_empty(&queue));
    }
}
