//! Opening a path as a process would whose root directory is some folder: `..` and symbolic links,
//! absolute ones too, never lead out of it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::Mode;

/// How many symbolic links one path may go through, as in the kernel (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// Opens `path` for reading, below `root`.
pub fn open(root: &Path, path: &Path) -> io::Result<File> {
    let root = nix::fcntl::open(root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    match open_by_kernel(&root, path) {
        // Kernels before 5.6, and seccomp filters that do not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(open_by_steps(root, path)?.into()),
        opened => Ok(opened?.into()),
    }
}

/// How a program file is opened: `O_NONBLOCK`, so that a FIFO is refused instead of waited for.
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_CLOEXEC).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

fn open_by_kernel(root: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    let how =
        OpenHow::new().flags(READ).resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(root, path, how)
}

/// The same, one component after the other. Each directory is held open, so that `..` is the one
/// that was passed through, whatever is renamed meanwhile.
fn open_by_steps(root: OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    let mut passed = Vec::new();
    let mut links = 0;
    let mut left: VecDeque<OsString> = steps(path);
    while let Some(step) = left.pop_front() {
        if step == "/" {
            passed.clear();
            continue;
        }
        if step == ".." {
            passed.pop();
            continue;
        }
        let here = passed.last().unwrap_or(&root).as_fd();
        if let Ok(target) = readlinkat(here, step.as_os_str()) {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::ELOOP);
            }
            for step in steps(Path::new(&target)).into_iter().rev() {
                left.push_front(step);
            }
            continue;
        }
        if left.is_empty() {
            return openat(here, step.as_os_str(), READ | OFlag::O_NOFOLLOW, Mode::empty());
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        passed.push(openat(here, step.as_os_str(), flags, Mode::empty())?);
    }
    // The path ended with `/`, `.` or `..`: a directory.
    Err(Errno::EISDIR)
}

/// The components that matter: `/` for a start at the root, names, `..`.
fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|component| !matches!(component, Component::CurDir | Component::Prefix(_)))
        .map(|component| component.as_os_str().to_owned())
        .collect()
}

/// The same, of a path to open.
fn steps(path: &Path) -> VecDeque<OsString> {
    let mut steps = components(path);
    // `Path` forgets a final slash, which demands a directory.
    if path.as_os_str().as_bytes().ends_with(b"/") && path.as_os_str().len() > 1 {
        steps.push_back("..".into());
    }
    steps
}

/// Where `path` leads below `root`, as a path without symbolic links, relative to it; what does not exist
/// stays as it is written. For trees that nobody changes meanwhile: nothing is held open.
pub fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut passed = PathBuf::new();
    let mut links = 0;
    let mut left = components(path);
    while let Some(step) = left.pop_front() {
        if step == "/" {
            passed.clear();
            continue;
        }
        if step == ".." {
            passed.pop();
            continue;
        }
        passed.push(&step);
        let Ok(target) = std::fs::read_link(root.join(&passed)) else { continue };
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::ELOOP.into());
        }
        passed.pop();
        for step in components(&target).into_iter().rev() {
            left.push_front(step);
        }
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root with links that would lead out of it if they were followed on the host.
    fn root() -> tempfile::TempDir {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let root = outside.path().join("root");
        fs::create_dir_all(root.join("usr/bin")).expect("made");
        fs::write(root.join("usr/bin/tool"), "inside").expect("written");
        fs::write(outside.path().join("tool"), "outside").expect("written");
        symlink("/usr/bin", root.join("bin")).expect("linked");
        symlink("../../../tool", root.join("usr/bin/up")).expect("linked");
        symlink("loop", root.join("loop")).expect("linked");
        symlink("/bin/tool", root.join("tool")).expect("linked");
        outside
    }

    #[test]
    fn a_path_is_resolved_inside() {
        let folder = root();
        let root = folder.path().join("root");
        let resolved = |path: &str| resolve(&root, Path::new(path)).map(|path| path.display().to_string());
        assert_eq!(resolved("/bin/tool").ok().as_deref(), Some("usr/bin/tool"));
        assert_eq!(resolved("/bin/new/file/").ok().as_deref(), Some("usr/bin/new/file"));
        assert_eq!(resolved("/bin/up").ok().as_deref(), Some("usr/bin/tool"));
        assert_eq!(resolved("../../x/.").ok().as_deref(), Some("x"));
        assert_eq!(resolved("/").ok().as_deref(), Some(""));
        assert!(resolved("loop").is_err());
    }

    fn by_steps(root: &Path, path: &str) -> Result<String, Errno> {
        let root = nix::fcntl::open(root, OFlag::O_PATH, Mode::empty())?;
        content(open_by_steps(root, Path::new(path))?)
    }

    fn by_kernel(root: &Path, path: &str) -> Result<String, Errno> {
        let root = nix::fcntl::open(root, OFlag::O_PATH, Mode::empty())?;
        content(open_by_kernel(&root, Path::new(path))?)
    }

    fn content(file: OwnedFd) -> Result<String, Errno> {
        let mut text = String::new();
        File::from(file)
            .read_to_string(&mut text)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        Ok(text)
    }

    #[test]
    fn links_are_followed_within_the_root() {
        let outside = root();
        let root = outside.path().join("root");
        for path in ["/usr/bin/tool", "usr/bin/tool", "/bin/tool", "/../../bin/tool", "/tool", "/usr/bin/up"]
        {
            assert_eq!(by_steps(&root, path).as_deref(), Ok("inside"), "{path}");
        }
    }

    #[test]
    fn both_ways_agree() {
        let outside = root();
        let root = outside.path().join("root");
        if by_kernel(&root, "/bin/tool") == Err(Errno::ENOSYS) {
            return;
        }
        for path in [
            "/bin/tool",
            "/usr/bin/up",
            "/tool",
            "/none",
            "/none/tool",
            "/loop",
            "/bin/tool/x",
            "bin/../bin/./tool",
        ] {
            assert_eq!(by_steps(&root, path), by_kernel(&root, path), "{path}");
        }
        for directory in ["/", "/usr/bin", "/usr/bin/", "..", "/bin"] {
            assert!(
                by_steps(&root, directory).is_err() && by_kernel(&root, directory).is_err(),
                "{directory}"
            );
        }
    }
}
