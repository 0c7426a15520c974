//! The command line of a benchmark, its scenes and rounds, its failures, the JSON that it writes, and the quoted
//! ratios.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use countersign_guard::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::judge::{FILE, Judgement, Quotes, Run, is_steady};
use super::table::{self, Goal, Row};
use super::{Outcome, machine};

/// Starts the real server and its yardsticks, and prints a table of ratios.
#[derive(Parser)]
struct Arguments {
    /// The scenes to run; all if none is named
    scenes: Vec<String>,
    /// How often each scene is repeated
    #[arg(long)]
    rounds: Option<usize>,
    /// The length of each spell of load
    #[arg(long)]
    seconds: Option<f64>,
    /// The length of the storm
    #[arg(long)]
    storm_seconds: Option<f64>,
    /// Runs everything for a moment, to check that it works, and judges only by the quoted ratios, roughly
    #[arg(long)]
    short: bool,
    /// Makes the ratios of this run the quoted ones, by which later runs are judged
    #[arg(long, conflicts_with = "short")]
    quote: bool,
    /// The argument that `cargo bench` passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// A running benchmark with its results.
pub struct Bench {
    name: &'static str,
    arguments: Arguments,
    /// The share of all cores that other processes used before the benchmark began.
    busy: f64,
    begun: Instant,
    rows: Vec<(String, Row)>,
    failures: Vec<String>,
    scene: String,
    /// All scenes, and whether each ran.
    scenes: Vec<(String, bool)>,
    /// The ratios to judge by, if this benchmark has any.
    quotes: Option<Quotes>,
}

impl Bench {
    /// Reads the command line. `quotes` are the ratios by which this benchmark is judged, if there are any.
    pub fn start(name: &'static str, quotes: Option<Quotes>) -> Self {
        let arguments = Arguments::parse();
        if arguments.quote && quotes.is_none() {
            let error = format!("--quote: no ratio of {name} is in {FILE}");
            Arguments::command().error(ErrorKind::ArgumentConflict, error).exit();
        }
        let form = if arguments.short { ", the short form: its ratios are rough" } else { "" };
        println!("{name}: {}{form}", machine::describe());
        let busy = machine::busy(Duration::from_secs(if arguments.short { 0 } else { 2 }) + Duration::from_millis(200));
        println!("busy with something else before it began: {:.0} % of all cores", busy * 100.0);
        machine::raise_descriptor_limit();
        let (rows, failures, scenes) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, arguments, busy, begun: Instant::now(), rows, failures, scene: String::new(), scenes, quotes }
    }

    /// Runs a scene and prints its lines, unless the command line names other scenes.
    pub fn scene(&mut self, name: &str, about: &str, scene: impl FnOnce(&mut Self)) {
        let named = &self.arguments.scenes;
        let runs = named.is_empty() || named.iter().any(|one| one == name);
        self.scenes.push((name.to_owned(), runs));
        if !runs {
            return;
        }
        println!("\n== {name}: {about}");
        name.clone_into(&mut self.scene);
        let (begun, first) = (Instant::now(), self.rows.len());
        scene(self);
        table::print(&self.rows[first..], !self.short());
        println!("-- {name}: {:.0} s", begun.elapsed().as_secs_f64());
    }

    pub fn short(&self) -> bool {
        self.arguments.short
    }

    /// The number of rounds of the scene that runs.
    pub fn rounds(&self) -> usize {
        let usual = match self.short() {
            false => 5,
            true if self.quotes.is_some() && is_steady(&self.scene) => 3,
            true => 1,
        };
        self.arguments.rounds.unwrap_or(usual).max(1)
    }

    /// The length of a measurement.
    pub fn spell(&self) -> Duration {
        Duration::from_secs_f64(self.arguments.seconds.unwrap_or(if self.short() { 0.3 } else { 4.0 }))
    }

    /// The length of a warm-up.
    pub fn warm(&self) -> Duration {
        self.spell().min(Duration::from_millis(500))
    }

    pub fn storm(&self) -> Duration {
        Duration::from_secs_f64(self.arguments.storm_seconds.unwrap_or(if self.short() { 2.0 } else { 60.0 }))
    }

