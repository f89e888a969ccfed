//! What a sceptical reader relies on.

use super::*;
use crate::language::Language;
use crate::report::summary::Summary;
use crate::report::synthetic::Synthetic;
use crate::results::Cold;
use crate::runtime::trial::PageCache;

fn run() -> Results {
    Synthetic { rounds: 40, ..Synthetic::default() }.results()
}

fn trust<'a>(summary: &'a Summary, runtime: &str, workload: &str) -> &'a Trust {
    let is_own = |row: &&Trust| row.runtime == runtime && row.workload == workload;
    summary.quality.trust.iter().find(is_own).unwrap()
}

#[test]
fn a_host_that_slows_down_is_told_in_every_language_with_the_round() {
    assert_eq!(Summary::new(&run()).quality.drift, None, "a steady host");
    let mut results = run();
    for trial in results.trials.iter_mut().filter(|trial| trial.round >= 25) {
        trial.timeline.first_output_ns = trial.timeline.first_output_ns.map(|ns| ns * 5 / 4);
        if let Some(report) = &mut trial.self_report {
            report.elapsed_ns = report.elapsed_ns * 5 / 4;
        }
        // Whatever comes later does so later.
        for ns in [&mut trial.timeline.exited_ns, &mut trial.timeline.torn_down_ns] {
            *ns = ns.map(|ns| ns * 5 / 4);
        }
    }
    let summary = Summary::new(&results);
    let drift = summary.quality.drift.unwrap();
    assert!(drift.at == 25 && (1.2..1.3).contains(&drift.ratio), "{drift:?}");
    for language in Language::ALL {
        let warnings = host_warnings(&summary, language).join("\n");
        assert!(warnings.contains("25"), "{warnings}");
    }
    assert!(trust(&summary, "container", "noop").drift.is_some());
    let table = super::trust(&summary, Language::English);
    assert!(table.rows.iter().flatten().any(|entry| entry.text.contains("from trial")));
}

#[test]
fn outliers_are_counted_and_stay_in_the_figures() {
    let mut results = run();
    let before = trust(&Summary::new(&results), "container", "noop").clone();
    let victim = results
        .trials
        .iter_mut()
        .find(|trial| trial.runtime == "container" && trial.workload == "noop" && trial.is_timing());
    let timeline = &mut victim.unwrap().timeline;
    for ns in [&mut timeline.first_output_ns, &mut timeline.exited_ns, &mut timeline.torn_down_ns] {
        *ns = ns.map(|ns| ns * 50);
    }
    let summary = Summary::new(&results);
    let after = trust(&summary, "container", "noop");
    assert_eq!(after.n, before.n);
    assert!(after.outliers.unwrap().severe_high > before.outliers.unwrap().severe_high);
}

#[test]
fn what_could_have_been_seen_is_told_for_all_but_the_baseline() {
    let summary = Summary::new(&run());
    assert_eq!(trust(&summary, "process", "int").detectable, None);
    let size = trust(&summary, "container", "int").detectable.unwrap();
    assert!(size > 0.0 && size < 0.2, "{size}");
}

#[test]
fn other_methods_stand_beside_the_interval() {
    let summary = Summary::new(&run());
    assert_eq!(summary.quality.opinions.len(), 4);
    for row in &summary.quality.opinions {
        let bca = row.bca.unwrap();
        assert!(
            row.percentile.is_some() && bca.low <= row.order.high && row.order.low <= bca.high,
            "{row:?}"
        );
    }
}

#[test]
fn cold_trials_have_a_table_of_their_own_and_touch_no_other_figure() {
    let warm = run();
    let mut both = warm.clone();
    let cached = |cold| PageCache { cold, dropped_bytes: 4096, kept_bytes: 0, preparation_ns: 1_000_000 };
    both.plan.cold = Some(Cold::Files);
    both.trials.iter_mut().for_each(|trial| trial.page_cache = Some(cached(false)));
    let mut cold: Vec<Trial> = both.trials.iter().filter(|trial| trial.is_timing()).cloned().collect();
    for trial in &mut cold {
        trial.page_cache = Some(cached(true));
        let slower = |ns: &mut Option<u64>| *ns = ns.map(|ns| ns + 3_000_000);
        slower(&mut trial.timeline.first_output_ns);
        slower(&mut trial.timeline.exited_ns);
        slower(&mut trial.timeline.torn_down_ns);
    }
    both.trials.extend(cold);
    let (warm, both) = (Summary::new(&warm), Summary::new(&both));
    assert_eq!(warm.cells, both.cells);
    assert!(warm.quality.cold.is_empty() && both.quality.cold.len() > 10);
    let container = both.quality.cold.iter().find(|row| row.runtime == "container" && row.workload == "noop");
    let ratio = container.unwrap().ratio.unwrap();
    assert!(ratio.interval.unwrap().low > 2.0, "{ratio:?}");
    let table = super::cold(&both, Language::English);
    assert!(table.note.contains("posix_fadvise") && table.rows.len() == both.quality.cold.len());
}

#[test]
fn the_null_runtime_is_a_cost_and_no_runtime() {
    let mut results = run();
    let plain = Summary::new(&results);
    let mut null = results.trials[0].clone();
    null.runtime = NULL.to_owned();
    null.workload = NULL.to_owned();
    null.timeline = crate::runtime::trial::Timeline { first_output_ns: Some(70_000), ..Default::default() };
    results.trials.extend(std::iter::repeat_n(null, 10));
    let summary = Summary::new(&results);
    assert_eq!((&summary.cells, &summary.runtimes), (&plain.cells, &plain.runtimes));
    assert_eq!(summary.quality.measuring.as_ref().unwrap().null.as_ref().unwrap().median, 70_000.0);
    let table = measuring(&summary, Language::English);
    assert!(table.rows.iter().flatten().any(|entry| entry.text == "70.0 µs"), "{table:?}");
}
