//! *In one minute*: the textbook's table "container against virtual machine", each box filled by what this run
//! measured or demonstrated, or said not to be measured, with the command that would.

use serde::Serialize;

use super::cell::Cell;
use super::charts::paint;
use super::format::{bytes, count, duration, duration_range, ratio, shell};
use super::maintenance;
use super::phases::{Cost, split};
use super::summary::{Headline, Summary};
use super::table::{Entry, NO_NUMBERS, Table};
use super::words::verdict_of_time;
use crate::language::{Language, text};
use crate::results::{CONTROL, WorkloadKind};
use crate::stats::Verdict;

/// The table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Minute {
    /// Title.
    pub title: String,
    /// The kinds of isolation compared.
    pub columns: Vec<Column>,
    /// What they are compared in.
    pub rows: Vec<Row>,
}

/// A kind of isolation, by a runtime that stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The kind.
    pub name: String,
    /// The runtime, as shown.
    pub label: String,
    /// Number of its colour.
    pub slot: usize,
}

/// One aspect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Stable name.
    pub id: &'static str,
    /// As shown.
    pub title: String,
    /// One for each column.
    pub facts: Vec<Fact>,
}

/// What this run says about one aspect of one kind of isolation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Fact {
    /// The measured value or demonstrated fact, or that there is none.
    pub text: String,
    /// More of it, one line each.
    pub details: Vec<String>,
    /// Nothing was measured.
    pub missing: bool,
    /// Where its cost comes from.
    pub origin: Option<Origin>,
    /// The trials that it rests on.
    pub trials: Option<Trials>,
    /// The command that measures it again, or for the first time.
    pub command: String,
}

/// Where a cost comes from, and why that is said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Origin {
    /// The kind.
    pub cost: Cost,
    /// Its name, with its share where that is measured.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Trials in the raw data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trials {
    /// Runtime name.
    pub runtime: String,
    /// Workload name.
    pub workload: String,
}

/// A column while it is being filled.
struct Side<'a> {
    summary: &'a Summary,
    language: Language,
    runtime: &'a str,
    is_virtual_machine: bool,
}

impl Minute {
    /// Fills the table from a run.
    pub fn new(summary: &Summary, language: Language) -> Minute {
        let machines: Vec<&str> = ["microvm", "linuxvm"]
            .into_iter()
            .filter(|name| summary.runtimes.iter().any(|runtime| runtime == name))
            .collect();
        let machines = if machines.is_empty() { vec!["microvm"] } else { machines };
        let sides: Vec<Side> = std::iter::once(("container", false))
            .chain(machines.into_iter().map(|name| (name, true)))
            .map(|(runtime, is_virtual_machine)| Side { summary, language, runtime, is_virtual_machine })
            .collect();
        let columns = sides
            .iter()
            .map(|side| Column {
                name: if side.is_virtual_machine {
                    text!(language, "minute-virtual-machine")
                } else {
                    text!(language, "minute-container")
                },
                label: summary.label(side.runtime),
                slot: paint::slot(side.runtime),
            })
            .collect();
        let row = |id, title, fact| row(&sides, id, title, fact);
        Minute {
            title: text!(language, "minute-title"),
            columns,
            rows: vec![
                row("isolation", text!(language, "minute-isolation"), Side::isolation),
                row("portability", text!(language, "minute-portability"), Side::portability),
                row("resources", text!(language, "minute-resources"), Side::resources),
                row("level", text!(language, "minute-level"), Side::level),
                row("boot", text!(language, "minute-boot"), Side::boot),
                row("maintenance", text!(language, "minute-maintenance"), Side::maintenance),
            ],
        }
    }

    /// As a plain table.
    pub fn table(&self, language: Language) -> Table {
        let mut columns = vec![text!(language, "minute-aspect")];
        columns.extend(self.columns.iter().map(|column| format!("{} ({})", column.name, column.label)));
        let mut table =
            Table::new(&self.title, "", &columns.iter().map(String::as_str).collect::<Vec<_>>(), NO_NUMBERS);
        for row in &self.rows {
            let mut cells = vec![Entry::new(&row.title)];
            cells.extend(row.facts.iter().map(|fact| {
                let origin = fact.origin.iter().map(|origin| origin.name.clone());
                Entry {
                    text: fact.text.clone(),
                    details: fact.details.iter().cloned().chain(origin).collect(),
                }
            }));
            table.rows.push(cells);
        }
        table
    }
}

fn row<'a>(sides: &[Side<'a>], id: &'static str, title: String, fact: fn(&Side<'a>) -> Fact) -> Row {
    Row { id, title, facts: sides.iter().map(fact).collect() }
}

