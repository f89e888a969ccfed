//! The guest's root filesystem: an initramfs made of what the spec names, once for all its launches.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use guest_abi::linux::{self, StartHeader};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::filesystem::FileSystem;
use super::layout::PAGE;
use super::modules::Module;
use super::newc::{Attributes, Mapped, Newc};
use crate::runtime::RuntimeError;
use crate::runtime::spec::{LaunchSpec, Program};
use crate::runtime::vmm::guest_memory::Window;
use crate::workload::program::ProgramFile;

/// Our init, compiled by build.rs.
pub static INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest-linux-init.elf"));

const FOLDER: u32 = libc::S_IFDIR;
const REGULAR: u32 = libc::S_IFREG;

/// The initramfs of a spec.
#[derive(Debug)]
pub struct Root {
    /// The archive, with holes where files are mapped.
    pub archive: Rc<File>,
    /// Its bytes.
    pub bytes: u64,
    /// What is mapped over the holes.
    pub mapped: Vec<Mapped>,
    /// What init is told to run.
    pub start: Start,
    /// What was left out.
    pub notes: Vec<String>,
}

/// What init is told to run. The same goes into a snapshot, for clones that run it with other arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The program's path in the guest.
    pub path: PathBuf,
    /// Where it starts.
    pub folder: PathBuf,
    /// Its arguments, its own name first.
    pub argv: Vec<CString>,
    /// Its environment.
    pub env: Vec<CString>,
    /// Linux' log is wanted at the end.
    pub log: bool,
}

impl Root {
    /// The files of guest memory, for an archive at this address. Later ones lie over earlier ones.
    pub fn windows(&self, address: u64) -> Vec<Window> {
        let bytes = self.bytes.next_multiple_of(PAGE);
        let archive = Window { offset: address, file: Rc::clone(&self.archive), file_offset: 0, bytes };
        let files = self.mapped.iter().map(|mapped| Window {
            offset: address + mapped.at,
            file: Rc::clone(&mapped.file),
            file_offset: 0,
            bytes: mapped.bytes,
        });
        std::iter::once(archive).chain(files).collect()
    }

    /// Packs the root folder, the mapped files, the program and what init needs. `most_bytes` is what the guest
    /// can hold. With a `disk` the root is there, and only the rest is packed.
    pub fn pack(
        spec: &LaunchSpec,
        program: Option<&ProgramFile>,
        modules: &[Module],
        disk: Option<FileSystem>,
        log: bool,
        most_bytes: u64,
    ) -> Result<Root, RuntimeError> {
        let archive = memfd_create(c"isobench initramfs", MFdFlags::MFD_CLOEXEC)
            .map_err(RuntimeError::step("making a memory file"))?;
        let mut packer = Packer {
            archive: Newc::new(File::from(archive)),
            names: HashSet::new(),
            inodes: HashMap::new(),
            own_user: nix::unistd::geteuid().as_raw(),
            own_group: nix::unistd::getegid().as_raw(),
            unreadable: Vec::new(),
            most_bytes,
        };
        if let Some(root) = &spec.root {
            packer.tree(root)?;
        }
        for file in &spec.files {
            packer.file(&file.host, &file.guest, None)?;
        }
        let place = |name: &str| match disk {
            Some(_) => PathBuf::from(linux::PROGRAM),
            None => Path::new("/").join(name),
        };
        let path = match &spec.program {
            Program::InRoot(path) => path.clone(),
            Program::HostFile(host) => {
                let guest = place(program.map_or("", |program| &program.name));
                packer.file(host, &guest, Some(REGULAR | 0o755))?;
                guest
            }
            Program::Builtin(name) => {
                let guest = place(name);
                let bytes = crate::workload::program::embedded(name).unwrap_or_default();
                packer.bytes(&guest, REGULAR | 0o755, bytes)?;
                guest
            }
        };
        let start = Start {
            path,
            folder: spec.working_dir.clone().unwrap_or_else(|| "/".into()),
            argv: spec.argv.clone(),
            env: spec.env.clone(),
            log,
        };
        if disk.is_none() {
            packer.folders(&start.folder)?;
        }
        packer.bytes(Path::new(linux::INIT), REGULAR | 0o700, INIT)?;
        for module in modules {
            packer.bytes(&module_path(&module.name), REGULAR | 0o600, &module.content)?;
        }
        packer.bytes(
            Path::new(linux::START),
            REGULAR | 0o600,
            &start.file(modules, disk, spec.virtio_console),
        )?;
        packer.finish(start)
    }
}

fn module_path(name: &str) -> PathBuf {
    Path::new(linux::FOLDER).join(name)
}

