//! Images made by hand, for the tests.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;
use tar::{EntryType, Header};

use super::digest::Digest;
use super::layout::host_platform;
use super::store::Store;

/// A layer in the making.
pub(super) struct LayerBuilder(tar::Builder<Vec<u8>>);

impl LayerBuilder {
    pub(super) fn new() -> LayerBuilder {
        LayerBuilder(tar::Builder::new(Vec::new()))
    }

    /// Any entry, with the name as it is: `tar`'s own methods refuse bad ones.
    pub(super) fn raw(mut self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
        header.set_mtime(1_600_000_000);
        header.set_size(content.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).expect("memory");
        self
    }

    pub(super) fn file(self, name: &str, content: &[u8]) -> Self {
        self.raw(EntryType::Regular, name, "", content)
    }

    pub(super) fn folder(self, name: &str) -> Self {
        self.raw(EntryType::Directory, name, "", b"")
    }

    pub(super) fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(EntryType::Symlink, name, target, b"")
    }

    pub(super) fn hard_link(self, name: &str, target: &str) -> Self {
        self.raw(EntryType::Link, name, target, b"")
    }

    /// Whatever `tar` can do.
    pub(super) fn with(mut self, add: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Self {
        add(&mut self.0);
        self
    }

    pub(super) fn build(self) -> Vec<u8> {
        self.0.into_inner().expect("memory")
    }
}

/// How a test's layers are compressed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

pub(super) fn packed(bytes: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::Plain => bytes.to_vec(),
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).expect("memory");
            encoder.finish().expect("memory")
        }
        Packing::Zstd => zstd::encode_all(bytes, 1).expect("memory"),
    }
}

/// An image layout in the making: files by name.
pub(super) struct LayoutBuilder {
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) manifests: Vec<serde_json::Value>,
}

impl LayoutBuilder {
    pub(super) fn new() -> LayoutBuilder {
        let marker = br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec();
        LayoutBuilder { files: vec![("oci-layout".into(), marker)], manifests: Vec::new() }
    }

    pub(super) fn blob(&mut self, bytes: Vec<u8>) -> (String, usize) {
        let (digest, length) = (Digest::of(&bytes), bytes.len());
        self.files.push((format!("blobs/sha256/{}", digest.hex()), bytes));
        (digest.to_string(), length)
    }

    /// Adds an image for `os/architecture` under a tag.
    pub(super) fn image(
        mut self,
        tag: &str,
        platform: &str,
        packing: Packing,
        layers: &[Vec<u8>],
        config: serde_json::Value,
    ) -> LayoutBuilder {
        let config = self.blob(config_document(platform, layers, config));
        let layers: Vec<serde_json::Value> = layers
            .iter()
            .map(|layer| {
                let (digest, size) = self.blob(packed(layer, packing));
                let kind = match packing {
                    Packing::Plain => "application/vnd.oci.image.layer.v1.tar",
                    Packing::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
                    Packing::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
                };
                json!({ "mediaType": kind, "digest": digest, "size": size })
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.0, "size": config.1 },
            "layers": layers,
        });
        let (digest, size) = self.blob(manifest.to_string().into_bytes());
        let (os, architecture) = platform.split_once('/').expect("os/architecture");
        self.manifests.push(json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": size,
            "platform": { "os": os, "architecture": architecture },
            "annotations": { "org.opencontainers.image.ref.name": tag },
        }));
        self
    }

    pub(super) fn index(&self) -> serde_json::Value {
        json!({ "schemaVersion": 2, "manifests": self.manifests })
    }

    fn all_files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = self.files.clone();
        files.push(("index.json".into(), self.index().to_string().into_bytes()));
        files
    }

    pub(super) fn write_folder(&self, folder: &Path) -> PathBuf {
        for (name, bytes) in self.all_files() {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
            std::fs::write(path, bytes).expect("written");
        }
        folder.to_owned()
    }

    pub(super) fn archive(&self) -> Vec<u8> {
        archive(&self.all_files())
    }
}

pub(super) fn config_document(platform: &str, layers: &[Vec<u8>], config: serde_json::Value) -> Vec<u8> {
    let (os, architecture) = platform.split_once('/').expect("os/architecture");
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    json!({
        "architecture": architecture,
        "os": os,
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": diff_ids.iter().map(|id| json!({ "created_by": format!("layer {id}") })).collect::<Vec<_>>(),
    })
    .to_string()
    .into_bytes()
}

pub(super) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = LayerBuilder::new();
    for (name, bytes) in files {
        builder = builder.with(|archive| {
            let mut header = Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, &bytes[..]).expect("memory");
        });
    }
    builder.build()
}

/// An image for this host, in a folder.
pub(super) fn image_folder(folder: &Path, tag: &str, layers: &[Vec<u8>]) -> PathBuf {
    LayoutBuilder::new().image(tag, &host_platform(), Packing::Gzip, layers, json!({})).write_folder(folder)
}

/// A store in a folder that goes with it.
pub(super) fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path().join("store")).expect("opened");
    (folder, store)
}

/// Every path below, with its kind, mode and content: what must not change.
pub(super) fn listing(folder: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut lines = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).expect("readable").flatten() {
            let facts = entry.metadata().expect("readable");
            let content = if facts.is_file() {
                Digest::of(&std::fs::read(entry.path()).expect("readable")).short()
            } else if facts.is_symlink() {
                std::fs::read_link(entry.path()).expect("readable").display().to_string()
            } else {
                String::new()
            };
            let path = entry.path();
            let path = path.strip_prefix(folder).expect("below").display();
            lines.push(format!("{path} {:o} {content}", facts.mode()));
            if facts.is_dir() {
                left.push(entry.path());
            }
        }
    }
    lines.sort();
    lines
}
