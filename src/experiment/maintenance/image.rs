//! One image: built, shipped, stored, rolled back and replaced, as layers and as a disk image.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::change::{self, Edited, Targets};
use super::disk::{self, DiskMaker};
use super::error::MaintenanceError;
use super::layers::{Builder, Built, Source, ZSTD_LEVEL, walk};
use super::repeat::{Effort, timed};
use super::serving::{Scene, Version, answer_of, read_app_file};
use super::watched::Watched;
use super::{Progress, WRITTEN_BYTES, difference};
use crate::image::{Digest, HashingWriter, LoadOptions, Store, remove_tree};
use crate::results::maintenance::{
    Build, Cause, DiskImage, Form, MeasuredImage, MeasuredLayer, Replacement, RollBack, Shipment, Storage,
    Strategy,
};
use crate::runtime::Runtime;

/// The versions' names in the experiment's own store.
const OLD: &str = "maintained:1";
const NEW: &str = "maintained:2";

/// The changes, the smallest first.
const CHANGES: [Cause; 3] = [Cause::AppFile, Cause::Dependency, Cause::Base];

/// Instances whose storage is really made; more would be the same again.
const MOST_STORED: u32 = 10;

/// How many times more disk than the image's files have bytes is needed at most.
pub const SPACE_FACTOR: u64 = 9;

/// Steps that are announced for an image, without those of the runtimes.
pub const STEPS: usize = 8;

/// Everything that the measurements of one image share.
pub struct Lab<'a> {
    folder: PathBuf,
    sources: Vec<Source>,
    targets: Targets,
    effort: Effort,
    instances: u32,
    progress: &'a dyn Progress,
    stop: &'a dyn Fn() -> bool,
}

/// The first version, built and stored.
struct First {
    builder: Builder,
    built: Built,
    store: Store,
    disk: Option<FirstDisk>,
}

struct FirstDisk {
    maker: DiskMaker,
    file: PathBuf,
}

/// The version with another application file.
struct Second {
    arrived: PathBuf,
    disk: Option<PathBuf>,
}

