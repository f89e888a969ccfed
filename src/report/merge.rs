//! The results of many hosts in one report: hosts side by side, a table for every figure, never averaged
//! together. Each host keeps a report of its own, to which the common one links.

use std::io::Write;
use std::path::{Path, PathBuf};

use minijinja::context;
use serde::Serialize;

use super::cell::{Measured, Relative};
use super::error::ReportError;
use super::format::{bytes, bytes_range, duration, duration_range, plain, ratio, ratio_range, work_time};
use super::html::templates;
use super::markdown::{escape, markdown_table};
use super::quality::host_warnings;
use super::summary::{MARK, Summary};
use super::table::{Entry, NO_NUMBERS, Table};
use super::{file, render_all, words};
use crate::language::Language;
use crate::results::{BASELINE, PlannedWorkload, Results, WorkloadKind};
use crate::stats::Verdict;

const TITLE: &str = "What isolation costs, host by host";

/// The files of a common report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The page.
    pub html: PathBuf,
    /// The same content as Markdown.
    pub markdown: PathBuf,
}

/// One host's run.
struct Host {
    /// As it is called in the tables.
    name: String,
    /// Folder of its own report.
    folder: String,
    summary: Summary,
}

impl Host {
    /// What stands for the start-up of a runtime that gave a wrong or an impossible result.
    fn invalid_start_up(&self, runtime: &str) -> Option<Entry> {
        let cell = self.summary.cell(runtime, self.summary.start_up_workload.as_deref()?)?;
        cell.invalid.as_ref().map(|_| Entry::new(INVALID))
    }
}

/// In place of a number; the reason stands in the table of the hosts.
const INVALID: &str = "invalid";

#[derive(Serialize)]
struct Link {
    target: String,
    text: String,
}

/// Writes `index.html` and `report.md` into `folder`, and below it a report of each run. `runs` are the
/// results with the names of their files, in the order of the tables.
///
/// # Errors
/// When a page cannot be drawn or written.
pub fn render_merged(runs: &[(String, Results)], folder: &Path) -> Result<Merged, ReportError> {
    let hosts: Vec<Host> = runs
        .iter()
        .enumerate()
        .map(|(number, (file, results))| Host {
            name: format!("{} · {}", number + 1, plain(file, 60)),
            folder: format!("host-{}", number + 1),
            summary: Summary::new(results),
        })
        .collect();
    for (host, (_, results)) in hosts.iter().zip(runs) {
        render_all(results, &folder.join(&host.folder), Language::English)?;
    }
    let tables = tables(&hosts);
    let links: Vec<Link> = hosts
        .iter()
        .map(|host| Link { target: format!("{}/index.html", host.folder), text: host.name.clone() })
        .collect();
    let page = templates(Language::English)?.get_template("tables.html")?.render(context! {
        title => TITLE,
        lines => [intro(&hosts)],
        caveats => caveats(&hosts),
        tables,
        links,
    })?;
    let text = markdown(&hosts, &tables, &links);
    let merged = Merged { html: folder.join("index.html"), markdown: folder.join("report.md") };
    let staged = [
        file::stage(&merged.markdown, |out| out.write_all(text.as_bytes()))?,
        file::stage(&merged.html, |out| out.write_all(page.as_bytes()))?,
    ];
    staged.into_iter().try_for_each(file::Staged::publish)?;
    Ok(merged)
}

fn intro(hosts: &[Host]) -> String {
    let runs = if hosts.len() == 1 { "run".to_owned() } else { format!("{} runs", hosts.len()) };
    format!("{runs} side by side. Every figure is of one host alone; nothing is averaged over hosts.")
}

fn caveats(hosts: &[Host]) -> Vec<String> {
    let of = |host: &Host| {
        let caveat = words::kvm_caveat(host.summary.kvm_caveat.as_ref()?, Language::English);
        Some(format!("{MARK} {}: {caveat}", host.name))
    };
    hosts.iter().filter_map(of).collect()
}

fn markdown(hosts: &[Host], tables: &[Table], links: &[Link]) -> String {
    let mut text = format!("# {TITLE}\n\n{}\n\n", escape(&intro(hosts)));
    for caveat in caveats(hosts) {
        text.push_str(&format!("> {}\n\n", escape(&caveat)));
    }
    for table in tables.iter().filter(|table| !table.rows.is_empty()) {
        text.push_str(&format!("{}\n\n", markdown_table(table)));
    }
    text.push_str("## Each report\n\n");
    for link in links {
        text.push_str(&format!("- [{}]({})\n", escape(&link.text), link.target));
    }
    text
}

