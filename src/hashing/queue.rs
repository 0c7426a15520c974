//! Who is next: every client has a line of its own, and the lines take turns. So whoever sends a thousand passwords keeps
//! nobody else waiting for more than one of them. Separate because it is pure: it knows neither threads nor time.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::domain::subscriber;

/// Whom a job is for: an address, and nobody in particular. Addresses of IPv6 count by their /64, which is what one
/// subscriber has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Client(Option<IpAddr>);

impl From<Option<IpAddr>> for Client {
    fn from(address: Option<IpAddr>) -> Self {
        Self(address.map(subscriber))
    }
}

/// Where a job waits, for as long as it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    client: Client,
    number: u64,
}

/// The jobs that wait. A client is known only while it has one that does.
#[derive(Debug)]
pub(super) struct Queue<J> {
    lines: HashMap<Client, Line<J>>,
    /// The next turn of each line.
    turns: BTreeMap<u64, Client>,
    waiting: usize,
    /// Numbers turns and jobs.
    next: u64,
}

#[derive(Debug)]
struct Line<J> {
    turn: u64,
    /// First come, first served.
    jobs: BTreeMap<u64, J>,
}

impl<J> Queue<J> {
    pub fn new() -> Self {
        Self { lines: HashMap::new(), turns: BTreeMap::new(), waiting: 0, next: 0 }
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// How many jobs, at most, would be served before a new one of this client.
    pub fn ahead_of(&self, client: Client) -> usize {
        let own = self.len_of(client);
        // Until the new one has its turn, the lines that are shorter than its own run empty.
        self.lines.values().map(|line| line.jobs.len().min(own + 1)).sum()
    }

    /// Whose latest job would be served after a new one of this client: somebody's who has more waiting.
    pub fn longer_than(&self, client: Client) -> Option<Client> {
        if self.waiting == self.lines.len() {
            return None; // Each has one.
        }
        let (longest, line) = self.lines.iter().max_by_key(|(_, line)| line.jobs.len())?;
        (line.jobs.len() > self.len_of(client) + 1).then_some(*longest)
    }

    /// Puts a job at the end of its client's line.
    pub fn push(&mut self, client: Client, job: J) -> Place {
        let number = self.number();
        let line = self.lines.entry(client).or_insert_with(|| {
            self.turns.insert(number, client);
            Line { turn: number, jobs: BTreeMap::new() }
        });
        line.jobs.insert(number, job);
        self.waiting += 1;
        Place { client, number }
    }

    /// Takes the first job, in the order of turns, of which `judge` makes anything, and what it makes of it.
    pub fn pop_where<T>(&mut self, judge: impl Fn(&J) -> Option<T>) -> Option<(J, T)> {
        let found = self.turns.iter().find_map(|(&turn, &client)| {
            let (_, job) = self.lines.get(&client)?.jobs.first_key_value()?;
            judge(job).map(|verdict| (turn, client, verdict))
        });
        let (before, client, verdict) = found?;
        let turn = self.number();
        let line = self.lines.get_mut(&client)?;
        let (_, job) = line.jobs.pop_first()?;
        self.turns.remove(&before);
        self.turns.insert(turn, client);
        line.turn = turn;
        self.forget_if_empty(client);
        self.waiting -= 1;
        Some((job, verdict))
    }

    #[cfg(test)]
    fn pop(&mut self) -> Option<J> {
        self.pop_where(|_| Some(())).map(|(job, ())| job)
    }

    /// Takes a job that is not to wait any longer, unless it has been taken already.
    pub fn remove(&mut self, place: Place) -> Option<J> {
        let job = self.lines.get_mut(&place.client)?.jobs.remove(&place.number)?;
        self.forget_if_empty(place.client);
        self.waiting -= 1;
        Some(job)
    }

    /// Takes the latest job of a client.
    pub fn pop_latest(&mut self, client: Client) -> Option<J> {
        let (_, job) = self.lines.get_mut(&client)?.jobs.pop_last()?;
        self.forget_if_empty(client);
        self.waiting -= 1;
        Some(job)
    }

    fn forget_if_empty(&mut self, client: Client) {
        if let Some(line) = self.lines.get(&client).filter(|line| line.jobs.is_empty()) {
            self.turns.remove(&line.turn);
            self.lines.remove(&client);
        }
    }

    fn len_of(&self, client: Client) -> usize {
        self.lines.get(&client).map_or(0, |line| line.jobs.len())
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::{Client, Queue};

    fn client(address: &str) -> Client {
        Client::from(Some(address.parse().unwrap()))
    }

    fn drain(queue: &mut Queue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn clients_take_turns_and_each_is_served_in_the_order_it_came() {
        let (a, b, c) = (client("192.0.2.1"), client("192.0.2.2"), Client::from(None));
        let mut queue = Queue::new();
        for job in ["a1", "a2", "a3", "a4"] {
            queue.push(a, job);
        }
        assert_eq!(queue.pop(), Some("a1"));
        assert_eq!(queue.ahead_of(b), 1, "of a flood, one");
        queue.push(b, "b1");
        assert_eq!(queue.ahead_of(c), 2);
        queue.push(c, "c1");
        queue.push(b, "b2");
        assert_eq!(drain(&mut queue), ["a2", "b1", "c1", "a3", "b2", "a4"]);
        assert!(queue.lines.is_empty() && queue.turns.is_empty() && queue.len() == 0, "nobody is remembered");
    }

    #[test]
    fn who_comes_back_at_once_waits_for_everyone_who_waits_already() {
        let (a, b) = (client("192.0.2.1"), client("192.0.2.2"));
        let mut queue = Queue::new();
        queue.push(a, "a1");
        queue.push(b, "b1");
        queue.push(b, "b2");
        assert_eq!(queue.pop(), Some("a1"));
        queue.push(a, "a2");
        assert_eq!(queue.pop(), Some("b1"));
        assert_eq!(queue.pop(), Some("a2"));
        queue.push(a, "a3");
        assert_eq!(drain(&mut queue), ["b2", "a3"], "one at a time takes no more than its turns");
    }

    #[test]
    fn the_latest_of_the_longest_line_gives_way_to_a_shorter_one() {
        let (a, b, c) = (client("192.0.2.1"), client("192.0.2.2"), client("192.0.2.3"));
        let mut queue = Queue::new();
        queue.push(a, "a1");
        queue.push(b, "b1");
        assert_eq!(queue.longer_than(c), None, "each has one");
        queue.push(a, "a2");
        assert_eq!(queue.longer_than(b), None, "b would have as many");
        assert_eq!(queue.longer_than(a), None);
        assert_eq!(queue.longer_than(c), Some(a));
        assert_eq!(queue.pop_latest(a), Some("a2"));
        assert_eq!(drain(&mut queue), ["a1", "b1"]);
    }

    #[test]
    fn who_leaves_takes_no_turn_and_leaves_no_gap() {
        let (a, b) = (client("192.0.2.1"), client("192.0.2.2"));
        let mut queue = Queue::new();
        let places: Vec<_> = ["a1", "a2", "a3"].into_iter().map(|job| queue.push(a, job)).collect();
        queue.push(b, "b1");
        queue.push(b, "b2");
        assert_eq!((queue.remove(places[0]), queue.remove(places[1])), (Some("a1"), Some("a2")));
        assert_eq!(queue.remove(places[0]), None, "it has gone");
        assert_eq!(drain(&mut queue), ["a3", "b1", "b2"]);
        let place = queue.push(a, "a4");
        assert_eq!(queue.remove(place), Some("a4"));
        assert!(queue.lines.is_empty() && queue.turns.is_empty() && queue.len() == 0);
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
        assert_ne!(Client::from(None), client("::"));
    }
}
