//! Layers: built from folders, the same bytes every time, and written as an OCI image layout.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::change::Edited;
use super::error::MaintenanceError;
use super::watched::Watched;
use crate::image::entries::{Entries, Kind, tree, write_archive};
use crate::image::{Digest, HashingWriter, host_platform};

/// Level of the zstd compression, of layers and of disk images alike.
pub const ZSTD_LEVEL: i32 = 3;

/// The files of one layer, as they are before any edit.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it holds.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
}

/// A layer that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltLayer {
    /// Digest of the archive.
    pub diff_id: Digest,
    /// Digest of the archive, compressed.
    pub blob: Digest,
    /// Bytes as shipped.
    pub shipped_bytes: u64,
    /// The file that is shipped.
    pub file: PathBuf,
}

/// What a build has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The layers, the lowest first.
    pub layers: Vec<BuiltLayer>,
    /// Bytes of those that were not known before.
    pub built_bytes: u64,
}

/// Builds layers, and keeps in mind which it has built.
#[derive(Debug)]
pub struct Builder {
    folder: PathBuf,
    known: HashMap<Digest, BuiltLayer>,
}

impl Builder {
    /// One that knows no layer yet, and writes into `folder`.
    pub fn new(folder: PathBuf) -> Builder {
        Builder { folder, known: HashMap::new() }
    }

    /// Builds every layer that is not known. To know it, its files must be read and hashed; only an unknown
    /// one is compressed and written.
    pub fn build(
        &mut self,
        sources: &[Source],
        edited: &Edited,
        stop: &dyn Fn() -> bool,
    ) -> Result<Built, MaintenanceError> {
        let mut built = Built { layers: Vec::new(), built_bytes: 0 };
        for (number, source) in sources.iter().enumerate() {
            let known = match self.known.is_empty() {
                true => None,
                false => {
                    let hashed = HashingWriter::new(Watched::new(io::sink(), stop));
                    let hashed = self.archive(source, number, edited, hashed)?;
                    self.known.get(&hashed.finish().1)
                }
            };
            let layer = match known {
                Some(layer) => layer.clone(),
                None => {
                    let layer = self.compress(source, number, edited, stop)?;
                    built.built_bytes += layer.shipped_bytes;
                    layer
                }
            };
            built.layers.push(layer);
        }
        for layer in &built.layers {
            self.known.insert(layer.diff_id, layer.clone());
        }
        Ok(built)
    }

    /// Forgets and removes a layer, unless it is one of `kept`.
    pub fn forget(&mut self, built: &Built, kept: &Built) {
        for layer in built.layers.iter().filter(|layer| !kept.layers.contains(layer)) {
            self.known.remove(&layer.diff_id);
            let _ = fs::remove_file(&layer.file);
        }
    }

    fn archive<W: Write>(
        &self,
        source: &Source,
        number: usize,
        edited: &Edited,
        to: W,
    ) -> Result<W, MaintenanceError> {
        let written = entries(source, number, edited).and_then(|entries| write_archive(&entries, to));
        written.map_err(MaintenanceError::at("archiving", &source.folder))
    }

    fn compress(
        &self,
        source: &Source,
        number: usize,
        edited: &Edited,
        stop: &dyn Fn() -> bool,
    ) -> Result<BuiltLayer, MaintenanceError> {
        let new = self.folder.join("new");
        let failed = |error| MaintenanceError::at::<io::Error>("writing", &new)(error);
        let file = BufWriter::with_capacity(1 << 17, File::create(&new).map_err(failed)?);
        let compressor = zstd::Encoder::new(HashingWriter::new(file), ZSTD_LEVEL).map_err(failed)?;
        let plain = HashingWriter::new(Watched::new(compressor, stop));
        let (watched, diff_id, _) = self.archive(source, number, edited, plain)?.finish();
        let shipped = watched.into_inner().finish().map_err(failed)?;
        let (mut file, blob, shipped_bytes) = shipped.finish();
        file.flush().map_err(failed)?;
        let place = self.folder.join(blob.hex());
        fs::rename(&new, &place).map_err(MaintenanceError::at("making", &place))?;
        Ok(BuiltLayer { diff_id, blob, shipped_bytes, file: place })
    }
}