impl Start {
    /// The file that init reads: see `guest_abi::linux::StartHeader`.
    pub fn file(&self, modules: &[Module], disk: Option<FileSystem>, ports: bool) -> Vec<u8> {
        let header = StartHeader {
            arguments: self.argv.len() as u32,
            variables: self.env.len() as u32,
            modules: modules.len() as u32,
            log: self.log.into(),
            ports: ports.into(),
            disk: match disk {
                None => linux::disk::NONE,
                Some(FileSystem { read_only: false, .. }) => linux::disk::WRITABLE,
                Some(FileSystem { read_only: true, .. }) => linux::disk::READ_ONLY,
            },
        };
        let StartHeader { arguments, variables, modules: count, log, ports, disk: root } = header;
        let mut content: Vec<u8> = [arguments, variables, count, log, ports, root]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let mut string = |bytes: &[u8]| {
            content.extend_from_slice(bytes);
            content.push(0);
        };
        string(self.path.as_os_str().as_bytes());
        string(self.folder.as_os_str().as_bytes());
        string(disk.map_or("", |disk| disk.name).as_bytes());
        for text in self.argv.iter().chain(&self.env) {
            string(text.as_bytes());
        }
        for module in modules {
            string(module_path(&module.name).as_os_str().as_bytes());
        }
        content
    }
}

struct Packer {
    archive: Newc<File>,
    /// Names that are in the archive.
    names: HashSet<Vec<u8>>,
    /// Files with several names, by device and inode: our number.
    inodes: HashMap<(u64, u64), u32>,
    own_user: u32,
    own_group: u32,
    unreadable: Vec<PathBuf>,
    most_bytes: u64,
}

