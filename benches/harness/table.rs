//! The rows of a table: a figure, its yardstick in each round, its goals, and its name among the quoted ratios.

/// A limit that a figure should keep.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// The meaning of a figure: whether a higher or a lower one is better, and how well it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rate,
    /// The CPU time of a call.
    Cost,
    Latency,
}

/// One row of the table.
pub struct Row {
    pub what: String,
    /// The unit of the shown figures.
    pub unit: &'static str,
    /// The figure of each round.
    pub ours: Vec<f64>,
    /// The yardstick of each round. Empty if there is none, so that the figure itself is judged.
    pub yardstick: Vec<f64>,
    /// The goal, and a more ambitious one.
    pub goals: [Option<Goal>; 2],
    /// The name of the ratio in `docs/performance.json`, after that of its scene.
    pub name: Option<(String, Kind)>,
}

impl Row {
    /// A figure and its yardstick, round by round.
    pub fn ratio(what: impl Into<String>, unit: &'static str, ours: Vec<f64>, yardstick: Vec<f64>) -> Self {
        Self { what: what.into(), unit, ours, yardstick, goals: [None; 2], name: None }
    }

    /// A figure without a yardstick.
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

    /// Has the ratio judged by the quoted one of this name.
    pub fn quoted(mut self, name: impl Into<String>, kind: Kind) -> Self {
        self.name = Some((name.into(), kind));
        self
    }

    /// The judged values: the ratio of each round, or the figure itself.
    pub fn judged(&self) -> Vec<f64> {
        if self.yardstick.is_empty() {
            return self.ours.clone();
        }
        self.ours.iter().zip(&self.yardstick).map(|(ours, yardstick)| ours / yardstick).collect()
    }

    pub fn verdict(&self) -> &'static str {
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

    pub fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::AtMost(most) => format!("≤ {most}"),
        }
    }
}

/// The least, the median and the largest value.
pub fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted[..] {
        [] => [f64::NAN; 3],
        [least, .., most] => [least, (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0, most],
        [one] => [one; 3],
    }
}

/// Prints the rows. `judged` says whether goals are judged.
pub fn print(rows: &[(String, Row)], judged: bool) {
    let heads = ["what", "ours", "yardstick", "", "min / median / max", "goal", "beyond", ""];
    let mut lines = vec![heads.map(str::to_owned)];
    for (_, row) in rows {
        let [_, ours, _] = spread(&row.ours);
        let [_, yardstick, _] = spread(&row.yardstick);
        let figures = spread(&row.judged()).map(figure).join(" / ");
        let goals = row.goals.map(|goal| goal.map(Goal::text).unwrap_or_default());
        let [goal, beyond] = goals;
        let yardstick = if row.yardstick.is_empty() { String::new() } else { figure(yardstick) };
        let verdict = if judged { row.verdict() } else { "" }.to_owned();
        lines.push([row.what.clone(), figure(ours), yardstick, row.unit.to_owned(), figures, goal, beyond, verdict]);
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

/// A number with three significant digits.
pub fn figure(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
