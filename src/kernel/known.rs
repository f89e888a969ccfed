//! The kernels that are known here: those of the store, and the host's own.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::modules::Modules;
use super::store::Store;
use super::{KernelError, KernelImage};

/// Where distributions put kernels.
const BOOT: &str = "/boot";
/// Where their modules are.
const MODULES: &str = "/lib/modules";

/// A kernel that a guest could be booted with.
#[derive(Debug)]
pub struct Known {
    /// The file.
    pub path: PathBuf,
    /// Its release, such as `6.1.0-13-amd64`.
    pub release: Option<String>,
    /// Where it is from, in words.
    pub origin: String,
    /// SHA-256 as hex digits, for one of the store.
    pub sha256: Option<String>,
    /// What is known of its modules; nothing where they are not here.
    pub modules: Option<Modules>,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// All of them, the one that is used by default first.
///
/// # Errors
/// When the store cannot be read.
pub fn all(store: &Store) -> Result<Vec<Known>, KernelError> {
    let mut kernels = store.kernels()?;
    kernels.sort_by(newer_first);
    let mut host = of_host(Path::new(BOOT), Path::new(MODULES));
    host.sort_by(newer_first);
    kernels.extend(host);
    // Those that can be used come first; each group stays in its order.
    kernels.sort_by_key(|kernel| kernel.problem.is_some());
    Ok(kernels)
}

/// The kernel that is used when none is named.
///
/// # Errors
/// When there is none, or the store cannot be read.
pub fn default(store: &Store) -> Result<Option<PathBuf>, KernelError> {
    let usable = |kernel: Known| kernel.problem.is_none().then_some(kernel.path);
    Ok(all(store)?.into_iter().next().and_then(usable))
}

fn of_host(boot: &Path, modules: &Path) -> Vec<Known> {
    let Ok(entries) = fs::read_dir(boot) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let release = name.strip_prefix("vmlinuz-")?.to_owned();
            let path = entry.path();
            Some(Known {
                problem: look(&path).err(),
                origin: "of this host".into(),
                sha256: None,
                modules: Modules::of_folder(&modules.join(&release)),
                release: Some(release),
                path,
            })
        })
        .collect()
}

/// Whether a file can be used, and its release where it names one.
///
/// # Errors
/// Why not, in a clause.
pub fn look(path: &Path) -> Result<Option<String>, String> {
    let file = match File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(format!("only root may read it; mend: sudo chmod a+r {}", path.display()));
        }
        other => other.map_err(|error| error.to_string())?,
    };
    match KernelImage::read(&file, path) {
        Ok(image) => Ok(image.release(&file)),
        Err(KernelError::NotAKernel { problem, .. }) => Err(problem),
        Err(error) => Err(error.to_string()),
    }
}

fn newer_first(a: &Known, b: &Known) -> Ordering {
    let parts = |kernel: &Known| {
        let release = kernel.release.clone().unwrap_or_default();
        let numbers =
            release.split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse().ok());
        numbers.collect::<Vec<u64>>()
    };
    parts(b).cmp(&parts(a)).then_with(|| a.path.cmp(&b.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_kernels_come_first() {
        let known = |release: &str| Known {
            path: release.into(),
            release: Some(release.into()),
            origin: String::new(),
            sha256: None,
            modules: None,
            problem: None,
        };
        let mut kernels = [known("6.1.9-cloud"), known("6.12.0-1"), known("6.1.10-cloud")];
        kernels.sort_by(newer_first);
        assert_eq!(
            kernels.map(|kernel| kernel.release.unwrap()),
            ["6.12.0-1", "6.1.10-cloud", "6.1.9-cloud"]
        );
    }
}
