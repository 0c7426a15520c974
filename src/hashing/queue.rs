//! Who is next. Networks take turns; within a network its subscribers do; and a subscriber's jobs are served in the order they
//! came. So whoever sends a thousand passwords, from one address or from all of a network, keeps nobody else waiting for
//! more than one of them. Separate because it is pure: it knows neither threads nor time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use super::ring::{Ring, Waiting};
use crate::domain::{network, subscriber};

/// How many turns make a network known. More than any queue of usual length has waiting, so that a network is known for
/// longer than it takes its callers to come back; and a few hundred KiB at most.
const LATELY: usize = 4_096;

/// Whom a job is for: a subscriber of a network, or nobody in particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    network: Option<IpAddr>,
    subscriber: Option<IpAddr>,
}

impl From<Option<IpAddr>> for Client {
    fn from(address: Option<IpAddr>) -> Self {
        Self { network: address.map(network), subscriber: address.map(subscriber) }
    }
}

/// Where a job waits, for as long as it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    client: Client,
    number: u64,
}

/// The jobs that wait.
#[derive(Debug)]
pub(super) struct Queue<J> {
    networks: Ring<Option<IpAddr>, Ring<Option<IpAddr>, Line<J>>>,
    /// The networks of the latest turns, the latest last, and how many of these each had.
    latest: VecDeque<Option<IpAddr>>,
    lately: HashMap<Option<IpAddr>, usize>,
    /// Numbers turns and jobs.
    next: u64,
}

/// The jobs of one subscriber: first come, first served.
#[derive(Debug)]
struct Line<J>(BTreeMap<u64, J>);

impl<J> Queue<J> {
    pub fn new() -> Self {
        Self { networks: Ring::default(), latest: VecDeque::new(), lately: HashMap::new(), next: 0 }
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.networks.len()
    }

    /// Whether a client's network has had a turn lately, or has a job waiting.
    pub fn is_known(&self, client: Client) -> bool {
        self.networks.get(client.network).is_some() || self.lately.contains_key(&client.network)
    }

    /// How many jobs, at most, would be served before a new one of this client.
    pub fn ahead_of(&self, client: Client) -> usize {
        let Some(own) = self.networks.get(client.network) else { return self.networks.ahead_of(0) };
        let within = own.ahead_of(own.get(client.subscriber).map_or(0, Line::len));
        // Of its own network no more than those.
        self.networks.ahead_of(within) - own.len().min(within + 1) + within
    }

    /// Whose latest job gives way to a new one of this client: that of the longest line of the network with most waiting, if
    /// that has more than the client's network would have; or else that of the longest line of its own network, if that is
    /// longer than the client's would be.
    pub fn gives_way_to(&self, client: Client) -> Option<Client> {
        let own = self.networks.get(client.network);
        let (longest, subscribers) = self.networks.longest()?;
        if subscribers.len() > own.map_or(0, Ring::len) + 1 {
            let (subscriber, _) = subscribers.longest()?;
            return Some(Client { network: longest, subscriber });
        }
        let (subscriber, line) = own?.longest()?;
        let own_line = own?.get(client.subscriber).map_or(0, Line::len);
        (line.len() > own_line + 1).then_some(Client { subscriber, ..client })
    }

    /// Puts a job at the end of its client's line.
    pub fn push(&mut self, client: Client, job: J) -> Place {
        let number = self.number();
        self.line(client, number, |line| line.0.insert(number, job));
        Place { client, number }
    }

    /// Takes the first job, in the order of turns, of which `judge` makes anything, and what it makes of it.
    pub fn pop_where<T>(&mut self, judge: impl Fn(&J) -> Option<T>) -> Option<(J, T)> {
        let in_turn = self.networks.in_turn().flat_map(|(network, subscribers)| {
            subscribers.in_turn().map(move |(subscriber, line)| (Client { network, subscriber }, line))
        });
        let mut judged = in_turn.filter_map(|(client, Line(jobs))| Some((client, judge(jobs.first_key_value()?.1)?)));
        let (client, verdict) = judged.next()?;
        drop(judged);
        let next = self.number();
        let job = self.networks.serve(client.network, next, |subscribers| {
            subscribers.serve(client.subscriber, next, |line| line.0.pop_first())
        });
        self.note_turn(client.network);
        job.map(|(_, job)| (job, verdict))
    }

    /// Takes a job that is not to wait any longer, unless it has been taken already.
    pub fn remove(&mut self, place: Place) -> Option<J> {
        self.line(place.client, 0, |line| line.0.remove(&place.number))
    }

    /// Takes the latest job of a client.
    pub fn pop_latest(&mut self, client: Client) -> Option<J> {
        self.line(client, 0, |line| line.0.pop_last()).map(|(_, job)| job)
    }

    /// Changes a client's line, without its turn. One that had none comes with `turn`.
    fn line<T>(&mut self, client: Client, turn: u64, change: impl FnOnce(&mut Line<J>) -> T) -> T {
        let Client { network, subscriber } = client;
        self.networks.change(network, turn, |subscribers| subscribers.change(subscriber, turn, change))
    }

    fn note_turn(&mut self, network: Option<IpAddr>) {
        if self.latest.len() == LATELY
            && let Some(oldest) = self.latest.pop_front()
            && let Some(turns) = self.lately.get_mut(&oldest)
        {
            *turns -= 1;
            if *turns == 0 {
                self.lately.remove(&oldest);
            }
        }
        self.latest.push_back(network);
        *self.lately.entry(network).or_default() += 1;
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl<J> Default for Line<J> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<J> Waiting for Line<J> {
    fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests;
