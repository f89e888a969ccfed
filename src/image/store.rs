//! The store: blobs, unpacked layers and root filesystems, each under the digest of its content.
//!
//! ```text
//! blobs/sha256/HEX      manifests, configurations and layers, as shipped
//! layers/HEX/tree       a layer unpacked, by the digest of its tar archive; facts.json beside it
//! roots/HEX/root        the layers of an image put together, by the image's identifier
//! images.json           which images there are, and their names
//! steps/HEX             which layer a step of a build has made, by a digest of what it depends on
//! tmp/                  what is being made; swept by the next one who holds the lock
//! builds/               where images are built, each folder locked by its build; swept as well
//! lock                  held while anything is changed
//! ```
//! Everything is made in `tmp` and renamed into place, `images.json` last: killed at any point, the
//! store holds what it held before, and perhaps content that no image uses yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use oci_spec::image::{ImageConfiguration, ImageManifest};
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::error::ImageError;
use super::flatten::{Layer, flatten, remove_tree};
use super::name::ImageName;
use super::unpack::Unpacked;

/// A store in a folder of its own.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

/// `images.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    /// Of this format.
    version: u32,
    /// By identifier, which is the digest of the configuration.
    pub(super) images: BTreeMap<Digest, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) manifest: Digest,
    pub(super) names: BTreeSet<ImageName>,
}

/// An image of the store.
#[derive(Clone, Debug)]
pub struct Image {
    /// Digest of the configuration, as Docker identifies images.
    pub id: Digest,
    /// Digest of the manifest.
    pub manifest_digest: Digest,
    /// What it is called; nothing for one whose name another image has taken.
    pub names: BTreeSet<ImageName>,
    /// The manifest.
    pub manifest: ImageManifest,
    /// The configuration.
    pub config: ImageConfiguration,
    /// The layers, the lowest first.
    pub layers: Vec<ImageLayer>,
}

/// One layer of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageLayer {
    /// Digest of the layer as shipped.
    pub blob: Digest,
    /// Bytes as shipped.
    pub bytes: u64,
    /// Digest of the layer's tar archive.
    pub diff_id: Digest,
}

/// The root filesystem of an image; while this lives, it is not removed.
#[derive(Debug)]
pub struct RootInUse {
    /// The folder.
    pub path: PathBuf,
    _lock: Flock<File>,
}

/// Held while the store is changed.
pub(super) struct Writing(#[allow(dead_code, reason = "held for its drop")] Flock<File>);

impl Image {
    /// Bytes of all layers as shipped.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes).sum()
    }

    /// A name if it has one, else the short identifier.
    pub fn shown(&self) -> String {
        self.names.first().map_or_else(|| self.id.short(), ToString::to_string)
    }
}

