//! The judgement of `cargo bench --bench lanes` by the quoted ratios of `docs/performance.json`: what fails a run, what
//! is only said, and what `--quote` writes. A benchmark has no tests of its own.

#[path = "../../benches/harness/judge.rs"]
mod judge;
#[path = "../../benches/harness/table.rs"]
#[expect(dead_code, reason = "the benchmarks use the rest")]
mod table;

use judge::{Judgement, Quotes, Run};
use table::{Kind, Row};

const RATES: &str = r#"{"get/bare": {"ratio": 0.5, "better": "higher", "date": "2026-11-29", "machine": "M"}}"#;
const COSTS: &str = r#"{"rest/http2": {"ratio": 1.2, "better": "lower", "date": "2026-11-29", "machine": "M"}}"#;
const LATENCIES: &str = r#"{"me/p50": {"ratio": 1.2, "better": "lower", "date": "2026-11-29", "machine": "M"}}"#;

/// A yardstick that repeats within 2 %.
const QUIET: [f64; 3] = [100.0, 98.0, 99.0];

/// A yardstick that halves from one round to the next.
const NOISY: [f64; 3] = [100.0, 50.0, 90.0];

/// A row with this ratio to the yardstick in each round.
fn row(name: &str, kind: Kind, ratio: f64, yardstick: &[f64]) -> Row {
    Row::ratio(name, "", yardstick.iter().map(|one| one * ratio).collect(), yardstick.to_vec()).quoted(name, kind)
}

fn judge(quotes: &str, scene: &str, row: Row, short: bool) -> Judgement {
    let (scenes, rows) = ([(scene.to_owned(), true)], [(scene.to_owned(), row)]);
    Quotes::read(quotes).unwrap().judge(&Run { scenes: &scenes, rows: &rows, short })
}

#[test]
fn a_lost_half_of_a_speed_fails_both_forms() {
    for short in [false, true] {
        let judged = judge(RATES, "get", row("bare", Kind::Rate, 0.25, &QUIET), short);
        assert!(judged.fails);
        let fell = "fell: get/bare 0.500 → 0.250 (noise ±2 %), a loss of 50 %; quoted on 2026-11-29, M";
        assert_eq!(judged.lines, [fell, "as quoted, or better: 0"]);
        assert!(judge(COSTS, "rest", row("http2", Kind::Cost, 2.4, &QUIET), short).fails);
    }
}

#[test]
fn a_smaller_fall_fails_the_full_run_and_warns_in_the_short_form() {
    for (quotes, scene, name, kind, ratio) in
        [(RATES, "get", "bare", Kind::Rate, 0.4), (COSTS, "rest", "http2", Kind::Cost, 1.5)]
    {
        let full = judge(quotes, scene, row(name, kind, ratio, &QUIET), false);
        assert!(full.fails && full.lines[0].starts_with("fell: "), "{full:?}");
        let short = judge(quotes, scene, row(name, kind, ratio, &QUIET), true);
        assert!(!short.fails && short.lines[0].starts_with("warning, fell: "), "{short:?}");
    }
}

#[test]
fn a_ratio_that_is_as_quoted_or_better_passes() {
    for (quotes, scene, name, kind, ratios) in
        [(RATES, "get", "bare", Kind::Rate, [0.48, 0.5, 0.9]), (COSTS, "rest", "http2", Kind::Cost, [1.25, 1.2, 0.5])]
    {
        for ratio in ratios {
            let judged = judge(quotes, scene, row(name, kind, ratio, &QUIET), false);
            assert!(!judged.fails);
            assert_eq!(judged.lines, ["as quoted, or better: 1"]);
        }
    }
}

#[test]
fn a_fall_within_the_noise_of_the_yardstick_is_said_and_passes() {
    let judged = judge(RATES, "get", row("bare", Kind::Rate, 0.28, &NOISY), false);
    assert!(!judged.fails);
    let line = "within the noise: get/bare 0.500 → 0.280 (noise ±50 %), a loss of 44 %; quoted on 2026-11-29, M";
    assert_eq!(judged.lines, [line, "as quoted, or better: 0"]);
    assert!(judge(RATES, "get", row("bare", Kind::Rate, 0.2, &NOISY), true).fails);
}

#[test]
fn one_round_has_no_noise_to_judge_by() {
    let judged = judge(RATES, "get", row("bare", Kind::Rate, 0.1, &[100.0]), false);
    assert!(!judged.fails);
    assert_eq!(judged.lines[0], "not judged: get/bare, because one round shows no noise");
}

