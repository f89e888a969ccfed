//! From a file or folder into the store.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use oci_spec::image::{DescriptorBuilder, ImageManifestBuilder, MediaType, Sha256Digest};

use super::compression::{Compression, decompress};
use super::digest::{Digest, Hashing};
use super::error::{ImageError, printable};
use super::layout::{self, Found, FoundLayer};
use super::name::ImageName;
use super::pipeline::{Inlet, Outlet, pipeline};
use super::source::Source;
use super::store::{Entry, ImageLayer, Staging, Store, Workshop};
use super::unpack::{UnpackError, unpack};

/// How to load.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// What to call the image, instead of what is written in it; only where there is one.
    pub name: Option<ImageName>,
    /// Bytes that a layer may have when unpacked.
    pub limit: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions { name: None, limit: 16 << 30 }
    }
}

/// An image that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its identifier.
    pub id: Digest,
    /// What it is called now.
    pub names: Vec<ImageName>,
    /// Layers that were unpacked.
    pub new_layers: usize,
    /// Layers that the store held already.
    pub known_layers: usize,
    /// What could not be kept.
    pub notes: Vec<String>,
}

/// A layer on its way in.
struct Staged {
    blob: Digest,
    bytes: u64,
    compression: Compression,
}

impl Store {
    /// Loads every image of `place` that is for this host.
    ///
    /// # Errors
    /// The first thing that is wrong; nothing of `place` is then in the store.
    pub fn load(&self, place: &Path, options: &LoadOptions) -> Result<Vec<Loaded>, ImageError> {
        let _writing = self.lock()?;
        let source = Source::open(place, &self.tmp(), options.limit)?;
        let mut found = layout::find(&source)?;
        name_them(&source, &mut found, options)?;
        self.take_in(&source, found, options.limit)
    }

    /// Stores the layers and documents of `found`, and lists the images; only under the lock.
    fn take_in(&self, source: &Source, found: Vec<Found>, limit: u64) -> Result<Vec<Loaded>, ImageError> {
        let staging = Incoming::new(self)?;
        let mut loaded = Vec::new();
        let mut entries = Vec::new();
        for image in found {
            let (entry, told) = staging.stage(source, image, limit)?;
            entries.push(entry);
            loaded.push(told);
        }
        staging.commit()?;
        let mut index = self.index()?;
        for (told, manifest) in loaded.iter().zip(entries) {
            for entry in index.images.values_mut() {
                entry.names.retain(|name| !told.names.contains(name));
            }
            let entry = index.images.entry(told.id);
            let entry = entry.or_insert_with(|| Entry { manifest, names: Default::default() });
            entry.names.extend(told.names.iter().cloned());
        }
        self.write_index(&index)?;
        Ok(loaded)
    }

    /// Stores one layer that was made in `workshop`; what could not be kept of it.
    pub(super) fn add_layer(
        &self,
        workshop: &Workshop,
        layer: &ImageLayer,
        limit: u64,
    ) -> Result<Vec<String>, ImageError> {
        let _writing = self.lock()?;
        let source = Source::open(workshop.path(), &self.tmp(), limit)?;
        let staging = Incoming::new(self)?;
        let mut notes = Vec::new();
        let found = FoundLayer::from(layer);
        if staging.known(&found)?.is_none() {
            staging.unpack(&source, &found, limit, &mut notes)?;
        }
        staging.commit()?;
        Ok(notes)
    }

    /// Lists an image whose layers are in the store.
    pub(super) fn add_image(
        &self,
        workshop: &Workshop,
        config: Vec<u8>,
        layers: &[ImageLayer],
        names: &[ImageName],
    ) -> Result<Digest, ImageError> {
        let _writing = self.lock()?;
        let id = Digest::of(&config);
        let source = Source::open(workshop.path(), &self.tmp(), 0)?;
        let layers = layers.iter().map(FoundLayer::from).collect();
        self.take_in(&source, vec![Found { names: names.to_vec(), manifest: None, config, layers }], 0)?;
        Ok(id)
    }
}

impl From<&ImageLayer> for FoundLayer {
    fn from(layer: &ImageLayer) -> FoundLayer {
        let promised = Some((layer.blob, layer.bytes));
        FoundLayer { file: layout::blob_path(&layer.blob), promised, diff_id: layer.diff_id }
    }
}