impl Packer {
    /// Everything below a folder of the host, but what is mounted there.
    fn tree(&mut self, root: &Path) -> Result<(), RuntimeError> {
        let failed = |path: &Path| RuntimeError::step(format!("reading the root folder {}", path.display()));
        let device = fs::metadata(root).map_err(failed(root))?.dev();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let host = root.join(&folder);
            let entries = match fs::read_dir(&host) {
                Ok(entries) => entries,
                Err(error)
                    if error.kind() == io::ErrorKind::PermissionDenied && !folder.as_os_str().is_empty() =>
                {
                    self.unreadable.push(host);
                    continue;
                }
                Err(error) => return Err(failed(&host)(error)),
            };
            let mut names = entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
                .map_err(failed(&host))?;
            names.sort();
            for name in names {
                let path = folder.join(name);
                let host = root.join(&path);
                let metadata = host.symlink_metadata().map_err(failed(&host))?;
                if metadata.is_dir() {
                    self.add(&path, self.attributes(&metadata), b"")?;
                    if metadata.dev() == device {
                        folders.push(path);
                    }
                } else {
                    self.entry(&host, &path, &metadata)?;
                }
            }
        }
        Ok(())
    }

    /// One entry that is no folder.
    fn entry(&mut self, host: &Path, path: &Path, metadata: &fs::Metadata) -> Result<(), RuntimeError> {
        let kind = metadata.file_type();
        let mut attributes = self.attributes(metadata);
        if kind.is_symlink() {
            let target =
                fs::read_link(host).map_err(RuntimeError::step(format!("reading {}", host.display())))?;
            return self.add(path, attributes, target.as_os_str().as_bytes());
        }
        if kind.is_socket() {
            return Ok(());
        }
        if !kind.is_file() {
            return self.add(path, attributes, b"");
        }
        if metadata.nlink() > 1 {
            let next = self.inodes.len() as u32 + 1;
            let known = self.inodes.insert((metadata.dev(), metadata.ino()), next);
            attributes.links = metadata.nlink().min(u32::MAX.into()) as u32;
            attributes.inode = known.unwrap_or(next);
            if let Some(known) = known {
                self.inodes.insert((metadata.dev(), metadata.ino()), known);
                // Linux links a later name to the first, which has the content.
                return self.add(path, attributes, b"");
            }
        }
        match File::open(host) {
            Ok(file) => self.content(path, attributes, file, metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.unreadable.push(host.to_owned());
                Ok(())
            }
            Err(error) => Err(RuntimeError::step(format!("opening {}", host.display()))(error)),
        }
    }

    /// A file of the host at a path of the guest, with the folders on the way.
    fn file(&mut self, host: &Path, guest: &Path, mode: Option<u32>) -> Result<(), RuntimeError> {
        let failed = || RuntimeError::step(format!("opening {}", host.display()));
        let file = File::open(host).map_err(failed())?;
        let metadata = file.metadata().map_err(failed())?;
        if !metadata.is_file() {
            return Err(RuntimeError::BadSpec(format!("{} is not a regular file", host.display())));
        }
        let attributes = self.attributes(&metadata);
        let attributes = Attributes { mode: mode.unwrap_or(attributes.mode), links: 1, ..attributes };
        let path = self.place(guest)?;
        self.content(&path, attributes, file, metadata.len())
    }

    fn bytes(&mut self, guest: &Path, mode: u32, bytes: &[u8]) -> Result<(), RuntimeError> {
        let path = self.place(guest)?;
        self.add(&path, Attributes { mode, links: 1, ..Attributes::default() }, bytes)
    }

    /// Makes the folders on the way to a path of the guest; the path as the archive has it.
    fn place(&mut self, guest: &Path) -> Result<PathBuf, RuntimeError> {
        if let Some(folder) = guest.parent() {
            self.folders(folder)?;
        }
        Ok(inside(guest))
    }

    fn folders(&mut self, folder: &Path) -> Result<(), RuntimeError> {
        let mut path = PathBuf::new();
        for part in inside(folder).components() {
            path.push(part);
            if !self.names.contains(path.as_os_str().as_bytes()) {
                self.add(&path, Attributes { mode: FOLDER | 0o755, links: 2, ..Attributes::default() }, b"")?;
            }
        }
        Ok(())
    }

    fn attributes(&self, metadata: &fs::Metadata) -> Attributes {
        // An ordinary user's own files are root's in the guest, as in a rootless container.
        let mapped = |id: u32, own: u32| if self.own_user != 0 && id == own { 0 } else { id };
        let device = metadata.rdev();
        Attributes {
            mode: metadata.mode(),
            user: mapped(metadata.uid(), self.own_user),
            group: mapped(metadata.gid(), self.own_group),
            links: 1,
            modified: metadata.mtime().clamp(0, u32::MAX.into()) as u32,
            device: (libc::major(device), libc::minor(device)),
            inode: 0,
        }
    }

    fn add(&mut self, path: &Path, attributes: Attributes, content: &[u8]) -> Result<(), RuntimeError> {
        let name = path.as_os_str().as_bytes();
        self.archive.add(name, attributes, content).map_err(packing(path))?;
        self.added(name)
    }

    fn content(
        &mut self,
        path: &Path,
        attributes: Attributes,
        file: File,
        bytes: u64,
    ) -> Result<(), RuntimeError> {
        // Before it is read.
        self.check_room(bytes)?;
        let name = path.as_os_str().as_bytes();
        self.archive.add_file(name, attributes, file, bytes).map_err(packing(path))?;
        self.added(name)
    }

    fn added(&mut self, name: &[u8]) -> Result<(), RuntimeError> {
        self.names.insert(name.to_vec());
        self.check_room(0)
    }

    fn check_room(&self, more: u64) -> Result<(), RuntimeError> {
        let bytes = self.archive.bytes().saturating_add(more);
        if bytes <= self.most_bytes {
            return Ok(());
        }
        Err(RuntimeError::BadSpec(format!(
            "the root needs more than the {} MiB that fit into the guest's memory, which must hold it twice while \
             Linux unpacks it; give the guest more with --memory",
            self.most_bytes >> 20
        )))
    }

    fn finish(self, start: Start) -> Result<Root, RuntimeError> {
        let (archive, bytes, mapped) =
            self.archive.finish().map_err(RuntimeError::step("writing the initramfs"))?;
        // Holes at the end are part of it.
        archive.set_len(bytes.next_multiple_of(PAGE)).map_err(RuntimeError::step("writing the initramfs"))?;
        let notes = self.unreadable.first().map(|first| {
            format!(
                "{} files of the root cannot be read and are left out, {} first",
                self.unreadable.len(),
                first.display()
            )
        });
        Ok(Root { archive: Rc::new(archive), bytes, mapped, start, notes: notes.into_iter().collect() })
    }
}

fn packing(path: &Path) -> impl FnOnce(io::Error) -> RuntimeError {
    let shown = path.display().to_string();
    move |error| match error.kind() {
        io::ErrorKind::InvalidInput => RuntimeError::BadSpec(format!("/{shown}: {error}")),
        _ => RuntimeError::Failed { step: format!("packing /{shown} into the initramfs"), source: error },
    }
}

/// A guest's path without the slash at its start, and without `.` and `..`.
fn inside(path: &Path) -> PathBuf {
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => inside.push(name),
            Component::ParentDir => {
                inside.pop();
            }
            _ => {}
        }
    }
    inside
}
