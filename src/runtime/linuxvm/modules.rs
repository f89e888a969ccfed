//! The modules that give a guest's kernel the drivers for its devices.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::kernel::KernelImage;
use crate::kernel::modules::Tree;
use crate::runtime::RuntimeError;

/// A kernel module to hand over.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// The content of its file, unpacked.
    pub content: Vec<u8>,
}

/// The modules that make a kernel have these drivers, in the order of loading. A driver that is built in needs none; nor
/// does one of a kernel without any modules, which has it or has not.
///
/// # Errors
/// [`RuntimeError::BadSpec`]: which driver is not there.
pub fn for_drivers(kernel: &Path, drivers: &[&str]) -> Result<Vec<Module>, RuntimeError> {
    let Some(tree) = folders(kernel).into_iter().find_map(|folder| Tree::read(&folder)) else {
        return Ok(Vec::new());
    };
    let modules = tree.in_order(drivers).map_err(|error| {
        RuntimeError::BadSpec(format!(
            "{} has no drivers for the guest's devices: {error}; take another kernel, such as a distribution's cloud \
             kernel (isobench kernel fetch)",
            kernel.display()
        ))
    })?;
    Ok(modules.into_iter().map(|(name, content)| Module { name, content }).collect())
}

/// Where the modules of this kernel file may be: beside it, as isobench keeps them; in `../lib/modules/RELEASE`, as in
/// a distribution's package; in the host's `/lib/modules/RELEASE`.
fn folders(kernel: &Path) -> Vec<PathBuf> {
    let Ok(kernel) = kernel.canonicalize() else { return Vec::new() };
    let mut folders: Vec<PathBuf> =
        kernel.parent().map(|folder| folder.join("modules")).into_iter().collect();
    if let Some(release) = release(&kernel) {
        let top = kernel.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        for place in ["lib/modules", "usr/lib/modules"] {
            folders.push(top.join(place).join(&release));
        }
        folders.push(Path::new("/lib/modules").join(release));
    }
    folders
}

/// The release of a kernel, told by its file's name or, for a bzImage, by its header.
fn release(kernel: &Path) -> Option<String> {
    let name = kernel.file_name()?.to_str()?;
    let named = ["vmlinuz-", "vmlinux-"].iter().find_map(|start| name.strip_prefix(start));
    let release = named.map(str::to_owned).or_else(|| {
        let file = File::open(kernel).ok()?;
        KernelImage::read(&file, kernel).ok()?.release(&file)
    })?;
    // It becomes part of a path.
    (!release.contains('/') && release != "..").then_some(release)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A distribution's package, unpacked, whose modules need nothing.
    fn package(modules: &[&str], built_in: &str) -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("lib/modules/6.1.0-test");
        fs::create_dir_all(folder.join("kernel/drivers")).unwrap();
        fs::write(folder.join("modules.builtin"), built_in).unwrap();
        for name in modules {
            fs::write(folder.join("kernel/drivers").join(name), name).unwrap();
        }
        fs::create_dir(top.path().join("boot")).unwrap();
        let kernel = top.path().join("boot/vmlinuz-6.1.0-test");
        fs::write(&kernel, "").unwrap();
        (top, kernel)
    }

    #[test]
    fn modules_are_found_in_an_unpacked_package() {
        let (_top, kernel) = package(&["virtio-mmio.ko", "virtio_blk.ko"], "kernel/fs/ext4/ext4.ko\n");
        let modules = for_drivers(&kernel, &["virtio_mmio", "ext4"]).unwrap();
        let found: Vec<_> =
            modules.iter().map(|module| (module.name.as_str(), &module.content[..])).collect();
        assert_eq!(found, [("virtio_mmio", &b"virtio-mmio.ko"[..])]);
    }

    #[test]
    fn a_driver_that_is_not_there_is_named() {
        let (_top, kernel) = package(&["virtio_blk.ko"], "");
        let error = for_drivers(&kernel, &["virtio_mmio"]).unwrap_err().to_string();
        assert!(error.contains("no module virtio_mmio"), "{error}");
    }

    #[test]
    fn a_kernel_without_modules_has_its_drivers_built_in() {
        let top = tempfile::tempdir().unwrap();
        let kernel = top.path().join("vmlinux-of-my-own");
        fs::write(&kernel, "").unwrap();
        assert!(for_drivers(&kernel, &["virtio_blk"]).unwrap().is_empty());
    }
}
