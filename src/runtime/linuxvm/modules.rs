//! A kernel's modules: where a distribution puts them, and which ones a guest needs.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::kernel::{KernelError, KernelImage};

/// No module is larger, unpacked.
const MOST_BYTES: u64 = 64 << 20;

/// A kernel module, ready to be handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// The content of its file, unpacked.
    pub content: Vec<u8>,
}

/// The modules of one kernel.
#[derive(Debug)]
pub struct Modules {
    kernel: PathBuf,
    files: HashMap<String, PathBuf>,
    built_in: HashSet<String>,
    found: bool,
}

impl Modules {
    /// Looks for the modules of a kernel file: in `../lib/modules/RELEASE` as in a distribution's package, then in the
    /// host's `/lib/modules/RELEASE`. A kernel of one's own has perhaps none.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn of(kernel: &Path) -> Result<Modules, KernelError> {
        let mut modules = Modules {
            kernel: kernel.to_owned(),
            files: HashMap::new(),
            built_in: HashSet::new(),
            found: false,
        };
        let Some(folder) = folder(kernel) else { return Ok(modules) };
        modules.found = true;
        let listing = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
        modules.built_in.extend(listing.lines().filter_map(|line| name(Path::new(line))));
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).map_err(KernelError::at("reading", &folder))?;
            for entry in entries {
                let entry = entry.map_err(KernelError::at("reading", &folder))?;
                let path = entry.path();
                // Links lead to sources, which are large and not modules.
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if let Some(name) = name(&path) {
                    modules.files.insert(name, path);
                }
            }
        }
        Ok(modules)
    }

    /// The modules that make a guest have these drivers, in an order in which they can be loaded. A driver that is built
    /// in needs none; nor does one of a kernel without any modules, which has it or has not.
    ///
    /// # Errors
    /// Which driver the kernel has not, or which file cannot be read.
    pub fn with_dependencies(&self, drivers: &[&str]) -> Result<Vec<Module>, KernelError> {
        let mut ordered = Vec::new();
        let mut seen = HashSet::new();
        for driver in drivers {
            self.add(driver, &mut seen, &mut ordered)?;
        }
        Ok(ordered)
    }

    fn add(
        &self,
        name: &str,
        seen: &mut HashSet<String>,
        ordered: &mut Vec<Module>,
    ) -> Result<(), KernelError> {
        // A driver may be built in as part of something with another name.
        if !self.found || self.built_in.contains(name) || !seen.insert(name.to_owned()) {
            return Ok(());
        }
        let path = self.files.get(name).ok_or_else(|| KernelError::NotAKernel {
            file: self.kernel.display().to_string(),
            problem: format!(
                "has no driver {name}, neither built in nor among its modules; take another kernel, such as a \
                 distribution's cloud kernel"
            ),
        })?;
        let content = content(path).map_err(KernelError::at("reading the module", path))?;
        for dependency in dependencies(&content) {
            self.add(&dependency, seen, ordered)?;
        }
        ordered.push(Module { name: name.to_owned(), content });
        Ok(())
    }
}

/// Where a distribution puts the modules of this kernel file.
fn folder(kernel: &Path) -> Option<PathBuf> {
    let kernel = kernel.canonicalize().ok()?;
    let file_name = kernel.file_name()?.to_str()?;
    let from_name = ["vmlinuz-", "vmlinux-"].iter().find_map(|start| file_name.strip_prefix(start));
    let from_header = || {
        let file = File::open(&kernel).ok()?;
        KernelImage::read(&file, &kernel).ok()?.release(&file)
    };
    let release = from_name.map(str::to_owned).or_else(from_header)?;
    let release = Path::new(&release).file_name()?;
    let beside = kernel.parent().and_then(Path::parent).map(|top| top.join("lib/modules").join(release));
    // A host with one folder for programs keeps them in /usr/lib.
    let beside_usr =
        kernel.parent().and_then(Path::parent).map(|top| top.join("usr/lib/modules").join(release));
    let of_host = Path::new("/lib/modules").join(release);
    [beside, beside_usr, Some(of_host)].into_iter().flatten().find(|folder| folder.is_dir())
}

