//! Results of many hosts in one report.

mod common;

use std::fs;
use std::path::PathBuf;

use common::isobench;
use isobench::report::file;
use isobench::report::synthetic::Synthetic;
use tempfile::TempDir;

fn results_of(folder: &TempDir, host: &str, seed: u64) -> PathBuf {
    let path = folder.path().join(host).join("results.json");
    let mut results = Synthetic { seed, ..Synthetic::default() }.results();
    results.host.cpu_model = format!("CPU of {host}");
    file::write(&path, &results).unwrap();
    path
}

#[test]
fn hosts_stand_side_by_side_with_a_link_to_each() {
    let folder = TempDir::new().unwrap();
    let files = [results_of(&folder, "laptop", 1), results_of(&folder, "server", 2)];
    let output = folder.path().join("merged");
    isobench().arg("merge").args(&files).arg("--output").arg(&output).assert().success();
    for edition in ["index.html", "report.md"] {
        let text = fs::read_to_string(output.join(edition)).unwrap();
        for host in ["laptop", "server"] {
            assert!(
                text.contains(host) && text.contains(&format!("CPU of {host}")),
                "{edition} lacks {host}"
            );
        }
    }
    for number in [1, 2] {
        let own = fs::read_to_string(output.join(format!("host-{number}/report.md"))).unwrap();
        assert!(own.contains("CPU of"));
    }
}

#[test]
fn one_file_that_is_no_results_keeps_the_rest_from_being_written() {
    let folder = TempDir::new().unwrap();
    let good = results_of(&folder, "laptop", 1);
    let bad = folder.path().join("bad.json");
    fs::write(&bad, "{\"version\": 99}").unwrap();
    let output = folder.path().join("merged");
    let refused = isobench().arg("merge").args([&good, &bad]).arg("--output").arg(&output).assert().code(1);
    let stderr = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(stderr.contains("bad.json") && stderr.contains("newer isobench"), "{stderr}");
    assert!(!output.exists());
    isobench().args(["merge", "--output", "nowhere"]).assert().code(2);
}
