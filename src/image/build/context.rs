//! Where the files of `COPY` come from: the build context without what is ignored, or another image.

use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::workload::rooted;

/// A folder to copy from. No path leads out of it.
pub(super) struct Origin {
    pub(super) folder: PathBuf,
    ignored: Vec<Rule>,
}

/// A line of an ignore file.
struct Rule {
    matcher: GlobMatcher,
    /// With a `!`: what it matches is not ignored.
    included: bool,
}

/// One thing to copy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selected {
    /// What it is called, relative to the origin.
    pub(super) path: PathBuf,
    /// Where it is, without symbolic links on the way.
    pub(super) host: PathBuf,
}

/// Files that say what is left out of a context; the first one there counts.
const IGNORE_FILES: [&str; 2] = [".containerignore", ".dockerignore"];

impl Origin {
    /// A build context, with its ignore file.
    ///
    /// # Errors
    /// What cannot be read, or not be understood, in words.
    pub(super) fn context(folder: &Path) -> Result<Origin, String> {
        let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
        if !folder.is_dir() {
            return Err(format!("{} is no folder", folder.display()));
        }
        let Some(file) = IGNORE_FILES.iter().map(|name| folder.join(name)).find(|file| file.exists()) else {
            return Ok(Origin { folder, ignored: Vec::new() });
        };
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let ignored = rules(&text).map_err(|problem| format!("{}: {problem}", file.display()))?;
        Ok(Origin { folder, ignored })
    }

    /// The root of another image or stage, where nothing is ignored.
    pub(super) fn tree(folder: &Path) -> Origin {
        Origin { folder: folder.to_owned(), ignored: Vec::new() }
    }

    /// Whether the ignore file leaves this path, or a folder above it, out. The last rule that matches counts.
    pub(super) fn ignores(&self, path: &Path) -> bool {
        let matches = |rule: &Rule| {
            path.ancestors().any(|part| !part.as_os_str().is_empty() && rule.matcher.is_match(part))
        };
        self.ignored.iter().rev().find(|rule| matches(rule)).is_some_and(|rule| !rule.included)
    }

    /// What `pattern` names, in the order of the names.
    ///
    /// # Errors
    /// When that is nothing, or leads out of the origin.
    pub(super) fn select(&self, pattern: &str) -> Result<Vec<Selected>, String> {
        let path =
            inside(Path::new(pattern)).ok_or_else(|| format!("{pattern}: leads out of the build context"))?;
        let found = if pattern.contains(['*', '?', '[']) {
            let text = path.to_string_lossy();
            let matcher = glob(&text).map_err(|problem| format!("{pattern}: {problem}"))?;
            let mut found = Vec::new();
            self.walk(Path::new(""), path.components().count(), &matcher, &mut found)?;
            found
        } else {
            vec![path]
        };
        let mut selected = Vec::new();
        for path in found.into_iter().filter(|path| !self.ignores(path)) {
            let there = rooted::resolve(&self.folder, &path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let host = self.folder.join(there);
            if fs::symlink_metadata(&host).is_ok() {
                selected.push(Selected { path, host });
            }
        }
        if selected.is_empty() {
            return Err(format!("{pattern}: no such file in {}, or it is ignored", self.folder.display()));
        }
        Ok(selected)
    }

    /// Collects what matches, at most `depth` names deep.
    fn walk(
        &self,
        folder: &Path,
        depth: usize,
        matcher: &GlobMatcher,
        found: &mut Vec<PathBuf>,
    ) -> Result<(), String> {
        if depth == 0 {
            return Ok(());
        }
        let here = self.folder.join(folder);
        let failed = |error: std::io::Error| format!("{}: {error}", here.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(&here).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            names.push((entry.file_name(), entry.file_type().map_err(failed)?.is_dir()));
        }
        names.sort();
        for (name, is_folder) in names {
            let path = folder.join(name);
            if matcher.is_match(&path) {
                found.push(path.clone());
            }
            if is_folder {
                self.walk(&path, depth - 1, matcher, found)?;
            }
        }
        Ok(())
    }
}

/// The path without `.`, `..` and the slash at its start; none where it leads out.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(normal)
}

fn rules(text: &str) -> Result<Vec<Rule>, String> {
    let mut rules = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (included, pattern) = match line.strip_prefix('!') {
            Some(pattern) => (true, pattern.trim()),
            None => (false, line),
        };
        let Some(path) = inside(Path::new(pattern)) else {
            return Err(format!("{line}: leads out of the build context"));
        };
        // A lone `.` means the context itself, which is never left out.
        if !path.as_os_str().is_empty() {
            rules.push(Rule {
                matcher: glob(&path.to_string_lossy()).map_err(|problem| format!("{line}: {problem}"))?,
                included,
            });
        }
    }
    Ok(rules)
}

/// As Go's `filepath.Match`: a `*` ends at a slash; `**` does not.
fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let built = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    Ok(built.map_err(|error| error.kind().to_string())?.compile_matcher())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn context(ignore: &str) -> (tempfile::TempDir, Origin) {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("context");
        for name in ["a.txt", "b.txt", "note.md", "src/one.c", "src/two.c", "src/deep/three.c", "keep/me"] {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, name).expect("written");
        }
        fs::write(outer.path().join("secret"), "secret").expect("written");
        symlink("../secret", folder.join("out")).expect("linked");
        symlink("src", folder.join("link")).expect("linked");
        fs::write(folder.join(".dockerignore"), ignore).expect("written");
        let origin = Origin::context(&folder).expect("good");
        (outer, origin)
    }

    fn names(origin: &Origin, pattern: &str) -> Vec<String> {
        let selected = origin.select(pattern).unwrap_or_default();
        selected.into_iter().map(|selected| selected.path.display().to_string()).collect()
    }

    #[test]
    fn patterns_select_inside_the_context() {
        let (_outer, origin) = context("");
        assert_eq!(names(&origin, "*.txt"), ["a.txt", "b.txt"]);
        assert_eq!(names(&origin, "/src/*.c"), ["src/one.c", "src/two.c"]);
        assert_eq!(names(&origin, "./src/[to]*.c"), ["src/one.c", "src/two.c"]);
        assert_eq!(names(&origin, "src/"), ["src"]);
        assert_eq!(names(&origin, "."), [""]);
        for bad in ["../secret", "src/../../secret", "out", "none", "*.none", "["] {
            assert!(origin.select(bad).is_err(), "{bad}");
        }
        let through = origin.select("link/one.c").expect("inside");
        assert!(through[0].host.ends_with("context/src/one.c"));
    }

    #[test]
    fn what_is_ignored_is_not_there() {
        let (_outer, origin) = context("# all text\n*.txt\n!b.txt\n/src\n!src/deep\n**/me\n");
        assert_eq!(names(&origin, "*.txt"), ["b.txt"]);
        assert!(origin.ignores(Path::new("src/one.c")) && !origin.ignores(Path::new("src/deep/three.c")));
        assert!(origin.ignores(Path::new("keep/me")) && !origin.ignores(Path::new("keep")));
        assert!(rules("../x").is_err() && rules("[").is_err());
    }
}
