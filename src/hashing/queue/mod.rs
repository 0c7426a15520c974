//! The order of jobs. Networks take turns; within a network its subscribers take turns; the jobs of a subscriber are
//! served in the order of their arrival. A caller that sends a thousand passwords, from one address or from a whole
//! network, therefore delays every other caller by one job at most. Separate because it is pure: it knows neither
//! threads nor time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use super::ring::{Ring, Waiting};
use crate::domain::{network, subscriber};

/// How many turns a network is remembered for. That is more than a queue of usual size holds, so a network is
/// remembered for longer than its callers take to come back. It takes a few hundred KiB at most.
const LATELY: usize = 4_096;

/// The client of a job: a subscriber within a network, or no particular one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueClient {
    network: Option<IpAddr>,
    subscriber: Option<IpAddr>,
}

impl From<Option<IpAddr>> for QueueClient {
    fn from(address: Option<IpAddr>) -> Self {
        Self { network: address.map(network), subscriber: address.map(subscriber) }
    }
}

/// The place of a waiting job.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueSlot {
    client: QueueClient,
    number: u64,
}

/// The jobs that wait, by network and subscriber.
#[derive(Debug)]
pub(super) struct Queue<J> {
    networks: Ring<Option<IpAddr>, Ring<Option<IpAddr>, ClientJobs<J>>>,
    /// The networks of the latest turns, the latest last, and the number of turns of each.
    latest: VecDeque<Option<IpAddr>>,
    lately: HashMap<Option<IpAddr>, usize>,
    /// The number of the next turn or job.
    next: u64,
}

/// The jobs of one subscriber in the order of their arrival.
#[derive(Debug)]
struct ClientJobs<J>(BTreeMap<u64, J>);

impl<J> Queue<J> {
    pub(super) fn new() -> Self {
        Self { networks: Ring::default(), latest: VecDeque::new(), lately: HashMap::new(), next: 0 }
    }

    /// Returns how many jobs wait.
    pub(super) fn len(&self) -> usize {
        self.networks.len()
    }

    /// Whether a client's network has had a turn lately, or has a job waiting.
    pub(super) fn is_known(&self, client: QueueClient) -> bool {
        self.networks.get(client.network).is_some() || self.lately.contains_key(&client.network)
    }

    /// Returns how many jobs, at most, would be served before a new one of this client.
    pub(super) fn ahead_of(&self, client: QueueClient) -> usize {
        let Some(own) = self.networks.get(client.network) else { return self.networks.ahead_of(0) };
        let within = own.ahead_of(own.get(client.subscriber).map_or(0, ClientJobs::len));
        // Of the client's own network, at most as many as its subscribers are ahead.
        self.networks.ahead_of(within) - own.len().min(within + 1) + within
    }

    /// Returns the client whose latest job gives way to a new job of `client`. It is the client with most jobs in the
    /// network with most jobs, if that network has more than the network of `client` would have. Else it is the client
    /// with most jobs in the network of `client`, if it has more than `client` would have.
    pub(super) fn gives_way_to(&self, client: QueueClient) -> Option<QueueClient> {
        let own = self.networks.get(client.network);
        let (longest, subscribers) = self.networks.longest()?;
        if subscribers.len() > own.map_or(0, Ring::len) + 1 {
            let (subscriber, _) = subscribers.longest()?;
            return Some(QueueClient { network: longest, subscriber });
        }
        let (subscriber, line) = own?.longest()?;
        let own_line = own?.get(client.subscriber).map_or(0, ClientJobs::len);
        (line.len() > own_line + 1).then_some(QueueClient { subscriber, ..client })
    }

    /// Puts a job at the end of its client's jobs.
    pub(super) fn push(&mut self, client: QueueClient, job: J) -> QueueSlot {
        let number = self.number();
        self.line(client, number, |line| line.0.insert(number, job));
        QueueSlot { client, number }
    }

    /// Takes the first job, in the order of turns, for which `judge` returns a value, with that value. Among the jobs
    /// of a subscriber, one that is `held` lets those behind it pass.
    pub(super) fn pop_where<T>(
        &mut self,
        held: impl Fn(&J) -> bool,
        judge: impl Fn(&J) -> Option<T>,
    ) -> Option<(J, T)> {
        let in_turn = self.networks.in_turn().flat_map(|(network, subscribers)| {
            subscribers.in_turn().map(move |(subscriber, line)| (QueueClient { network, subscriber }, line))
        });
        let mut judged = in_turn.filter_map(|(client, ClientJobs(jobs))| {
            let (number, job) = jobs.iter().find(|(_, job)| !held(job))?;
            Some((client, *number, judge(job)?))
        });
        let (client, number, verdict) = judged.next()?;
        drop(judged);
        let next = self.number();
        let job = self.networks.serve(client.network, next, |subscribers| {
            subscribers.serve(client.subscriber, next, |line| line.0.remove_entry(&number))
        });
        self.note_turn(client.network);
        job.map(|(_, job)| (job, verdict))
    }

    /// Removes a job that is not to wait any longer, unless it was taken already.
    pub(super) fn remove(&mut self, place: QueueSlot) -> Option<J> {
        self.line(place.client, 0, |line| line.0.remove(&place.number))
    }

    /// Takes the latest job of a client.
    pub(super) fn pop_latest(&mut self, client: QueueClient) -> Option<J> {
        self.line(client, 0, |line| line.0.pop_last()).map(|(_, job)| job)
    }

    /// Changes the jobs of a client without using its turn. A client without jobs enters with `turn`.
    fn line<T>(&mut self, client: QueueClient, turn: u64, change: impl FnOnce(&mut ClientJobs<J>) -> T) -> T {
        let QueueClient { network, subscriber } = client;
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

impl<J> Default for ClientJobs<J> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<J> Waiting for ClientJobs<J> {
    fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests;
