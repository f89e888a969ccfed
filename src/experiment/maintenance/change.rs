//! Which files change when the application, a dependency or the base changes, and how.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::MaintenanceError;
use super::generate::Random;
use super::layers::{Source, walk};
use crate::results::maintenance::Cause;

/// Larger files are not changed: each is read into memory.
const LARGEST: u64 = 64 << 20;

/// Of the base's files, one in so many changes.
const BASE_SHARE: usize = 10;

/// How a file's content changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A line is put into its middle, as an edit of a source file does.
    Line(u64),
    /// A third of it is other bytes, and all of it moves: a new release of a library.
    Release(u64),
}

impl Edit {
    /// The content after it. Whatever the content was, it is another one and compresses as well as before.
    pub fn apply(self, content: Vec<u8>) -> Vec<u8> {
        const BLOCK: usize = 4096;
        match self {
            Edit::Line(seed) => {
                let line = format!("changed {:016x}\n", Random::new(seed).next());
                let (before, after) = content.split_at(content.len() / 2);
                [before, line.as_bytes(), after].concat()
            }
            Edit::Release(seed) => {
                let mut random = Random::new(seed);
                let mut changed = random.next().to_le_bytes().to_vec();
                for (number, block) in content.chunks(BLOCK).enumerate() {
                    let first = changed.len();
                    changed.extend_from_slice(block);
                    if number % 3 == 0 {
                        changed.get_mut(first..).unwrap_or_default().reverse();
                    }
                }
                changed
            }
        }
    }
}

/// The edits of one version: layer and path in it.
pub type Edits = BTreeMap<(usize, PathBuf), Edit>;

/// The files that stand in place of the originals: layer and path in it, and where they are.
pub type Edited = BTreeMap<(usize, PathBuf), PathBuf>;

/// Writes the edited files into the new folder `to`, as somebody does who then builds.
pub fn write(sources: &[Source], edits: &Edits, to: &Path) -> Result<Edited, MaintenanceError> {
    fs::create_dir(to).map_err(MaintenanceError::at("making", to))?;
    let mut edited = Edited::new();
    for (number, ((layer, path), edit)) in edits.iter().enumerate() {
        let Some(source) = sources.get(*layer) else { continue };
        let original = source.folder.join(path);
        let content = fs::read(&original).map_err(MaintenanceError::at("reading", &original))?;
        let file = to.join(number.to_string());
        fs::write(&file, edit.apply(content)).map_err(MaintenanceError::at("writing", &file))?;
        edited.insert((*layer, path.clone()), file);
    }
    Ok(edited)
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// One file of the application: the median one by size of the uppermost layer that has files.
    pub app_file: (usize, PathBuf),
    /// The files of one folder in the middle layer.
    pub dependency: Vec<(usize, PathBuf)>,
    /// Every tenth file of the lowest layer.
    pub base: Vec<(usize, PathBuf)>,
}

impl Targets {
    /// Looks for them.
    pub fn find(sources: &[Source]) -> Result<Targets, MaintenanceError> {
        let mut layers = Vec::new();
        for (number, source) in sources.iter().enumerate() {
            let files = files(&source.folder)?;
            if !files.is_empty() {
                layers.push((number, files));
            }
        }
        let (Some((base, base_files)), Some((middle, middle_files)), Some((app, app_files))) =
            (layers.first(), layers.get((layers.len().saturating_sub(1)) / 2), layers.last())
        else {
            return Err(MaintenanceError::NothingToChange(LARGEST >> 20));
        };
        let mut by_size = app_files.clone();
        by_size.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        let app_file = by_size.get(by_size.len() / 2).map(|(path, _)| path.clone()).unwrap_or_default();
        let parent = middle_files.get(middle_files.len() / 2).and_then(|(path, _)| path.parent());
        let dependency = middle_files.iter().filter(|(path, _)| path.parent() == parent);
        let base_changes = base_files.iter().step_by(BASE_SHARE);
        let named = |layer: usize| move |(path, _): &(PathBuf, u64)| (layer, path.clone());
        Ok(Targets {
            app_file: (*app, app_file),
            dependency: dependency.map(named(*middle)).collect(),
            base: base_changes.map(named(*base)).collect(),
        })
    }

