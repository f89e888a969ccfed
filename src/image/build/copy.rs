//! `COPY` and `ADD`: from sources to the entries of a layer, at the places that Docker's reference
//! ("COPY", "Destination") names.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;
use sha2::{Digest as _, Sha256};

use super::containerfile::Copy;
use super::context::{Origin, Selected};
use super::entries::{Entries, Entry, Kind, fingerprint, tree};
use crate::image::compression::decompress;
use crate::image::unpack::unpack;
use crate::workload::rooted;

/// What to copy, read from its origin, with no place in the image yet.
pub(super) struct Sources {
    found: Vec<Found>,
    /// Several may come of it, so that the destination must be a folder.
    may_be_several: bool,
}

struct Found {
    /// The last name of its path.
    name: PathBuf,
    entries: Entries,
    /// An archive to unpack, instead of the entries.
    archive: Option<PathBuf>,
}

/// How entries are to look.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// User and group; none: as in the origin.
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: Option<u32>,
    /// Seconds since 1970.
    pub(super) modified: u64,
}

/// Where the entries go.
pub(super) struct Destination<'a> {
    /// The image's root as it is before this step.
    pub(super) root: &'a Path,
    pub(super) working_dir: &'a str,
    /// As written, its variables replaced.
    pub(super) path: &'a str,
}

impl Sources {
    /// Finds what `copy` names.
    ///
    /// # Errors
    /// What is missing, or cannot be read, in words.
    pub(super) fn find(origin: &Origin, copy: &Copy, look: Look) -> Result<Sources, String> {
        let mut found = Vec::new();
        for pattern in &copy.sources {
            for Selected { path, host } in origin.select(pattern)? {
                found.push(Found::read(origin, &path, &host, copy.unpack, look)?);
            }
        }
        Ok(Sources { may_be_several: copy.sources.len() > 1 || found.len() > 1, found })
    }

    /// What stands for the sources in the key of a cached step.
    pub(super) fn fingerprint(&self, hasher: &mut Sha256) -> Result<(), String> {
        for found in &self.found {
            hasher.update(format!("{:?} {}\n", found.name, found.archive.is_some()).as_bytes());
            fingerprint(&found.entries, hasher).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The entries of the layer. Archives are unpacked into `scratch`, of at most `limit` bytes together.
    ///
    /// # Errors
    /// What stands in the way, in words.
    pub(super) fn place(
        self,
        destination: &Destination<'_>,
        scratch: &Path,
        limit: u64,
        look: Look,
    ) -> Result<(Entries, Vec<String>), String> {
        let target = Path::new("/").join(destination.working_dir).join(destination.path);
        let last = destination.path.rsplit('/').next().unwrap_or_default();
        let ends_as_folder = ["", ".", ".."].contains(&last);
        if self.may_be_several && !ends_as_folder {
            return Err(format!(
                "{}: with more than one source, the destination must end with /",
                destination.path
            ));
        }
        let is_folder = ends_as_folder || is_folder(destination.root, &target);
        let mut layer = Layer { root: destination.root, entries: Entries::new(), modified: look.modified };
        let mut notes = Vec::new();
        for (number, found) in self.found.into_iter().enumerate() {
            let (entries, base) = match found.archive {
                Some(archive) => {
                    let folder = scratch.join(format!("archive-{number}"));
                    let (entries, told) = unpacked(&archive, &folder, limit, look)?;
                    notes.extend(told);
                    (entries, target.clone())
                }
                None if found.entries.get(Path::new("")).is_some_and(|entry| entry.kind == Kind::Folder) => {
                    (found.entries, target.clone())
                }
                None if is_folder => (found.entries, target.join(&found.name)),
                None => (found.entries, target.clone()),
            };
            layer.put(entries, &base)?;
        }
        Ok((layer.entries, notes))
    }
}

impl Found {
    fn read(origin: &Origin, path: &Path, host: &Path, unpack: bool, look: Look) -> Result<Found, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let facts = fs::symlink_metadata(host).map_err(failed)?;
        let is_archive = unpack && facts.is_file() && is_archive(host).map_err(failed)?;
        let wanted = |below: &Path| below.as_os_str().is_empty() || !origin.ignores(&path.join(below));
        let mut entries = tree(host, u64::MAX, &wanted).map_err(failed)?;
        let owner = look.owner.or((!Uid::effective().is_root()).then_some((0, 0)));
        for entry in entries.values_mut() {
            entry.modified = look.modified;
            if let Some(owner) = owner {
                entry.owner = owner;
            }
            // Of the context, only what a version control system keeps: another checkout gives the same image.
            if look.owner.is_some() {
                entry.attributes.clear();
            }
            if let (Some(mode), false) = (look.mode, matches!(entry.kind, Kind::Symlink(_))) {
                entry.mode = mode;
            }
        }
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        Ok(Found { name, entries, archive: is_archive.then(|| host.to_owned()) })
    }
}

/// A layer in the making, over a root that is there.
struct Layer<'a> {
    root: &'a Path,
    entries: Entries,
    modified: u64,
}