impl Store {
    /// The user's store: `$XDG_DATA_HOME/isobench`, or `~/.local/share/isobench`.
    pub fn of_user() -> Result<Store, ImageError> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // The XDG specification wants relative paths ignored.
        let data = set("XDG_DATA_HOME").filter(|path| path.is_absolute());
        let data = data.or_else(|| set("HOME").map(|home| home.join(".local/share")));
        let data = data.ok_or_else(|| {
            let reason = io::Error::other("neither XDG_DATA_HOME nor HOME is set; set one of them");
            ImageError::io("finding the image store")(reason)
        })?;
        Store::open(data.join("isobench"))
    }

    /// The store in `folder`, made if it is missing. Only its owner can enter it: what is unpacked there
    /// may hold set-user-id programs.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Store, ImageError> {
        let folder = folder.into();
        for part in ["blobs/sha256", "layers", "roots", "steps", "tmp", "builds"] {
            let part = folder.join(part);
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&part).map_err(ImageError::at("making", &part))?;
        }
        Ok(Store { folder: folder.canonicalize().map_err(ImageError::at("opening", &folder))? })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every image, by its identifier.
    pub fn images(&self) -> Result<Vec<Image>, ImageError> {
        self.index()?.images.iter().map(|(id, entry)| self.image(*id, entry)).collect()
    }

    /// The image with this name, or whose identifier begins so.
    pub fn find(&self, name: &str) -> Result<Image, ImageError> {
        let index = self.index()?;
        let (id, entry) = index.find(name)?;
        self.image(id, entry)
    }

    /// Where a layer is unpacked, with what is known of it.
    pub fn layer(&self, diff_id: Digest) -> Result<Layer, ImageError> {
        let folder = self.layer_folder(diff_id);
        let file = folder.join("facts.json");
        let text = fs::read(&file).map_err(ImageError::at("reading", &file))?;
        let facts: Unpacked = serde_json::from_slice(&text)
            .map_err(|error| ImageError::at("reading", &file)(io::Error::from(error)))?;
        Ok(Layer { folder: folder.join("tree"), facts })
    }

    /// The layers of an image, the lowest first.
    pub fn layers(&self, image: &Image) -> Result<Vec<Layer>, ImageError> {
        image.layers.iter().map(|layer| self.layer(layer.diff_id)).collect()
    }

    /// The image's root filesystem, put together when it is first asked for.
    pub fn root(&self, image: &Image) -> Result<RootInUse, ImageError> {
        let folder = self.root_folder(image.id);
        if let Some(root) = use_root(&folder)? {
            return Ok(root);
        }
        let _writing = self.lock()?;
        if let Some(root) = use_root(&folder)? {
            return Ok(root);
        }
        let staging = self.staging()?;
        let root = staging.path().join("root");
        fs::DirBuilder::new().mode(0o700).create(&root).map_err(ImageError::at("making", &root))?;
        flatten(&self.layers(image)?, &root)?;
        let made = staging.keep();
        fs::rename(&made, &folder).map_err(ImageError::at("making", &folder))?;
        use_root(&folder)?.ok_or_else(|| ImageError::NoSuchImage(image.shown()))
    }

    /// Takes this name from its image; an image without a name left is removed, and an image given by
    /// identifier with all its names. Returns what went, in words.
    ///
    /// # Errors
    /// [`ImageError::InUse`] while a sandbox runs from the image.
    pub fn remove(&self, name: &str) -> Result<Vec<String>, ImageError> {
        let _writing = self.lock()?;
        let mut index = self.index()?;
        let (id, _) = index.find(name)?;
        let mut told = Vec::new();
        let Some(entry) = index.images.get_mut(&id) else { return Ok(told) };
        let one: Option<ImageName> = name.parse().ok().filter(|name| entry.names.contains(name));
        let removed: Vec<ImageName> = match one {
            Some(name) => vec![name],
            None => entry.names.iter().cloned().collect(),
        };
        for name in removed {
            entry.names.remove(&name);
            told.push(format!("untagged: {name}"));
        }
        if entry.names.is_empty() {
            self.refuse_if_used(id, name)?;
            index.images.remove(&id);
            told.push(format!("deleted: {id}"));
        }
        self.write_index(&index)?;
        self.collect(&index)?;
        Ok(told)
    }

    /// Removes images without a name, and content that no image uses. Returns the bytes that were freed
    /// and what went, in words. An image that is in use stays.
    pub fn prune(&self) -> Result<(u64, Vec<String>), ImageError> {
        let _writing = self.lock()?;
        let mut index = self.index()?;
        let mut told = Vec::new();
        let mut freed = 0;
        let nameless: Vec<Digest> =
            index.images.iter().filter(|(_, entry)| entry.names.is_empty()).map(|(id, _)| *id).collect();
        for id in nameless {
            if self.refuse_if_used(id, "").is_ok() {
                index.images.remove(&id);
                told.push(format!("deleted: {id}"));
            }
        }
        self.write_index(&index)?;
        freed += self.collect(&index)?;
        Ok((freed, told))
    }

    /// A folder to build an image in. While it is there, no content is removed that no image uses yet.
    pub(super) fn workshop(&self) -> Result<Workshop, ImageError> {
        let _writing = self.lock()?;
        let builds = self.folder.join("builds");
        let folder = tempfile::Builder::new().prefix("build-").tempdir_in(&builds);
        let folder = folder.map_err(ImageError::at("making a folder in", &builds))?.keep();
        let opened = File::open(&folder).map_err(ImageError::at("opening", &folder))?;
        let lock = Flock::lock(opened, FlockArg::LockExclusive)
            .map_err(|(_, errno)| ImageError::at("locking", &folder)(errno))?;
        let workshop = Workshop { folder, _lock: lock };
        let blobs = workshop.blobs();
        fs::create_dir_all(&blobs).map_err(ImageError::at("making", &blobs))?;
        Ok(workshop)
    }

    /// The layer that a step with this key has made, if it is still there.
    pub(super) fn remembered(&self, key: &Digest) -> Option<ImageLayer> {
        let text = fs::read(self.folder.join("steps").join(key.hex())).ok()?;
        let layer: ImageLayer = serde_json::from_slice(&text).ok()?;
        let there = self.layer_folder(layer.diff_id).exists() && self.blob_path(layer.blob).exists();
        there.then_some(layer)
    }

    pub(super) fn remember(&self, key: &Digest, layer: &ImageLayer) -> Result<(), ImageError> {
        let _writing = self.lock()?;
        let path = self.folder.join("steps").join(key.hex());
        let failed = |error: io::Error| ImageError::at("writing", &path)(error);
        let text = serde_json::to_vec(layer).map_err(|error| failed(error.into()))?;
        let mut file = tempfile::NamedTempFile::new_in(self.tmp()).map_err(failed)?;
        file.write_all(&text).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Removes what builds have left that were killed; whether one is running.
    fn sweep_builds(&self) -> Result<bool, ImageError> {
        let builds = self.folder.join("builds");
        let mut running = false;
        for entry in fs::read_dir(&builds).map_err(ImageError::at("reading", &builds))?.flatten() {
            let Ok(opened) = File::open(entry.path()) else { continue };
            match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
                Ok(_) => {
                    let path = entry.path();
                    remove_tree(&path).map_err(ImageError::at("sweeping", &path))?;
                }
                Err(_) => running = true,
            }
        }
        Ok(running)
    }

    /// Forgets steps whose layers are gone.
    fn forget_steps(&self) -> Result<(), ImageError> {
        let steps = self.folder.join("steps");
        for entry in fs::read_dir(&steps).map_err(ImageError::at("reading", &steps))?.flatten() {
            let key = format!("sha256:{}", entry.file_name().to_string_lossy()).parse();
            if key.is_ok_and(|key| self.remembered(&key).is_none()) {
                fs::remove_file(entry.path()).map_err(ImageError::at("removing", &entry.path()))?;
            }
        }
        Ok(())
    }

    fn refuse_if_used(&self, id: Digest, name: &str) -> Result<(), ImageError> {
        let Ok(folder) = File::open(self.root_folder(id)) else { return Ok(()) };
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Ok(_) => Ok(()),
            Err(_) => Err(ImageError::InUse(if name.is_empty() { id.short() } else { name.to_owned() })),
        }
    }

    /// Removes what no image of `index` uses; returns the bytes of it.
    fn collect(&self, index: &Index) -> Result<u64, ImageError> {
        // What a running build has made is used by no image yet.
        if self.sweep_builds()? {
            return Ok(0);
        }
        let mut blobs = BTreeSet::new();
        let mut layers = BTreeSet::new();
        let mut roots = BTreeSet::new();
        for (id, entry) in &index.images {
            let image = self.image(*id, entry)?;
            blobs.extend([id.hex(), entry.manifest.hex()]);
            blobs.extend(image.layers.iter().map(|layer| layer.blob.hex()));
            layers.extend(image.layers.iter().map(|layer| layer.diff_id.hex()));
            roots.insert(id.hex());
        }
        let mut freed = 0;
        for (folder, used) in [("roots", roots), ("layers", layers), ("blobs/sha256", blobs)] {
            let folder = self.folder.join(folder);
            for entry in fs::read_dir(&folder).map_err(ImageError::at("reading", &folder))? {
                let path = entry.map_err(ImageError::at("reading", &folder))?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if used.contains(&name) {
                    continue;
                }
                let id = format!("sha256:{name}").parse();
                if id.is_ok_and(|id| folder.ends_with("roots") && self.refuse_if_used(id, "").is_err()) {
                    continue;
                }
                freed += self.discard(&path)?;
            }
        }
        self.forget_steps()?;
        Ok(freed)
    }

    /// Moves it out of sight before removing it: killed in between, it is not there in part.
    fn discard(&self, path: &Path) -> Result<u64, ImageError> {
        let bytes = disk_bytes(path);
        let staging = self.staging()?;
        let gone = staging.path().join("gone");
        fs::rename(path, &gone).map_err(ImageError::at("removing", path))?;
        let removed = if gone.is_dir() { remove_tree(&gone) } else { fs::remove_file(&gone) };
        removed.map_err(ImageError::at("removing", path))?;
        Ok(bytes)
    }

    /// Waits until nobody else changes the store, and sweeps what those have left who were killed.
    pub(super) fn lock(&self) -> Result<Writing, ImageError> {
        let path = self.folder.join("lock");
        let options = || File::options().create(true).truncate(false).write(true).open(&path);
        let file = options().map_err(ImageError::at("opening", &path))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| ImageError::at("locking", &path)(errno))?;
        let tmp = self.folder.join("tmp");
        for entry in fs::read_dir(&tmp).map_err(ImageError::at("reading", &tmp))?.flatten() {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_folder { remove_tree(&path) } else { fs::remove_file(&path) };
            removed.map_err(ImageError::at("sweeping", &path))?;
        }
        self.sweep_builds()?;
        Ok(Writing(lock))
    }

    /// A new folder for what is being made; only under the lock.
    pub(super) fn staging(&self) -> Result<Staging, ImageError> {
        let tmp = self.tmp();
        let folder = tempfile::Builder::new().prefix("new-").tempdir_in(&tmp);
        Ok(Staging(Some(folder.map_err(ImageError::at("making a folder in", &tmp))?.keep())))
    }

    pub(super) fn part(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    pub(super) fn blob_path(&self, digest: Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    pub(super) fn layer_folder(&self, diff_id: Digest) -> PathBuf {
        self.folder.join("layers").join(diff_id.hex())
    }

    fn root_folder(&self, id: Digest) -> PathBuf {
        self.folder.join("roots").join(id.hex())
    }

    pub(super) fn index(&self) -> Result<Index, ImageError> {
        let path = self.folder.join("images.json");
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Index { version: VERSION, ..Index::default() });
            }
            read => read.map_err(ImageError::at("reading", &path))?,
        };
        let index: Index = serde_json::from_slice(&text)
            .map_err(|error| ImageError::at("reading", &path)(io::Error::from(error)))?;
        if index.version != VERSION {
            let reason = format!("a store of version {}; this isobench knows {VERSION}", index.version);
            return Err(ImageError::at("reading", &path)(io::Error::other(reason)));
        }
        Ok(index)
    }

    pub(super) fn write_index(&self, index: &Index) -> Result<(), ImageError> {
        let path = self.folder.join("images.json");
        let failed = |error: io::Error| ImageError::at("writing", &path)(error);
        let text = serde_json::to_vec_pretty(index).map_err(|error| failed(error.into()))?;
        let mut file = tempfile::NamedTempFile::new_in(self.tmp()).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn image(&self, id: Digest, entry: &Entry) -> Result<Image, ImageError> {
        let manifest: ImageManifest = self.document(entry.manifest)?;
        let config: ImageConfiguration = self.document(id)?;
        let broken =
            |problem: String| ImageError::at("reading", &self.blob_path(id))(io::Error::other(problem));
        let layers = manifest
            .layers()
            .iter()
            .zip(config.rootfs().diff_ids())
            .map(|(layer, diff_id)| {
                Ok(ImageLayer {
                    blob: layer.digest().to_string().parse().map_err(broken)?,
                    bytes: layer.size(),
                    diff_id: diff_id.parse().map_err(broken)?,
                })
            })
            .collect::<Result<_, ImageError>>()?;
        Ok(Image {
            id,
            manifest_digest: entry.manifest,
            names: entry.names.clone(),
            manifest,
            config,
            layers,
        })
    }

    fn document<T: serde::de::DeserializeOwned>(&self, digest: Digest) -> Result<T, ImageError> {
        let path = self.blob_path(digest);
        let text = fs::read(&path).map_err(ImageError::at("reading", &path))?;
        serde_json::from_slice(&text)
            .map_err(|error| ImageError::at("reading", &path)(io::Error::from(error)))
    }
}

