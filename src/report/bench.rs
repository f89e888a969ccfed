//! The comparison page of `cargo bench`, made from criterion's own files.
//!
//! Criterion keeps `benchmark.json` (what was measured) and `estimates.json` (with intervals, in
//! nanoseconds) in a folder `new` for every benchmark. A benchmark's identifier reads
//! `group/what/runtime`, or `group/runtime` where the group measures one thing.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use minijinja::context;
use serde::Deserialize;

use super::charts::{self, Figure};
use super::error::ReportError;
use super::file::write_whole;
use super::format::{duration, duration_range, plain, ratio, ratio_range};
use super::html;
use super::summary::{KvmCaveat, MARK, VIRTUAL_MACHINES};
use super::table::{Entry, Table};
use super::words;
use crate::language::Language;
use crate::results::{BASELINE, HostFacts};

/// Groups in the page's order with their headings; others follow by name.
const GROUPS: &[(&str, &str)] = &[
    ("startup", "Start-up"),
    ("floor", "The floor: bare kernel operations"),
    ("cpu", "Computing"),
    ("memory", "Memory"),
    ("crossings", "Crossings"),
    ("cli", "One command, as a whole process"),
];

/// How near to which floor a runtime should come.
const TARGETS: &[(&str, &str, f64)] =
    &[("container", "container", 1.3), ("microvm", "microvm", 1.5), ("microvm-clone", "microvm", 1.5)];

/// How fast `isobench run` in a container should be as a whole process, beside other tools.
const COMMAND_TARGETS: &[(&str, f64)] = &[("bwrap", 0.5), ("runc", 0.1)];

/// What computing in a microVM may cost beside a plain process.
const COMPUTING_TARGET: f64 = 1.02;

/// One benchmark: its median with the 95 % interval, in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Benchmark {
    /// First part of the identifier.
    pub group: String,
    /// Middle of the identifier; empty where the group measures one thing.
    pub what: String,
    /// Last part of the identifier.
    pub runtime: String,
    /// Median.
    pub median: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Benchmark {
    /// The runtime as shown, marked where `host`'s KVM colours its numbers.
    pub(super) fn label(&self, marked: bool) -> String {
        if marked && self.is_virtual_machine() {
            format!("{} {MARK}", self.runtime)
        } else {
            self.runtime.clone()
        }
    }

    fn is_virtual_machine(&self) -> bool {
        VIRTUAL_MACHINES.contains(&self.runtime.as_str())
    }
}

/// Reads criterion's files below `criterion_dir` and writes `index.html` into `folder`. `host`, where
/// given, tells what the numbers of virtual machines rest on.
pub fn render_bench(
    criterion_dir: &Path,
    folder: &Path,
    host: Option<&HostFacts>,
) -> Result<PathBuf, ReportError> {
    let benchmarks = read(criterion_dir)?;
    let page = render(&benchmarks, host)?;
    let path = folder.join("index.html");
    write_whole(&path, |out| out.write_all(page.as_bytes()))?;
    Ok(path)
}

#[derive(Deserialize)]
struct Identity {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
}

#[derive(Deserialize)]
struct Estimates {
    median: CriterionEstimate,
}

#[derive(Deserialize)]
struct CriterionEstimate {
    point_estimate: f64,
    confidence_interval: CriterionInterval,
}

#[derive(Deserialize)]
struct CriterionInterval {
    lower_bound: f64,
    upper_bound: f64,
}

/// Reads every benchmark below `criterion_dir`, in the page's order.
pub fn read(criterion_dir: &Path) -> Result<Vec<Benchmark>, ReportError> {
    let mut folders = Vec::new();
    find(criterion_dir, 5, &mut folders)?;
    let mut benchmarks = folders.iter().map(|folder| read_one(folder)).collect::<Result<Vec<_>, _>>()?;
    if benchmarks.is_empty() {
        return Err(ReportError::NoBenchmarks(criterion_dir.to_owned()));
    }
    let rank = |group: &str| GROUPS.iter().position(|known| known.0 == group).unwrap_or(GROUPS.len());
    let runtime_rank = |runtime: &str| charts::paint::slot(runtime);
    benchmarks.sort_by(|a, b| {
        let key = |one: &Benchmark| {
            (rank(&one.group), one.group.clone(), one.what.clone(), runtime_rank(&one.runtime))
        };
        key(a).cmp(&key(b)).then_with(|| a.runtime.cmp(&b.runtime))
    });
    Ok(benchmarks)
}