impl Side<'_> {
    fn cell(&self, workload: &str) -> Option<&Cell> {
        self.summary.cell(self.runtime, workload)
    }

    fn headline(&self) -> Option<&Headline> {
        self.summary.headline.iter().find(|row| row.runtime == self.runtime)
    }

    fn start_up_workload(&self) -> &str {
        self.summary.start_up_workload.as_deref().unwrap_or("noop")
    }

    fn not_measured(&self, command: String) -> Fact {
        Fact {
            text: text!(self.language, "minute-not-measured"),
            details: vec![text!(self.language, "minute-measure", command = &command)],
            missing: true,
            command,
            ..Fact::default()
        }
    }

    /// Not measured, but would be by a comparison with this runtime.
    fn not_compared(&self) -> Fact {
        self.not_measured(format!("isobench compare --runtimes {}", self.runtime))
    }

    fn measured(&self, workload: &str, text: String, details: Vec<String>) -> Fact {
        Fact {
            text,
            details,
            trials: Some(Trials { runtime: self.runtime.to_owned(), workload: workload.to_owned() }),
            command: again(self.summary, self.runtime, workload),
            ..Fact::default()
        }
    }

    /// Where the program's requests end: the workload that makes most of them shows it best.
    fn isolation(&self) -> Fact {
        let calls =
            |cell: &&Cell| cell.crossings.host_syscalls.or(cell.crossings.guest_syscalls).unwrap_or(0.0);
        let busiest = self
            .summary
            .cells
            .iter()
            .filter(|cell| cell.runtime != CONTROL && calls(cell) > 0.0)
            .max_by(|a, b| calls(a).total_cmp(&calls(b)));
        let Some(cell) = busiest.and_then(|busiest| self.cell(&busiest.workload)) else {
            return self.not_compared();
        };
        let crossings = &cell.crossings;
        let kernel = &self.summary.host.kernel;
        let language = self.language;
        let (text, detail) = match (crossings.host_syscalls, crossings.guest_syscalls) {
            (_, Some(calls)) if self.is_virtual_machine => {
                let exits = count(crossings.vm_exits.unwrap_or(0.0));
                (
                    text!(language, "minute-calls-guest", calls = count(calls)),
                    text!(language, "minute-exits", exits = exits, workload = &cell.workload),
                )
            }
            (Some(calls), _) => (
                text!(language, "minute-calls-host", calls = count(calls)),
                text!(language, "minute-one-kernel", kernel = kernel, workload = &cell.workload),
            ),
            _ => return self.not_compared(),
        };
        self.measured(&cell.workload, text, vec![detail])
    }

    /// The same file, byte for byte, gave the right result.
    fn portability(&self) -> Fact {
        let language = self.language;
        let cells: Vec<&Cell> =
            self.summary.cells.iter().filter(|cell| cell.runtime == self.runtime).collect();
        let Some(first) = cells.first() else { return self.not_compared() };
        let well = cells.iter().filter(|cell| cell.failed == 0).count();
        let text = text!(language, "minute-same-file", well = well, all = cells.len());
        let needs = match &self.summary.host.kvm {
            Some(kvm) if self.is_virtual_machine => {
                text!(language, "minute-needs-kvm", backend = &kvm.backend)
            }
            _ if self.is_virtual_machine => text!(language, "minute-needs-unknown-kvm"),
            _ => text!(language, "minute-needs-linux", kernel = &self.summary.host.kernel),
        };
        let mut missing: Vec<&str> =
            cells.iter().flat_map(|cell| &cell.crossings.missing_calls).map(String::as_str).collect();
        missing.sort_unstable();
        missing.dedup();
        let lacks =
            (!missing.is_empty()).then(|| text!(language, "missing-calls", calls = missing.join(", ")));
        let workload = cells.iter().find(|cell| cell.failed > 0).unwrap_or(first).workload.clone();
        // An image is more than a program: it ran here too, where it was replaced.
        let image = self.summary.maintenance.as_ref();
        let image = image.and_then(|summary| maintenance::words::same_image(summary, self.runtime, language));
        Fact {
            command: again(self.summary, self.runtime, ""),
            ..self.measured(&workload, text, std::iter::once(needs).chain(image).chain(lacks).collect())
        }
    }

    /// Memory and computing beyond a plain process.
    fn resources(&self) -> Fact {
        let language = self.language;
        let Some(row) = self.headline() else { return self.not_compared() };
        let computing = row.computing.as_ref().map(|relative| {
            let said = match relative.verdict {
                Verdict::Larger | Verdict::Smaller => ratio(relative.ratio),
                other => format!("{} ({})", ratio(relative.ratio), verdict_of_time(other, language)),
            };
            text!(language, "minute-computing", said = said)
        });
        let memory = row.memory.as_ref().map(|overhead| {
            let size = bytes(overhead.estimate.median);
            match overhead.verdict {
                Verdict::NoMeasurableDifference => {
                    text!(language, "minute-memory-alike", size = size)
                }
                _ => text!(language, "minute-memory", size = size),
            }
        });
        let origin = if self.is_virtual_machine {
            self.memory_of_a_machine()
        } else {
            Some(Origin {
                cost: Cost::Structural,
                name: text!(language, "cost-structural"),
                reason: text!(language, "minute-memory-container-reason"),
            })
        };
        let workload = self.start_up_workload();
        match (memory, computing) {
            (Some(memory), computing) => {
                Fact { origin, ..self.measured(workload, memory, computing.into_iter().collect()) }
            }
            (None, Some(computing)) => {
                let of_kind = |kind| self.summary.workloads.iter().find(|workload| workload.kind == kind);
                let name = of_kind(WorkloadKind::Cpu).map_or(workload, |workload| &workload.name);
                self.measured(name, computing, Vec::new())
            }
            (None, None) => self.not_compared(),
        }
    }

    /// What the guest touches is the price of a kernel of its own; the monitor's part is the tool's.
    fn memory_of_a_machine(&self) -> Option<Origin> {
        let footprint = self.cell(self.start_up_workload())?.footprint.as_ref()?;
        let guest = footprint.guest_touched.as_ref()?.median;
        let own = footprint.vmm_pss.as_ref()?.median;
        let (cost, share) = larger(guest, own)?;
        Some(Origin {
            cost,
            name: name(cost, share, self.language),
            reason: text!(self.language, "minute-memory-vm-reason", guest = bytes(guest), own = bytes(own)),
        })
    }

    /// Which steps of the start made the wall.
    fn level(&self) -> Fact {
        let language = self.language;
        let waterfall = self.summary.waterfalls.iter().find(|one| one.runtime == self.runtime);
        let Some(waterfall) = waterfall.filter(|one| one.timeline.phases.len() > 1) else {
            return self.not_compared();
        };
        let end = waterfall.timeline.entered_ns.or(waterfall.timeline.first_output_ns).unwrap_or(u64::MAX);
        let steps = waterfall.timeline.phases.iter().filter(|phase| phase.start_ns < end).count();
        let workload = self.start_up_workload();
        let (text, detail) = if self.is_virtual_machine {
            let backend = self.summary.host.kvm.as_ref().map_or("KVM", |kvm| kvm.backend.as_str());
            let footprint = self.cell(workload).and_then(|cell| cell.footprint.as_ref());
            let memory = footprint.and_then(|memory| {
                Some(text!(
                    language,
                    "minute-guest-memory",
                    given = bytes(memory.guest_configured?),
                    touched = bytes(memory.guest_touched.as_ref()?.median)
                ))
            });
            let text = text!(language, "minute-level-hardware", backend = backend);
            (text, memory.unwrap_or_else(|| text!(language, "minute-steps", count = steps)))
        } else {
            (text!(language, "minute-level-system"), text!(language, "minute-steps", count = steps))
        };
        self.measured(workload, text, vec![detail])
    }

    /// Request → first output.
    fn boot(&self) -> Fact {
        let language = self.language;
        let Some(measured) = self.headline().and_then(|row| row.start_up.as_ref()) else {
            return self.not_compared();
        };
        let estimate = &measured.estimate;
        let relative = measured.relative.as_ref().map(|relative| match relative.verdict {
            Verdict::NoMeasurableDifference => verdict_of_time(relative.verdict, language),
            _ => text!(language, "minute-times-process", ratio = ratio(relative.ratio)),
        });
        let interval = estimate.interval.map(|interval| {
            text!(language, "minute-interval", range = duration_range(interval.low, interval.high))
        });
        let interval = interval.unwrap_or_else(|| text!(language, "no-interval", count = estimate.n));
        let waterfall = self.summary.waterfalls.iter().find(|one| one.runtime == self.runtime);
        let origin = waterfall.and_then(|one| {
            let split = split(self.runtime, &one.timeline)?;
            let (structural, own) = (split.structural_ns as f64, split.implementation_ns as f64);
            let (cost, share) = larger(structural, own)?;
            let reason = if self.is_virtual_machine {
                text!(
                    language,
                    "minute-boot-vm-reason",
                    structural = duration(structural),
                    own = duration(own),
                    rest = duration(split.unknown_ns as f64)
                )
            } else {
                text!(
                    language,
                    "minute-boot-container-reason",
                    structural = duration(structural),
                    own = duration(own),
                    rest = duration(split.unknown_ns as f64)
                )
            };
            Some(Origin { cost, name: name(cost, share, language), reason })
        });
        let details = relative.into_iter().chain([interval]).collect();
        Fact { origin, ..self.measured(self.start_up_workload(), duration(estimate.median), details) }
    }

    /// Building, storing, updating and rolling back images is an experiment of its own, whose largest image
    /// speaks here.
    fn maintenance(&self) -> Fact {
        let command = "isobench maintain".to_owned();
        let summary = self.summary.maintenance.as_ref();
        let shipped = summary.and_then(|summary| {
            let image = summary.largest()?;
            maintenance::words::shipped(image, self.is_virtual_machine, self.language)
        });
        let (Some(summary), Some(text)) = (summary, shipped) else { return self.not_measured(command) };
        let (runtime, language) = (self.runtime, self.language);
        let details = maintenance::words::details(summary, runtime, self.is_virtual_machine, language);
        Fact { text, details, command, ..Fact::default() }
    }
}