/// Of the store's format.
const VERSION: u32 = 1;

impl Index {
    fn find(&self, name: &str) -> Result<(Digest, &Entry), ImageError> {
        let none = || ImageError::NoSuchImage(name.chars().take(200).flat_map(char::escape_debug).collect());
        if let Ok(parsed) = name.parse::<ImageName>()
            && let Some((id, entry)) = self.images.iter().find(|(_, entry)| entry.names.contains(&parsed))
        {
            return Ok((*id, entry));
        }
        let prefix = name.strip_prefix("sha256:").unwrap_or(name);
        if prefix.len() < 4 {
            return Err(none());
        }
        let mut matching = self.images.iter().filter(|(id, _)| id.hex().starts_with(prefix));
        match (matching.next(), matching.next()) {
            (Some((id, entry)), None) => Ok((*id, entry)),
            _ => Err(none()),
        }
    }
}

/// A folder in `tmp`, removed with all it holds unless it was kept.
pub(super) struct Staging(Option<PathBuf>);

impl Staging {
    pub(super) fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    pub(super) fn keep(mut self) -> PathBuf {
        self.0.take().unwrap_or_default()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            // What cannot be removed now, the next one sweeps.
            let _ = remove_tree(folder);
        }
    }
}

/// A folder in `builds`, locked while this lives, removed with it.
pub(super) struct Workshop {
    folder: PathBuf,
    _lock: Flock<File>,
}

