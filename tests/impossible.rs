//! A figure that cannot be is shown as failed with the reason, and never as a number.

mod common;

use std::fs;

use common::isobench;
use isobench::report::file;
use isobench::report::synthetic::Synthetic;
use tempfile::TempDir;

#[test]
fn a_guest_whose_clock_runs_too_fast_gets_no_figure() {
    let folder = TempDir::new().unwrap();
    let mut results = Synthetic::default().results();
    for trial in
        results.trials.iter_mut().filter(|trial| trial.runtime == "microvm" && trial.workload == "sha256")
    {
        if let Some(report) = &mut trial.self_report {
            report.elapsed_ns *= 5;
        }
    }
    let path = folder.path().join("results.json");
    file::write(&path, &results).unwrap();
    let output = folder.path().join("report");
    let run = isobench().arg("report").arg(&path).arg("--output").arg(&output).assert().success();
    let terminal = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    let markdown = fs::read_to_string(output.join("report.md")).unwrap();
    for edition in [&terminal, &markdown] {
        assert!(edition.contains("impossible: by its own clock it worked for"), "{edition}");
    }
    let summary = isobench::report::Summary::new(&results);
    let cell = summary.cell("microvm", "sha256").unwrap();
    assert_eq!((cell.failed, cell.work_time.is_none()), (cell.trials, true));
    assert!(summary.cell("microvm", "int").unwrap().work_time.is_some());
}
