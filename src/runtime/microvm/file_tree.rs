//! The initial file tree of a spec: packed once, mapped by every VM.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use guest_files::pack::{Packed, Piece, Source, TreeBuilder};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::memory_layout::PAGE;
use crate::runtime::RuntimeError;
use crate::runtime::spec::{LaunchSpec, Program};

/// A file from here on is mapped from its own place; smaller ones are copied into one memory file, since
/// every mapping takes time at every start.
const MAPPED_FROM: u64 = 1 << 20;

/// The files of a spec.
#[derive(Debug)]
pub struct FileTree {
    /// Contents of the small files, holes for the large ones, and the packed tree behind them.
    pub window: File,
    /// Bytes of the contents.
    pub window_bytes: u64,
    /// Bytes of the packed tree, which begins at the next page.
    pub tree_bytes: u64,
    /// Large files: offset in the window, file, bytes.
    pub large: Vec<(u64, File, u64)>,
    /// What was left out.
    pub notes: Vec<String>,
}

impl FileTree {
    /// Packs the root folder, the mapped files and the program, which the guest sees at `path`.
    pub fn pack(spec: &LaunchSpec, path: &Path, program: &[u8]) -> Result<FileTree, RuntimeError> {
        let bad = |error: guest_files::pack::PackError| RuntimeError::BadSpec(error.to_string());
        let mut builder = TreeBuilder::new();
        if let Some(root) = &spec.root {
            builder.root(root).map_err(bad)?;
        }
        for file in &spec.files {
            builder.map(&file.host, &file.guest).map_err(bad)?;
        }
        match &spec.program {
            Program::HostFile(host) => builder.map(host, path).map_err(bad)?,
            Program::Builtin(_) => builder.bytes(path, 0o755, Arc::from(program)).map_err(bad)?,
            Program::InRoot(_) => &mut builder,
        };
        if let Some(folder) = &spec.working_dir {
            builder.working_directory(folder).map_err(bad)?;
        }
        builder.program(path).standard_entries().map_err(bad)?;
        FileTree::place(builder.build().map_err(bad)?)
    }

    /// Puts the contents where the tree says they are.
    fn place(packed: Packed) -> Result<FileTree, RuntimeError> {
        let failed = RuntimeError::step::<std::io::Error>;
        let window = memfd_create(c"isobench files", MFdFlags::MFD_CLOEXEC)
            .map_err(RuntimeError::step("making a memory file"))?;
        let mut window = File::from(window);
        let mut large = Vec::new();
        for Piece { source, offset, length } in &packed.pieces {
            window.seek(SeekFrom::Start(*offset)).map_err(failed("filling the file window"))?;
            match source {
                Source::Bytes(bytes) => window.write_all(bytes).map_err(failed("filling the file window"))?,
                Source::File(path) => {
                    let mut file = open(path)?;
                    if *length >= MAPPED_FROM {
                        large.push((*offset, file, *length));
                    } else {
                        std::io::copy(&mut std::io::Read::take(&mut file, *length), &mut window)
                            .map_err(RuntimeError::step(format!("reading {}", path.display())))?;
                    }
                }
            }
        }
        let tree_at = packed.window_length.next_multiple_of(PAGE);
        window.seek(SeekFrom::Start(tree_at)).map_err(failed("filling the file window"))?;
        window.write_all(&packed.metadata).map_err(failed("filling the file window"))?;
        Ok(FileTree {
            window,
            window_bytes: packed.window_length,
            tree_bytes: packed.metadata.len() as u64,
            large,
            notes: packed.notes,
        })
    }

    /// Bytes of contents and tree together.
    pub fn bytes(&self) -> u64 {
        self.window_bytes.next_multiple_of(PAGE) + self.tree_bytes
    }
}

fn open(path: &Path) -> Result<File, RuntimeError> {
    File::open(path).map_err(RuntimeError::step(format!("opening {}", path.display())))
}

/// Where the program is in the sandbox.
pub fn guest_path(source: &Program, name: &str) -> PathBuf {
    match source {
        Program::InRoot(path) => path.clone(),
        Program::HostFile(_) | Program::Builtin(_) => {
            Path::new("/").join(Path::new(std::ffi::OsStr::from_bytes(name.as_bytes())))
        }
    }
}
