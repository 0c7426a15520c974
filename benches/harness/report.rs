//! The command line of a benchmark, its rounds, the table that it prints and the JSON that it leaves.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use countersign::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::{Outcome, machine};

/// Starts the real server and what it is compared with, and prints a table of ratios.
#[derive(Parser)]
struct Arguments {
    /// The scenes to run; all when none is named
    scenes: Vec<String>,
    /// How often each is repeated, everything in turn
    #[arg(long)]
    rounds: Option<usize>,
    /// How long each spell of load lasts
    #[arg(long)]
    seconds: Option<f64>,
    /// How long the storm lasts
    #[arg(long)]
    storm_seconds: Option<f64>,
    /// Everything once and in a minute: says whether it works, and judges no ratio
    #[arg(long)]
    short: bool,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is reached or not.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// One line of the table.
pub struct Row {
    pub what: String,
    /// Of the figures that are shown.
    pub unit: &'static str,
    /// One of each round.
    pub ours: Vec<f64>,
    /// The same; empty where there is nothing to compare with, and the figure itself is judged.
    pub yardstick: Vec<f64>,
    /// What is to be reached, and what is better still.
    pub goals: [Option<Goal>; 2],
}

/// A benchmark under way.
pub struct Bench {
    name: &'static str,
    arguments: Arguments,
    begun: Instant,
    rows: Vec<(String, Row)>,
    failures: Vec<String>,
    scene: String,
    ran: usize,
}

impl Row {
    /// A figure and what it is compared with, round by round.
    pub fn ratio(what: impl Into<String>, unit: &'static str, ours: Vec<f64>, yardstick: Vec<f64>) -> Self {
        Self { what: what.into(), unit, ours, yardstick, goals: [None; 2] }
    }

    /// A figure that stands for itself.
    pub fn plain(what: impl Into<String>, unit: &'static str, ours: Vec<f64>) -> Self {
        Self::ratio(what, unit, ours, Vec::new())
    }

    pub fn goal(mut self, reach: Goal) -> Self {
        self.goals[0] = Some(reach);
        self
    }

    pub fn beyond(mut self, beyond: Goal) -> Self {
        self.goals[1] = Some(beyond);
        self
    }

    /// What is judged: the ratio of each round, or the figure itself.
    fn judged(&self) -> Vec<f64> {
        if self.yardstick.is_empty() {
            return self.ours.clone();
        }
        self.ours.iter().zip(&self.yardstick).map(|(ours, yardstick)| ours / yardstick).collect()
    }

    fn verdict(&self) -> &'static str {
        let [_, middle, _] = spread(&self.judged());
        match self.goals.map(|goal| goal.map(|goal| goal.is_met(middle))) {
            [None, None] => "",
            [_, Some(true)] => "beyond",
            [Some(true), _] => "reached",
            _ => "missed",
        }
    }
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::AtMost(most) => format!("≤ {most}"),
        }
    }
}

impl Bench {
    /// Reads the command line.
    pub fn start(name: &'static str) -> Self {
        let arguments = Arguments::parse();
        let form = if arguments.short { ", the short form: no ratio of it means anything" } else { "" };
        println!("{name}: {}{form}", machine::describe());
        machine::raise_descriptor_limit();
        let (rows, failures) = (Vec::new(), Vec::new());
        Self { name, arguments, begun: Instant::now(), rows, failures, scene: String::new(), ran: 0 }
    }

    /// Runs a scene, unless the command line names others, and prints its lines.
    pub fn scene(&mut self, name: &str, about: &str, scene: impl FnOnce(&mut Self)) {
        let named = &self.arguments.scenes;
        if !named.is_empty() && !named.iter().any(|one| one == name) {
            return;
        }
        println!("\n== {name}: {about}");
        name.clone_into(&mut self.scene);
        let (begun, first) = (Instant::now(), self.rows.len());
        scene(self);
        self.ran += 1;
        self.print(&self.rows[first..]);
        println!("-- {name}: {:.0} s", begun.elapsed().as_secs_f64());
    }

    pub fn short(&self) -> bool {
        self.arguments.short
    }

    pub fn rounds(&self) -> usize {
        self.arguments.rounds.unwrap_or(if self.short() { 1 } else { 5 }).max(1)
    }

    /// How long to measure.
    pub fn spell(&self) -> Duration {
        Duration::from_secs_f64(self.arguments.seconds.unwrap_or(if self.short() { 0.3 } else { 4.0 }))
    }

    /// How long to warm up.
    pub fn warm(&self) -> Duration {
        self.spell().min(Duration::from_millis(500))
    }

