//! Judges the ratios of a run by the last quoted ones, which are in `docs/performance.json`. Separate from the report
//! because it is pure: `tests/it/benchmarks.rs` tests it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::table::{Kind, Row, figure, spread};

/// The file of quoted ratios, in the root of the package.
pub const FILE: &str = "docs/performance.json";

/// The scenes with ratios that even short spells on a shared machine show well.
const STEADY: [&str; 4] = ["me", "get", "signins", "rest"];

/// The loss for which the short form fails, if even the best of its rounds has it.
const SHORT_LIMIT: f64 = 0.4;

/// The quoted ratios by `scene/name`.
#[derive(Default)]
pub struct Quotes(BTreeMap<String, Quote>);

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Quote {
    /// The median ratio of all rounds.
    ratio: f64,
    better: Better,
    date: String,
    machine: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Better {
    Higher,
    Lower,
}

/// The part of a run that is judged.
pub struct Run<'a> {
    /// All scenes of the benchmark, and whether each ran.
    pub scenes: &'a [(String, bool)],
    /// The rows, each with its scene.
    pub rows: &'a [(String, Row)],
    pub short: bool,
}

/// The lines to print, and whether the run fails because of them.
#[derive(Debug, Default)]
pub struct Judgement {
    pub lines: Vec<String>,
    pub fails: bool,
}

impl Quotes {
    /// Reads the text of the file.
    pub fn read(text: &str) -> Result<Self, String> {
        let quotes: BTreeMap<String, Quote> =
            serde_json::from_str(text).map_err(|error| format!("{FILE} is no table of ratios: {error}"))?;
        match quotes.iter().find(|(_, quote)| quote.ratio <= 0.0) {
            Some((key, quote)) => Err(format!("{FILE} has the ratio {} for {key}: it must be above 0", quote.ratio)),
            None => Ok(Self(quotes)),
        }
    }

    /// The text of the file, with one line for each ratio.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let lines = self
            .0
            .iter()
            .map(|(key, quote)| Ok(format!("  {}: {}", serde_json::to_string(key)?, serde_json::to_string(quote)?)));
        Ok(format!("{{\n{}\n}}\n", lines.collect::<Result<Vec<_>, serde_json::Error>>()?.join(",\n")))
    }

    /// Compares each ratio of the run that has a name with the quoted one.
    pub fn judge(&self, run: &Run<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        let mut kept = 0;
        for (key, kind, row) in run.judged() {
            match self.0.get(&key) {
                None => judgement.lines.push(format!("not quoted: {key}")),
                Some(quote) if quote.better != Better::of(kind) => {
                    let better = if quote.better == Better::Higher { "higher" } else { "lower" };
                    judgement.fail(format!("{FILE} says of {key} that {better} is better, which is wrong"));
                }
                Some(quote) => match noise(&row.yardstick) {
                    None => judgement.lines.push(format!("not judged: {key}, because one round shows no noise")),
                    Some(noise) => kept += usize::from(judgement.compare(&key, quote, kind, row, noise, run.short)),
                },
            }
        }
        for key in self.strangers(run) {
            judgement.fail(format!("{FILE} has {key}, which is no ratio of this benchmark"));
        }
        judgement.lines.push(format!("as quoted, or better: {kept}"));
        judgement
    }

    /// Replaces the ratios of the scenes that ran by those of this run, and removes those that no row has.
    pub fn replace(&mut self, run: &Run<'_>, date: &str, machine: &str) {
        for key in self.strangers(run) {
            self.0.remove(&key);
        }
        for (key, kind, row) in run.named() {
            let [_, median, _] = spread(&row.judged());
            let ratio = (median * 1_000.0).round() / 1_000.0;
            if ratio.is_finite() && ratio > 0.0 {
                let (date, machine) = (date.to_owned(), machine.to_owned());
                self.0.insert(key, Quote { ratio, better: Better::of(kind), date, machine });
            }
        }
    }

    /// The keys of scenes that do not exist, and those that no row of a scene that ran has.
    fn strangers(&self, run: &Run<'_>) -> Vec<String> {
        let rows: BTreeSet<String> = run.named().map(|(key, ..)| key).collect();
        let did_not_run = |key: &str| {
            let scene = key.split_once('/').map_or(key, |(scene, _)| scene);
            run.scenes.iter().any(|(name, ran)| name == scene && !ran)
        };
        self.0.keys().filter(|key| !rows.contains(*key) && !did_not_run(key)).cloned().collect()
    }
}

impl Run<'_> {
    /// The rows that have a name, each with its key and its kind.
    fn named(&self) -> impl Iterator<Item = (String, Kind, &Row)> {
        self.rows
            .iter()
            .filter_map(|(scene, row)| row.name.as_ref().map(|(name, kind)| (format!("{scene}/{name}"), *kind, row)))
    }

    /// Those of them that this form judges.
    fn judged(&self) -> impl Iterator<Item = (String, Kind, &Row)> {
        self.named().filter(|(key, kind, _)| {
            let is_steady = key.split_once('/').is_some_and(|(scene, _)| is_steady(scene));
            !self.short || is_steady && *kind != Kind::Latency
        })
    }
}

impl Judgement {
    fn fail(&mut self, line: String) {
        self.lines.push(line);
        self.fails = true;
    }

    /// Whether the ratio is as quoted, or better. If not, a line says so.
    fn compare(&mut self, key: &str, quote: &Quote, kind: Kind, row: &Row, noise: f64, short: bool) -> bool {
        let [least, now, most] = spread(&row.judged());
        let lost = quote.better.lost(quote.ratio, now);
        let best = if quote.better == Better::Higher { most } else { least };
        if lost <= kind.least_noise() {
            return true;
        }
        let line = format!(
            "{key} {} → {} (noise ±{:.0} %), a loss of {:.0} %; quoted on {}, {}",
            figure(quote.ratio),
            figure(now),
            noise * 100.0,
            lost * 100.0,
            quote.date,
            quote.machine,
        );
        if lost <= noise {
            self.lines.push(format!("within the noise: {line}"));
        } else if short && quote.better.lost(quote.ratio, best) <= SHORT_LIMIT {
            self.lines.push(format!("warning, fell: {line}"));
        } else {
            self.fail(format!("fell: {line}"));
        }
        false
    }
}

impl Better {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Rate => Self::Higher,
            Kind::Cost | Kind::Latency => Self::Lower,
        }
    }

    /// The share of the quoted speed that is lost: a half if a rate halves or a cost doubles, all if there is no
    /// figure.
    fn lost(self, quoted: f64, now: f64) -> f64 {
        if !now.is_finite() {
            return 1.0;
        }
        match self {
            Self::Higher => 1.0 - now / quoted,
            Self::Lower => 1.0 - quoted / now,
        }
    }
}

impl Kind {
    /// The least loss that counts, because the quoted run had noise too.
    fn least_noise(self) -> f64 {
        match self {
            Self::Rate | Self::Cost => 0.05,
            Self::Latency => 0.25,
        }
    }
}

/// Whether the short form judges ratios of this scene, for which it needs several rounds.
pub fn is_steady(scene: &str) -> bool {
    STEADY.contains(&scene)
}

/// The noise of the run: the yardstick against itself, as the largest loss or gain from one round to the next.
fn noise(yardstick: &[f64]) -> Option<f64> {
    let share = |pair: &[f64]| 1.0 - pair[0].min(pair[1]) / pair[0].max(pair[1]);
    yardstick.windows(2).map(share).filter(|share| share.is_finite()).reduce(f64::max)
}
