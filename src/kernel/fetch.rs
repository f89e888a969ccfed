//! Fetches a distribution's kernel for virtual machines with the distribution's own package manager: downloaded and
//! unpacked, never installed, so that no root is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::KernelError;
use super::known::Known;
use super::store::Store;

/// Fetches one and keeps it.
///
/// # Errors
/// When no known package manager is here, or it fails: with its own words.
pub fn fetch(store: &Store) -> Result<Known, KernelError> {
    let scratch =
        tempfile::tempdir().map_err(KernelError::at("making a folder in", &std::env::temp_dir()))?;
    let folder = scratch.path();
    let package = if on_path("apt-get") && on_path("dpkg-deb") {
        by_apt(folder)?
    } else if on_path("dnf") && on_path("rpm2cpio") && on_path("cpio") {
        by_dnf(folder)?
    } else if on_path("apk") {
        by_apk(folder)?
    } else {
        return Err(failed(
            "no package manager that isobench can fetch a kernel with (apt-get and dpkg-deb; dnf, rpm2cpio and cpio; \
             apk) is here; get a vmlinuz in another way and say: isobench kernel add FILE",
        ));
    };
    let (kernel, release) = find_kernel(folder)
        .ok_or_else(|| failed(&format!("the package {package} holds no kernel image (boot/vmlinuz-*)")))?;
    let modules = ["lib/modules", "usr/lib/modules"].map(|base| folder.join(base).join(&release));
    let modules = modules.iter().find(|folder| folder.is_dir());
    store.add(&kernel, &format!("package {package}"), modules.map(PathBuf::as_path))
}

fn failed(text: &str) -> KernelError {
    KernelError::Fetch(text.to_owned())
}

fn on_path(name: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(name).is_file())
}

/// Runs a tool in a folder: its standard output; its standard error is part of the error.
fn run(folder: &Path, words: &[&str]) -> Result<String, KernelError> {
    let Some((program, arguments)) = words.split_first() else { return Ok(String::new()) };
    let done = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output();
    let done = done.map_err(|error| failed(&format!("{program} does not start: {error}")))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.trim().lines().last().unwrap_or("it said nothing").to_owned();
    Err(failed(&format!("{} failed: {said}", words.join(" "))))
}

/// Debian's and Ubuntu's names for a kernel made for virtual machines.
const DEBIAN_PACKAGES: [&str; 3] = ["linux-image-cloud-amd64", "linux-image-virtual", "linux-image-amd64"];

fn by_apt(folder: &Path) -> Result<String, KernelError> {
    let image = DEBIAN_PACKAGES.iter().find_map(|package| {
        let listing = run(folder, &["apt-cache", "depends", package]).ok()?;
        dependency(&listing, "linux-image-")
    });
    let image = image.ok_or_else(|| failed("apt knows no kernel package; mend: sudo apt-get update"))?;
    let listing = run(folder, &["apt-cache", "depends", &image])?;
    let packages = [Some(image.clone()), dependency(&listing, "linux-modules-")];
    for package in packages.iter().flatten() {
        // apt's own sandbox user could not write to a private folder.
        let mut words = vec!["apt-get", "-qq", "download", package];
        if nix::unistd::geteuid().is_root() {
            words.splice(1..1, ["-o", "APT::Sandbox::User=root"]);
        }
        run(folder, &words)
            .map_err(|error| failed(&format!("{error}; if apt's lists are old: sudo apt-get update")))?;
    }
    for archive in archives(folder, "deb") {
        run(folder, &["dpkg-deb", "--extract", &archive, "."])?;
    }
    Ok(image)
}

/// The first dependency in `apt-cache depends` whose name begins so.
fn dependency(listing: &str, start: &str) -> Option<String> {
    let names = listing.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.map(str::trim).find(|name| name.starts_with(start)).map(str::to_owned)
}

fn by_dnf(folder: &Path) -> Result<String, KernelError> {
    run(folder, &["dnf", "-q", "download", "kernel-core", "kernel-modules-core"])?;
    for archive in archives(folder, "rpm") {
        run(folder, &["sh", "-c", "rpm2cpio \"$1\" | cpio -idm --quiet", "sh", &archive])?;
    }
    Ok("kernel-core".into())
}

fn by_apk(folder: &Path) -> Result<String, KernelError> {
    run(folder, &["apk", "fetch", "--quiet", "linux-virt"])?;
    for archive in archives(folder, "apk") {
        run(folder, &["tar", "-xzf", &archive])?;
    }
    Ok("linux-virt".into())
}

/// The files of this kind in a folder, by name.
fn archives(folder: &Path, suffix: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.rsplit_once('.').is_some_and(|(_, end)| end == suffix)).collect()
}

/// The kernel below a folder, and its release.
fn find_kernel(folder: &Path) -> Option<(PathBuf, String)> {
    for entry in fs::read_dir(folder.join("boot")).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().into_string().ok()?;
        if let Some(release) = name.strip_prefix("vmlinuz-") {
            // Alpine calls it after its flavour; its modules are called after the release.
            let named = crate::kernel::known::look(&entry.path()).ok().flatten();
            return Some((entry.path(), named.unwrap_or_else(|| release.to_owned())));
        }
    }
    for base in ["lib/modules", "usr/lib/modules"] {
        for entry in fs::read_dir(folder.join(base)).into_iter().flatten().filter_map(Result::ok) {
            let kernel = entry.path().join("vmlinuz");
            if kernel.is_file() {
                return Some((kernel, entry.file_name().into_string().ok()?));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_found_among_the_dependencies() {
        let listing =
            "linux-image-virtual\n  Depends: linux-image-6.8.0-31-generic\n  Depends: <x>\n  Recommends: y\n";
        assert_eq!(dependency(listing, "linux-image-").as_deref(), Some("linux-image-6.8.0-31-generic"));
        assert_eq!(dependency(listing, "linux-modules-"), None);
    }

    #[test]
    fn the_kernel_of_an_unpacked_package_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(find_kernel(folder.path()), None);
        let modules = folder.path().join("lib/modules/6.9.1");
        fs::create_dir_all(&modules).unwrap();
        fs::write(modules.join("vmlinuz"), "x").unwrap();
        assert_eq!(find_kernel(folder.path()), Some((modules.join("vmlinuz"), "6.9.1".into())));
    }
}
