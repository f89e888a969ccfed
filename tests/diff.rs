//! Two runs compared, as a CI gate and a curious reader do it.

mod common;

use std::fs;
use std::path::Path;

use common::isobench;
use isobench::report::file;
use isobench::report::synthetic::Synthetic;
use isobench::results::Results;
use isobench::runtime::spec::Isolation;
use tempfile::TempDir;

fn run(seed: u64) -> Results {
    Synthetic { seed, rounds: 30, ..Synthetic::default() }.results()
}

/// Every start-up of the microVM takes half as long again.
fn slower(mut results: Results) -> Results {
    for trial in results.trials.iter_mut().filter(|trial| trial.runtime == "microvm") {
        trial.timeline.first_output_ns = trial.timeline.first_output_ns.map(|ns| ns * 3 / 2);
    }
    results
}

fn diff(before: &Results, after: &Results, folder: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let (old, new) = (folder.join("before.json"), folder.join("after.json"));
    file::write(&old, before).unwrap();
    file::write(&new, after).unwrap();
    isobench().arg("diff").args([old, new]).args(arguments).assert()
}

fn printed(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

#[test]
fn a_regression_beyond_the_limit_ends_with_status_3_and_is_named() {
    let folder = TempDir::new().unwrap();
    let comment = folder.path().join("comment.md");
    let page = folder.path().join("diff.html");
    let editions = ["--markdown", comment.to_str().unwrap(), "--html", page.to_str().unwrap()];
    let arguments = [&["--fail-above", "10%"], &editions[..]].concat();
    let failed = diff(&run(1), &slower(run(2)), folder.path(), &arguments).code(3);
    let named = "Worse by more than 10 %: start-up of microvm noop";
    for text in [printed(&failed), fs::read_to_string(&comment).unwrap(), fs::read_to_string(&page).unwrap()]
    {
        assert!(text.contains(named), "{text}");
    }
    diff(&run(1), &slower(run(2)), folder.path(), &["--fail-above", "80%"]).success();
    diff(&run(1), &slower(run(2)), folder.path(), &[]).success();
    diff(&slower(run(1)), &run(2), folder.path(), &["--fail-above", "10%"]).success();
}

#[test]
fn equal_runs_pass_the_gate() {
    let folder = TempDir::new().unwrap();
    let same = diff(&run(3), &run(3), folder.path(), &["--fail-above", "0%"]).success();
    assert!(printed(&same).contains("0 got worse and 0 better"), "{}", printed(&same));
    diff(&run(3), &run(4), folder.path(), &["--fail-above", "1%"]).success();
}

#[test]
fn runs_of_other_hosts_are_not_compared_unless_told_to() {
    let folder = TempDir::new().unwrap();
    let mut elsewhere = run(2);
    elsewhere.host.cpu_model = "Another CPU".to_owned();
    let table = printed(&diff(&run(1), &elsewhere, folder.path(), &[]).success());
    assert!(table.contains("other host (CPU: Synthetic CPU @ 3.00 GHz → Another CPU)"), "{table}");
    // A gate that judges nothing must not let everything through.
    let refused = diff(&run(1), &elsewhere, folder.path(), &["--fail-above", "10%"]).code(1);
    let stderr = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(
        stderr.contains("nothing could be compared") && stderr.trim_end().lines().count() == 1,
        "{stderr}"
    );
    diff(&run(1), &elsewhere, folder.path(), &["--fail-above", "10%", "--despite", "host"]).success();
}

#[test]
fn steps_left_out_concern_the_container_alone() {
    let folder = TempDir::new().unwrap();
    let mut ablated = run(2);
    ablated.plan.without = vec![Isolation::Net, Isolation::Seccomp];
    let table = printed(&diff(&run(1), &ablated, folder.path(), &[]).success());
    let not_comparable = table.split("Not comparable").nth(1).unwrap();
    assert!(not_comparable.contains("isolation steps left out: nothing → net,seccomp"), "{table}");
    assert!(not_comparable.contains("container") && !not_comparable.contains("microvm"), "{table}");
    let waived = printed(&diff(&run(1), &ablated, folder.path(), &["--despite", "limits"]).success());
    assert!(!waived.contains("Not comparable"), "{waived}");
}

#[test]
fn cells_with_one_trial_are_too_few_to_tell() {
    let folder = TempDir::new().unwrap();
    let one = |seed| Synthetic { seed, rounds: 1, ..Synthetic::default() }.results();
    let table = printed(&diff(&one(1), &one(2), folder.path(), &[]).success());
    assert!(table.contains("too few trials to tell"), "{table}");
}

#[test]
fn files_that_are_no_results_are_refused_in_one_line() {
    let folder = TempDir::new().unwrap();
    let (good, bad) = (folder.path().join("good.json"), folder.path().join("bad.json"));
    file::write(&good, &run(1)).unwrap();
    for content in ["", "{}", "not json", "[1, 2]"] {
        fs::write(&bad, content).unwrap();
        let refused = isobench().arg("diff").args([&good, &bad]).assert().code(1);
        let stderr = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(stderr.contains("bad.json") && stderr.trim_end().lines().count() == 1, "{stderr}");
    }
    // JSON knows no NaN, and no number beyond what a float holds.
    let text = serde_json::to_string(&run(1)).unwrap();
    for number in ["NaN", "1e999", "-1"] {
        fs::write(
            &bad,
            text.replacen("\"duration_ns\":42000000000", &format!("\"duration_ns\":{number}"), 1),
        )
        .unwrap();
        let refused = isobench().arg("diff").args([&good, &bad]).assert().code(1);
        let stderr = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(stderr.contains("bad.json") && stderr.trim_end().lines().count() == 1, "{stderr}");
    }
    isobench().arg("diff").arg(&good).assert().code(2);
    isobench().arg("diff").args([&good, &good]).args(["--fail-above", "lots"]).assert().code(2);
}
