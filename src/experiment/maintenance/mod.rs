//! The maintenance experiment: what it takes to build, ship, store, roll back and replace what runs in
//! containers and in virtual machines. `docs/maintenance.md` tells the method.
//!
//! One image, in two forms: as *layers*, and as a *disk image* with the same files. Both are built from the
//! same folders, compressed in the same way, and changed in the same files.

use std::path::PathBuf;

mod change;
mod difference;
mod disk;
mod error;
mod generate;
mod image;
mod kernels;
mod layers;
mod repeat;
mod scratch;
mod serving;
mod watched;

pub use error::MaintenanceError;
pub use repeat::Effort;

use image::{Lab, SPACE_FACTOR, STEPS};
use layers::{Source, ZSTD_LEVEL, walk};
use scratch::{Scratch, free_bytes};

use crate::image::{Image, Store};
use crate::measure::clock::monotonic_ns;
use crate::results::maintenance::{Maintenance, MeasuredImage};
use crate::results::{self, HostFacts, Plan, Results};
use crate::runtime::Runtime;
use crate::runtime::spec::Limits;

/// Bytes that each instance writes of its own.
const WRITTEN_BYTES: u64 = 1 << 20;

/// Disk that is needed whatever the image's size.
const SPACE_BASE: u64 = 160 << 20;

/// What is maintained.
pub enum Subject<'a> {
    /// Generated images with files of so many bytes, one after the other.
    Generated(Vec<u64>),
    /// An image of a store.
    Stored(&'a Store, &'a Image),
}

/// What to measure.
pub struct Experiment<'a> {
    /// What is maintained.
    pub subject: Subject<'a>,
    /// The runtimes whose instances are replaced, and asked for their kernel. A runtime without a root of its
    /// own has no image, and must not be among them.
    pub runtimes: Vec<&'a dyn Runtime>,
    /// Instances for which storage and the kernel's update are counted.
    pub instances: u32,
    /// How often everything is repeated.
    pub effort: Effort,
    /// Where everything is made that the measurements need.
    pub scratch: PathBuf,
    /// The command line, for the record.
    pub command: Vec<String>,
}

/// What the caller is told while it runs.
pub trait Progress {
    /// So many steps there will be.
    fn steps(&self, all: usize);
    /// The next step begins.
    fn step(&self, what: &str);
    /// True when the user wants to stop.
    fn stop(&self) -> bool;
}

/// What would be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Bytes of the files of each image.
    pub sizes: Vec<u64>,
    /// Bytes of disk that it needs at most.
    pub needed_bytes: u64,
    /// Bytes of disk that are free.
    pub free_bytes: u64,
    /// Steps.
    pub steps: usize,
}