impl Built {
    /// Numbers of the layers that `before` does not have.
    pub fn changed_since(&self, before: &Built) -> Vec<usize> {
        let is_new = |layer: &&BuiltLayer| !before.layers.contains(layer);
        self.layers.iter().enumerate().filter(|(_, layer)| is_new(layer)).map(|(number, _)| number).collect()
    }

    /// Writes the image as a layout named `name` into the new folder `to`, with those layers that are in
    /// `shipped`; who gets it has the others. Returns the bytes that go over the wire.
    pub fn layout(&self, name: &str, shipped: &[usize], to: &Path) -> Result<u64, MaintenanceError> {
        let blobs = to.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(MaintenanceError::at("making", &blobs))?;
        let mut bytes = 0;
        let mut write = |path: PathBuf, content: Vec<u8>| -> Result<(), MaintenanceError> {
            bytes += content.len() as u64;
            fs::write(&path, content).map_err(MaintenanceError::at("writing", &path))
        };
        let platform = host_platform();
        let (os, architecture) = platform.split_once('/').unwrap_or(("linux", &platform));
        let described = |kind: &str, digest: Digest, size: u64| {
            let media_type = format!("application/vnd.oci.image.{kind}");
            json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
        };
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| layer.diff_id.to_string()).collect();
        let config = json!({
            "architecture": architecture,
            "os": os,
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = config.to_string().into_bytes();
        let config_digest = Digest::of(&config);
        let layer = |layer: &BuiltLayer| described("layer.v1.tar+zstd", layer.blob, layer.shipped_bytes);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described("config.v1+json", config_digest, config.len() as u64),
            "layers": self.layers.iter().map(layer).collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        let manifest_digest = Digest::of(&manifest);
        let mut entry = described("manifest.v1+json", manifest_digest, manifest.len() as u64);
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("annotations".into(), json!({ "io.containerd.image.name": name }));
        }
        let index = json!({ "schemaVersion": 2, "manifests": [entry] });
        write(to.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string().into_bytes())?;
        write(to.join("index.json"), index.to_string().into_bytes())?;
        write(blobs.join(config_digest.hex()), config)?;
        write(blobs.join(manifest_digest.hex()), manifest)?;
        for layer in shipped.iter().filter_map(|number| self.layers.get(*number)) {
            let place = blobs.join(layer.blob.hex());
            match fs::hard_link(&layer.file, &place) {
                // The same layer twice in one image.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                linked => linked.map_err(MaintenanceError::at("making", &place))?,
            }
            bytes += layer.shipped_bytes;
        }
        Ok(bytes)
    }
}

/// Visits everything below `folder` by its path there, folders before what is in them, names in order.
pub(super) fn walk(
    folder: &Path,
    visit: &mut dyn FnMut(&Path, &Metadata) -> Result<(), MaintenanceError>,
) -> Result<(), MaintenanceError> {
    fn step(
        folder: &Path,
        path: &Path,
        visit: &mut dyn FnMut(&Path, &Metadata) -> Result<(), MaintenanceError>,
    ) -> Result<(), MaintenanceError> {
        let place = folder.join(path);
        let mut entries = BTreeMap::new();
        for entry in fs::read_dir(&place).map_err(MaintenanceError::at("reading", &place))? {
            let entry = entry.map_err(MaintenanceError::at("reading", &place))?;
            let facts = entry.metadata().map_err(MaintenanceError::at("reading", &entry.path()))?;
            entries.insert(entry.file_name(), facts);
        }
        for (name, facts) in entries {
            let path = path.join(name);
            visit(&path, &facts)?;
            if facts.is_dir() {
                step(folder, &path, visit)?;
            }
        }
        Ok(())
    }
    step(folder, Path::new(""), visit)
}

