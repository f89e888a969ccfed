//! What a `RUN` has changed, as the entries of a layer: read from the upper folder of an overlay, or, where
//! there is no overlay, from the difference between a copy and what it was made of.

use std::ffi::{CString, OsStr};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::entries::{Entries, Entry, Kind, tree};
use crate::image::attributes;

/// Folders that a container needs and makes where the image has none. They are no change of the image.
const MADE_FOR_THE_RUN: [&str; 5] = ["proc", "dev", "tmp", "sys", "etc"];

/// The changes in `upper`, the upper folder of an overlay over `lower` (kernel: filesystems/overlayfs,
/// "whiteouts and opaque directories"). What was only opened for writing, or passed through, is no change.
pub(super) fn of_overlay(upper: &Path, lower: &Path, latest: u64) -> io::Result<Entries> {
    let mut entries = tree(upper, latest, &|path| !path.as_os_str().is_empty())?;
    let is_removed = |(_, entry): &(&PathBuf, &Entry)| is_whiteout(entry);
    let removed: Vec<PathBuf> = entries.iter().filter(is_removed).map(|(path, _)| path.clone()).collect();
    for path in removed {
        entries.remove(&path);
        put_whiteout(&mut entries, &path, latest);
    }
    let is_folder = |(_, entry): &(&PathBuf, &Entry)| entry.kind == Kind::Folder;
    let folders: Vec<PathBuf> = entries.iter().filter(is_folder).map(|(path, _)| path.clone()).collect();
    for path in &folders {
        if is_opaque(&upper.join(path)) {
            hide_lower(&mut entries, path, lower, latest)?;
        }
    }
    let linked: Vec<PathBuf> = entries
        .values()
        .filter_map(|entry| if let Kind::HardLink(first) = &entry.kind { Some(first.clone()) } else { None })
        .collect();
    entries.retain(|path, entry| match entry.kind {
        Kind::Whiteout | Kind::HardLink(_) => true,
        _ if linked.contains(path) => true,
        _ => differs(&upper.join(path), &lower.join(path)),
    });
    drop_what_the_run_needed(&mut entries, lower);
    Ok(entries)
}

/// An opaque folder, said with whiteouts, which every tool understands: nothing is seen of the lower one.
fn hide_lower(entries: &mut Entries, folder: &Path, lower: &Path, latest: u64) -> io::Result<()> {
    let Ok(below) = fs::read_dir(lower.join(folder)) else { return Ok(()) };
    for entry in below {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        match entries.get(&path) {
            None => put_whiteout(entries, &path, latest),
            Some(upper) if upper.kind == Kind::Folder && entry.file_type()?.is_dir() => {
                hide_lower(entries, &path, lower, latest)?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The changes between `original` and `copy`, which was the same before. As every tool that compares trees,
/// this takes a file for the same that has kind, mode, owner, size and time of the original.
pub(super) fn of_difference(copy: &Path, original: &Path, latest: u64) -> io::Result<Entries> {
    let changed =
        |path: &Path| !path.as_os_str().is_empty() && differs(&copy.join(path), &original.join(path));
    let mut entries = tree(copy, latest, &changed)?;
    let before = tree(original, latest, &|path| !path.as_os_str().is_empty())?;
    let mut gone: Option<PathBuf> = None;
    for path in before.into_keys() {
        // What was in a folder that is gone has gone with it.
        if gone.as_ref().is_some_and(|gone| path.starts_with(gone)) {
            continue;
        }
        match fs::symlink_metadata(copy.join(&path)) {
            Err(_) => {
                put_whiteout(&mut entries, &path, latest);
                gone = Some(path);
            }
            Ok(new) if !new.is_dir() => gone = Some(path),
            Ok(_) => {}
        }
    }
    drop_what_the_run_needed(&mut entries, original);
    Ok(entries)
}

fn differs(new: &Path, old: &Path) -> bool {
    match (fs::symlink_metadata(new), fs::symlink_metadata(old)) {
        (Ok(new_facts), Ok(old_facts)) => !same(&new_facts, &old_facts, new, old),
        _ => true,
    }
}

fn same(new: &Metadata, old: &Metadata, new_path: &Path, old_path: &Path) -> bool {
    let common = new.mode() == old.mode() && (new.uid(), new.gid()) == (old.uid(), old.gid());
    common
        && match (new.is_dir(), new.is_symlink()) {
            (true, _) => attributes::read(new_path) == attributes::read(old_path),
            (_, true) => fs::read_link(new_path).ok() == fs::read_link(old_path).ok(),
            _ => {
                new.len() == old.len()
                    && (new.mtime(), new.mtime_nsec()) == (old.mtime(), old.mtime_nsec())
                    && new.rdev() == old.rdev()
                    && new.file_type().is_fifo() == old.file_type().is_fifo()
            }
        }
}

/// A character device 0:0.
fn is_whiteout(entry: &Entry) -> bool {
    entry.kind == Kind::Device { is_block: false, major: 0, minor: 0 }
}

fn put_whiteout(entries: &mut Entries, path: &Path, latest: u64) {
    let name = path.file_name().unwrap_or_default();
    let name = OsStr::from_bytes(&[crate::image::whiteout::PREFIX, name.as_bytes()].concat()).to_owned();
    entries.insert(path.with_file_name(name), Entry::whiteout(latest));
}

fn is_opaque(folder: &Path) -> bool {
    let Ok(path) = CString::new(folder.as_os_str().as_bytes()) else { return false };
    [c"trusted.overlay.opaque", c"user.overlay.opaque"]
        .iter()
        .any(|name| attributes::value(&path, name).as_deref() == Some(b"y"))
}

fn drop_what_the_run_needed(entries: &mut Entries, lower: &Path) {
    for name in MADE_FOR_THE_RUN {
        let path = Path::new(name);
        let is_new = fs::symlink_metadata(lower.join(path)).is_err();
        let is_empty = entries.keys().filter(|other| other.starts_with(path)).count() == 1;
        if is_new && is_empty && entries.get(path).is_some_and(|entry| entry.kind == Kind::Folder) {
            entries.remove(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and what they stand for, of the changes of a tree that `change` makes in a copy.
    fn changes(change: impl FnOnce(&Path)) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        for root in [&old, &new] {
            fs::create_dir_all(root.join("folder/deep")).expect("made");
            for name in ["kept", "changed", "gone", "folder/deep/file"] {
                fs::write(root.join(name), name).expect("written");
                let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(5);
                fs::File::options()
                    .write(true)
                    .open(root.join(name))
                    .and_then(|file| file.set_modified(time))
                    .expect("set");
            }
        }
        change(&new);
        let entries = of_difference(&new, &old, 0).expect("compared");
        entries.into_keys().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_difference_holds_what_changed_and_nothing_else() {
        assert_eq!(changes(|_| ()), [""; 0]);
        let found = changes(|root| {
            fs::write(root.join("changed"), "other").expect("written");
            fs::remove_file(root.join("gone")).expect("removed");
            fs::remove_dir_all(root.join("folder/deep")).expect("removed");
            fs::create_dir_all(root.join("new/one")).expect("made");
            fs::create_dir(root.join("proc")).expect("made");
        });
        assert_eq!(found, [".wh.gone", "changed", "folder/.wh.deep", "new", "new/one"]);
        let replaced = changes(|root| {
            fs::remove_dir_all(root.join("folder")).expect("removed");
            fs::write(root.join("folder"), "a file").expect("written");
        });
        assert_eq!(replaced, ["folder"]);
    }
}