    /// The edits of a change; another `seed` gives another new version.
    pub fn edits(&self, cause: Cause, seed: u64) -> Edits {
        let release = |files: &[(usize, PathBuf)]| {
            let numbered = files.iter().enumerate();
            numbered.map(|(number, file)| (file.clone(), Edit::Release(seed ^ number as u64))).collect()
        };
        match cause {
            Cause::First | Cause::Unchanged => Edits::new(),
            Cause::AppFile => Edits::from([(self.app_file.clone(), Edit::Line(seed))]),
            Cause::Dependency => release(&self.dependency),
            Cause::Base => release(&self.base),
        }
    }
}

/// Every file of a layer that can be changed, with its size: ordinary ones, each under its first name.
fn files(folder: &Path) -> Result<Vec<(PathBuf, u64)>, MaintenanceError> {
    let mut found = Vec::new();
    let mut known = HashSet::new();
    walk(folder, &mut |path, facts| {
        let is_whiteout = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".wh."));
        let is_readable = facts.permissions().mode() & 0o400 != 0;
        if facts.is_file()
            && !is_whiteout
            && is_readable
            && (1..=LARGEST).contains(&facts.len())
            && known.insert(facts.ino())
        {
            found.push((path.to_owned(), facts.len()));
        }
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(folder: &Path, name: &str, files: &[&str]) -> Source {
        let layer = folder.join(name);
        fs::create_dir_all(&layer).expect("made");
        for (number, file) in files.iter().enumerate() {
            let path = layer.join(file);
            fs::create_dir_all(path.parent().expect("below")).expect("made");
            fs::write(path, vec![b'x'; number + 1]).expect("written");
        }
        Source { name: name.to_owned(), folder: layer }
    }

    #[test]
    fn each_change_is_in_its_own_layer() {
        let folder = tempfile::tempdir().expect("a folder");
        let many: Vec<String> = (0..30).map(|number| format!("lib/{number:02}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let sources = [
            source(folder.path(), "base", &many),
            source(folder.path(), "empty", &[".wh.gone"]),
            source(folder.path(), "dependencies", &["a/1", "a/2", "b/1", "b/2", "b/3"]),
            source(folder.path(), "app", &["one", "two", "three"]),
        ];
        let targets = Targets::find(&sources).expect("found");
        assert_eq!(targets.app_file, (3, "two".into()));
        assert_eq!(targets.dependency, [(2, "b/1".into()), (2, "b/2".into()), (2, "b/3".into())]);
        assert_eq!(targets.base.len(), 3);
        assert_eq!(targets.edits(Cause::AppFile, 1).len(), 1);
        assert!(targets.edits(Cause::Unchanged, 1).is_empty());
        let one = Targets::find(&sources[3..]).expect("one layer is enough");
        assert_eq!((one.app_file.0, one.dependency[0].0, one.base[0].0), (0, 0, 0));
        assert!(Targets::find(&sources[1..2]).is_err());
        assert!(Targets::find(&[]).is_err());
    }

    proptest! {
        #[test]
        fn an_edit_changes_the_content_and_little_else(content: Vec<u8>, seed: u64) {
            for edit in [Edit::Line(seed), Edit::Release(seed)] {
                let changed = edit.apply(content.clone());
                prop_assert_ne!(&changed, &content);
                prop_assert!(changed.len() <= content.len() + 32);
                prop_assert_eq!(&changed, &edit.apply(content.clone()));
            }
            prop_assert_ne!(Edit::Line(seed).apply(content.clone()), Edit::Line(!seed).apply(content));
        }
    }
}
