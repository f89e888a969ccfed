//! What a reader of a diff relies on.

use super::*;
use crate::report::synthetic::{HOSTILE, Synthetic};
use crate::report::terminal::Style;

fn run(seed: u64) -> Results {
    Synthetic { seed, rounds: 40, ..Synthetic::default() }.results()
}

/// Multiplies the start-up of one runtime.
fn slowed(mut results: Results, runtime: &str, factor: f64) -> Results {
    for trial in results.trials.iter_mut().filter(|trial| trial.runtime == runtime) {
        if let Some(ns) = &mut trial.timeline.first_output_ns {
            *ns = (*ns as f64 * factor) as u64;
        }
    }
    results
}

fn row<'a>(diff: &'a Diff, runtime: &str, metric: Metric) -> &'a Row {
    diff.rows.iter().find(|row| row.runtime == runtime && row.metric == metric).unwrap()
}

fn verdict(row: &Row) -> Verdict {
    match &row.finding {
        Finding::Compared { verdict, .. } => *verdict,
        Finding::NotComparable(why) => panic!("{why}"),
    }
}

#[test]
fn a_slower_container_is_found_and_nothing_else() {
    let diff = Diff::new(&run(1), &slowed(run(2), "container", 1.3), &[]);
    let container = row(&diff, "container", Metric::StartUp);
    assert_eq!(verdict(container), Verdict::Larger);
    assert!(container.is_regression_beyond(0.2) && !container.is_regression_beyond(0.4));
    assert_eq!(diff.regressions(0.1).len(), 1);
    let back = Diff::new(&slowed(run(2), "container", 1.3), &run(1), &[]);
    assert_eq!(verdict(row(&back, "container", Metric::StartUp)), Verdict::Smaller);
    assert!(back.regressions(0.0).is_empty());
}

#[test]
fn a_host_that_was_slower_as_a_whole_is_no_regression_of_a_runtime() {
    let mut after = run(2);
    for runtime in ["process", "process-again", "container", "microvm", "docker"] {
        after = slowed(after, runtime, 1.2);
    }
    let diff = Diff::new(&run(1), &after, &[]);
    assert!(diff.regressions(0.0).is_empty(), "{:?}", diff.regressions(0.0));
    for runtime in ["process", "container", "microvm"] {
        let row = row(&diff, runtime, Metric::StartUp);
        assert!(matches!(&row.finding, Finding::Compared { noise, .. } if *noise > 1.15), "{row:?}");
    }
    // Another isobench may well have made the process itself slower.
    after.tool = "isobench 0.2.0".to_owned();
    let diff = Diff::new(&run(1), &after, &[Despite::Version]);
    assert_eq!(verdict(row(&diff, "process", Metric::StartUp)), Verdict::Larger);
    // So may another program of the user's own, while one that is the same cannot have changed.
    let own = |mut results: Results, sha: &str| {
        results.plan.workloads[0].kind = WorkloadKind::Own;
        results.plan.workloads[0].program_sha256 = sha.to_owned();
        results
    };
    after.tool = run(1).tool;
    let changed = Diff::new(&own(run(1), "a"), &own(after.clone(), "b"), &[]);
    assert_eq!(verdict(row(&changed, "process", Metric::StartUp)), Verdict::Larger);
    let same = Diff::new(&own(run(1), "a"), &own(after, "a"), &[]);
    assert_eq!(verdict(row(&same, "process", Metric::StartUp)), Verdict::NoMeasurableDifference);
}

#[test]
fn equal_runs_show_no_difference_and_say_so_in_every_edition() {
    let diff = Diff::new(&run(3), &run(4), &[]);
    assert!(diff.judged() > 10 && diff.regressions(0.0).is_empty(), "{:?}", diff.regressions(0.0));
    let editions = [
        terminal(&diff, Some(0.1), Style::default()),
        markdown(&diff, Some(0.1)),
        html(&diff, Some(0.1)).unwrap(),
    ];
    for edition in editions {
        assert!(
            edition.contains("no measurable difference")
                && edition.contains("None got worse by more than 10 %")
        );
        assert!(!edition.contains("Not comparable"));
    }
}

#[test]
fn what_differs_is_named_and_can_be_waived() {
    let mut after = run(2);
    after.host.kernel = "6.9.0".to_owned();
    let diff = Diff::new(&run(1), &after, &[]);
    assert_eq!(diff.judged(), 0);
    let text = terminal(&diff, Some(0.1), Style::default());
    assert!(
        text.contains("other kernel (release: 6.1.0 → 6.9.0)") && text.contains("Nothing could be compared"),
        "{text}"
    );
    let waived = Diff::new(&run(1), &after, &[Despite::Kernel]);
    assert!(waived.judged() > 10);
    assert!(markdown(&waived, None).contains("Compared all the same: other kernel"));

    let mut other_kvm = run(2);
    other_kvm.host.kvm.as_mut().unwrap().backend = "kvm_amd".to_owned();
    let diff = Diff::new(&run(1), &other_kvm, &[]);
    assert!(
        matches!(&row(&diff, "microvm", Metric::StartUp).finding, Finding::NotComparable(why) if why.contains("kvm_amd"))
    );
    assert!(matches!(row(&diff, "container", Metric::StartUp).finding, Finding::Compared { .. }));
}

#[test]
fn other_work_failed_cells_and_missing_cells_are_not_compared() {
    let mut after = run(2);
    after.plan.workloads[0].argv.push("9".to_owned());
    after.trials.retain(|trial| trial.runtime != "docker" || trial.workload != "int");
    for trial in after.trials.iter_mut().filter(|trial| trial.workload == "sha256") {
        trial.exit = crate::runtime::trial::Exit::Code(1);
    }
    let diff = Diff::new(&run(1), &after, &[]);
    let why = |runtime: &str, workload: &str| {
        let row = diff.rows.iter().find(|row| row.runtime == runtime && row.workload == workload).unwrap();
        match &row.finding {
            Finding::NotComparable(why) => why.clone(),
            compared => panic!("{compared:?}"),
        }
    };
    assert!(why("container", "noop").starts_with("other suite"));
    assert_eq!(why("docker", "int"), "not measured in the run after");
    assert_eq!(why("container", "sha256"), "every trial failed in the run after");
}

#[test]
fn absurd_and_hostile_runs_are_told_without_markup() {
    for rounds in [0, 1, 3, 12] {
        let make = |seed| Synthetic { seed, rounds, hostile: true, ..Synthetic::default() }.results();
        let diff = Diff::new(&make(1), &make(2), &[]);
        let page = html(&diff, None).unwrap();
        assert!(!page.contains("<script>") && !page.contains("<img"), "{HOSTILE}");
        for edition in [page, markdown(&diff, None), terminal(&diff, None, Style::default())] {
            assert!(!edition.contains('\u{1b}') && !edition.contains("NaN"));
        }
    }
}