    pub fn storm(&self) -> Duration {
        Duration::from_secs_f64(self.arguments.storm_seconds.unwrap_or(if self.short() { 2.0 } else { 60.0 }))
    }

    /// The numbers of the rounds; the order of what is compared is to be turned around in every second one.
    pub fn each_round(&self, mut round: impl FnMut(usize)) {
        for number in 0..self.rounds() {
            round(number);
            use std::io::Write as _;
            print!(".");
            let _ = std::io::stdout().flush();
        }
        println!();
    }

    pub fn row(&mut self, row: Row) {
        self.rows.push((self.scene.clone(), row));
    }

    /// Notes calls that were not answered well where all should have been: the figures are then worth nothing.
    pub fn check(&mut self, what: &str, outcome: &Outcome) {
        if outcome.refused > 0 || outcome.backlog > 0 {
            self.fail(format!("{what}: {outcome}"));
        } else {
            self.check_alive(what, outcome);
        }
    }

    /// The same where the server may refuse, or be late.
    pub fn check_alive(&mut self, what: &str, outcome: &Outcome) {
        if outcome.good == 0 || outcome.lost > 0 {
            self.fail(format!("{what}: {outcome}"));
        }
    }

    /// Makes the benchmark fail, at its end.
    pub fn fail(&mut self, what: String) {
        println!("!! {what}");
        self.failures.push(format!("{}: {what}", self.scene));
    }

    /// Prints everything again as one table, leaves the JSON, and gives the process's exit code: a benchmark fails when
    /// calls failed, not when a goal is missed.
    pub fn finish(self) -> std::process::ExitCode {
        if self.ran == 0 {
            println!("no scene has such a name");
            return 2.into();
        }
        println!("\n== {}, {} rounds of {:.1} s", self.name, self.rounds(), self.spell().as_secs_f64());
        self.print(&self.rows);
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(format!("{}.json", self.name));
        fs::write(&file, format!("{:#}\n", self.json())).unwrap();
        println!("\nall rounds: target/{}.json; {:.0} s", self.name, self.begun.elapsed().as_secs_f64());
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        u8::from(!self.failures.is_empty()).into()
    }

    /// The short form has none.
    fn verdict(&self, row: &Row) -> &'static str {
        if self.short() { "" } else { row.verdict() }
    }

    fn print(&self, rows: &[(String, Row)]) {
        let heads = ["what", "ours", "yardstick", "", "min / median / max", "goal", "beyond", ""];
        let mut lines = vec![heads.map(str::to_owned)];
        for (_, row) in rows {
            let [_, ours, _] = spread(&row.ours);
            let [_, yardstick, _] = spread(&row.yardstick);
            let judged = spread(&row.judged()).map(figure).join(" / ");
            let goals = row.goals.map(|goal| goal.map(Goal::text).unwrap_or_default());
            let [goal, beyond] = goals;
            let yardstick = if row.yardstick.is_empty() { String::new() } else { figure(yardstick) };
            let verdict = self.verdict(row).to_owned();
            lines.push([row.what.clone(), figure(ours), yardstick, row.unit.to_owned(), judged, goal, beyond, verdict]);
        }
        let mut widths = [0; 8];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        for [what, ours, yardstick, unit, judged, goal, beyond, verdict] in &lines {
            let [w0, w1, w2, w3, w4, w5, w6, _] = widths;
            let line = format!(
                "{what:w0$}  {ours:>w1$}  {yardstick:>w2$}  {unit:w3$}  {judged:>w4$}  {goal:>w5$}  {beyond:>w6$}  {verdict}"
            );
            println!("{}", line.trim_end());
        }
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|(scene, row)| {
            let goals = row.goals.map(|goal| goal.map(Goal::text));
            json!({
                "scene": scene, "what": row.what, "unit": row.unit, "ours": row.ours, "yardstick": row.yardstick,
                "judged": row.judged(), "goal": goals[0], "beyond": goals[1], "verdict": self.verdict(row),
            })
        });
        json!({
            "bench": self.name,
            "time": SystemClock.now().unix_timestamp(),
            "arguments": std::env::args().skip(1).filter(|argument| argument != "--bench").collect::<Vec<_>>(),
            "machine": machine::describe(),
            "short": self.short(),
            "rounds": self.rounds(),
            "seconds": self.spell().as_secs_f64(),
            "rows": rows.collect::<Vec<_>>(),
            "failures": self.failures,
        })
    }
}

/// The least, the middle and the most.
pub fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted[..] {
        [] => [f64::NAN; 3],
        [least, .., most] => [least, (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0, most],
        [one] => [one; 3],
    }
}

/// Three digits that say something.
fn figure(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
