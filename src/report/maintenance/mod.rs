//! What a maintenance experiment says: its raw times as estimates, and what follows from them.
//!
//! [`MaintenanceSummary`] is all that the rest of the report needs of it: for the row of the comparison table
//! the largest image ([`MaintenanceSummary::largest`]) and its questions, and the kernels.

pub mod tables;
pub mod words;

use serde::Serialize;

use super::cell::Estimate;
use super::format::plain;
use crate::results::maintenance::{
    Build, Cause, DiskImage, Form, KernelFacts, Maintenance, MeasuredImage, Replacement, RollBack, Shipment,
    Storage, Strategy,
};

/// Longest name from outside that is shown.
const NAME: usize = 60;

/// One experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MaintenanceSummary {
    /// Instances for which storage and the kernel's update are counted.
    pub instances: u32,
    /// Bytes that each of them writes of its own.
    pub written_bytes: u64,
    /// How layers and disk images are compressed.
    pub compression: String,
    /// Average bytes of a chunk.
    pub chunk_bytes: u32,
    /// Requests per second while an instance is replaced.
    pub requests_per_second: u32,
    /// The images, the smallest first.
    pub images: Vec<ImageSummary>,
    /// The kernel under the instances of each runtime.
    pub kernels: Vec<KernelSummary>,
    /// What was not measured, and why.
    pub left_out: Vec<String>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImageSummary {
    /// Its name.
    pub name: String,
    /// Files.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Layers.
    pub layers: usize,
    /// The disk image.
    pub disk: Option<DiskImage>,
    /// Builds.
    pub builds: Vec<BuildSummary>,
    /// Shipments.
    pub shipments: Vec<ShipmentSummary>,
    /// Storage of instances.
    pub storage: Vec<StorageSummary>,
    /// Ways back.
    pub roll_backs: Vec<RollBackSummary>,
    /// Replacements.
    pub replacements: Vec<ReplacementSummary>,
}

/// One build; times in nanoseconds, as everywhere here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BuildSummary {
    /// Of what.
    pub form: Form,
    /// Why.
    pub cause: Cause,
    /// Bytes that it wrote anew.
    pub built_bytes: u64,
    /// How long it took.
    pub time: Option<Estimate>,
}

/// One shipment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShipmentSummary {
    /// Of what.
    pub form: Form,
    /// Why.
    pub cause: Cause,
    /// Bytes over the wire.
    pub bytes: u64,
    /// At the sender.
    pub prepare: Option<Estimate>,
    /// At the receiver.
    pub apply: Option<Estimate>,
}

/// Storage of instances.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StorageSummary {
    /// In what form.
    pub form: Form,
    /// What all share.
    pub shared_bytes: u64,
    /// What each adds.
    pub instance_bytes: u64,
    /// Making one instance's storage.
    pub make: Option<Estimate>,
}

impl StorageSummary {
    /// Bytes of so many instances together.
    pub fn bytes(&self, instances: u32) -> f64 {
        self.shared_bytes as f64 + self.instance_bytes as f64 * f64::from(instances)
    }
}

/// A way back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RollBackSummary {
    /// In what form.
    pub form: Form,
    /// Bytes kept for it.
    pub kept_bytes: u64,
    /// How long it took.
    pub time: Option<Estimate>,
}

/// Replacements of one runtime in one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplacementSummary {
    /// Runtime name.
    pub runtime: String,
    /// How.
    pub strategy: Strategy,
    /// Repetitions.
    pub rounds: usize,
    /// From the changed layer's arrival to the first answer of the new version.
    pub serving: Option<Estimate>,
    /// From when everything was prepared until the new version was ready.
    pub switch: Option<Estimate>,
    /// Time in which no request that arrived got a right answer.
    pub outage: Option<Estimate>,
    /// The slowest right answer.
    pub slowest: Option<Estimate>,
    /// Failed requests of a repetition.
    pub failed: Option<Estimate>,
    /// Failed requests, all repetitions together.
    pub failed_in_all: u64,
    /// Requests, all repetitions together.
    pub requests_in_all: u64,
}

/// The kernel under the instances of one runtime, and what its update means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelSummary {
    /// Runtime name.
    pub runtime: String,
    /// Instances that were asked.
    pub asked: u32,
    /// The kernels that they named.
    pub kernels: Vec<String>,
    /// All of them named the host's own running kernel.
    pub is_hosts: bool,
    /// Running kernels to replace when the kernel under the planned instances is to be patched.
    pub parts: u32,
    /// Instances that stand still together when one of those is replaced.
    pub disrupted_at_once: u32,
}

fn estimate(times: &[u64]) -> Option<Estimate> {
    Estimate::of(&times.iter().map(|time| *time as f64).collect::<Vec<_>>())
}

