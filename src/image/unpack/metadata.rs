//! Owners, modes, times and extended attributes of what was unpacked.

use std::ffi::{CString, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, utimensat};
use nix::unistd::{Gid, Uid, fchownat};

use super::{FolderFacts, IMPLIED, UnpackError, Unpacked, Unpacker, reopen};
use crate::image::attributes;
use crate::image::pax::Extensions;

const OWNERS_LOST: &str = "owners were not kept: giving files away takes root";

impl Unpacker<'_> {
    pub(super) fn own(&mut self, name: &OsStr, owner: (u32, u32)) -> nix::Result<()> {
        let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
        match fchownat(&self.here.1, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::EPERM | Errno::EINVAL) => {
                self.notes.insert(OWNERS_LOST.into());
                Ok(())
            }
            other => other,
        }
    }

    /// Sets the mode. Without root, our own files must stay readable to ourselves, so that they can be
    /// put together, packed for a VM, compared and removed.
    pub(super) fn permit(&mut self, name: &OsStr, mode: u32, least: u32) -> nix::Result<()> {
        let mode = if self.privileged || mode & least == least {
            mode
        } else {
            self.notes.insert(
                "files that their owner may not read were made readable: only root can do without".into(),
            );
            mode | least
        };
        // Never a link: it was made just now.
        fchmodat(&self.here.1, name, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)
    }

    pub(super) fn attributes(&mut self, file: &impl AsFd, extensions: &Extensions) {
        for (name, value) in &extensions.attributes {
            let shown = name.to_string_lossy();
            let Ok(name) = CString::new(name.as_bytes()) else { continue };
            // They would change what overlayfs makes of the layer.
            if attributes::is_of_overlay(&name) {
                self.notes.insert(format!("the attribute {shown} was left out: it belongs to overlayfs"));
                continue;
            }
            if let Err(error) = attributes::set(file, &name, value) {
                let reason = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)).desc();
                self.notes.insert(format!("the attribute {shown} was left out: {reason}"));
            }
        }
    }

    /// Gives the folders their modes and times, the deepest first: what is inside stays reachable.
    pub(super) fn finish(mut self) -> Result<Unpacked, UnpackError> {
        self.folders.entry(PathBuf::new()).or_insert(IMPLIED);
        let implied = self.folders.iter().filter(|(_, facts)| facts.implied);
        let implied = implied.map(|(path, _)| path.clone().into_os_string()).collect();
        for (path, facts) in std::mem::take(&mut self.folders).into_iter().rev() {
            let failed =
                |errno: Errno| UnpackError::Io(format!("finishing {}", path.display()), errno.into());
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                self.here = (PathBuf::new(), reopen(&self.root)?);
                self.finish_folder(OsStr::new("."), &facts).map_err(failed)?;
                continue;
            };
            self.enter(parent, false, &path.display().to_string())?;
            self.finish_folder(name, &facts).map_err(failed)?;
        }
        Ok(Unpacked { notes: self.notes.into_iter().collect(), implied })
    }

    fn finish_folder(&mut self, name: &OsStr, facts: &FolderFacts) -> nix::Result<()> {
        self.own(name, facts.owner)?;
        self.permit(name, facts.mode, 0o700)?;
        utimensat(&self.here.1, name, &facts.modified, &facts.modified, UtimensatFlags::NoFollowSymlink)
    }
}
