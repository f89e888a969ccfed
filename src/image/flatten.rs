//! Layers, put upon each other: the root filesystem that a sandbox sees.
//!
//! Files are hard links to those of the layers, which costs no disk, and lets sandboxes of different
//! images share pages. Nobody writes to them: a container has them below an overlay.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::attributes;
use super::error::ImageError;
use super::unpack::Unpacked;
use super::whiteout::{self, Name};

/// One unpacked layer.
pub struct Layer {
    /// Its files, whiteouts included.
    pub folder: PathBuf,
    /// What is known of it.
    pub facts: Unpacked,
}

/// Fills the folder `root`, which must be empty, with what is seen through `layers`, the lowest first.
///
/// Whiteouts hide what is in the layers below, never what is in their own, whatever the order of the
/// entries in the archive was.
pub fn flatten(layers: &[Layer], root: &Path) -> Result<(), ImageError> {
    let stack: Vec<(&Layer, PathBuf)> =
        layers.iter().rev().map(|layer| (layer, layer.folder.clone())).collect();
    merge(&stack, Path::new(""), root)
}

/// What a name shows: a file, or the folders of this name, the uppermost first.
struct Shown<'a> {
    found: Vec<(&'a Layer, PathBuf)>,
    /// Nothing below can add to it.
    complete: bool,
}

/// `stack` holds the same folder of every layer that shows it, the uppermost first.
fn merge(stack: &[(&Layer, PathBuf)], path: &Path, to: &Path) -> Result<(), ImageError> {
    for (name, shown) in names(stack)? {
        let target = to.join(&name);
        let Some((_, first)) = shown.found.first() else { continue };
        let facts = fs::symlink_metadata(first).map_err(ImageError::at("reading", first))?;
        if facts.is_dir() {
            let mut builder = fs::DirBuilder::new();
            builder.mode(0o700).create(&target).map_err(ImageError::at("making", &target))?;
            merge(&shown.found, &path.join(&name), &target)?;
        } else {
            link_or_copy(first, &target, &facts)?;
        }
    }
    let explicit = stack.iter().find(|(layer, _)| !layer.facts.implied.contains(path.as_os_str()));
    if let Some((_, folder)) = explicit.or(stack.first()) {
        copy_folder_facts(folder, to).map_err(ImageError::at("finishing", to))?;
    }
    Ok(())
}

fn names<'a>(stack: &[(&'a Layer, PathBuf)]) -> Result<BTreeMap<OsString, Shown<'a>>, ImageError> {
    let mut names: BTreeMap<OsString, Shown<'a>> = BTreeMap::new();
    let mut hidden = HashSet::new();
    for (layer, folder) in stack {
        let mut hidden_below = Vec::new();
        let mut opaque = false;
        for entry in fs::read_dir(folder).map_err(ImageError::at("reading", folder))? {
            let entry = entry.map_err(ImageError::at("reading", folder))?;
            let name = entry.file_name();
            match whiteout::name(&name) {
                Ok(Name::Opaque) => opaque = true,
                Ok(Name::Whiteout(removed)) => hidden_below.push(removed.to_owned()),
                Ok(Name::Ordinary) if !hidden.contains(&name) => {
                    let kind = entry.file_type().map_err(ImageError::at("reading", folder))?;
                    let shown = names.entry(name).or_insert(Shown { found: Vec::new(), complete: false });
                    if !shown.complete && (kind.is_dir() || shown.found.is_empty()) {
                        shown.found.push((layer, entry.path()));
                    }
                    shown.complete |= !kind.is_dir();
                }
                Ok(_) | Err(_) => {}
            }
        }
        if opaque {
            break;
        }
        hidden.extend(hidden_below);
    }
    Ok(names)
}

fn link_or_copy(from: &Path, to: &Path, facts: &fs::Metadata) -> Result<(), ImageError> {
    match fs::hard_link(from, to) {
        // A file has as many links as the file system can count, or it knows none.
        Err(error)
            if facts.is_file()
                && matches!(error.raw_os_error(), Some(libc::EMLINK | libc::EPERM | libc::EOPNOTSUPP)) =>
        {
            fs::copy(from, to).map_err(ImageError::at("copying", from))?;
            let _ = std::os::unix::fs::lchown(to, Some(facts.uid()), Some(facts.gid()));
            fs::set_permissions(to, facts.permissions()).map_err(ImageError::at("finishing", to))
        }
        linked => linked.map_err(ImageError::at("linking", to)),
    }
}

fn copy_folder_facts(from: &Path, to: &Path) -> io::Result<()> {
    let facts = fs::symlink_metadata(from)?;
    let target = fs::File::open(to)?;
    for (name, value) in attributes::read(from) {
        // One that cannot be set was not set in the layer either.
        let _ = attributes::set(&target, &name, &value);
    }
    // Only root can give it away; without, it was not given away in the layer either.
    let _ = std::os::unix::fs::fchown(&target, Some(facts.uid()), Some(facts.gid()));
    target.set_permissions(fs::Permissions::from_mode(facts.mode() & 0o7777))?;
    target.set_modified(facts.modified()?)
}

/// Removes a tree of ours, whatever the modes of its folders.
pub(crate) fn remove_tree(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            fs::remove_dir_all(folder)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
