//! What a maintenance experiment says, in words.

use super::super::format::{bytes, count, duration, ratio};
use super::{ImageSummary, MaintenanceSummary};
use crate::language::{Language, text};
use crate::results::maintenance::{Cause, Form, Strategy};

/// Why something was built or shipped.
pub fn cause(cause: Cause, language: Language) -> String {
    match cause {
        Cause::First => text!(language, "maintenance-cause-first"),
        Cause::Unchanged => text!(language, "maintenance-cause-unchanged"),
        Cause::AppFile => text!(language, "maintenance-cause-app-file"),
        Cause::Dependency => text!(language, "maintenance-cause-dependency"),
        Cause::Base => text!(language, "maintenance-cause-base"),
    }
}

/// What was built or shipped.
pub fn form(form: Form, language: Language) -> String {
    match form {
        Form::Layers => text!(language, "maintenance-form-layers"),
        Form::LayersAndAbove => text!(language, "maintenance-form-layers-and-above"),
        Form::LayersDifference => text!(language, "maintenance-form-layers-difference"),
        Form::Disk => text!(language, "maintenance-form-disk"),
        Form::DiskCompressed => text!(language, "maintenance-form-disk-compressed"),
        Form::DiskDifference => text!(language, "maintenance-form-disk-difference"),
        Form::DiskOverlay => text!(language, "maintenance-form-disk-overlay"),
        Form::DiskOverlay64K => text!(language, "maintenance-form-disk-overlay-64k"),
    }
}

/// How an instance was replaced.
pub fn strategy(strategy: Strategy, language: Language) -> String {
    match strategy {
        Strategy::Control => text!(language, "maintenance-strategy-control"),
        Strategy::StopStart => text!(language, "maintenance-strategy-stop-start"),
        Strategy::Rolling => text!(language, "maintenance-strategy-rolling"),
    }
}

/// The experiment in a few sentences: one each on shipping, storage, replacing and the kernel, as far as
/// each was measured.
pub fn sentences(summary: &MaintenanceSummary, language: Language) -> Vec<String> {
    let image = summary.largest();
    let all = [
        image.and_then(|image| shipping(image, language)),
        image.and_then(|image| storing(image, summary.instances, language)),
        image.and_then(|image| replacing(image, language)),
        kernel(summary, language),
    ];
    all.into_iter().flatten().collect()
}

fn shipping(image: &ImageSummary, language: Language) -> Option<String> {
    let shipped = |form| Some(image.shipment(form, Cause::AppFile)?.bytes as f64);
    let layers = shipped(Form::Layers)?;
    let size = bytes(image.bytes as f64);
    Some(match (shipped(Form::DiskCompressed), shipped(Form::DiskDifference)) {
        (Some(disk), Some(difference)) if layers > 0.0 => text!(
            language,
            "maintenance-say-shipping",
            size = size,
            layers = bytes(layers),
            disk = bytes(disk),
            ratio = ratio(disk / layers),
            difference = bytes(difference)
        ),
        _ => text!(language, "maintenance-say-shipping-layers", size = size, layers = bytes(layers)),
    })
}

fn storing(image: &ImageSummary, instances: u32, language: Language) -> Option<String> {
    let stored = |form| image.stored(form).map(|stored| bytes(stored.bytes(instances)));
    Some(text!(
        language,
        "maintenance-say-storing",
        count = instances,
        layers = stored(Form::Layers)?,
        copies = stored(Form::Disk)?,
        overlays = stored(Form::DiskOverlay)?
    ))
}

