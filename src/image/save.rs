//! From the store into an archive: an OCI image layout which is also what `docker load` reads.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use oci_spec::image::{
    DescriptorBuilder, ImageIndexBuilder, MediaType, OciLayoutBuilder, PlatformBuilder, Sha256Digest,
};
use serde_json::json;

use super::digest::Digest;
use super::error::ImageError;
use super::layout::blob_path;
use super::name::ImageName;
use super::store::{Image, Store};

impl Store {
    /// Writes `image` to `file`, called `name`: the same bytes for the same image and name every time.
    pub fn save(&self, image: &Image, name: Option<&ImageName>, file: &Path) -> Result<(), ImageError> {
        let _stays = self.lock()?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |error: io::Error| ImageError::at("writing", file)(error);
        let mut new = tempfile::Builder::new();
        // As any other file that a program writes, within the user's umask.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        let new = new.prefix(".isobench-").permissions(mode).tempfile_in(folder).map_err(failed)?;
        let mut archive = tar::Builder::new(io::BufWriter::new(new));
        self.write_archive(image, name, &mut archive).map_err(failed)?;
        let writer = archive.into_inner().map_err(failed)?;
        let new = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        new.persist(file).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn write_archive<W: Write>(
        &self,
        image: &Image,
        name: Option<&ImageName>,
        archive: &mut tar::Builder<W>,
    ) -> io::Result<()> {
        let layout = OciLayoutBuilder::default().image_layout_version("1.0.0").build();
        let layout = serde_json::to_vec(&layout.map_err(io::Error::other)?)?;
        add(archive, "oci-layout", layout.len() as u64, &mut &layout[..])?;
        // By way of a value, whose keys are sorted: the annotations are in a HashMap, in any order.
        let index = serde_json::to_vec(&serde_json::to_value(self.index_of(image, name)?)?)?;
        add(archive, "index.json", index.len() as u64, &mut &index[..])?;
        let layers: Vec<String> = image.layers.iter().map(|layer| blob_path(&layer.blob)).collect();
        let tags: Vec<String> = name.iter().map(|name| name.to_string()).collect();
        let saved = json!([{ "Config": blob_path(&image.id), "RepoTags": tags, "Layers": layers }]);
        let saved = serde_json::to_vec(&saved)?;
        add(archive, "manifest.json", saved.len() as u64, &mut &saved[..])?;
        for folder in ["blobs/", "blobs/sha256/"] {
            let mut header = header(tar::EntryType::Directory, 0o755, 0);
            archive.append_data(&mut header, folder, io::empty())?;
        }
        let mut written = Vec::new();
        let blobs = [image.manifest_digest, image.id].into_iter();
        for digest in blobs.chain(image.layers.iter().map(|layer| layer.blob)) {
            if !written.contains(&digest) {
                let mut file = File::open(self.blob_path(digest))?;
                let length = file.metadata()?.len();
                add(archive, &blob_path(&digest), length, &mut file)?;
                written.push(digest);
            }
        }
        Ok(())
    }

    fn index_of(&self, image: &Image, name: Option<&ImageName>) -> io::Result<oci_spec::image::ImageIndex> {
        let bytes = self.blob_path(image.manifest_digest).metadata()?.len();
        let platform = PlatformBuilder::default()
            .os(image.config.os().clone())
            .architecture(image.config.architecture().clone())
            .build()
            .map_err(io::Error::other)?;
        let mut descriptor = DescriptorBuilder::default()
            .media_type(MediaType::ImageManifest)
            .digest(sha256(image.manifest_digest)?)
            .size(bytes)
            .platform(platform);
        if let Some(name) = name {
            // The tag for umoci and skopeo, the whole name for podman and containerd, as docker save writes them.
            descriptor = descriptor.annotations(HashMap::from([
                ("org.opencontainers.image.ref.name".to_owned(), name.tag().to_owned()),
                ("io.containerd.image.name".to_owned(), name.qualified()),
            ]));
        }
        ImageIndexBuilder::default()
            .schema_version(2u32)
            .media_type(MediaType::ImageIndex)
            .manifests(vec![descriptor.build().map_err(io::Error::other)?])
            .build()
            .map_err(io::Error::other)
    }
}

fn sha256(digest: Digest) -> io::Result<Sha256Digest> {
    digest.hex().parse().map_err(io::Error::other)
}

fn header(kind: tar::EntryType, mode: u32, length: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(length);
    header.set_mtime(0);
    header
}

fn add<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    length: u64,
    content: &mut dyn io::Read,
) -> io::Result<()> {
    let mut header = header(tar::EntryType::Regular, 0o644, length);
    archive.append_data(&mut header, path, content)
}