/// Collects the folders `new` that hold a benchmark, at most `depth` levels down.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), ReportError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => ReportError::NoBenchmarks(folder.to_owned()),
        _ => ReportError::Unreadable { path: folder.to_owned(), source },
    };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_type().map_err(failed)?.is_dir() {
            continue;
        }
        let path = entry.path();
        if entry.file_name() == "new" && path.join("benchmark.json").exists() {
            found.push(path);
        } else if depth > 0 {
            find(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

fn read_one(folder: &Path) -> Result<Benchmark, ReportError> {
    let identity: Identity = json(&folder.join("benchmark.json"))?;
    let estimates: Estimates = json(&folder.join("estimates.json"))?;
    let parts = [Some(identity.group_id), identity.function_id, identity.value_str];
    let joined = parts.into_iter().flatten().collect::<Vec<_>>().join("/");
    let names: Vec<String> = joined.split('/').map(|name| plain(name, 60).into_owned()).collect();
    let (group, what, runtime) = match names.as_slice() {
        [] => Default::default(),
        [only] => (only.clone(), String::new(), only.clone()),
        [group, what @ .., runtime] => (group.clone(), what.join("/"), runtime.clone()),
    };
    let CriterionEstimate { point_estimate: median, confidence_interval } = estimates.median;
    Ok(Benchmark {
        group,
        what,
        runtime,
        median,
        low: confidence_interval.lower_bound,
        high: confidence_interval.upper_bound,
    })
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, ReportError> {
    let text = fs::read(path).map_err(|source| ReportError::Unreadable { path: path.to_owned(), source })?;
    serde_json::from_slice(&text)
        .map_err(|error| ReportError::NotCriterion { path: path.to_owned(), detail: error.to_string() })
}

fn render(benchmarks: &[Benchmark], host: Option<&HostFacts>) -> Result<String, ReportError> {
    let any_vm = benchmarks.iter().any(Benchmark::is_virtual_machine);
    let caveat = host.filter(|_| any_vm).and_then(KvmCaveat::of);
    let caveat = caveat.map(|caveat| words::kvm_caveat(&caveat, Language::English));
    let marked = caveat.is_some();
    let mut groups: Vec<(&str, Vec<&Benchmark>)> = Vec::new();
    for benchmark in benchmarks {
        match groups.last_mut() {
            Some((name, members)) if *name == benchmark.group => members.push(benchmark),
            _ => groups.push((&benchmark.group, vec![benchmark])),
        }
    }
    let mut figures: Vec<Figure> = Vec::new();
    for (name, members) in &groups {
        let title = GROUPS.iter().find(|known| known.0 == *name).map_or(*name, |known| known.1);
        let mut figure = charts::bench::figure(title, members, marked)?;
        figure.tables.push(table(title, members, marked));
        if let Some(caveat) = caveat.as_ref().filter(|_| figure.svg.contains(MARK)) {
            figure.caption.push_str(&format!(" {MARK} {caveat}"));
        }
        figures.push(figure);
    }
    Ok(html::templates(Language::English)?.get_template("bench.html")?.render(context! {
        host_line => host.map(|host| plain(&words::host_line(host, Language::English), 400).into_owned()),
        mark => MARK,
        caveat,
        floor => targets(benchmarks, marked),
        figures,
    })?)
}

/// Each figure that has a target: the distance of a runtime's start-up to its floor, one command beside
/// other tools' and computing in a microVM.
fn targets(benchmarks: &[Benchmark], marked: bool) -> Table {
    let mut table = Table::new(
        "Distance to the floor, and other targets",
        "Start-up of a runtime ÷ what the bare kernel operations alone cost on this host; a command of ours, and computing in a \
         microVM, beside another's. The interval is the widest that both intervals allow.",
        &["Figure"],
        &["Measured", "Beside", "Ratio", "Target"],
    );
    let find = |group: &str, what: &str, runtime: &str| {
        benchmarks.iter().find(|one| one.group == group && one.what == what && one.runtime == runtime)
    };
    let mut row = |name: String, own: &Benchmark, other: Option<&Benchmark>, target: Option<f64>| {
        let Some(other) = other else { return };
        let value = own.median / other.median;
        let met = |target: f64| if value <= target { "met" } else { "missed" };
        table.rows.push(vec![
            Entry::new(name),
            time(own),
            time(other),
            Entry::with(ratio(value), ratio_range(own.low / other.high, own.high / other.low)),
            target
                .map_or(Entry::missing(), |target| Entry::with(format!("≤ {}", ratio(target)), met(target))),
        ]);
    };
    for own in benchmarks.iter().filter(|one| one.group == "startup" && one.what.is_empty()) {
        let known = TARGETS.iter().find(|known| known.0 == own.runtime);
        let floor = find("floor", "", known.map_or(&own.runtime, |known| known.1));
        row(format!("start-up: {} ÷ floor", own.label(marked)), own, floor, known.map(|known| known.2));
    }
    if let Some(own) = find("cli", "", "isobench-container") {
        for (tool, target) in COMMAND_TARGETS {
            row(format!("one command: container ÷ {tool}"), own, find("cli", "", tool), Some(*target));
        }
    }
    for own in benchmarks.iter().filter(|one| one.group == "cpu" && one.runtime == "microvm") {
        let name = format!("{}: {} ÷ {BASELINE}", own.what, own.label(marked));
        row(name, own, find("cpu", &own.what, BASELINE), Some(COMPUTING_TARGET));
    }
    table
}

fn table(title: &str, members: &[&Benchmark], marked: bool) -> Table {
    let baselines: BTreeMap<&str, f64> = members
        .iter()
        .filter(|one| one.runtime == BASELINE && one.median > 0.0)
        .map(|one| (one.what.as_str(), one.median))
        .collect();
    let mut table = Table::new(title, "", &["Runtime", "Benchmark"], &["Median", "÷ process"]);
    for one in members {
        let relative =
            baselines.get(one.what.as_str()).map(|baseline| Entry::new(ratio(one.median / baseline)));
        let what = if one.what.is_empty() { &one.group } else { &one.what };
        table.rows.push(vec![
            Entry::new(one.label(marked)),
            Entry::new(what),
            time(one),
            relative.unwrap_or_else(Entry::missing),
        ]);
    }
    table
}

fn time(one: &Benchmark) -> Entry {
    Entry::with(duration(one.median), duration_range(one.low, one.high))
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{HOSTILE, Synthetic};
    use super::*;

    fn criterion(benchmarks: &[(&str, Option<&str>, Option<&str>, f64)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (number, (group, function, value, median)) in benchmarks.iter().enumerate() {
            let folder = root.path().join(format!("group {number}/function/new"));
            fs::create_dir_all(&folder).unwrap();
            let identity = serde_json::json!({"group_id": group, "function_id": function, "value_str": value,
                "throughput": null, "full_id": "", "directory_name": "", "title": ""});
            let estimate = serde_json::json!({"confidence_interval": {"confidence_level": 0.95,
                "lower_bound": median * 0.98, "upper_bound": median * 1.03}, "point_estimate": median, "standard_error": 1.0});
            let estimates = serde_json::json!({"mean": estimate, "median": estimate, "slope": null});
            fs::write(folder.join("benchmark.json"), identity.to_string()).unwrap();
            fs::write(folder.join("estimates.json"), estimates.to_string()).unwrap();
        }
        root
    }

    #[test]
    fn groups_runtimes_and_distances_to_the_floor() {
        let root = criterion(&[
            ("cpu", Some("int"), Some("microvm"), 4e6),
            ("cpu", Some("int"), Some("process"), 3.9e6),
            ("startup", Some("container"), None, 1.1e6),
            ("startup", Some("process"), None, 0.4e6),
            ("floor", Some("container"), None, 1.0e6),
            ("startup/microvm", None, None, 1.2e6),
            ("floor", Some("microvm"), None, 0.6e6),
        ]);
        let benchmarks = read(root.path()).unwrap();
        let names: Vec<String> =
            benchmarks.iter().map(|one| format!("{}:{}:{}", one.group, one.what, one.runtime)).collect();
        assert_eq!(
            names,
            [
                "startup::process",
                "startup::container",
                "startup::microvm",
                "floor::container",
                "floor::microvm",
                "cpu:int:process",
                "cpu:int:microvm"
            ]
        );
        let distances = targets(&benchmarks, false);
        let cells: Vec<(&str, &str)> =
            distances.rows.iter().map(|row| (row[3].text.as_str(), row[4].details[0].as_str())).collect();
        assert_eq!(cells, [("1.10×", "met"), ("2.00×", "missed"), ("1.026×", "missed")]);
        let folder = tempfile::tempdir().unwrap();
        let host = Synthetic::default().results().host;
        let page =
            fs::read_to_string(render_bench(root.path(), folder.path(), Some(&host)).unwrap()).unwrap();
        assert!(
            page.contains("microvm †")
                && page.contains("Computing")
                && page.contains("† Measured on kvm_pvm")
        );
    }

    #[test]
    fn bad_folders_are_told_apart() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(read(empty.path()), Err(ReportError::NoBenchmarks(_))));
        assert!(matches!(read(&empty.path().join("none")), Err(ReportError::NoBenchmarks(_))));
        let broken = criterion(&[("startup", Some("process"), None, 1.0)]);
        fs::write(broken.path().join("group 0/function/new/estimates.json"), "{").unwrap();
        assert!(matches!(read(broken.path()), Err(ReportError::NotCriterion { .. })));
    }

    #[test]
    fn absurd_benchmarks_make_a_page() {
        let root = criterion(&[
            (HOSTILE, Some(HOSTILE), Some(HOSTILE), 0.0),
            ("startup", Some("process"), None, 0.0),
            ("startup", Some("container"), None, 1e300),
        ]);
        let page = render(&read(root.path()).unwrap(), None).unwrap();
        assert!(!page.contains("<img") && !page.contains("NaN"));
    }
}