/// A table of the hosts, one for each figure of the headline, and one for each workload's own time.
fn tables(hosts: &[Host]) -> Vec<Table> {
    let runtimes = union(hosts.iter().flat_map(|host| &host.summary.runtimes));
    let start_up: Vec<&str> =
        hosts.iter().filter_map(|host| host.summary.start_up_workload.as_deref()).collect();
    let of_start_up = |what: &str| match start_up.first() {
        Some(name) => format!("{what} of {name}. A host that ran another program or command says so."),
        None => String::new(),
    };
    let suite = Suite::new(hosts);
    let mut tables = vec![about(hosts)];
    tables.push(table(
        hosts,
        &runtimes,
        "Start-up",
        &of_start_up("Request → first output,"),
        |host, runtime| {
            let row = host.summary.headline.iter().find(|row| row.runtime == runtime)?;
            let entry = row.start_up.as_ref().map(|one| time(one, duration, duration_range));
            suite.same_start_up(host, entry.or_else(|| host.invalid_start_up(runtime))?)
        },
    ));
    tables.push(table(
        hosts,
        &runtimes,
        "Teardown",
        &of_start_up("Exit → nothing is left,"),
        |host, runtime| {
            let row = host.summary.headline.iter().find(|row| row.runtime == runtime)?;
            let entry = row.teardown.as_ref().map(|one| time(one, duration, duration_range));
            suite.same_start_up(host, entry.or_else(|| host.invalid_start_up(runtime))?)
        },
    ));
    tables.push(table(
        hosts,
        &runtimes,
        "Memory above process",
        &of_start_up("Host memory,"),
        |host, runtime| {
            let row = host.summary.headline.iter().find(|row| row.runtime == runtime)?;
            let Some(memory) = &row.memory else {
                return suite.same_start_up(host, host.invalid_start_up(runtime)?);
            };
            let estimate = &memory.estimate;
            let interval = estimate.interval.map(|interval| bytes_range(interval.low, interval.high));
            let entry = Entry { text: bytes(estimate.median), details: interval.into_iter().collect() };
            suite.same_start_up(host, entry)
        },
    ));
    for workload in &suite.workloads {
        if matches!(workload.kind, WorkloadKind::Startup | WorkloadKind::Own) {
            continue;
        }
        let name = plain(&workload.name, 60).into_owned();
        let note = format!(
            "{}: time for one unit of its work, by its own clock.",
            plain(&workload.description, 200)
        );
        tables.push(table(hosts, &runtimes, &format!("Time of {name}"), &note, |host, runtime| {
            let cell = host.summary.cell(runtime, &workload.name)?;
            let range = |low, high| format!("{}–{}", work_time(low), work_time(high));
            let entry = cell.work_time.as_ref().map(|one| time(one, work_time, range));
            let entry = entry.or_else(|| cell.invalid.as_ref().map(|_| Entry::new(INVALID)))?;
            Some(if suite.does_same(host, &workload.name) { entry } else { other_work() })
        }));
    }
    tables
}

/// What every host was asked to run, as far as one host's answer can stand beside another's.
struct Suite {
    workloads: Vec<PlannedWorkload>,
}

impl Suite {
    /// The first host that plans a workload says what it is.
    fn new(hosts: &[Host]) -> Suite {
        let mut workloads: Vec<PlannedWorkload> = Vec::new();
        for planned in hosts.iter().flat_map(|host| &host.summary.workloads) {
            if !workloads.iter().any(|known| known.name == planned.name) {
                workloads.push(planned.clone());
            }
        }
        Suite { workloads }
    }

    fn does_same(&self, host: &Host, workload: &str) -> bool {
        let find = |list: &[PlannedWorkload]| list.iter().find(|planned| planned.name == workload).cloned();
        match (find(&self.workloads), find(&host.summary.workloads)) {
            (Some(known), Some(own)) => known.argv == own.argv && known.program_sha256 == own.program_sha256,
            _ => false,
        }
    }

    /// `entry`, unless this host's start-up is that of something else than the others'.
    fn same_start_up(&self, host: &Host, entry: Entry) -> Option<Entry> {
        let own = host.summary.start_up_workload.as_deref()?;
        let first = self.workloads.iter().find(|planned| planned.kind == WorkloadKind::Startup);
        let expected = first.or(self.workloads.first())?;
        Some(if own == expected.name && self.does_same(host, own) { entry } else { other_work() })
    }
}

fn other_work() -> Entry {
    Entry::with("–", "another program or command")
}

fn union<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut known: Vec<&str> = Vec::new();
    for name in names {
        if !known.contains(&name.as_str()) {
            known.push(name);
        }
    }
    known
}

/// Hosts as rows, runtimes as columns.
fn table(
    hosts: &[Host],
    runtimes: &[&str],
    title: &str,
    note: &str,
    entry: impl Fn(&Host, &str) -> Option<Entry>,
) -> Table {
    let mut table = Table::new(title, note, &["Host"], runtimes);
    for host in hosts {
        let cells = runtimes.iter().map(|runtime| {
            let mut entry = entry(host, runtime).unwrap_or_else(Entry::missing);
            if host.summary.is_marked(runtime) && !entry.text.starts_with('–') {
                entry.text.push_str(&format!(" {MARK}"));
            }
            entry
        });
        table.rows.push([Entry::new(&host.name)].into_iter().chain(cells).collect());
    }
    table.rows.retain(|row| row.iter().skip(1).any(|entry| *entry != Entry::missing()));
    table
}