/// The name of the module in this file, as the kernel writes it.
fn name(path: &Path) -> Option<String> {
    let (name, end) = path.file_name()?.to_str()?.split_once(".ko")?;
    ["", ".xz", ".gz", ".zst"].contains(&end).then(|| name.replace('-', "_"))
}

/// A module's file, unpacked as its name says.
fn content(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let reader: Box<dyn Read> = match path.extension().and_then(|end| end.to_str()) {
        Some("xz") => Box::new(lzma_rust2::XzReader::new(file, true)),
        Some("gz") => Box::new(flate2::read::GzDecoder::new(file)),
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        _ => Box::new(file),
    };
    let mut content = Vec::new();
    if reader.take(MOST_BYTES).read_to_end(&mut content)? as u64 == MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large for a kernel module"));
    }
    Ok(content)
}

/// What a module says that it needs (`depends=` in its section `.modinfo`). An unpacked package has no other list.
fn dependencies(module: &[u8]) -> Vec<String> {
    const MARK: &[u8] = b"\0depends=";
    let Some(at) = module.windows(MARK.len()).position(|window| window == MARK) else { return Vec::new() };
    let list = module[at + MARK.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(list);
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// As a distribution's package is, unpacked.
    fn package(modules: &[(&str, &str)], built_in: &str) -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("lib/modules/6.1.0-test/kernel/drivers");
        fs::create_dir_all(&folder).unwrap();
        fs::write(top.path().join("lib/modules/6.1.0-test/modules.builtin"), built_in).unwrap();
        for (file, needs) in modules {
            let content = [b"\x7fELF\0license=GPL\0depends=", needs.as_bytes(), b"\0name=x\0"].concat();
            let path = folder.join(file);
            match file.rsplit_once('.') {
                Some((_, "gz")) => {
                    let file = File::create(path).unwrap();
                    let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                    packer.write_all(&content).unwrap();
                    packer.finish().unwrap();
                }
                Some((_, "zst")) => fs::write(path, zstd::encode_all(&content[..], 1).unwrap()).unwrap(),
                _ => fs::write(path, content).unwrap(),
            }
        }
        fs::create_dir(top.path().join("boot")).unwrap();
        let kernel = top.path().join("boot/vmlinuz-6.1.0-test");
        fs::write(&kernel, "").unwrap();
        (top, kernel)
    }

    fn names(modules: &[Module]) -> Vec<&str> {
        modules.iter().map(|module| module.name.as_str()).collect()
    }

    #[test]
    fn modules_come_after_what_they_need_and_once() {
        let (_top, kernel) = package(
            &[
                ("virtio.ko", ""),
                ("virtio_ring.ko.gz", "virtio"),
                ("virtio-mmio.ko.zst", "virtio_ring,virtio"),
                ("virtio_blk.ko", "virtio_ring"),
            ],
            "kernel/fs/ext4/ext4.ko\n",
        );
        let modules = Modules::of(&kernel).unwrap();
        let ordered = modules.with_dependencies(&["virtio_mmio", "virtio_blk", "ext4"]).unwrap();
        assert_eq!(names(&ordered), ["virtio", "virtio_ring", "virtio_mmio", "virtio_blk"]);
        assert!(ordered.iter().all(|module| module.content.starts_with(b"\x7fELF")));
    }

    #[test]
    fn a_driver_that_is_not_there_is_named() {
        let (_top, kernel) = package(&[("virtio_blk.ko", "virtio")], "");
        let error = Modules::of(&kernel).unwrap().with_dependencies(&["virtio_blk"]).unwrap_err();
        assert!(error.to_string().contains("has no driver virtio,"), "{error}");
    }

    #[test]
    fn modules_that_need_each_other_do_not_go_round_in_circles() {
        let (_top, kernel) = package(&[("a.ko", "b"), ("b.ko", "a")], "");
        let ordered = Modules::of(&kernel).unwrap().with_dependencies(&["a"]).unwrap();
        assert_eq!(names(&ordered), ["b", "a"]);
    }

    #[test]
    fn a_kernel_without_modules_has_its_drivers_built_in() {
        let top = tempfile::tempdir().unwrap();
        let kernel = top.path().join("vmlinux-of-my-own");
        fs::write(&kernel, "").unwrap();
        assert_eq!(Modules::of(&kernel).unwrap().with_dependencies(&["virtio_blk"]).unwrap(), []);
    }
}