    /// The numbers of the rounds. Every second round should reverse the order of the subjects.
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

    /// Records calls that failed although none should. The figures are then worthless.
    pub fn check(&mut self, what: &str, outcome: &Outcome) {
        if outcome.refused > 0 || outcome.backlog > 0 {
            self.fail(format!("{what}: {outcome}"));
        } else {
            self.check_alive(what, outcome);
        }
    }

    /// As [`Self::check`], for a server that may refuse calls or be late.
    pub fn check_alive(&mut self, what: &str, outcome: &Outcome) {
        if outcome.good == 0 || outcome.lost + outcome.unanswered > 0 {
            self.fail(format!("{what}: {outcome}"));
        }
    }

    /// As [`Self::check`], for a server that may be late but must not refuse.
    pub fn check_answered(&mut self, what: &str, outcome: &Outcome) {
        if outcome.refused > 0 {
            self.fail(format!("{what}: {outcome}"));
        } else {
            self.check_alive(what, outcome);
        }
    }

    /// Makes the benchmark fail at its end.
    pub fn fail(&mut self, what: String) {
        println!("!! {what}");
        self.failures.push(format!("{}: {what}", self.scene));
    }

    /// Prints everything again as one table, writes the JSON, judges by the quoted ratios or replaces them, and returns
    /// the exit code of the process. A benchmark fails when calls failed or a ratio fell, not when a goal is missed.
    pub fn finish(mut self) -> std::process::ExitCode {
        if !self.scenes.iter().any(|(_, ran)| *ran) {
            println!("no scene has such a name");
            return 2.into();
        }
        match self.short() {
            true => println!("\n== {}, the short form", self.name),
            false => println!("\n== {}, {} rounds of {:.1} s", self.name, self.rounds(), self.spell().as_secs_f64()),
        }
        table::print(&self.rows, !self.short());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(format!("{}.json", self.name));
        fs::write(&file, format!("{:#}\n", self.json())).unwrap();
        println!("\nall rounds: target/{}.json; {:.0} s", self.name, self.begun.elapsed().as_secs_f64());
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        let Judgement { lines, fails } = match self.quotes.take() {
            Some(quotes) => self.judge(quotes),
            None => Judgement::default(),
        };
        lines.iter().for_each(|line| println!("{line}"));
        u8::from(fails || !self.failures.is_empty()).into()
    }

    /// Compares the run with the quoted ratios. With `--quote` it then replaces them, unless calls failed.
    fn judge(&self, mut quotes: Quotes) -> Judgement {
        println!("\n== compared with {FILE}");
        let run = Run { scenes: &self.scenes, rows: &self.rows, short: self.short() };
        let mut judgement = quotes.judge(&run);
        if self.arguments.quote && !self.failures.is_empty() {
            judgement.lines.push(format!("{FILE} keeps its ratios, because calls failed"));
        } else if self.arguments.quote {
            let machine = machine::describe();
            let machine = format!("{}, {} cores", machine["cpu"].as_str().unwrap_or_default(), machine["cores"]);
            quotes.replace(&run, &SystemClock.now().date().to_string(), &machine);
            fs::write(quotes_path(), quotes.text().unwrap()).unwrap();
            judgement.lines.push(format!("{FILE} now has the ratios of this run"));
            judgement.fails = false;
        }
        judgement
    }

    /// The verdict on a row. The short form has none.
    fn verdict(&self, row: &Row) -> &'static str {
        if self.short() { "" } else { row.verdict() }
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
            "busy_before": self.busy,
            "short": self.short(),
            "seconds": self.spell().as_secs_f64(),
            "rows": rows.collect::<Vec<_>>(),
            "failures": self.failures,
        })
    }
}

/// Reads the quoted ratios. Without the file there are none.
pub fn quotes() -> Result<Quotes, String> {
    match fs::read_to_string(quotes_path()) {
        Ok(text) => Quotes::read(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Quotes::default()),
        Err(error) => Err(format!("{FILE} cannot be read: {error}")),
    }
}

fn quotes_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE)
}