#[test]
fn a_ratio_without_a_figure_has_fallen() {
    let judged = judge(RATES, "get", row("bare", Kind::Rate, f64::NAN, &QUIET), true);
    assert!(judged.fails && judged.lines[0].starts_with("fell: get/bare 0.500 → - "), "{judged:?}");
}

#[test]
fn the_short_form_judges_no_latency_and_no_unsteady_scene() {
    let slow = || row("p50", Kind::Latency, 9.0, &QUIET);
    assert!(judge(LATENCIES, "me", slow(), false).fails);
    assert_eq!(judge(LATENCIES, "me", slow(), true).lines, ["as quoted, or better: 0"]);
    let storm = RATES.replace("get/bare", "storm/goodput");
    assert!(judge(&storm, "storm", row("goodput", Kind::Rate, 0.1, &QUIET), false).fails);
    assert!(!judge(&storm, "storm", row("goodput", Kind::Rate, 0.1, &QUIET), true).fails);
}

#[test]
fn a_ratio_that_is_not_in_the_file_is_named() {
    let judged = judge("{}", "get", row("bare", Kind::Rate, 0.1, &QUIET), false);
    assert!(!judged.fails);
    assert_eq!(judged.lines[0], "not quoted: get/bare");
}

#[test]
fn a_key_that_no_ratio_has_fails_and_one_of_a_scene_that_did_not_run_does_not() {
    let judged = judge(RATES, "get", row("other", Kind::Rate, 0.5, &QUIET), false);
    assert!(judged.fails);
    assert!(
        judged.lines.contains(&"docs/performance.json has get/bare, which is no ratio of this benchmark".to_owned())
    );
    assert!(judge(RATES, "me", row("echo", Kind::Rate, 0.5, &QUIET), false).fails, "there is no scene get");

    let (scenes, rows) = ([("get".to_owned(), false), ("me".to_owned(), true)], []);
    let run = Run { scenes: &scenes, rows: &rows, short: false };
    assert!(!Quotes::read(RATES).unwrap().judge(&run).fails);
}

#[test]
fn a_file_with_mistakes_is_refused_with_the_mistake() {
    for (text, mistake) in [
        ("", "docs/performance.json is no table of ratios: EOF while parsing a value at line 1 column 0".to_owned()),
        ("[]", "expected a map".to_owned()),
        (&RATES.replace("\"date\"", "\"when\""), "unknown field `when`".to_owned()),
        (&RATES.replace("\"ratio\": 0.5, ", ""), "missing field `ratio`".to_owned()),
        (&RATES.replace("higher", "more"), "unknown variant `more`, expected `higher` or `lower`".to_owned()),
        (&RATES.replace("0.5", "0"), "has the ratio 0 for get/bare: it must be above 0".to_owned()),
    ] {
        let error = Quotes::read(text).err().unwrap();
        assert!(error.contains(&mistake), "{error}");
    }
    let judged = judge(&RATES.replace("higher", "lower"), "get", row("bare", Kind::Rate, 0.5, &QUIET), false);
    assert!(judged.fails);
    assert_eq!(judged.lines[0], "docs/performance.json says of get/bare that lower is better, which is wrong");
}

#[test]
fn a_quote_replaces_what_ran_and_keeps_the_rest() {
    let text = format!("{},{},{}", &RATES[..RATES.len() - 1], &COSTS[1..COSTS.len() - 1], &LATENCIES[1..]);
    let mut quotes = Quotes::read(&text).unwrap();
    let scenes = [("get", true), ("me", true), ("rest", false)].map(|(scene, ran)| (scene.to_owned(), ran));
    let rows = [
        ("get".to_owned(), row("bare", Kind::Rate, 0.2504, &QUIET)),
        ("me".to_owned(), row("echo", Kind::Rate, 1.0, &QUIET)),
    ];
    let run = Run { scenes: &scenes, rows: &rows, short: false };
    quotes.replace(&run, "2026-12-01", "N");
    let expected = r#"{
  "get/bare": {"ratio":0.25,"better":"higher","date":"2026-12-01","machine":"N"},
  "me/echo": {"ratio":1.0,"better":"higher","date":"2026-12-01","machine":"N"},
  "rest/http2": {"ratio":1.2,"better":"lower","date":"2026-11-29","machine":"M"}
}
"#;
    assert_eq!(quotes.text().unwrap(), expected);
    assert!(!Quotes::read(expected).unwrap().judge(&run).fails);
}

#[test]
fn the_file_of_the_tree_is_as_a_quote_writes_it() {
    let text = std::fs::read_to_string(judge::FILE).unwrap();
    assert_eq!(Quotes::read(&text).unwrap().text().unwrap(), text);
}