fn replacing(image: &ImageSummary, language: Language) -> Option<String> {
    let mut clauses = Vec::new();
    for one in image.replacements.iter().filter(|one| one.strategy == Strategy::StopStart) {
        let (Some(serving), Some(failed)) = (&one.serving, &one.failed) else { continue };
        let rolling = image.replacement(&one.runtime, Strategy::Rolling);
        clauses.push(text!(
            language,
            "maintenance-say-replaced",
            runtime = &one.runtime,
            time = duration(serving.median),
            failed = count(failed.median),
            rolling = rolling
                .and_then(|rolling| rolling.failed.as_ref())
                .map_or_else(|| "–".to_owned(), |failed| count(failed.median))
        ));
    }
    (!clauses.is_empty()).then(|| text!(language, "maintenance-say-replacing", what = clauses.join("; ")))
}

fn kernel(summary: &MaintenanceSummary, language: Language) -> Option<String> {
    let shared = summary.kernels.iter().find(|kernel| kernel.is_hosts)?;
    let own = summary.kernels.iter().find(|kernel| !kernel.is_hosts);
    Some(match own {
        Some(own) => text!(
            language,
            "maintenance-say-kernel",
            count = summary.instances,
            shared = &shared.runtime,
            own = &own.runtime,
            parts = own.parts
        ),
        None => text!(
            language,
            "maintenance-say-kernel-shared",
            count = summary.instances,
            shared = &shared.runtime
        ),
    })
}

/// For the comparison table: what a change of one file ships, as layers or as a disk image.
pub fn shipped(image: &ImageSummary, is_virtual_machine: bool, language: Language) -> Option<String> {
    let size = |form| Some(bytes(image.shipment(form, Cause::AppFile)?.bytes as f64));
    Some(match is_virtual_machine {
        false => text!(
            language,
            "maintenance-box-layers",
            layers = size(Form::Layers)?,
            size = bytes(image.bytes as f64)
        ),
        true => text!(
            language,
            "maintenance-box-disk",
            disk = size(Form::DiskCompressed)?,
            difference = size(Form::DiskDifference)?
        ),
    })
}

/// For the comparison table: storage, replacement, kernel, one line each where it was measured.
pub fn details(
    summary: &MaintenanceSummary,
    runtime: &str,
    is_virtual_machine: bool,
    language: Language,
) -> Vec<String> {
    let image = summary.largest();
    let stored = |form| Some(bytes(image?.stored(form)?.bytes(summary.instances)));
    let storage = match is_virtual_machine {
        false => stored(Form::Layers)
            .map(|all| text!(language, "maintenance-box-storage", count = summary.instances, all = all)),
        true => stored(Form::Disk).zip(stored(Form::DiskOverlay)).map(|(copies, overlays)| {
            text!(
                language,
                "maintenance-box-copies",
                count = summary.instances,
                copies = copies,
                overlays = overlays
            )
        }),
    };
    let failed = |strategy| Some(count(image?.replacement(runtime, strategy)?.failed.as_ref()?.median));
    let serving = image.and_then(|image| image.replacement(runtime, Strategy::StopStart)?.serving.as_ref());
    let replaced = serving.zip(failed(Strategy::StopStart)).zip(failed(Strategy::Rolling));
    let replaced = replaced.map(|((serving, stopped), rolling)| {
        text!(
            language,
            "maintenance-box-replaced",
            time = duration(serving.median),
            stopped = stopped,
            rolling = rolling
        )
    });
    let kernel = summary.kernels.iter().find(|kernel| kernel.runtime == runtime).map(|kernel| {
        let instances = summary.instances;
        match kernel.is_hosts {
            true => text!(language, "maintenance-box-kernel-hosts", count = instances),
            false => text!(language, "maintenance-box-kernel-own", count = instances, parts = kernel.parts),
        }
    });
    [storage, replaced, kernel].into_iter().flatten().collect()
}

/// For the comparison table: the image that instances of this runtime ran from, where some did.
pub fn same_image(summary: &MaintenanceSummary, runtime: &str, language: Language) -> Option<String> {
    let image = summary.largest()?;
    image.replacements.iter().find(|one| one.runtime == runtime && one.requests_in_all > 0)?;
    Some(text!(language, "maintenance-box-image", layers = image.layers, size = bytes(image.bytes as f64)))
}
