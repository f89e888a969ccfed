//! What images a file or folder holds: OCI image layouts, and what `docker save` writes, old and new.

use std::path::Path;

use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType};
use serde::Deserialize;

use super::digest::Digest;
use super::error::{ImageError, printable};
use super::name::ImageName;
use super::source::Source;

/// How deep indexes may be nested.
const MOST_NESTING: u32 = 4;

/// One image that was found.
pub(super) struct Found {
    pub(super) names: Vec<ImageName>,
    /// The manifest as it is, if it is one of the image specification.
    pub(super) manifest: Option<Vec<u8>>,
    pub(super) config: Vec<u8>,
    pub(super) layers: Vec<FoundLayer>,
}

/// One layer of it.
pub(super) struct FoundLayer {
    /// The file that holds it.
    pub(super) file: String,
    /// Digest and size of that file, where they are promised.
    pub(super) promised: Option<(Digest, u64)>,
    /// Digest of what it decompresses to.
    pub(super) diff_id: Digest,
}

/// A platform as people write it.
pub(crate) fn host_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}

/// Finds every image for this host.
pub(super) fn find(source: &Source) -> Result<Vec<Found>, ImageError> {
    let saved: Vec<Saved> = match source.has("manifest.json") {
        true => json(source, "manifest.json", &source.document("manifest.json")?)?,
        false => Vec::new(),
    };
    if source.has("oci-layout") || (source.has("index.json") && saved.is_empty()) {
        let index: ImageIndex = json(source, "index.json", &source.document("index.json")?)?;
        return from_index(source, &index, &saved);
    }
    if saved.is_empty() {
        return Err(source.problem(
            "no image: neither an OCI layout (index.json) nor an archive of docker save (manifest.json) is in it",
        ));
    }
    saved.iter().map(|saved| from_saved(source, saved)).collect()
}

/// An entry of the `manifest.json` of `docker save`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

impl Saved {
    fn names(&self) -> Result<Vec<ImageName>, ImageError> {
        self.repo_tags.iter().flatten().map(|name| name.parse()).collect()
    }
}

fn from_saved(source: &Source, saved: &Saved) -> Result<Found, ImageError> {
    let config = source.document(&saved.config)?;
    // The file is named after its digest: `HEX.json`, or `blobs/sha256/HEX`.
    let stem = Path::new(&saved.config).file_stem().unwrap_or_default().to_string_lossy();
    if let Ok(promised) = format!("sha256:{stem}").parse::<Digest>() {
        verify(&saved.config, promised, &config)?;
    }
    let files = saved.layers.clone().unwrap_or_default();
    let layers = diff_ids(source, &config, files.len())?
        .into_iter()
        .zip(files)
        .map(|(diff_id, file)| FoundLayer { file, promised: None, diff_id })
        .collect();
    Ok(Found { names: saved.names()?, manifest: None, config, layers })
}