/// Which of both is larger, and its share of their sum; `None` where both are nothing.
fn larger(structural: f64, implementation: f64) -> Option<(Cost, f64)> {
    let sum = structural + implementation;
    let (cost, part) = if structural >= implementation {
        (Cost::Structural, structural)
    } else {
        (Cost::Implementation, implementation)
    };
    (sum > 0.0).then(|| (cost, part / sum))
}

fn name(cost: Cost, share: f64, language: Language) -> String {
    let percent = count((share * 100.0).round());
    match cost {
        Cost::Structural => text!(language, "cost-structural-share", percent = percent),
        Cost::Implementation => text!(language, "cost-implementation-share", percent = percent),
    }
}

/// The command that runs these trials again; all workloads where none is named. A program of the user's own is
/// run again by the command that ran it.
fn again(summary: &Summary, runtime: &str, workload: &str) -> String {
    if summary.workloads.iter().any(|planned| planned.kind == WorkloadKind::Own) {
        return shell(&summary.command);
    }
    let mut command: Vec<String> = ["isobench", "compare", "--runtimes", runtime].map(str::to_owned).into();
    if !workload.is_empty() {
        command.extend(["--workloads".to_owned(), workload.to_owned()]);
    }
    command.extend(
        summary.command.iter().filter(|word| ["--quick", "--thorough"].contains(&word.as_str())).cloned(),
    );
    command.extend(["--seed".to_owned(), summary.seed.to_string()]);
    shell(&command)
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::Synthetic;
    use super::*;
    use crate::results::Results;

    fn minute(results: &Results) -> Minute {
        Minute::new(&Summary::new(results), Language::English)
    }

    fn fact<'a>(minute: &'a Minute, id: &str, column: usize) -> &'a Fact {
        &minute.rows.iter().find(|row| row.id == id).unwrap().facts[column]
    }

    #[test]
    fn each_box_is_of_this_run_or_says_that_it_is_not() {
        let results = Synthetic::default().results();
        let summary = Summary::new(&results);
        let minute = minute(&results);
        assert_eq!(minute.columns.len(), 2);
        for (column, runtime) in ["container", "microvm"].into_iter().enumerate() {
            let row = summary.headline.iter().find(|row| row.runtime == runtime).unwrap();
            let boot = fact(&minute, "boot", column);
            assert_eq!(boot.text, duration(row.start_up.as_ref().unwrap().estimate.median));
            assert_eq!(boot.trials.as_ref().unwrap().runtime, runtime);
            assert!(
                boot.command.contains(&format!("--runtimes {runtime} --workloads noop")),
                "{}",
                boot.command
            );
            assert!(boot.origin.is_some() && !fact(&minute, "resources", column).missing);
            let maintenance = fact(&minute, "maintenance", column);
            assert!(maintenance.missing && maintenance.command == "isobench maintain");
        }
    }

    #[test]
    fn what_was_not_run_is_not_measured() {
        let only = |names: &[&str]| {
            let runtimes = names.iter().map(|name| (*name).to_owned()).collect();
            minute(&Synthetic { runtimes, ..Synthetic::default() }.results())
        };
        let without_machine = only(&["process", "container"]);
        assert!(without_machine.rows.iter().all(|row| row.facts[1].missing));
        assert_eq!(fact(&without_machine, "boot", 1).command, "isobench compare --runtimes microvm");
        assert!(!fact(&without_machine, "boot", 0).missing);
        let nothing = minute(&Results { trials: Vec::new(), ..Synthetic::default().results() });
        assert!(nothing.rows.iter().flat_map(|row| &row.facts).all(|fact| fact.missing));
    }

    #[test]
    fn failed_trials_count_against_portability() {
        let mut results = Synthetic::default().results();
        for trial in
            results.trials.iter_mut().filter(|one| one.runtime == "container" && one.workload == "int")
        {
            trial.exit = crate::runtime::trial::Exit::Code(1);
        }
        let portability = minute(&results);
        let portability = fact(&portability, "portability", 0);
        assert!(portability.text.contains("5 of 6"), "{}", portability.text);
        assert_eq!(portability.trials.as_ref().unwrap().workload, "int");
    }
}
