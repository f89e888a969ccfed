//! What a reader of a report relies on.

use proptest::prelude::*;

use super::synthetic::{HOSTILE, Synthetic};
use super::*;
use crate::language::Language;
use crate::results::{BASELINE, CONTROL};
use crate::runtime::trial::Exit;

struct Editions {
    summary: Summary,
    html: String,
    markdown: String,
    terminal: String,
}

fn render(results: &Results) -> Editions {
    let summary = Summary::new(results);
    Editions {
        html: html::render(&summary, results.into(), Language::English).unwrap(),
        markdown: markdown::render(&summary, Language::English),
        terminal: terminal::render(&summary, Language::English, terminal::Style::default()),
        summary,
    }
}

impl Editions {
    fn all(&self) -> [&str; 3] {
        [&self.html, &self.markdown, &self.terminal]
    }
}

#[test]
fn every_edition_says_the_same() {
    let editions = render(&Synthetic::default().results());
    for sentence in words::sentences(&editions.summary, Language::English) {
        assert!(editions.html.contains(&sentence) && editions.terminal.contains(&sentence), "{sentence}");
    }
    for entry in tables::headline(&editions.summary, Language::English).rows.iter().flatten() {
        for edition in editions.all() {
            assert!(
                entry.details.iter().chain([&entry.text]).all(|text| edition.contains(text)),
                "{entry:?}"
            );
        }
    }
    assert_eq!(
        editions.summary.runtimes,
        [BASELINE, "container", "microvm", "docker"],
        "no control among them"
    );
    for id in ["start-up", "phases", "memory", "computing", "work", "exits"] {
        assert!(editions.html.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    assert!(!editions.html.contains("Not measured in this run"));
}

#[test]
fn a_software_backend_is_named_beside_every_number_of_a_virtual_machine() {
    let editions = render(&Synthetic::default().results());
    for edition in editions.all() {
        assert!(
            edition.contains("microvm †")
                && edition.contains("† Measured on kvm_pvm, a software KVM backend")
        );
    }
    for table in [tables::headline, tables::start_up, tables::phases, tables::memory, tables::exits] {
        let table = table(&editions.summary, Language::English);
        assert!(table.rows.iter().all(|row| row[0].text != "microvm"), "{}", table.title);
    }
    let hardware = render(&Synthetic { software_kvm: false, ..Synthetic::default() }.results());
    for edition in hardware.all() {
        assert!(edition.contains("microvm") && !edition.contains('†'));
    }
}

#[test]
fn the_page_loads_nothing_and_carries_its_data() {
    let results = Synthetic::default().results();
    let html = render(&results).html;
    for outside in ["src=", "href=\"http", "url(", "@import", "rel=\"stylesheet"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let (_, after) = html.split_once("id=\"data\">").unwrap();
    let (data, _) = after.split_once("</script>").unwrap();
    assert_eq!(serde_json::from_str::<Results>(data).unwrap(), results);
}

#[test]
fn names_from_outside_stay_text() {
    let editions = render(&Synthetic { hostile: true, ..Synthetic::default() }.results());
    let page = editions.html.split_once("id=\"data\">").unwrap();
    let (data, rest) = page.1.split_once("</script>").unwrap();
    assert!(!data.contains('<') && rest.matches("<script").count() == 1);
    assert!(!page.0.contains("<script>") && !page.0.contains("<img"), "{HOSTILE}");
    assert!(page.0.contains("{{ 7*7 }}"), "text is no template");
    for edition in [page.0, &editions.markdown, &editions.terminal] {
        assert!(!edition.contains('\u{1b}') && !edition.contains('\u{202e}'));
    }
    let code = |line: &&str| line.starts_with("    ");
    assert!(editions.markdown.lines().filter(|line| !code(line)).all(|line| !line.contains("<img")));
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    let headline: Vec<&str> =
        editions.markdown.lines().filter(|line| line.starts_with('|')).take(3).collect();
    assert!(headline.iter().all(|line| columns(line) == columns(headline[0])));
}

#[test]
fn one_trial_is_reported_without_an_interval() {
    let results = Synthetic { rounds: 1, ..Synthetic::default() }.results();
    let editions = render(&results);
    assert!(editions.terminal.contains("n = 1, no interval"));
    assert!(
        editions.summary.headline.iter().all(|row| row
            .start_up
            .as_ref()
            .unwrap()
            .estimate
            .interval
            .is_none())
    );
}

#[test]
fn failures_are_told_and_count_for_nothing() {
    let results = Synthetic { all_fail: true, ..Synthetic::default() }.results();
    let editions = render(&results);
    assert_eq!(
        editions.summary.failures.iter().map(|failure| failure.trials).sum::<usize>(),
        results.trials.len()
    );
    for edition in editions.all() {
        assert!(edition.contains("killed by SIGKILL") && edition.contains("No start-up was measured."));
    }
    assert!(editions.html.contains("Not measured in this run: start-up times"));

    // One failing trial with absurd times leaves every figure as it was.
    let good = Synthetic::default().results();
    let mut with_failure = good.clone();
    let mut failing = good.trials.iter().find(|trial| trial.runtime == "container").unwrap().clone();
    failing.exit = Exit::Code(3);
    failing.timeline.first_output_ns = Some(u64::MAX);
    with_failure.trials.push(failing);
    let (before, after) = (Summary::new(&good), Summary::new(&with_failure));
    assert_eq!(before.headline, after.headline);
    assert!(
        after.failures.iter().any(|failure| failure.reason == "ended with status 3" && failure.trials == 1)
    );
}

#[test]
fn missing_runtimes_and_no_trials_at_all() {
    let only_process = Synthetic { runtimes: vec![BASELINE.to_owned()], ..Synthetic::default() }.results();
    let editions = render(&only_process);
    assert!(editions.terminal.contains("no other runtime was measured"));
    for edition in editions.all() {
        assert!(
            edition.contains("no program of that name in PATH") && edition.contains("install firecracker")
        );
    }
    let without_process =
        Synthetic { runtimes: ["container", "microvm"].map(str::to_owned).to_vec(), ..Synthetic::default() }
            .results();
    assert!(
        render(&without_process).summary.headline.iter().all(|row| row
            .start_up
            .as_ref()
            .unwrap()
            .relative
            .is_none())
    );
    let empty = Results { trials: Vec::new(), ..Synthetic::default().results() };
    assert!(render(&empty).terminal.contains("No trial was run."));
}

#[test]
fn the_control_is_the_noise_floor_and_equal_things_are_called_so() {
    let summary = Summary::new(&Synthetic { rounds: 40, ..Synthetic::default() }.results());
    let container = &summary.headline[1];
    assert_eq!(container.computing.as_ref().unwrap().verdict, crate::stats::Verdict::NoMeasurableDifference);
    assert_eq!(
        container.start_up.as_ref().unwrap().relative.as_ref().unwrap().verdict,
        crate::stats::Verdict::Larger
    );
    let table = tables::headline(&summary, Language::English);
    assert_eq!(table.rows.last().unwrap()[0].text, "noise floor");
    assert!(summary.cell(CONTROL, "noop").is_some() && !summary.runtimes.contains(&CONTROL.to_owned()));
}

#[test]
fn sampled_trials_do_not_time_anything() {
    let results = Synthetic::default().results();
    let summary = Summary::new(&results);
    let sampled = results.trials.iter().filter(|t| t.runtime == "container" && t.footprint.is_some()).count();
    let cell = summary.cell("container", "noop").unwrap();
    assert_eq!(cell.first_output.as_ref().unwrap().estimate.n, cell.trials - sampled);
    assert!(!cell.disturbed);
    assert_eq!(cell.footprint.as_ref().unwrap().n, sampled);
}

#[test]
fn a_default_run_makes_a_light_page() {
    let results = Synthetic { rounds: 33, ..Synthetic::default() }.results();
    let html = render(&results).html;
    assert!(results.trials.len() > 1_000 && html.len() < 2_000_000, "{} bytes", html.len());
}

#[test]
fn three_files_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let results = Synthetic { rounds: 6, ..Synthetic::default() }.results();
    let written = render_all(&results, &folder.path().join("new"), Language::English).unwrap();
    assert_eq!(file::read(&written.results).unwrap(), results);
    assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 3);
    assert!(std::fs::read_to_string(&written.html).unwrap().ends_with("</html>\n"));
}

#[test]
fn colours_only_when_asked() {
    let summary = Summary::new(&Synthetic::default().results());
    assert!(
        !terminal::render(&summary, Language::English, terminal::Style { colour: false }).contains('\u{1b}')
    );
    assert!(
        terminal::render(&summary, Language::English, terminal::Style { colour: true }).contains('\u{1b}')
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Any results make a report: numbers of any size, fields missing at random.
    #[test]
    fn no_results_break_the_report(
        seed: u64, rounds in 0..8u32, hostile: bool, absurd in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0..8u8), 0..20),
    ) {
        let mut results = Synthetic { seed, rounds, hostile, ..Synthetic::default() }.results();
        for (place, number, field) in absurd {
            if results.trials.is_empty() {
                break;
            }
            let place = place.index(results.trials.len());
            let trial = &mut results.trials[place];
            match field {
                0 => trial.timeline.first_output_ns = Some(number),
                1 => trial.timeline.phases.iter_mut().for_each(|phase| phase.end_ns = number),
                2 => trial.timeline = Default::default(),
                3 => trial.self_report.iter_mut().for_each(|report| (report.elapsed_ns, report.work) = (number, 0)),
                4 => trial.crossings.vm_exits.iter_mut().for_each(|exit| exit.count = number),
                5 => trial.footprint.iter_mut().for_each(|memory| memory.pss_peak_bytes = Some(number)),
                6 => trial.round = number as u32,
                _ => trial.runtime = format!("runtime {number}"),
            }
        }
        let editions = render(&results);
        for edition in editions.all() {
            prop_assert!(!edition.contains("NaN") && !edition.contains("inf "));
        }
    }
}
