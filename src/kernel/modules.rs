//! A kernel's modules: which drivers it has built in, which as modules, and in which order modules are loaded.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use elf::ElfBytes;
use elf::endian::LittleEndian;
use serde::{Deserialize, Serialize};

/// The drivers that a guest can make use of, and what it has to do without one. None is needed: output, input and
/// the exit status go through the doorbell.
pub const WANTED: [(&str, &str); 4] = [
    ("virtio_mmio", "no virtio devices at all"),
    ("virtio_console", "no virtio console; the doorbell carries the streams all the same"),
    ("virtio_blk", "no disks; a root goes in as an initramfs, which is unpacked into memory"),
    ("overlay", "no overlayfs inside the guest"),
];

/// More than any module is.
const MOST_BYTES: u64 = 64 << 20;

/// How a kernel has a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// In the kernel itself.
    BuiltIn,
    /// As a module that is here.
    Module,
    /// Not at all, or its module is not here.
    Missing,
}

/// The drivers of [`WANTED`], by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modules(pub BTreeMap<String, Driver>);

impl Modules {
    /// Reads a folder `/lib/modules/RELEASE`; nothing if there is none.
    pub fn of_folder(folder: &Path) -> Option<Modules> {
        let tree = Tree::read(folder)?;
        let drivers = WANTED.map(|(name, _)| (name.to_owned(), tree.driver(name)));
        Some(Modules(drivers.into()))
    }

    /// Those that are missing, each with what the guest has to do without.
    pub fn missing(&self) -> Vec<(&'static str, &'static str)> {
        let missing = |name: &str| self.0.get(name).is_none_or(|driver| *driver == Driver::Missing);
        WANTED.into_iter().filter(|(name, _)| missing(name)).collect()
    }
}

/// The modules of one kernel on disk.
#[derive(Debug)]
pub struct Tree {
    files: BTreeMap<String, PathBuf>,
    built_in: Vec<String>,
}

impl Tree {
    /// Reads a folder `/lib/modules/RELEASE`; nothing if there is none.
    pub fn read(folder: &Path) -> Option<Tree> {
        let built_in = fs::read_to_string(folder.join("modules.builtin")).ok();
        let mut tree = Tree {
            files: BTreeMap::new(),
            built_in: built_in
                .iter()
                .flat_map(|text| text.lines())
                .filter_map(|line| name_of(Path::new(line)))
                .collect(),
        };
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if let Some(name) = name_of(&path) {
                    tree.files.insert(name, path);
                }
            }
        }
        (built_in.is_some() || !tree.files.is_empty()).then_some(tree)
    }

    /// What is built in, as a file `modules.builtin` has it.
    pub fn built_in(&self) -> String {
        self.built_in.iter().map(|name| format!("{name}.ko\n")).collect()
    }

    fn driver(&self, name: &str) -> Driver {
        if self.built_in.iter().any(|known| known == name) {
            Driver::BuiltIn
        } else if self.files.contains_key(name) {
            Driver::Module
        } else {
            Driver::Missing
        }
    }

    /// The contents of a module and of all that it depends on, unpacked, in the order of loading. What is built in
    /// is left out.
    ///
    /// # Errors
    /// When a file cannot be read, or a module is not there.
    pub fn in_order(&self, wanted: &[&str]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut ordered = Vec::new();
        for name in wanted {
            self.add(name, &mut ordered, 0)?;
        }
        Ok(ordered)
    }

    fn add(&self, name: &str, ordered: &mut Vec<(String, Vec<u8>)>, depth: u32) -> io::Result<()> {
        /// Deeper than any module's dependencies go, in case they go in a circle.
        const DEEPEST: u32 = 32;
        if ordered.iter().any(|(known, _)| known == name) || self.driver(name) == Driver::BuiltIn {
            return Ok(());
        }
        let path = self.files.get(name).filter(|_| depth < DEEPEST);
        let path = path.ok_or_else(|| io::Error::other(format!("there is no module {name}")))?;
        let content = unpack(path)?;
        for dependency in dependencies(&content) {
            self.add(&dependency, ordered, depth + 1)?;
        }
        ordered.push((name.to_owned(), content));
        Ok(())
    }
}

/// `virtio_mmio` of `drivers/virtio/virtio-mmio.ko.xz`.
fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (name, suffix) = name.split_once(".ko")?;
    matches!(suffix, "" | ".xz" | ".gz" | ".zst").then(|| name.replace('-', "_"))
}

fn unpack(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut content = Vec::new();
    let mut reader: Box<dyn Read> = match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("xz") => Box::new(lzma_rust2::XzReader::new_mem_limit(file, false, 256 << 10)),
        Some("gz") => Box::new(flate2::read::GzDecoder::new(file)),
        Some("zst") => Box::new(zstd::stream::read::Decoder::new(file)?),
        _ => Box::new(file),
    };
    reader.by_ref().take(MOST_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

/// The names in the field `depends` of a module's section `.modinfo`, which is strings that each end with a zero.
fn dependencies(module: &[u8]) -> Vec<String> {
    let section = || {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(module).ok()?;
        let header = elf.section_header_by_name(".modinfo").ok()??;
        Some(elf.section_data(&header).ok()?.0)
    };
    let field = section()
        .and_then(|data| data.split(|byte| *byte == 0).find_map(|text| text.strip_prefix(b"depends=")));
    let names = String::from_utf8_lossy(field.unwrap_or_default()).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}
