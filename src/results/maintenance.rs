//! What a maintenance experiment has measured: bytes and raw times, in nanoseconds. `docs/maintenance.md`
//! says how each is measured and what it hides.

use serde::{Deserialize, Serialize};

/// One experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Instances for which storage and the kernel's update are counted.
    pub instances: u32,
    /// Bytes that each instance writes of its own, for the storage.
    pub written_bytes: u64,
    /// How layers and disk images are compressed, the same for both.
    pub compression: String,
    /// Average bytes of a chunk, where only differences are shipped.
    pub chunk_bytes: u32,
    /// Requests per second that the client sends while an instance is replaced.
    pub requests_per_second: u32,
    /// One for every size, the smallest first.
    pub images: Vec<MeasuredImage>,
    /// Which kernel the instances of each runtime run on.
    pub kernels: Vec<KernelFacts>,
    /// What could not be measured, and why.
    pub left_out: Vec<String>,
}

/// What was measured on one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredImage {
    /// The image's name, or `generated`.
    pub name: String,
    /// Files in it.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Its layers, the lowest first.
    pub layers: Vec<MeasuredLayer>,
    /// The disk image of the same files, where one could be made.
    pub disk: Option<DiskImage>,
    /// Builds.
    pub builds: Vec<Build>,
    /// What it takes to ship a change to who has the version before.
    pub shipments: Vec<Shipment>,
    /// Storage of instances.
    pub storage: Vec<Storage>,
    /// Going back to the version before.
    pub roll_backs: Vec<RollBack>,
    /// Instances replaced while requests arrive.
    pub replacements: Vec<Replacement>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredLayer {
    /// What it holds.
    pub name: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes as shipped, compressed.
    pub shipped_bytes: u64,
}

/// A disk image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskImage {
    /// Its file system.
    pub format: String,
    /// Its length.
    pub bytes: u64,
    /// What it takes on the disk: holes take nothing.
    pub allocated_bytes: u64,
}

/// Why something is built or shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// There is nothing yet.
    First,
    /// Nothing has changed since the last time.
    Unchanged,
    /// One file of the application has changed.
    AppFile,
    /// One dependency has changed.
    Dependency,
    /// The base has changed: every tenth of its files.
    Base,
}

/// What is built, shipped or kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Compressed layers; of a change, those that changed.
    Layers,
    /// Layers, of a change those that changed and all above them, as a builder ships that gives every step
    /// a new time.
    LayersAndAbove,
    /// Differences of the changed layers, by chunks.
    LayersDifference,
    /// The whole disk image.
    Disk,
    /// The whole disk image, compressed.
    DiskCompressed,
    /// The difference of two disk images, by chunks.
    DiskDifference,
    /// A copy-on-write overlay over a common disk image, in blocks of 4 KiB.
    DiskOverlay,
    /// The same in clusters of 64 KiB, as qcow2 has them by default.
    #[serde(rename = "disk_overlay_64k")]
    DiskOverlay64K,
}

/// One build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// Of what.
    pub form: Form,
    /// Why.
    pub cause: Cause,
    /// Bytes that it wrote anew.
    pub built_bytes: u64,
    /// Times, one for every repetition.
    pub times_ns: Vec<u64>,
}

/// One shipment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shipment {
    /// Of what.
    pub form: Form,
    /// Why.
    pub cause: Cause,
    /// Bytes that go over the wire.
    pub bytes: u64,
    /// At the sender, after the build: compressing, or finding the difference.
    pub prepare_ns: Vec<u64>,
    /// At the receiver: until an instance could be started from it.
    pub apply_ns: Vec<u64>,
}

/// Storage of instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Storage {
    /// In what form.
    pub form: Form,
    /// Bytes on the disk that all instances share.
    pub shared_bytes: u64,
    /// Bytes on the disk that each instance adds.
    pub instance_bytes: u64,
    /// Times to make one instance's storage.
    pub make_ns: Vec<u64>,
}

/// Going back to the version before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollBack {
    /// In what form.
    pub form: Form,
    /// Bytes on the disk that are kept to be able to.
    pub kept_bytes: u64,
    /// Times until an instance could be started from the version before.
    pub times_ns: Vec<u64>,
}

/// How an instance is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// It is not: what the client alone would report.
    Control,
    /// The old one is stopped, then the new one is started.
    StopStart,
    /// The new one is started beside the old one, which is stopped when the new one answers.
    Rolling,
}

/// An instance replaced while requests arrive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replacement {
    /// Runtime name.
    pub runtime: String,
    /// How.
    pub strategy: Strategy,
    /// Every repetition.
    pub rounds: Vec<ReplacementRound>,
}

/// One repetition of a replacement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacementRound {
    /// From the changed layer's arrival until its files can be used.
    pub deliver_ns: u64,
    /// From there until the runtime has prepared what it needs to start.
    pub prepare_ns: u64,
    /// From there until the new version is ready; with stop-start, this includes stopping the old one.
    pub switch_ns: u64,
    /// From the changed layer's arrival to the first answer of the new version.
    pub serving_ns: Option<u64>,
    /// Requests sent.
    pub requests: u64,
    /// Of those, without a right answer.
    pub failed: u64,
    /// Longest time in which no request arrived that got a right answer.
    pub outage_ns: u64,
    /// The slowest right answer, from when its request was due.
    pub slowest_ns: u64,
}

/// Which kernel the instances of a runtime run on: what each instance reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelFacts {
    /// Runtime name.
    pub runtime: String,
    /// Instances that were asked, all alive at once.
    pub instances: u32,
    /// The kernels that they named, each once.
    pub kernels: Vec<String>,
    /// How many of them named the host's own running kernel, by its boot identifier.
    pub on_host_kernel: u32,
}
