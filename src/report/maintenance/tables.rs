//! The tables of a maintenance experiment.

use super::super::cell::Estimate;
use super::super::format::{bytes, bytes_range, count, duration, duration_range};
use super::super::table::{Entry, NO_NUMBERS, Table};
use super::words::{cause, form, strategy};
use super::{ImageSummary, MaintenanceSummary};
use crate::language::{Language, text};
use crate::results::maintenance::{Cause, Form, Strategy};

/// The changes that are shipped, in the order of the tables.
pub const CHANGES: [Cause; 4] = [Cause::First, Cause::AppFile, Cause::Dependency, Cause::Base];

/// The forms in which they are shipped.
pub const FORMS: [Form; 6] = [
    Form::Layers,
    Form::LayersAndAbove,
    Form::LayersDifference,
    Form::Disk,
    Form::DiskCompressed,
    Form::DiskDifference,
];

/// Every table that has something to say.
pub fn all(summary: &MaintenanceSummary, language: Language) -> Vec<Table> {
    [images, builds, shipments, storage, roll_backs, replacements, kernels, left_out]
        .map(|table| table(summary, language))
        .into_iter()
        .filter(|table| !table.rows.is_empty())
        .collect()
}

fn time(estimate: Option<&Estimate>) -> Entry {
    let Some(estimate) = estimate else { return Entry::missing() };
    let range = estimate.interval.map(|interval| duration_range(interval.low, interval.high));
    Entry { text: duration(estimate.median), details: range.into_iter().collect() }
}

fn size(value: u64) -> Entry {
    Entry::new(bytes(value as f64))
}

/// An image in its row: several sizes of generated ones are told apart by them.
fn name(image: &ImageSummary, language: Language) -> String {
    let size = bytes(image.bytes as f64);
    match image.name.as_str() {
        "generated" => text!(language, "maintenance-generated", size = size),
        name => format!("{name}, {size}"),
    }
}

/// What was maintained.
pub fn images(summary: &MaintenanceSummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "maintenance-images"),
        text!(language, "maintenance-images-note", compression = &summary.compression),
        &[text!(language, "maintenance-column-image")],
        &[
            text!(language, "maintenance-column-files"),
            text!(language, "maintenance-column-layers"),
            text!(language, "maintenance-column-disk"),
        ],
    );
    for image in &summary.images {
        let disk = image.disk.as_ref().map(|disk| {
            let allocated = bytes(disk.allocated_bytes as f64);
            Entry::with(allocated, text!(language, "maintenance-disk-of", size = bytes(disk.bytes as f64)))
        });
        table.rows.push(vec![
            Entry::new(name(image, language)),
            Entry::new(count(image.files as f64)),
            Entry::new(count(image.layers as f64)),
            disk.unwrap_or_else(Entry::missing),
        ]);
    }
    table
}

/// How long a build takes, and what it writes anew.
pub fn builds(summary: &MaintenanceSummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "maintenance-builds"),
        text!(language, "maintenance-builds-note"),
        &[text!(language, "maintenance-column-image"), text!(language, "maintenance-column-cause")],
        &[form(Form::Layers, language), form(Form::Disk, language)],
    );
    for image in &summary.images {
        for why in [Cause::First, Cause::Unchanged, Cause::AppFile, Cause::Dependency, Cause::Base] {
            let cells = [Form::Layers, Form::Disk].map(|form| {
                image.build(form, why).map(|build| {
                    let mut entry = time(build.time.as_ref());
                    let size = bytes(build.built_bytes as f64);
                    entry.details.push(text!(language, "maintenance-written", size = size));
                    entry
                })
            });
            row(&mut table, image, cause(why, language), cells, language);
        }
    }
    table
}

/// A row, unless there is nothing in it.
fn row<const N: usize>(
    table: &mut Table,
    image: &ImageSummary,
    what: String,
    cells: [Option<Entry>; N],
    language: Language,
) {
    if cells.iter().any(Option::is_some) {
        let first = [Entry::new(name(image, language)), Entry::new(what)];
        let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(Entry::missing));
        table.rows.push(first.into_iter().chain(cells).collect());
    }
}

/// What goes over the wire for each change.
pub fn shipments(summary: &MaintenanceSummary, language: Language) -> Table {
    let headings: Vec<String> = FORMS.iter().map(|one| form(*one, language)).collect();
    let mut table = Table::new(
        text!(language, "maintenance-shipments"),
        text!(language, "maintenance-shipments-note", chunk = bytes(f64::from(summary.chunk_bytes))),
        &[text!(language, "maintenance-column-image"), text!(language, "maintenance-column-cause")],
        &headings,
    );
    for image in &summary.images {
        for why in CHANGES {
            let cells = FORMS.map(|form| {
                let shipment = image.shipment(form, why)?;
                let mut entry = size(shipment.bytes);
                for (key, estimate) in [(true, &shipment.prepare), (false, &shipment.apply)] {
                    let Some(estimate) = estimate else { continue };
                    let time = duration(estimate.median);
                    entry.details.push(match key {
                        true => text!(language, "maintenance-prepare", time = time),
                        false => text!(language, "maintenance-apply", time = time),
                    });
                }
                Some(entry)
            });
            row(&mut table, image, cause(why, language), cells, language);
        }
    }
    table
}