impl<'a> Lab<'a> {
    /// For these layers; everything is made in `folder`, which exists.
    pub fn new(
        folder: PathBuf,
        sources: Vec<Source>,
        effort: Effort,
        instances: u32,
        progress: &'a dyn Progress,
        stop: &'a dyn Fn() -> bool,
    ) -> Result<Lab<'a>, MaintenanceError> {
        let targets = Targets::find(&sources)?;
        Ok(Lab { folder, sources, targets, effort, instances, progress, stop })
    }

    /// Measures everything. What is measured before an error or a stop is in `image`; what cannot be
    /// measured here, and why, in `left_out`.
    pub fn measure(
        &self,
        runtimes: &[&dyn Runtime],
        image: &mut MeasuredImage,
        left_out: &mut Vec<String>,
    ) -> Result<(), MaintenanceError> {
        let mut first = self.first(image)?;
        self.progress.step("making the disk image");
        match self.first_disk(&first.store, image) {
            Ok(made) => first.disk = Some(made),
            Err(error) if (self.stop)() => return Err(error),
            Err(error) => left_out.push(format!("disk images: {error}")),
        }
        for cause in CHANGES {
            self.progress.step(match cause {
                Cause::AppFile => "changing one file of the application",
                Cause::Dependency => "changing a dependency",
                _ => "changing the base",
            });
            let second = self.change(cause, &mut first, image)?;
            if cause == Cause::AppFile {
                self.progress.step("rolling back, storing instances");
                self.roll_back(&first, &second, image)?;
                self.storage(&first, image)?;
                self.replacements(&first, &second, runtimes, image, left_out)?;
            }
            self.forget(&second)?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A folder that is new, whatever was there.
    fn fresh(&self, name: &str) -> Result<PathBuf, MaintenanceError> {
        let path = self.path(name);
        remove_tree(&path).map_err(MaintenanceError::at("removing", &path))?;
        fs::create_dir(&path).map_err(MaintenanceError::at("making", &path))?;
        Ok(path)
    }

    fn check_stop(&self) -> Result<(), MaintenanceError> {
        if (self.stop)() { Err(MaintenanceError::Wrong("stopped".into())) } else { Ok(()) }
    }

    /// Builds and stores the first version.
    fn first(&self, image: &mut MeasuredImage) -> Result<First, MaintenanceError> {
        self.progress.step("building layers");
        let mut last = None;
        let times_ns = self.effort.times(|_| {
            let mut builder = Builder::new(self.fresh("blobs")?);
            let (built, took) = timed(|| builder.build(&self.sources, &Edited::new(), self.stop))?;
            last = Some((builder, built));
            Ok(took)
        })?;
        let Some((mut builder, built)) = last else { return Err(MaintenanceError::Wrong("no build".into())) };
        let (form, built_bytes) = (Form::Layers, built.built_bytes);
        image.builds.push(Build { form, cause: Cause::First, built_bytes, times_ns });
        let mut built_bytes = 0;
        let times_ns = self.effort.times(|_| {
            let (again, took) = timed(|| builder.build(&self.sources, &Edited::new(), self.stop))?;
            built_bytes = again.built_bytes;
            match again.layers == built.layers {
                true => Ok(took),
                false => Err(MaintenanceError::Wrong("the same files gave other layers".into())),
            }
        })?;
        image.builds.push(Build { form, cause: Cause::Unchanged, built_bytes, times_ns });
        self.layer_facts(&built, image)?;

        self.progress.step("shipping all layers");
        let arrived = self.fresh("arrived")?;
        let all: Vec<usize> = (0..built.layers.len()).collect();
        let bytes = built.layout(OLD, &all, &arrived)?;
        let mut store = None;
        let apply_ns = self.effort.times(|_| {
            let new = Store::open(self.fresh("store")?)?;
            let ((), took) = timed(|| load(&new, &arrived, OLD))?;
            store = Some(new);
            self.check_stop()?;
            Ok(took)
        })?;
        image.shipments.push(Shipment { form, cause: Cause::First, bytes, prepare_ns: Vec::new(), apply_ns });
        let store = store.ok_or_else(|| MaintenanceError::Wrong("no store".into()))?;
        Ok(First { builder, built, store, disk: None })
    }

    fn layer_facts(&self, built: &Built, image: &mut MeasuredImage) -> Result<(), MaintenanceError> {
        for (source, layer) in self.sources.iter().zip(&built.layers) {
            let Counted { files, bytes, .. } = count(&source.folder)?;
            image.files += files;
            image.bytes += bytes;
            let (name, shipped_bytes) = (source.name.clone(), layer.shipped_bytes);
            image.layers.push(MeasuredLayer { name, bytes, shipped_bytes });
        }
        Ok(())
    }

    fn first_disk(&self, store: &Store, image: &mut MeasuredImage) -> Result<FirstDisk, MaintenanceError> {
        disk::check()?;
        let root = store.root(&store.find(OLD)?)?;
        let Counted { entries, bytes, .. } = count(&root.path)?;
        let maker = DiskMaker::new(entries, bytes);
        let file = self.path("old.img");
        let times_ns = self.build_disk(&maker, &root.path, &file)?;
        let allocated_bytes = disk::allocated(&file)?;
        let length = fs::metadata(&file).map_err(MaintenanceError::at("reading", &file))?.len();
        image.disk = Some(DiskImage { format: disk::FORMAT.into(), bytes: length, allocated_bytes });
        let (form, cause) = (Form::Disk, Cause::First);
        image.builds.push(Build { form, cause, built_bytes: allocated_bytes, times_ns });
        self.ship_disk(cause, &file, image)?;
        Ok(FirstDisk { maker, file })
    }

    fn build_disk(&self, maker: &DiskMaker, root: &Path, file: &Path) -> Result<Vec<u64>, MaintenanceError> {
        let times = self.effort.times(|_| {
            self.check_stop()?;
            Ok(timed(|| maker.make(root, file))?.1)
        })?;
        maker.settle(file)?;
        Ok(times)
    }

    /// The whole image, as it is and compressed.
    fn ship_disk(
        &self,
        cause: Cause,
        file: &Path,
        image: &mut MeasuredImage,
    ) -> Result<(), MaintenanceError> {
        let target = self.path("received.img");
        let apply_ns = self.effort.times(|_| Ok(timed(|| disk::copy_hashed(file, &target, self.stop))?.1))?;
        let bytes = disk::data_bytes(file)?;
        let form = Form::Disk;
        image.shipments.push(Shipment { form, cause, bytes, prepare_ns: Vec::new(), apply_ns });
        let packed = self.path("packed.img");
        let prepare_ns = self.effort.times(|_| Ok(timed(|| compress(file, &packed, self.stop))?.1))?;
        let bytes = fs::metadata(&packed).map_err(MaintenanceError::at("reading", &packed))?.len();
        let apply_ns = self.effort.times(|_| Ok(timed(|| decompress(&packed, &target, self.stop))?.1))?;
        require_same(file, &target)?;
        image.shipments.push(Shipment { form: Form::DiskCompressed, cause, bytes, prepare_ns, apply_ns });
        for file in [target, packed] {
            fs::remove_file(&file).map_err(MaintenanceError::at("removing", &file))?;
        }
        Ok(())
    }

    /// Builds and ships a change in every form. For the application's file, what was made of it stays.
    fn change(
        &self,
        cause: Cause,
        first: &mut First,
        image: &mut MeasuredImage,
    ) -> Result<Second, MaintenanceError> {
        let folder = self.path("edited");
        remove_tree(&folder).map_err(MaintenanceError::at("removing", &folder))?;
        let edited = change::write(&self.sources, &self.targets.edits(cause, 1), &folder)?;
        let mut last: Option<Built> = None;
        let times_ns = self.effort.times(|_| {
            if let Some(built) = &last {
                first.builder.forget(built, &first.built);
            }
            let (built, took) = timed(|| first.builder.build(&self.sources, &edited, self.stop))?;
            last = Some(built);
            Ok(took)
        })?;
        let built = last.ok_or_else(|| MaintenanceError::Wrong("no build".into()))?;
        let (form, built_bytes) = (Form::Layers, built.built_bytes);
        image.builds.push(Build { form, cause, built_bytes, times_ns });

        let arrived = self.fresh("arrived")?;
        let changed = built.changed_since(&first.built);
        let bytes = built.layout(NEW, &changed, &arrived)?;
        let apply_ns = self.effort.times(|round| {
            self.check_stop()?;
            if round > 0 {
                first.store.remove(NEW)?;
            }
            Ok(timed(|| load(&first.store, &arrived, NEW))?.1)
        })?;
        let prepare_ns = Vec::new();
        image.shipments.push(Shipment { form, cause, bytes, prepare_ns: prepare_ns.clone(), apply_ns });
        let lowest = changed.first().copied().unwrap_or(0);
        let above = built.layers.iter().enumerate().skip(lowest);
        let above = above.filter(|(number, _)| !changed.contains(number));
        let bytes = bytes + above.map(|(_, layer)| layer.shipped_bytes).sum::<u64>();
        let (form, apply_ns) = (Form::LayersAndAbove, Vec::new());
        image.shipments.push(Shipment { form, cause, bytes, prepare_ns, apply_ns });
        let shipment = self.layers_difference(cause, first, &built, &changed)?;
        image.shipments.push(shipment);

        let disk = match &first.disk {
            Some(old) => {
                let file = self.path("new.img");
                let root = first.store.root(&first.store.find(NEW)?)?;
                let times_ns = self.build_disk(&old.maker, &root.path, &file)?;
                let (form, built_bytes) = (Form::Disk, disk::allocated(&file)?);
                image.builds.push(Build { form, cause, built_bytes, times_ns });
                self.ship_disk(cause, &file, image)?;
                image.shipments.push(self.disk_difference(cause, &old.file, &file)?);
                Some(file)
            }
            None => None,
        };
        first.store.remove(NEW)?;
        first.builder.forget(&built, &first.built);
        Ok(Second { arrived, disk })
    }

    /// The differences of the changed layers' archives.
    fn layers_difference(
        &self,
        cause: Cause,
        first: &First,
        built: &Built,
        changed: &[usize],
    ) -> Result<Shipment, MaintenanceError> {
        let (old, new, packed) = (self.path("old.tar"), self.path("new.tar"), self.path("difference"));
        let mut bytes = 0;
        let mut took_ns = 0;
        for number in changed {
            let (Some(before), Some(after)) = (first.built.layers.get(*number), built.layers.get(*number))
            else {
                continue;
            };
            decompress(&before.file, &old, self.stop)?;
            decompress(&after.file, &new, self.stop)?;
            let (shipped, took) = timed(|| difference::encode(&old, &new, &packed, self.stop))?;
            bytes += shipped;
            took_ns += took.as_nanos() as u64;
        }
        for file in [old, new, packed] {
            let _ = fs::remove_file(file);
        }
        let form = Form::LayersDifference;
        Ok(Shipment { form, cause, bytes, prepare_ns: vec![took_ns], apply_ns: Vec::new() })
    }

    fn disk_difference(&self, cause: Cause, old: &Path, new: &Path) -> Result<Shipment, MaintenanceError> {
        let (packed, made) = (self.path("difference"), self.path("received.img"));
        let mut bytes = 0;
        let prepare_ns = self.effort.times(|_| {
            let (length, took) = timed(|| difference::encode(old, new, &packed, self.stop))?;
            bytes = length;
            Ok(took)
        })?;
        let apply_ns = self.effort.times(|_| {
            let received = || {
                disk::copy_hashed(&packed, &self.path("received"), self.stop)?;
                difference::apply(old, &packed, &made, self.stop)
            };
            Ok(timed(received)?.1)
        })?;
        require_same(new, &made)?;
        for file in [packed, made, self.path("received")] {
            let _ = fs::remove_file(file);
        }
        Ok(Shipment { form: Form::DiskDifference, cause, bytes, prepare_ns, apply_ns })
    }

    /// Back to the version before, while both are kept.
    fn roll_back(
        &self,
        first: &First,
        second: &Second,
        image: &mut MeasuredImage,
    ) -> Result<(), MaintenanceError> {
        let store = &first.store;
        let alone = usage(&self.path("store"))?;
        load(store, &second.arrived, NEW)?;
        let kept_bytes = usage(&self.path("store"))?.saturating_sub(alone);
        let times_ns = self.effort.times(|_| Ok(timed(|| Ok(store.root(&store.find(OLD)?)?))?.1))?;
        image.roll_backs.push(RollBack { form: Form::Layers, kept_bytes, times_ns });
        store.remove(NEW)?;

        let (Some(old), Some(new)) = (&first.disk, &second.disk) else { return Ok(()) };
        let (current, next) = (self.path("current"), self.path("next"));
        let times_ns = self.effort.times(|_| {
            let point = || {
                symlink(&old.file, &next).map_err(MaintenanceError::at("linking", &next))?;
                fs::rename(&next, &current).map_err(MaintenanceError::at("renaming", &next))
            };
            Ok(timed(point)?.1)
        })?;
        let kept_bytes = disk::allocated(&old.file)?;
        image.roll_backs.push(RollBack { form: Form::Disk, kept_bytes, times_ns });

        let (packed, made) = (self.path("difference"), self.path("back.img"));
        let kept_bytes = difference::encode(new, &old.file, &packed, self.stop)?;
        let times_ns =
            self.effort.times(|_| Ok(timed(|| difference::apply(new, &packed, &made, self.stop))?.1))?;
        require_same(&old.file, &made)?;
        image.roll_backs.push(RollBack { form: Form::DiskDifference, kept_bytes, times_ns });
        for file in [packed, made] {
            let _ = fs::remove_file(file);
        }
        Ok(())
    }

    /// What instances take on the disk that write a little of their own.
    fn storage(&self, first: &First, image: &mut MeasuredImage) -> Result<(), MaintenanceError> {
        let effort = Effort { rounds: self.instances.clamp(1, MOST_STORED), ..self.effort };
        let own = self.path("own-data");
        fs::write(&own, own_data()).map_err(MaintenanceError::at("writing", &own))?;
        let folders = self.fresh("instances")?;
        let mut made = 0;
        let make_ns = effort.times(|number| {
            let folder = folders.join(number.to_string());
            let ((), took) = timed(|| {
                // What overlayfs wants of each instance.
                for part in ["upper", "work"] {
                    let part = folder.join(part);
                    fs::create_dir_all(&part).map_err(MaintenanceError::at("making", &part))?;
                }
                Ok(())
            })?;
            let place = folder.join("upper/own-data");
            fs::copy(&own, &place).map_err(MaintenanceError::at("writing", &place))?;
            made += 1;
            Ok(took)
        })?;
        let instance_bytes = usage(&folders)? / made.max(1);
        let shared_bytes = usage(&self.path("store"))?;
        image.storage.push(Storage { form: Form::Layers, shared_bytes, instance_bytes, make_ns });
        let removed = remove_tree(&folders);
        removed.map_err(MaintenanceError::at("removing", &folders))?;

        let Some(disk) = &first.disk else { return Ok(()) };
        let copy = self.path("instance.img");
        let make_ns = effort.times(|_| {
            let whole = || disk::copy_hashed(&disk.file, &copy, self.stop);
            Ok(timed(whole)?.1)
        })?;
        disk::script_on(&copy, &format!("write {} own-data\n", own.display()))?;
        let instance_bytes = disk::allocated(&copy)?;
        image.storage.push(Storage { form: Form::Disk, shared_bytes: 0, instance_bytes, make_ns });
        let shared_bytes = disk::allocated(&disk.file)?;
        for (form, unit) in [(Form::DiskOverlay, disk::BLOCK), (Form::DiskOverlay64K, 64 << 10)] {
            let instance_bytes = disk::changed_units(&disk.file, &copy, unit)? * unit;
            image.storage.push(Storage { form, shared_bytes, instance_bytes, make_ns: Vec::new() });
        }
        fs::remove_file(&copy).map_err(MaintenanceError::at("removing", &copy))
    }

    /// Instances of each runtime, replaced in each way.
    fn replacements(
        &self,
        first: &First,
        second: &Second,
        runtimes: &[&dyn Runtime],
        image: &mut MeasuredImage,
        left_out: &mut Vec<String>,
    ) -> Result<(), MaintenanceError> {
        let app_file = &self.targets.app_file.1;
        let version = |name: &str| {
            let root = first.store.root(&first.store.find(name)?)?;
            let answer = answer_of(&read_app_file(&root.path, app_file)?);
            Ok::<_, MaintenanceError>(Version { name: name.to_owned(), answer })
        };
        load(&first.store, &second.arrived, NEW)?;
        let (old, new) = (version(OLD)?, version(NEW)?);
        first.store.remove(NEW)?;
        let scene = Scene { store: &first.store, app_file, old: &old, new: &new, arrived: &second.arrived };
        for runtime in runtimes {
            for strategy in [Strategy::Control, Strategy::StopStart, Strategy::Rolling] {
                self.progress.step(&format!("replacing a {}", runtime.name()));
                let mut rounds = Vec::new();
                // Each round takes a while by its nature, so there is more time for them.
                let effort = Effort { budget: self.effort.budget * 4, ..self.effort };
                let measured = effort.times(|_| {
                    self.check_stop()?;
                    let (round, took) = timed(|| scene.replace(*runtime, strategy))?;
                    rounds.push(round);
                    if strategy != Strategy::Control {
                        first.store.remove(NEW)?;
                    }
                    Ok(took)
                });
                if let Err(error) = measured {
                    self.check_stop()?;
                    left_out.push(format!("replacing a {}: {error}", runtime.name()));
                    // It may have been loaded before what went wrong.
                    let _ = first.store.remove(NEW);
                    break;
                }
                let runtime = runtime.name().to_owned();
                image.replacements.push(Replacement { runtime, strategy, rounds });
            }
        }
        Ok(())
    }

    fn forget(&self, second: &Second) -> Result<(), MaintenanceError> {
        let removed = remove_tree(&second.arrived);
        removed.map_err(MaintenanceError::at("removing", &second.arrived))?;
        if let Some(disk) = &second.disk {
            fs::remove_file(disk).map_err(MaintenanceError::at("removing", disk))?;
        }
        Ok(())
    }
}

/// Stores what has arrived, and puts its root filesystem together.
fn load(store: &Store, arrived: &Path, name: &str) -> Result<(), MaintenanceError> {
    store.load(arrived, &LoadOptions::default())?;
    store.root(&store.find(name)?)?;
    Ok(())
}

/// What an instance writes: nothing that could be compressed or shared.
fn own_data() -> Vec<u8> {
    let mut random = super::generate::Random::new(7);
    (0..WRITTEN_BYTES / 8).flat_map(|_| random.next().to_le_bytes()).collect()
}

/// What is below a folder.
#[derive(Default)]
struct Counted {
    entries: u64,
    /// Regular files, each counted once, however many names it has.
    files: u64,
    /// Bytes of those.
    bytes: u64,
}

fn count(folder: &Path) -> Result<Counted, MaintenanceError> {
    let mut counted = Counted::default();
    let mut known = HashSet::new();
    walk(folder, &mut |_, facts| {
        counted.entries += 1;
        if facts.is_file() && known.insert((facts.dev(), facts.ino())) {
            counted.files += 1;
            counted.bytes += facts.len();
        }
        Ok(())
    })?;
    Ok(counted)
}

/// Bytes on the disk of everything below a folder, each file counted once.
fn usage(folder: &Path) -> Result<u64, MaintenanceError> {
    let mut bytes = 0;
    let mut known = HashSet::new();
    walk(folder, &mut |_, facts| {
        if known.insert((facts.dev(), facts.ino())) {
            bytes += 512 * facts.blocks();
        }
        Ok(())
    })?;
    Ok(bytes)
}

fn compress(from: &Path, to: &Path, stop: &dyn Fn() -> bool) -> Result<Digest, MaintenanceError> {
    let failed = |error| MaintenanceError::at::<io::Error>("compressing", from)(error);
    let source = File::open(from).map_err(failed)?;
    let target = HashingWriter::new(BufWriter::new(File::create(to).map_err(failed)?));
    let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL).map_err(failed)?;
    io::copy(&mut BufReader::with_capacity(1 << 18, Watched::new(source, stop)), &mut encoder)
        .map_err(failed)?;
    let (mut target, digest, _) = encoder.finish().map_err(failed)?.finish();
    target.flush().map_err(failed)?;
    Ok(digest)
}