impl Experiment<'_> {
    /// Says what would be measured, and measures nothing.
    pub fn outlook(&self) -> Result<Outlook, MaintenanceError> {
        let sizes = match &self.subject {
            Subject::Generated(sizes) => sizes.clone(),
            Subject::Stored(store, image) => vec![bytes_of(&stored_sources(store, image)?)?],
        };
        let largest = sizes.iter().copied().max().unwrap_or(0);
        let runtimes = self.runtimes.len();
        Ok(Outlook {
            needed_bytes: largest.saturating_mul(SPACE_FACTOR).saturating_add(SPACE_BASE),
            free_bytes: free_bytes(&self.scratch)?,
            // A replacement is made in three ways, and kernels are asked once.
            steps: sizes.len() * (STEPS + 3 * runtimes) + runtimes,
            sizes,
        })
    }

    /// Measures. Whatever was measured before the user stops is in the results.
    ///
    /// # Errors
    /// When there is too little disk, nothing that could change, or what is needed cannot be made.
    pub fn run(&self, progress: &dyn Progress) -> Result<Results, MaintenanceError> {
        let started = jiff::Zoned::now();
        let begin_ns = monotonic_ns();
        let host = HostFacts::read();
        let outlook = self.outlook()?;
        let scratch = Scratch::new(&self.scratch, outlook.needed_bytes)?;
        progress.steps(outlook.steps);
        let mut measured = Maintenance {
            instances: self.instances,
            written_bytes: WRITTEN_BYTES,
            compression: format!("zstd, level {ZSTD_LEVEL}"),
            chunk_bytes: difference::CHUNK[1],
            requests_per_second: serving::RATE,
            images: Vec::new(),
            kernels: Vec::new(),
            left_out: Vec::new(),
        };
        match self.measure(&scratch, progress, &mut measured) {
            Err(error) if !progress.stop() => return Err(error),
            _ => {}
        }
        Ok(Results {
            version: results::VERSION,
            tool: crate::VERSION.to_owned(),
            started: started.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            duration_ns: monotonic_ns() - begin_ns,
            command: self.command.clone(),
            seed: 0,
            plan: Plan {
                runtimes: Vec::new(),
                workloads: Vec::new(),
                warmup_rounds: 0,
                budget_ns: 0,
                limits: Limits::default(),
                pinned_cpu: None,
                precision: None,
                cold: None,
                cool_down_ns: 0,
                without: Default::default(),
            },
            host,
            skipped: Vec::new(),
            external: Vec::new(),
            interrupted: progress.stop(),
            during: None,
            trials: Vec::new(),
            maintenance: Some(Box::new(measured)),
        })
    }

    fn measure(
        &self,
        scratch: &Scratch,
        progress: &dyn Progress,
        measured: &mut Maintenance,
    ) -> Result<(), MaintenanceError> {
        let stop = || progress.stop();
        for runtime in &self.runtimes {
            progress.step(&format!("asking instances of {} for their kernel", runtime.name()));
            match kernels::ask(*runtime, self.instances, &stop) {
                Ok(facts) => measured.kernels.push(facts),
                Err(error) => measured.left_out.push(format!("kernels of {}: {error}", runtime.name())),
            }
        }
        match &self.subject {
            Subject::Generated(sizes) => {
                for bytes in sizes {
                    progress.step("generating files");
                    let sources = generate::generate(&scratch.folder("sources")?, *bytes, &stop)?;
                    self.image("generated", sources, scratch, progress, measured)?;
                    // Not more than one size is on the disk at any time.
                    remove(scratch, "sources")?;
                }
            }
            Subject::Stored(store, image) => {
                progress.step("reading the image");
                // While it is in use, nobody removes it.
                let _root = store.root(image)?;
                self.image(&image.shown(), stored_sources(store, image)?, scratch, progress, measured)?;
            }
        }
        Ok(())
    }

    fn image(
        &self,
        name: &str,
        sources: Vec<Source>,
        scratch: &Scratch,
        progress: &dyn Progress,
        measured: &mut Maintenance,
    ) -> Result<(), MaintenanceError> {
        let stop = || progress.stop();
        let folder = scratch.folder("lab")?;
        let lab = Lab::new(folder, sources, self.effort, self.instances, progress, &stop)?;
        let mut image = MeasuredImage {
            name: name.to_owned(),
            files: 0,
            bytes: 0,
            layers: Vec::new(),
            disk: None,
            builds: Vec::new(),
            shipments: Vec::new(),
            storage: Vec::new(),
            roll_backs: Vec::new(),
            replacements: Vec::new(),
        };
        let outcome = lab.measure(&self.runtimes, &mut image, &mut measured.left_out);
        measured.images.push(image);
        outcome?;
        remove(scratch, "lab")
    }
}

fn remove(scratch: &Scratch, name: &str) -> Result<(), MaintenanceError> {
    let path = scratch.path(name);
    crate::image::remove_tree(&path).map_err(MaintenanceError::at("removing", &path))
}

/// The layers of a stored image as the folders that they were unpacked to.
fn stored_sources(store: &Store, image: &Image) -> Result<Vec<Source>, MaintenanceError> {
    let layers = store.layers(image)?.into_iter().zip(&image.layers);
    Ok(layers.map(|(layer, known)| Source { name: known.diff_id.short(), folder: layer.folder }).collect())
}

fn bytes_of(sources: &[Source]) -> Result<u64, MaintenanceError> {
    let mut bytes = 0u64;
    for source in sources {
        walk(&source.folder, &mut |_, facts| {
            bytes = bytes.saturating_add(if facts.is_file() { facts.len() } else { 0 });
            Ok(())
        })?;
    }
    Ok(bytes)
}
