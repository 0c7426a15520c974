//! The due times of the calls in an open loop: a timer of the system, which the load waits for like for an answer, and
//! the number of calls that should have been sent by now. Separate from the load because it knows nothing of calls.

use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

/// The shortest time between two looks at the schedule.
const TICK: Duration = Duration::from_millis(1);

/// The id of the timer among the connections.
pub const TIMER: u64 = u64::MAX;

/// The due times of the calls in an open loop.
pub struct Schedule {
    timer: OwnedFd,
    begun: Instant,
    interval: f64,
    pub sent: u64,
    /// Whether a call was due while no connection had room.
    pub is_late: bool,
}

impl Schedule {
    pub fn start(per_second: f64, begun: Instant, epoll: &OwnedFd) -> Self {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC).unwrap();
        let interval = 1.0 / per_second;
        let tick = Timespec::try_from(Duration::from_secs_f64(interval).max(TICK)).unwrap();
        let every = Itimerspec { it_interval: tick, it_value: tick };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every).unwrap();
        epoll::add(epoll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN).unwrap();
        Self { timer, begun, interval, sent: 0, is_late: false }
    }

    /// The time at which the next call should have been sent, if that is not later than `now`.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.begun + Duration::from_secs_f64(self.interval * (self.sent + 1) as f64);
        (due <= now).then_some(due)
    }

    /// Resets the timer, which rings again.
    pub fn clear(&self) {
        let _ = rustix::io::read(&self.timer, &mut [0; 8]);
    }

    /// The number of calls that were due by `end` and wait for a connection with room.
    pub fn behind(&self, end: Instant) -> u64 {
        let due = ((end - self.begun).as_secs_f64() / self.interval) as u64;
        if self.is_late { due.saturating_sub(self.sent) } else { 0 }
    }
}