/// Blocks of zeros become holes again.
fn decompress(from: &Path, to: &Path, stop: &dyn Fn() -> bool) -> Result<(), MaintenanceError> {
    use std::os::unix::fs::FileExt;
    let failed = |error| MaintenanceError::at::<io::Error>("decompressing", from)(error);
    let source = Watched::new(File::open(from).map_err(failed)?, stop);
    let mut decoder = zstd::Decoder::new(Hashed::new(source)).map_err(failed)?;
    let target = File::create(to).map_err(failed)?;
    let mut block = vec![0; 1 << 16];
    let mut at = 0;
    loop {
        let got = read_full(&mut decoder, &mut block).map_err(failed)?;
        let read = block.get(..got).unwrap_or_default();
        if read.is_empty() {
            break;
        }
        for part in read.chunks(disk::BLOCK as usize) {
            if part.iter().any(|byte| *byte != 0) {
                target.write_all_at(part, at).map_err(failed)?;
            }
            at += part.len() as u64;
        }
    }
    target.set_len(at).map_err(failed)
}

/// Fills the buffer, unless the input ends.
fn read_full(from: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Hashes what is read, as a receiver does.
struct Hashed<R> {
    reader: R,
    hashing: HashingWriter<io::Sink>,
}

impl<R> Hashed<R> {
    fn new(reader: R) -> Hashed<R> {
        Hashed { reader, hashing: HashingWriter::new(io::sink()) }
    }
}

impl<R: io::Read> io::Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buffer)?;
        self.hashing.write_all(buffer.get(..got).unwrap_or_default())?;
        Ok(got)
    }
}

/// What was received is what was sent.
fn require_same(sent: &Path, received: &Path) -> Result<(), MaintenanceError> {
    match disk::changed_units(sent, received, disk::BLOCK)? {
        0 => Ok(()),
        blocks => Err(MaintenanceError::Wrong(format!(
            "{}: {blocks} blocks are not what was shipped",
            received.display()
        ))),
    }
}