/// The disk that instances take.
pub fn storage(summary: &MaintenanceSummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "maintenance-storage", count = summary.instances),
        text!(language, "maintenance-storage-note", size = bytes(summary.written_bytes as f64)),
        &[text!(language, "maintenance-column-image"), text!(language, "maintenance-column-form")],
        &[
            text!(language, "maintenance-column-shared"),
            text!(language, "maintenance-column-each"),
            text!(language, "maintenance-column-all"),
            text!(language, "maintenance-column-make"),
        ],
    );
    for image in &summary.images {
        for stored in &image.storage {
            let cells = [
                Some(size(stored.shared_bytes)),
                Some(size(stored.instance_bytes)),
                Some(Entry::new(bytes(stored.bytes(summary.instances)))),
                Some(time(stored.make.as_ref())),
            ];
            row(&mut table, image, form(stored.form, language), cells, language);
        }
    }
    table
}

/// Going back to the version before.
pub fn roll_backs(summary: &MaintenanceSummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "maintenance-roll-backs"),
        text!(language, "maintenance-roll-backs-note"),
        &[text!(language, "maintenance-column-image"), text!(language, "maintenance-column-form")],
        &[text!(language, "maintenance-column-kept"), text!(language, "column-time")],
    );
    for image in &summary.images {
        for back in &image.roll_backs {
            let cells = [Some(size(back.kept_bytes)), Some(time(back.time.as_ref()))];
            row(&mut table, image, form(back.form, language), cells, language);
        }
    }
    table
}

/// What a client notices while an instance is replaced.
pub fn replacements(summary: &MaintenanceSummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "maintenance-replacements"),
        text!(
            language,
            "maintenance-replacements-note",
            rate = count(f64::from(summary.requests_per_second))
        ),
        &[text!(language, "maintenance-column-image"), text!(language, "column-runtime")],
        &[
            text!(language, "maintenance-column-serving"),
            text!(language, "maintenance-column-switch"),
            text!(language, "maintenance-column-failed"),
            text!(language, "maintenance-column-outage"),
            text!(language, "maintenance-column-slowest"),
        ],
    );
    for image in &summary.images {
        for one in &image.replacements {
            let failed = one.failed.as_ref().map(|failed| {
                let of = text!(
                    language,
                    "maintenance-failed-of",
                    failed = count(one.failed_in_all as f64),
                    requests = count(one.requests_in_all as f64)
                );
                Entry::with(count(failed.median), of)
            });
            let cells = [
                one.serving.as_ref().map(|serving| time(Some(serving))),
                one.switch.as_ref().map(|switch| time(Some(switch))),
                failed,
                Some(time(one.outage.as_ref())),
                Some(time(one.slowest.as_ref())),
            ];
            let what = format!("{}, {}", one.runtime, strategy(one.strategy, language));
            row(&mut table, image, what, cells, language);
        }
    }
    table
}

/// Whose kernel it is, and what its update means.
pub fn kernels(summary: &MaintenanceSummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "maintenance-kernels", count = summary.instances),
        text!(language, "maintenance-kernels-note"),
        &[text!(language, "column-runtime"), text!(language, "maintenance-column-kernel")],
        &[
            text!(language, "maintenance-column-parts"),
            text!(language, "maintenance-column-at-once"),
            text!(language, "maintenance-column-outage"),
        ],
    );
    for kernel in &summary.kernels {
        let whose = match kernel.is_hosts {
            true => text!(language, "maintenance-kernel-hosts", count = kernel.asked),
            false => text!(language, "maintenance-kernel-own", count = kernel.asked),
        };
        let restart =
            summary.largest().and_then(|image| image.replacement(&kernel.runtime, Strategy::StopStart));
        // A container's kernel is the host's, and how long that takes to start is not measured.
        let outage = restart.and_then(|restart| restart.outage.as_ref()).filter(|_| !kernel.is_hosts);
        table.rows.push(vec![
            Entry::new(&kernel.runtime),
            Entry::with(kernel.kernels.join(", "), whose),
            Entry::new(count(f64::from(kernel.parts))),
            Entry::new(count(f64::from(kernel.disrupted_at_once))),
            outage.map_or_else(
                || Entry::with(super::super::format::MISSING, text!(language, "maintenance-not-measured")),
                |outage| time(Some(outage)),
            ),
        ]);
    }
    table
}

/// What is missing.
pub fn left_out(summary: &MaintenanceSummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "maintenance-left-out"),
        "",
        &[text!(language, "column-reason")],
        NO_NUMBERS,
    );
    table.rows.extend(summary.left_out.iter().map(|why| vec![Entry::new(why)]));
    table
}

/// A range of bytes of several images.
pub fn sizes(summary: &MaintenanceSummary) -> String {
    let sizes = || summary.images.iter().map(|image| image.bytes as f64);
    let (low, high) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
    if low < high { bytes_range(low, high) } else { bytes(high) }
}