fn name_them(source: &Source, found: &mut [Found], options: &LoadOptions) -> Result<(), ImageError> {
    match (found, &options.name) {
        ([one], Some(name)) => one.names = vec![name.clone()],
        ([one], None) if one.names.is_empty() => {
            one.names = layout::stem(source).parse().into_iter().collect()
        }
        (several, Some(name)) => {
            return Err(source.problem(format!("{} images, which cannot all be {name}", several.len())));
        }
        (_, None) => {}
    }
    Ok(())
}

/// What is to be renamed into the store once all of it is there.
struct Incoming<'a> {
    store: &'a Store,
    staging: Staging,
}

impl<'a> Incoming<'a> {
    fn new(store: &'a Store) -> Result<Incoming<'a>, ImageError> {
        let staging = store.staging()?;
        for part in ["blobs", "layers"] {
            let part = staging.path().join(part);
            fs::DirBuilder::new().mode(0o700).create(&part).map_err(ImageError::at("making", &part))?;
        }
        Ok(Incoming { store, staging })
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.staging.path().join("blobs").join(digest.hex())
    }

    fn layer(&self, diff_id: Digest) -> PathBuf {
        self.staging.path().join("layers").join(diff_id.hex())
    }

    fn stage(&self, source: &Source, image: Found, limit: u64) -> Result<(Digest, Loaded), ImageError> {
        let id = Digest::of(&image.config);
        let mut told = Loaded { id, names: image.names, new_layers: 0, known_layers: 0, notes: Vec::new() };
        let mut layers = Vec::new();
        for layer in &image.layers {
            let staged = match self.known(layer)? {
                Some(known) => {
                    told.known_layers += 1;
                    known
                }
                None => {
                    told.new_layers += 1;
                    self.unpack(source, layer, limit, &mut told.notes)?
                }
            };
            layers.push(staged);
        }
        told.notes.sort();
        told.notes.dedup();
        let manifest = match image.manifest {
            Some(manifest) => manifest,
            None => manifest(&image.config, &layers).map_err(|problem| source.problem(problem))?,
        };
        self.write(&image.config)?;
        Ok((self.write(&manifest)?, told))
    }

    /// The layer, if it is in the store already, or comes with an image before this one.
    fn known(&self, layer: &FoundLayer) -> Result<Option<Staged>, ImageError> {
        let there = |paths: [PathBuf; 2]| paths.into_iter().find(|path| path.exists());
        if there([self.store.layer_folder(layer.diff_id), self.layer(layer.diff_id)]).is_none() {
            return Ok(None);
        }
        let digest = match layer.promised {
            Some((digest, _)) => digest,
            // Without a promised digest, however the store has it.
            None => {
                let images = self.store.images()?;
                let mut layers = images.iter().flat_map(|image| &image.layers);
                let same = layers.find(|known| known.diff_id == layer.diff_id);
                same.map_or(layer.diff_id, |known| known.blob)
            }
        };
        let Some(path) = there([self.store.blob_path(digest), self.blob(digest)]) else { return Ok(None) };
        let reading = |error: io::Error| ImageError::at("reading", &path)(error);
        let mut first = Vec::new();
        let file = File::open(&path).map_err(reading)?;
        let bytes = file.metadata().map_err(reading)?.len();
        file.take(4).read_to_end(&mut first).map_err(reading)?;
        Ok(Some(Staged { blob: digest, bytes, compression: Compression::of(&first) }))
    }

    /// Reads the layer once: copies and hashes it as shipped, decompresses it, hashes that and, in another
    /// thread, unpacks it.
    fn unpack(
        &self,
        source: &Source,
        layer: &FoundLayer,
        limit: u64,
        notes: &mut Vec<String>,
    ) -> Result<Staged, ImageError> {
        let short = layer.promised.map_or(layer.diff_id, |(digest, _)| digest).short();
        let bad =
            |problem: String| ImageError::BadLayer { layer: short.clone(), problem: printable(&problem) };
        let folder = self.staging.path().join("layer");
        let tree = folder.join("tree");
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&tree).map_err(ImageError::at("making", &tree))?;
        let copy_path = self.staging.path().join("blob");
        let copy = File::create(&copy_path).map_err(ImageError::at("making", &copy_path))?;
        let (reader, length) = source.read(&layer.file)?;
        if let Some((_, promised)) = layer.promised.filter(|(_, promised)| *promised != length) {
            return Err(bad(format!("has {length} bytes, not {promised}: it is truncated, or another one")));
        }
        let mut shipped = Hashing::new(reader, copy);
        let decompressing = |inlet: &mut Inlet| {
            let (plain, compression) = decompress(&mut shipped)?;
            let mut plain = Hashing::new(Bounded { reader: plain, left: limit }, inlet);
            drain(&mut plain)?;
            let (diff_id, _) = plain.finish();
            // What is behind the end of the compressed data belongs to the digest, too.
            drain(&mut shipped)?;
            Ok((diff_id, compression))
        };
        let unpacking = |mut outlet: Outlet| {
            let facts = unpack(&mut outlet, &tree, limit)?;
            // And so does what is behind the archive's end. An error there is the other side's, too.
            let _ = drain(&mut outlet);
            Ok(facts)
        };
        let (decompressed, unpacked) = pipeline(decompressing, unpacking);
        let too_large = || ImageError::TooLarge { layer: short.clone(), limit };
        let facts = unpacked.map_err(|error| match error {
            UnpackError::TooLarge => too_large(),
            UnpackError::Io(step, error) => ImageError::Io { step: printable(&step), source: error },
            UnpackError::Bad(problem) => bad(problem),
        })?;
        let (diff_id, compression) = decompressed.map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => too_large(),
            _ => bad(format!("cannot be decompressed: {error}")),
        })?;
        let (blob, bytes) = shipped.finish();
        let promised = layer.promised.map_or(blob, |(digest, _)| digest);
        for (what, promised, found) in [("as shipped", promised, blob), ("unpacked", layer.diff_id, diff_id)]
        {
            if promised != found {
                return Err(ImageError::DigestMismatch {
                    what: format!("layer {short}, {what}"),
                    expected: promised.to_string(),
                    found: found.to_string(),
                });
            }
        }
        let file = folder.join("facts.json");
        let text = serde_json::to_vec(&facts)
            .map_err(|error| ImageError::at("writing", &file)(io::Error::from(error)))?;
        fs::write(&file, text).map_err(ImageError::at("writing", &file))?;
        notes.extend(facts.notes.iter().map(|note| printable(note)));
        for (from, to) in [(folder, self.layer(diff_id)), (copy_path, self.blob(blob))] {
            if to.is_dir() {
                // An image that has the same layer twice, compressed in two ways.
                super::flatten::remove_tree(&from).map_err(ImageError::at("removing", &from))?;
            } else {
                fs::rename(&from, &to).map_err(ImageError::at("renaming", &from))?;
            }
        }
        Ok(Staged { blob, bytes, compression })
    }

    fn write(&self, bytes: &[u8]) -> Result<Digest, ImageError> {
        let digest = Digest::of(bytes);
        let path = self.blob(digest);
        let write = |mut file: File| file.write_all(bytes);
        File::create(&path).and_then(write).map_err(ImageError::at("writing", &path))?;
        Ok(digest)
    }

    /// Renames everything into place. What is there already is the same, and stays.
    fn commit(self) -> Result<(), ImageError> {
        for (part, to) in [("blobs", "blobs/sha256"), ("layers", "layers")] {
            let from = self.staging.path().join(part);
            for entry in fs::read_dir(&from).map_err(ImageError::at("reading", &from))? {
                let entry = entry.map_err(ImageError::at("reading", &from))?;
                let target = self.store.part(to).join(entry.file_name());
                if !target.exists() {
                    fs::rename(entry.path(), &target).map_err(ImageError::at("storing", &target))?;
                }
            }
        }
        Ok(())
    }
}

