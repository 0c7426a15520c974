//! Many callers sign in at the same time, all with the right password. The scenes measure how many sign-ins from
//! elsewhere are served beside a crowd of a few networks, and whether a thousand callers of one address are mistaken
//! for guessers. The load comes from loopback, as from a trusted proxy that names the address of each caller.

use std::thread;
use std::time::Duration;

use argon2::Params;

use super::{ACCOUNTS, Ours};
use crate::harness::{Bench, Goal, Load, Outcome, Pace, Row, data};

/// The default settings. The other servers of the benchmark have no limits.
const BUDGETS: [(&str, &str); 3] =
    [("LOGIN_FAILURES_PER_ADDRESS", "100"), ("REGISTRATIONS_PER_ADDRESS", "60"), ("MAIL_REQUESTS_PER_ADDRESS", "20")];

/// Sign-ins from elsewhere a second, far below the machine's capacity.
const ELSEWHERE: f64 = 10.0;

/// Long enough for each caller of the crowd to sign in once while the queue has room.
const ACQUAINTED: Duration = Duration::from_secs(3);

/// How long the queue is full before the measurement begins.
const AHEAD: Duration = Duration::from_secs(1);

/// The address of the caller with this number.
type Address = fn(u64) -> String;

/// A crowd: its name, its number of callers, their addresses, and a goal.
type Crowd = (&'static str, u64, Address, Option<Goal>);

const CROWDS: [Crowd; 3] = [
    ("400 /64s of one /48", 400, |n| format!("2001:db8:1:{n:x}::1"), Some(Goal::AtLeast(95.0))),
    ("256 addresses of one /24", 256, |n| format!("203.0.113.{}", n - 1), Some(Goal::AtLeast(95.0))),
    ("400 unrelated networks", 400, |n| format!("2001:db8:{:x}::1", 0x1000 + n), None),
];

/// The other callers: each in another network, or all at the same address.
const PLACES: [(&str, Address); 2] = [
    ("each from a network of its own", |n| format!("2001:db8:{:x}::1", 0x8000 + n)),
    ("all from one address", |_| "198.51.100.1".to_owned()),
];

pub fn crowds(bench: &mut Bench) {
    let hurry = if bench.short() { 10 } else { 1 };
    for (name, callers, address, goal) in CROWDS {
        let crowd = data::sign_ins_from(1..=callers, address);
        for (place, elsewhere) in PLACES {
            let others = data::sign_ins_from(callers + 1..=ACCOUNTS, elsewhere);
            let (mut found, mut meanwhile) = (Vec::new(), Vec::new());
            bench.each_round(|_| {
                let settings = [&BUDGETS[..], &[("TRUSTED_PROXIES", "127.0.0.1/32")]].concat();
                let ours = Ours::with(&Params::default(), &settings);
                let spell = bench.spell() * 5;
                let acquainted = ours.load(bench, &crowd, 4, Pace::Turns { at_once: 64 });
                Load { warm: Duration::ZERO, spell: ACQUAINTED / hurry, ..acquainted }.run();
                let crowd = ours.load(bench, &crowd, crowd.len(), Pace::Callers);
                let crowd = Load { warm: Duration::ZERO, spell: AHEAD / hurry + spell, ..crowd };
                let others = ours.load(bench, &others, 8, Pace::Open { per_second: ELSEWHERE });
                let others = Load { warm: Duration::ZERO, spell, ..others };
                thread::scope(|scope| {
                    let crowd = scope.spawn(move || crowd.run());
                    thread::sleep(AHEAD / hurry);
                    found.push(others.run());
                    meanwhile.push(crowd.join().unwrap());
                });
            });
            meanwhile.iter().for_each(|outcome| bench.check_alive("the crowd", outcome));
            let each = |of: fn(&Outcome) -> f64| found.iter().map(of).collect::<Vec<_>>();
            let served =
                each(|outcome| 100.0 * outcome.good as f64 / (outcome.good + outcome.refused + outcome.lost) as f64);
            let row = Row::plain(format!("{name}; sign-ins from elsewhere, {place}: served"), "%", served);
            bench.row(Row { goals: [goal, None], ..row });
            bench.row(Row::plain("  p50", "ms", each(|outcome| outcome.ms(0.5))));
            bench.row(Row::plain("  p99", "ms", each(|outcome| outcome.ms(0.99))));
            bench.row(Row::plain("  of the crowd meanwhile", "/s", meanwhile.iter().map(Outcome::rate).collect()));
        }
    }
}

pub fn right(bench: &mut Bench) {
    let logins = data::post_sign_ins(1..=ACCOUNTS);
    let mut found = Vec::new();
    bench.each_round(|_| {
        let ours = Ours::with(&Params::default(), &BUDGETS);
        let connections = logins.len();
        found.push(Load::new(ours.process.address, &logins, connections, Pace::Once, Duration::ZERO).run());
    });
    found.iter().for_each(|outcome| bench.check_alive("sign-ins", outcome));
    let each = |of: fn(&Outcome) -> f64| found.iter().map(of).collect::<Vec<_>>();
    let too_many = Row::plain("told TOO_MANY_ATTEMPTS", "", each(|outcome| outcome.too_many as f64));
    bench.row(too_many.goal(Goal::AtMost(0.0)));
    bench.row(Row::plain("  signed in", "", each(|outcome| outcome.good as f64)));
    bench.row(Row::plain("  told OVERLOADED", "", each(|outcome| (outcome.refused - outcome.too_many) as f64)));
    bench.row(Row::plain("  until the last was signed in", "ms", each(|outcome| outcome.ms(1.0))));
}