fn from_index(source: &Source, index: &ImageIndex, saved: &[Saved]) -> Result<Vec<Found>, ImageError> {
    let mut found = Vec::new();
    let mut others = Vec::new();
    for descriptor in index.manifests() {
        let Some(manifest) = choose(source, descriptor, &mut others, 0)? else { continue };
        let mut image = match from_manifest(source, &manifest) {
            Err(ImageError::WrongPlatform { found, .. }) => {
                others.push(found);
                continue;
            }
            image => image?,
        };
        image.names = names(source, descriptor, &image.config, saved)?;
        // The same image under several names is listed several times.
        match found.iter_mut().find(|known: &&mut Found| known.config == image.config) {
            Some(known) => known.names.extend(image.names),
            None => found.push(image),
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    others.sort();
    others.dedup();
    match others.is_empty() {
        true => Err(source.problem("an image layout without an image")),
        false => Err(ImageError::WrongPlatform { found: others.join(" and "), host: host_platform() }),
    }
}

/// The manifest that `descriptor` leads to on this host.
fn choose(
    source: &Source,
    descriptor: &Descriptor,
    others: &mut Vec<String>,
    depth: u32,
) -> Result<Option<Descriptor>, ImageError> {
    if let Some(platform) = descriptor.platform() {
        let named = printable(&format!("{}/{}", platform.os(), platform.architecture()));
        if named != host_platform() {
            // Attestations are listed as images for an unknown platform.
            if named != "unknown/unknown" {
                others.push(named);
            }
            return Ok(None);
        }
    }
    match descriptor.media_type() {
        MediaType::ImageManifest => Ok(Some(descriptor.clone())),
        MediaType::Other(kind) if kind == "application/vnd.docker.distribution.manifest.v2+json" => {
            Ok(Some(descriptor.clone()))
        }
        MediaType::ImageIndex => inner(source, descriptor, others, depth),
        MediaType::Other(kind) if kind == "application/vnd.docker.distribution.manifest.list.v2+json" => {
            inner(source, descriptor, others, depth)
        }
        // The specification asks to ignore what one does not know.
        _ => Ok(None),
    }
}

fn inner(
    source: &Source,
    descriptor: &Descriptor,
    others: &mut Vec<String>,
    depth: u32,
) -> Result<Option<Descriptor>, ImageError> {
    if depth >= MOST_NESTING {
        return Err(source.problem(format!("more than {MOST_NESTING} indexes inside each other")));
    }
    let index: ImageIndex = json(source, "an index", &blob(source, descriptor)?)?;
    for descriptor in index.manifests() {
        if let Some(chosen) = choose(source, descriptor, others, depth + 1)? {
            return Ok(Some(chosen));
        }
    }
    Ok(None)
}

fn from_manifest(source: &Source, descriptor: &Descriptor) -> Result<Found, ImageError> {
    let bytes = blob(source, descriptor)?;
    let manifest: ImageManifest = json(source, "a manifest", &bytes)?;
    let config = blob(source, manifest.config())?;
    let layers = diff_ids(source, &config, manifest.layers().len())?
        .into_iter()
        .zip(manifest.layers())
        .map(|(diff_id, layer)| {
            let digest = digest(source, layer)?;
            Ok(FoundLayer { file: blob_path(&digest), promised: Some((digest, layer.size())), diff_id })
        })
        .collect::<Result<_, ImageError>>()?;
    let is_oci = *descriptor.media_type() == MediaType::ImageManifest
        && *manifest.config().media_type() == MediaType::ImageConfig;
    Ok(Found { names: Vec::new(), manifest: is_oci.then_some(bytes), config, layers })
}

/// Digests of the unpacked layers, as many as there are layers; refuses images for other machines.
fn diff_ids(source: &Source, config: &[u8], layers: usize) -> Result<Vec<Digest>, ImageError> {
    let config: ImageConfiguration = json(source, "the image's configuration", config)?;
    let found = printable(&format!("{}/{}", config.os(), config.architecture()));
    if found != host_platform() {
        return Err(ImageError::WrongPlatform { found, host: host_platform() });
    }
    let ids = config.rootfs().diff_ids();
    if ids.len() != layers {
        return Err(
            source.problem(format!("the configuration names {} layers, the manifest {layers}", ids.len()))
        );
    }
    ids.iter().map(|id| id.parse().map_err(|problem: String| source.problem(problem))).collect()
}

fn names(
    source: &Source,
    descriptor: &Descriptor,
    config: &[u8],
    saved: &[Saved],
) -> Result<Vec<ImageName>, ImageError> {
    let digest = Digest::of(config).hex();
    let same = saved.iter().find(|saved| saved.config.contains(&digest));
    if let Some(saved) = same.filter(|saved| saved.repo_tags.as_ref().is_some_and(|tags| !tags.is_empty())) {
        return saved.names();
    }
    let annotation = |key: &str| descriptor.annotations().as_ref().and_then(|all| all.get(key));
    if let Some(name) = annotation("io.containerd.image.name") {
        return Ok(vec![name.parse()?]);
    }
    match annotation("org.opencontainers.image.ref.name") {
        Some(name) if name.contains([':', '/']) => Ok(vec![name.parse()?]),
        // A tag alone: the image is then called as its file is.
        Some(tag) => Ok(format!("{}:{tag}", stem(source)).parse().into_iter().collect()),
        None => Ok(Vec::new()),
    }
}

/// `app` for `/some/where/app.tar.gz`.
pub(super) fn stem(source: &Source) -> String {
    let place = source.place.canonicalize().unwrap_or_else(|_| source.place.clone());
    let mut name = place.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    while let Some((stem, "tar" | "gz" | "tgz" | "zst" | "oci")) = name.rsplit_once('.') {
        name = stem.to_owned();
    }
    name
}

/// A small blob, its digest verified.
fn blob(source: &Source, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
    let digest = digest(source, descriptor)?;
    let bytes = source.document(&blob_path(&digest))?;
    verify(&digest.to_string(), digest, &bytes)?;
    Ok(bytes)
}

fn verify(what: &str, promised: Digest, bytes: &[u8]) -> Result<(), ImageError> {
    let found = Digest::of(bytes);
    if found == promised {
        return Ok(());
    }
    Err(ImageError::DigestMismatch {
        what: printable(what),
        expected: promised.to_string(),
        found: found.to_string(),
    })
}

fn digest(source: &Source, descriptor: &Descriptor) -> Result<Digest, ImageError> {
    descriptor.digest().to_string().parse().map_err(|problem: String| source.problem(problem))
}

pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn json<T: serde::de::DeserializeOwned>(source: &Source, what: &str, bytes: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| source.problem(format!("{what} cannot be read: {error}")))
}