/// A manifest for an image that came without one of the image specification.
fn manifest(config: &[u8], layers: &[Staged]) -> Result<Vec<u8>, String> {
    let described = |kind: MediaType, digest: Digest, bytes: u64| {
        let digest: Sha256Digest = digest.hex().parse().map_err(|error| format!("{error}"))?;
        let built = DescriptorBuilder::default().media_type(kind).digest(digest).size(bytes).build();
        built.map_err(|error| error.to_string())
    };
    let layers = layers
        .iter()
        .map(|layer| {
            let kind = match layer.compression {
                Compression::None => MediaType::ImageLayer,
                Compression::Gzip => MediaType::ImageLayerGzip,
                Compression::Zstd => MediaType::ImageLayerZstd,
            };
            described(kind, layer.blob, layer.bytes)
        })
        .collect::<Result<Vec<_>, String>>()?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(described(MediaType::ImageConfig, Digest::of(config), config.len() as u64)?)
        .layers(layers)
        .build()
        .map_err(|error| error.to_string())?;
    serde_json::to_vec(&manifest).map_err(|error| error.to_string())
}

/// Reads to the end, in large steps.
fn drain(reader: &mut impl Read) -> io::Result<()> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Ends in an error once more was read than is allowed.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(length as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(length)
    }
}
