//! The raw trials go to other tools.

mod common;

use common::isobench;
use isobench::report::file;
use isobench::report::synthetic::Synthetic;
use tempfile::TempDir;

#[test]
fn trials_become_rows_for_a_spreadsheet_and_lines_for_a_script() {
    let folder = TempDir::new().unwrap();
    let results = Synthetic { rounds: 6, ..Synthetic::default() }.results();
    let path = folder.path().join("results.json");
    file::write(&path, &results).unwrap();
    let table = folder.path().join("trials.csv");
    isobench().arg("export").arg(&path).args(["--format", "csv", "--output"]).arg(&table).assert().success();
    let csv = std::fs::read_to_string(&table).unwrap();
    assert!(csv.starts_with("runtime,workload,round,valid,"), "{csv}");
    assert_eq!(csv.lines().count(), results.trials.len() + 1);

    let jsonl = isobench().arg("export").arg(&path).args(["--format", "jsonl"]).output().unwrap();
    let lines: Vec<serde_json::Value> = jsonl
        .stdout
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    assert_eq!(lines.len(), results.trials.len());
    assert!(lines.iter().all(|line| line["timeline"]["phases"].is_array()));
}

#[test]
fn a_wrong_format_or_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("results.json");
    isobench().arg("export").arg(&path).args(["--format", "csv"]).assert().code(1);
    isobench().arg("export").arg(&path).args(["--format", "xlsx"]).assert().code(2);
}
