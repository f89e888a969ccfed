//! What an entry's header says, checked.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::sys::time::TimeSpec;

use super::{UnpackError, archive_error};
use crate::image::pax::Extensions;

/// Bytes of a path: less than Linux' PATH_MAX, so that there is room for the store's own path before it.
const LONGEST_PATH: usize = 3072;

/// What the header says of an entry besides its content.
pub(super) struct Facts {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) modified: TimeSpec,
    pub(super) extensions: Extensions,
}

impl Facts {
    pub(super) fn read<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Facts, UnpackError> {
        let extensions = Extensions::read(entry).map_err(UnpackError::Bad)?;
        let written = match &extensions.sparse_name {
            Some(name) => name.clone(),
            None => entry.path().map_err(archive_error)?.into_owned(),
        };
        let path = inside(&written).ok_or_else(|| {
            UnpackError::Bad(format!("{}: leads out of the image", written.to_string_lossy().escape_debug()))
        })?;
        if path.as_os_str().len() > LONGEST_PATH {
            return Err(UnpackError::Bad(format!("a path of {} bytes", path.as_os_str().len())));
        }
        if path.as_os_str().as_bytes().contains(&0) {
            return Err(UnpackError::Bad(format!("{}: a name with a zero byte", path.display())));
        }
        let header = entry.header();
        let number = |field: io::Result<u64>| field.ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
        let owner = (number(header.uid()), number(header.gid()));
        let seconds = i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0);
        let (seconds, nanoseconds) = extensions.modified.unwrap_or((seconds, 0));
        let mode = header.mode().map_err(archive_error)? & 0o7777;
        Ok(Facts { path, mode, owner, modified: TimeSpec::new(seconds, nanoseconds), extensions })
    }
}

pub(super) fn link_target<R: Read>(entry: &tar::Entry<'_, R>, shown: &str) -> Result<PathBuf, UnpackError> {
    let target = entry.link_name().map_err(archive_error)?.map(|target| target.into_owned());
    target
        .filter(|target| !target.as_os_str().is_empty() && !target.as_os_str().as_bytes().contains(&0))
        .ok_or_else(|| UnpackError::Bad(format!("{shown}: a link to nothing")))
}

/// The path without `.`; none for an absolute one and for one with `..`.
pub(super) fn inside(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(normal)
}