impl Workshop {
    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// Where the layers are written, named as an image layout names them.
    pub(super) fn blobs(&self) -> PathBuf {
        self.folder.join("blobs/sha256")
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What cannot be removed now, the next one sweeps.
        let _ = remove_tree(&self.folder);
    }
}

/// Marks a root filesystem as used; none if there is none.
fn use_root(folder: &Path) -> Result<Option<RootInUse>, ImageError> {
    let opened = match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(ImageError::at("opening", folder))?,
    };
    let lock = Flock::lock(opened, FlockArg::LockShared)
        .map_err(|(_, errno)| ImageError::at("locking", folder)(errno))?;
    // It may have been removed, and made anew, before it was locked.
    let same = match (lock.metadata(), fs::metadata(folder)) {
        (Ok(locked), Ok(there)) => (locked.dev(), locked.ino()) == (there.dev(), there.ino()),
        _ => false,
    };
    Ok(same.then(|| RootInUse { path: folder.join("root"), _lock: lock }))
}

/// Bytes on disk that go with this path: a file of several names counts with its last one.
fn disk_bytes(path: &Path) -> u64 {
    let Ok(facts) = fs::symlink_metadata(path) else { return 0 };
    if facts.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        return entries.map(|entry| disk_bytes(&entry.path())).sum();
    }
    if facts.nlink() > 1 { 0 } else { 512 * facts.blocks() }
}