impl Layer<'_> {
    /// Puts `entries` below `base`, an absolute path of the image. Links of the image are followed, as a
    /// program would that copies the files there.
    fn put(&mut self, entries: Entries, base: &Path) -> Result<(), String> {
        let mut moved = std::collections::HashMap::new();
        for (path, mut entry) in entries {
            let shown = if path.as_os_str().is_empty() { base.to_owned() } else { base.join(&path) };
            let place = self.place(&shown, &entry)?;
            if let Kind::HardLink(first) = &entry.kind {
                // Its target has moved with it, and may have been refused already.
                let Some(target) = moved.get(first) else { continue };
                entry.kind = Kind::HardLink(Clone::clone(target));
            }
            moved.insert(path, place.clone());
            if place.as_os_str().is_empty() {
                continue;
            }
            self.parents(&place)?;
            let is_folder = entry.kind == Kind::Folder;
            let there = match self.entries.get(&place) {
                Some(other) => Some(other.kind == Kind::Folder),
                None => fs::symlink_metadata(self.root.join(&place)).ok().map(|facts| facts.is_dir()),
            };
            match there {
                Some(false) if is_folder => return Err(format!("/{} is not a folder", place.display())),
                Some(true) if !is_folder => {
                    return Err(format!("/{} is a folder, which a file cannot replace", place.display()));
                }
                // The destination itself stays as the image has it.
                Some(true) if shown == base && !self.entries.contains_key(&place) => {}
                _ => {
                    self.entries.insert(place, entry);
                }
            }
        }
        Ok(())
    }

    fn place(&self, path: &Path, entry: &Entry) -> Result<PathBuf, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        match path.file_name() {
            Some(name) if entry.kind != Kind::Folder => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                Ok(rooted::resolve(self.root, folder).map_err(failed)?.join(name))
            }
            _ => rooted::resolve(self.root, path).map_err(failed),
        }
    }

    /// Folders above that are nowhere yet.
    fn parents(&mut self, place: &Path) -> Result<(), String> {
        for parent in place.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            let there = match self.entries.get(parent) {
                Some(entry) => Some(entry.kind == Kind::Folder),
                None => fs::symlink_metadata(self.root.join(parent)).ok().map(|facts| facts.is_dir()),
            };
            match there {
                Some(true) => {}
                Some(false) => return Err(format!("/{} is not a folder", parent.display())),
                None => {
                    self.entries.insert(parent.to_owned(), Entry::folder(self.modified));
                }
            }
        }
        Ok(())
    }
}

fn is_folder(root: &Path, path: &Path) -> bool {
    rooted::resolve(root, path).is_ok_and(|path| root.join(path).is_dir())
}

/// Whether `ADD` unpacks the file: a tar archive, compressed or not, as far as its first header tells.
fn is_archive(file: &Path) -> std::io::Result<bool> {
    let file = File::open(file)?;
    let Ok((reader, _)) = decompress(file) else { return Ok(false) };
    let mut archive = tar::Archive::new(reader);
    let first = archive.entries()?.next();
    Ok(matches!(first, Some(Ok(_))))
}

fn unpacked(archive: &Path, folder: &Path, limit: u64, look: Look) -> Result<(Entries, Vec<String>), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", archive.display());
    fs::create_dir(folder).map_err(failed)?;
    let (reader, _) = File::open(archive).and_then(decompress).map_err(failed)?;
    let facts = unpack(reader, folder, limit).map_err(|error| format!("{}: {error}", archive.display()))?;
    let mut entries = tree(folder, look.modified, &|_| true).map_err(failed)?;
    // The archive may not describe it.
    entries.insert(PathBuf::new(), Entry::folder(look.modified));
    for (path, entry) in &mut entries {
        let name = path.file_name().unwrap_or_default();
        if name.as_encoded_bytes().starts_with(crate::image::whiteout::PREFIX) {
            return Err(format!("{}: holds {}, which would remove files", archive.display(), path.display()));
        }
        if let Some(owner) = look.owner.filter(|owner| *owner != (0, 0)) {
            entry.owner = owner;
        } else if !Uid::effective().is_root() {
            entry.owner = (0, 0);
        }
        if let (Some(mode), false) = (look.mode, matches!(entry.kind, Kind::Symlink(_))) {
            entry.mode = mode;
        }
    }
    Ok((entries, facts.notes))
}