impl MaintenanceSummary {
    /// Of what a results file holds.
    pub fn new(measured: &Maintenance) -> MaintenanceSummary {
        let text = |text: &str| plain(text, NAME).into_owned();
        MaintenanceSummary {
            instances: measured.instances,
            written_bytes: measured.written_bytes,
            compression: text(&measured.compression),
            chunk_bytes: measured.chunk_bytes,
            requests_per_second: measured.requests_per_second,
            images: measured.images.iter().map(ImageSummary::new).collect(),
            kernels: measured
                .kernels
                .iter()
                .map(|facts| KernelSummary::new(facts, measured.instances))
                .collect(),
            left_out: measured.left_out.iter().map(|why| plain(why, 400).into_owned()).collect(),
        }
    }

    /// The image with the most bytes.
    pub fn largest(&self) -> Option<&ImageSummary> {
        self.images.iter().max_by_key(|image| image.bytes)
    }
}

impl ImageSummary {
    fn new(measured: &MeasuredImage) -> ImageSummary {
        ImageSummary {
            name: plain(&measured.name, NAME).into_owned(),
            files: measured.files,
            bytes: measured.bytes,
            layers: measured.layers.len(),
            disk: measured.disk.clone(),
            builds: measured.builds.iter().map(BuildSummary::new).collect(),
            shipments: measured.shipments.iter().map(ShipmentSummary::new).collect(),
            storage: measured.storage.iter().map(StorageSummary::new).collect(),
            roll_backs: measured.roll_backs.iter().map(RollBackSummary::new).collect(),
            replacements: measured.replacements.iter().map(ReplacementSummary::new).collect(),
        }
    }

    /// The build of this form for this reason.
    pub fn build(&self, form: Form, cause: Cause) -> Option<&BuildSummary> {
        self.builds.iter().find(|one| one.form == form && one.cause == cause)
    }

    /// The shipment of this form for this reason.
    pub fn shipment(&self, form: Form, cause: Cause) -> Option<&ShipmentSummary> {
        self.shipments.iter().find(|one| one.form == form && one.cause == cause)
    }

    /// The storage of this form.
    pub fn stored(&self, form: Form) -> Option<&StorageSummary> {
        self.storage.iter().find(|one| one.form == form)
    }

    /// The replacements of this runtime in this way.
    pub fn replacement(&self, runtime: &str, strategy: Strategy) -> Option<&ReplacementSummary> {
        self.replacements.iter().find(|one| one.runtime == runtime && one.strategy == strategy)
    }
}

impl BuildSummary {
    fn new(build: &Build) -> BuildSummary {
        let Build { form, cause, built_bytes, times_ns } = build;
        BuildSummary { form: *form, cause: *cause, built_bytes: *built_bytes, time: estimate(times_ns) }
    }
}

impl ShipmentSummary {
    fn new(shipment: &Shipment) -> ShipmentSummary {
        ShipmentSummary {
            form: shipment.form,
            cause: shipment.cause,
            bytes: shipment.bytes,
            prepare: estimate(&shipment.prepare_ns),
            apply: estimate(&shipment.apply_ns),
        }
    }
}

impl StorageSummary {
    fn new(storage: &Storage) -> StorageSummary {
        StorageSummary {
            form: storage.form,
            shared_bytes: storage.shared_bytes,
            instance_bytes: storage.instance_bytes,
            make: estimate(&storage.make_ns),
        }
    }
}

impl RollBackSummary {
    fn new(back: &RollBack) -> RollBackSummary {
        RollBackSummary { form: back.form, kept_bytes: back.kept_bytes, time: estimate(&back.times_ns) }
    }
}

impl ReplacementSummary {
    fn new(replacement: &Replacement) -> ReplacementSummary {
        let rounds = &replacement.rounds;
        let replaced = replacement.strategy != Strategy::Control;
        let of = |value: fn(&crate::results::maintenance::ReplacementRound) -> u64| {
            estimate(&rounds.iter().map(value).collect::<Vec<_>>())
        };
        let serving: Vec<u64> = rounds.iter().filter_map(|round| round.serving_ns).collect();
        let sum = |value: fn(&crate::results::maintenance::ReplacementRound) -> u64| {
            rounds.iter().map(value).fold(0, u64::saturating_add)
        };
        ReplacementSummary {
            runtime: plain(&replacement.runtime, NAME).into_owned(),
            strategy: replacement.strategy,
            rounds: rounds.len(),
            serving: estimate(&serving).filter(|_| replaced),
            switch: of(|round| round.switch_ns).filter(|_| replaced),
            outage: of(|round| round.outage_ns),
            slowest: of(|round| round.slowest_ns),
            failed: of(|round| round.failed),
            failed_in_all: sum(|round| round.failed),
            requests_in_all: sum(|round| round.requests),
        }
    }
}

impl KernelSummary {
    fn new(facts: &KernelFacts, instances: u32) -> KernelSummary {
        let is_hosts = facts.instances > 0 && facts.on_host_kernel == facts.instances;
        KernelSummary {
            runtime: plain(&facts.runtime, NAME).into_owned(),
            asked: facts.instances,
            kernels: facts.kernels.iter().map(|name| plain(name, NAME).into_owned()).collect(),
            is_hosts,
            parts: if is_hosts { 1 } else { instances },
            disrupted_at_once: if is_hosts { instances } else { 1 },
        }
    }
}