/// The layer's entries, with the files that were edited in place of their originals.
fn entries(source: &Source, number: usize, edited: &Edited) -> io::Result<Entries> {
    let mut entries = tree(&source.folder, u64::MAX, &|path| !path.as_os_str().is_empty())?;
    for ((_, path), file) in edited.iter().filter(|((layer, _), _)| *layer == number) {
        if let Some(entry) = entries.get_mut(path) {
            entry.kind = Kind::File { host: file.clone(), bytes: fs::metadata(file)?.len() };
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::super::change::{self, Edit, Edits};
    use super::*;
    use crate::image::{LoadOptions, Store};

    fn sources(folder: &Path) -> Vec<Source> {
        let make = |name: &str, files: &[&str]| {
            let layer = folder.join(name);
            for file in files {
                let path = layer.join(file);
                fs::create_dir_all(path.parent().expect("below")).expect("made");
                fs::write(path, file.repeat(100)).expect("written");
            }
            Source { name: name.to_owned(), folder: layer }
        };
        let base = make("base", &["bin/one", "etc/two"]);
        symlink("one", base.folder.join("bin/link")).expect("linked");
        fs::hard_link(base.folder.join("etc/two"), base.folder.join("etc/two-too")).expect("linked");
        let long = format!("{}/{}", "folder".repeat(20), "name".repeat(30));
        vec![base, make("app", &["srv/app", &long])]
    }

    #[test]
    fn the_same_files_give_the_same_layers_and_nothing_is_built_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let sources = sources(folder.path());
        let mut builder = Builder::new(folder.path().to_owned());
        let first = builder.build(&sources, &Edited::new(), &|| false).expect("built");
        assert!(first.built_bytes > 0);
        let again = builder.build(&sources, &Edited::new(), &|| false).expect("built");
        assert_eq!((&again.layers, again.built_bytes), (&first.layers, 0));
        let afresh = Builder::new(folder.path().to_owned()).build(&sources, &Edited::new(), &|| false);
        assert_eq!(afresh.expect("built").layers, first.layers);

        let edits = Edits::from([((1, PathBuf::from("srv/app")), Edit::Line(1))]);
        let edits = change::write(&sources, &edits, &folder.path().join("edited")).expect("written");
        let changed = builder.build(&sources, &edits, &|| false).expect("built");
        assert_eq!(changed.changed_since(&first), [1]);
        assert_eq!(changed.built_bytes, changed.layers[1].shipped_bytes);
        builder.forget(&changed, &first);
        assert!(first.layers[0].file.exists() && !changed.layers[1].file.exists());
    }

    #[test]
    fn a_change_ships_only_its_own_layer_and_the_store_puts_it_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let sources = sources(folder.path());
        let store = Store::open(folder.path().join("store")).expect("opened");
        let mut builder = Builder::new(folder.path().to_owned());
        let first = builder.build(&sources, &Edited::new(), &|| false).expect("built");
        let all = first.layout("app:1", &[0, 1], &folder.path().join("1")).expect("written");
        store.load(&folder.path().join("1"), &LoadOptions::default()).expect("loaded");
        let edits = Edits::from([((1, PathBuf::from("srv/app")), Edit::Line(1))]);
        let edits = change::write(&sources, &edits, &folder.path().join("edited")).expect("written");
        let second = builder.build(&sources, &edits, &|| false).expect("built");
        let shipped = second.changed_since(&first);
        let part = second.layout("app:2", &shipped, &folder.path().join("2")).expect("written");
        assert!(part < all);
        let loaded = store.load(&folder.path().join("2"), &LoadOptions::default()).expect("loaded");
        assert_eq!((loaded[0].new_layers, loaded[0].known_layers), (1, 1));
        let root = store.root(&store.find("app:2").expect("there")).expect("put together").path;
        let content = fs::read(root.join("srv/app")).expect("there");
        assert_eq!(content, Edit::Line(1).apply("srv/app".repeat(100).into_bytes()));
        assert_eq!(fs::read_link(root.join("bin/link")).expect("a link"), Path::new("one"));
        let linked = fs::metadata(root.join("etc/two-too")).expect("there");
        assert_eq!(linked.ino(), fs::metadata(root.join("etc/two")).expect("there").ino());
    }

    #[test]
    fn a_build_that_is_stopped_ends_in_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let sources = sources(folder.path());
        let mut builder = Builder::new(folder.path().to_owned());
        assert!(builder.build(&sources, &Edited::new(), &|| true).is_err());
    }
}