/// Where each run was made.
fn about(hosts: &[Host]) -> Table {
    let mut table =
        Table::new("Hosts", "", &["Host", "What it is", "isobench", "Started", "To be known"], NO_NUMBERS);
    for host in hosts {
        let summary = &host.summary;
        let mut marks = host_warnings(summary, Language::English);
        let invalid = summary.cells.iter().filter_map(|cell| Some((cell, cell.invalid.as_ref()?)));
        marks.extend(
            invalid.map(|(cell, why)| format!("{} {} is invalid: {why}.", cell.runtime, cell.workload)),
        );
        if summary.interrupted {
            marks.insert(0, "interrupted before its plan was done".to_owned());
        }
        let failed: usize = summary.failures.iter().map(|failure| failure.trials).sum();
        if failed > 0 {
            marks.push(format!("{failed} of {} trials failed", summary.trials));
        }
        table.rows.push(vec![
            Entry::new(&host.name),
            Entry::new(words::host_line(&summary.host, Language::English)),
            Entry::new(&summary.tool),
            Entry::new(&summary.started),
            Entry::new(marks.join(" ")),
        ]);
    }
    table
}

/// A median with its ratio to the host's own process.
fn time(measured: &Measured, one: fn(f64) -> String, range: impl Fn(f64, f64) -> String) -> Entry {
    let estimate = &measured.estimate;
    let mut details: Vec<String> = measured.relative.iter().map(against_process).collect();
    details.push(match estimate.interval {
        Some(interval) => range(interval.low, interval.high),
        None => format!("n = {}, no interval", estimate.n),
    });
    Entry { text: one(estimate.median), details }
}

fn against_process(relative: &Relative) -> String {
    match (relative.verdict, relative.interval) {
        (Verdict::NoMeasurableDifference, _) => format!("no measurable difference to {BASELINE}"),
        (_, Some(interval)) => {
            format!("{} {BASELINE}, {}", ratio(relative.ratio), ratio_range(interval.low, interval.high))
        }
        (_, None) => format!("{} {BASELINE}", ratio(relative.ratio)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::Synthetic;
    use super::*;

    fn merged(runs: &[Results]) -> (tempfile::TempDir, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let named: Vec<(String, Results)> = runs
            .iter()
            .enumerate()
            .map(|(number, run)| (format!("file-{number}.json"), run.clone()))
            .collect();
        let merged = render_merged(&named, folder.path()).unwrap();
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let (page, text) = (read(&merged.html), read(&merged.markdown));
        (folder, page, text)
    }

    #[test]
    fn every_host_keeps_its_own_figures() {
        let runs = [1, 2, 3].map(|seed| Synthetic { seed, ..Synthetic::default() }.results());
        let (folder, page, text) = merged(&runs);
        for (number, run) in runs.iter().enumerate() {
            let summary = Summary::new(run);
            for row in &summary.headline {
                let own = duration(row.start_up.as_ref().unwrap().estimate.median);
                assert!(
                    page.contains(&own) && text.contains(&own),
                    "{} of host {number}: {own}",
                    row.runtime
                );
            }
            let link = format!("host-{}/index.html", number + 1);
            assert!(page.contains(&link) && text.contains(&link) && folder.path().join(&link).exists());
        }
        assert!(!page.contains("another program or command</small>"));
    }

    #[test]
    fn a_host_that_ran_something_else_shows_no_number_for_it() {
        let mut other = Synthetic { seed: 2, ..Synthetic::default() }.results();
        other.plan.workloads[0].program_sha256 = "11".repeat(32);
        other.plan.workloads[1].argv.push("7".to_owned());
        let (_folder, page, _) = merged(&[Synthetic::default().results(), other]);
        // Start-up, teardown and memory of 4 runtimes, less the baseline's memory; and one workload of 4.
        assert_eq!(page.matches("another program or command</small>").count(), 3 * 4 - 1 + 4);
    }

    #[test]
    fn hosts_with_other_runtimes_no_trials_or_hostile_names_are_shown() {
        let few = Synthetic { runtimes: vec![BASELINE.to_owned()], ..Synthetic::default() }.results();
        let empty = Results { trials: Vec::new(), ..Synthetic::default().results() };
        let hostile = Synthetic { hostile: true, ..Synthetic::default() }.results();
        let (_folder, page, text) = merged(&[Synthetic::default().results(), few, empty, hostile]);
        assert!(!page.contains("<script>") && !page.contains("<img") && !text.contains("<img"));
        assert!(page.contains("4 runs side by side"));
    }
}
