//! The kernels that the user has fetched or added, beside the image store.
//!
//! ```text
//! kernels/SHA256/vmlinuz      the kernel, as it came
//! kernels/SHA256/kernel.json  where it came from, and what is known of it
//! kernels/SHA256/modules/     modules that a guest can make use of, unpacked
//! ```
//! A folder is made complete under another name and then renamed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::KernelError;
use super::known::{self, Known};
use super::modules::{Modules, Tree, WANTED};

const KERNEL: &str = "vmlinuz";
const FACTS: &str = "kernel.json";
const MODULES: &str = "modules";

/// `kernel.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    version: u32,
    origin: String,
    release: Option<String>,
    modules: Option<Modules>,
}

/// The store.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The user's: `$XDG_DATA_HOME/isobench/kernels`, or the same below `~/.local/share`.
    ///
    /// # Errors
    /// When neither variable is set.
    pub fn of_user() -> Result<Store, KernelError> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = set("XDG_DATA_HOME").filter(|path| path.is_absolute());
        let data = data.or_else(|| set("HOME").map(|home| home.join(".local/share")));
        let data = data.ok_or_else(|| KernelError::Io {
            step: "finding the kernel store".into(),
            source: io::Error::other("neither XDG_DATA_HOME nor HOME is set; set one of them"),
        })?;
        Ok(Store::at(data.join("isobench/kernels")))
    }

    /// The store in this folder, which is made when something is added.
    pub fn at(folder: impl Into<PathBuf>) -> Store {
        Store { folder: folder.into() }
    }

    /// Every kernel in it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn kernels(&self) -> Result<Vec<Known>, KernelError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(KernelError::at("reading the kernel store", &self.folder)(error)),
        };
        let folders = entries.filter_map(Result::ok).map(|entry| entry.path());
        Ok(folders.filter_map(|folder| read(&folder)).collect())
    }

    /// Keeps a copy of a kernel, with the modules of a folder `/lib/modules/RELEASE` that a guest can make use of.
    /// One that is kept already is kept once.
    ///
    /// # Errors
    /// When the file is no kernel, or the store cannot be written.
    pub fn add(&self, file: &Path, origin: &str, modules: Option<&Path>) -> Result<Known, KernelError> {
        let release = known::look(file)
            .map_err(|problem| KernelError::NotAKernel { file: file.display().to_string(), problem })?;
        let failed = || KernelError::at("writing to the kernel store", &self.folder);
        fs::create_dir_all(&self.folder).map_err(failed())?;
        let scratch = tempfile::Builder::new().prefix(".new-").tempdir_in(&self.folder).map_err(failed())?;
        let sha256 = copy(file, &scratch.path().join(KERNEL)).map_err(KernelError::at("copying", file))?;
        let folder = self.folder.join(&sha256);
        // The modules of the host, for a kernel of the host.
        let of_host = release.as_ref().map(|release| Path::new("/lib/modules").join(release));
        let tree = modules.map(Path::to_owned).or(of_host);
        let facts = Facts {
            version: 1,
            origin: origin.to_owned(),
            release,
            modules: tree.as_deref().and_then(Modules::of_folder),
        };
        if let Some(tree) = tree.as_deref().and_then(Tree::read) {
            keep_modules(&tree, &scratch.path().join(MODULES)).map_err(failed())?;
        }
        let text = serde_json::to_vec_pretty(&facts).map_err(io::Error::other).map_err(failed())?;
        fs::write(scratch.path().join(FACTS), text).map_err(failed())?;
        match fs::rename(scratch.path(), &folder) {
            // Renamed, it is no longer the temporary folder's to remove.
            Ok(()) => drop(scratch.keep()),
            Err(_) if read(&folder).is_some() => {}
            Err(error) => return Err(failed()(error)),
        }
        read(&folder).ok_or_else(|| failed()(io::Error::other("it is not there afterwards")))
    }
}

fn read(folder: &Path) -> Option<Known> {
    let sha256 = folder.file_name()?.to_str().filter(|name| name.len() == 64)?.to_owned();
    let facts: Facts = serde_json::from_slice(&fs::read(folder.join(FACTS)).ok()?).ok()?;
    let path = folder.join(KERNEL);
    Some(Known {
        problem: known::look(&path).err(),
        origin: facts.origin,
        release: facts.release,
        sha256: Some(sha256),
        modules: facts.modules,
        path,
    })
}

/// Copies, and gives the digest of what was copied.
fn copy(from: &Path, to: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = io::Read::read(&mut from, &mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        io::Write::write_all(&mut to, &buffer[..read])?;
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What cannot be read is left out: a guest does without.
fn keep_modules(tree: &Tree, folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    fs::write(folder.join("modules.builtin"), tree.built_in())?;
    for (name, _) in WANTED {
        for (name, content) in tree.in_order(&[name]).unwrap_or_default() {
            fs::write(folder.join(format!("{name}.ko")), content)?;
        }
    }
    Ok(())
}
