//! The system calls, by number.

mod attributes;
mod descriptors;
mod directories;
mod names;
mod open;
mod poll;
mod reading;
mod writing;

use crate::linux::{AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use crate::store::NodeId;
use crate::{Errno, Files, Host, UserMemory};

/// The result of a call.
pub(crate) type Answer = Result<u64, Errno>;

const CWD: u64 = AT_FDCWD as u64;

impl Files {
    /// Serves a Linux x86-64 system call if it is one on files: `number` as in RAX, `args` as in RDI, RSI,
    /// RDX, R10, R8, R9. The answer goes into RAX, an error negated. `None`: not a call on files, or one
    /// that this crate does not have.
    pub fn dispatch(
        &mut self,
        number: u64,
        args: [u64; 6],
        user: &mut impl UserMemory,
        host: &mut impl Host,
    ) -> Option<Result<u64, Errno>> {
        self.serve(number, args, user, host)
    }

    // Numbers: arch/x86/entry/syscalls/syscall_64.tbl.
    fn serve(
        &mut self,
        number: u64,
        args: [u64; 6],
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Option<Answer> {
        let [a, b, c, d, e, _] = args;
        Some(match number {
            // Contents.
            0 => self.read(a, b, c, user, host),
            1 => self.write(a, b, c, user, host),
            8 => self.seek(a, b as i64, c, user),
            17 => self.read_positioned(a, b, c, d as i64, user, host),
            18 => self.write_positioned(a, b, c, d as i64, user, host),
            19 => self.read_vector(a, b, c, None, user, host),
            20 => self.write_vector(a, b, c, None, user, host),
            295 => self.read_vector(a, b, c, Some(d as i64), user, host),
            296 => self.write_vector(a, b, c, Some(d as i64), user, host),
            // preadv2 and pwritev2: -1 is the current position; flags are hints that none of ours needs.
            327 => self.read_vector(a, b, c, Some(d as i64).filter(|at| *at != -1), user, host),
            328 => self.write_vector(a, b, c, Some(d as i64).filter(|at| *at != -1), user, host),
            40 => self.send_file(a, b, c, d, user, host),
            326 => self.copy_file_range([a, b, c, d, e], args[5], user, host),
            76 => self.truncate(a, b as i64, user, host),
            77 => self.truncate_open(a, b as i64, host),
            285 => self.allocate(a, b, c as i64, d as i64, host),
            74 | 75 | 306 => self.synchronise(a),
            162 => Ok(0),
            187 => self.read_ahead(a),
            221 => self.advise(a, d),
            277 => self.synchronise(a),
            275 | 276 | 278 => Err(Errno::EINVAL),

            // Opening and descriptors.
            2 => self.open_at(CWD, a, b as u32, c as u32, user, host),
            85 => self.open_at(CWD, a, open::CREAT, b as u32, user, host),
            257 => self.open_at(a, b, c as u32, d as u32, user, host),
            319 => self.memory_file(a, b, user, host),
            3 => self.close(a),
            436 => self.close_range(a as u32, b as u32, c),
            32 => self.descriptors.duplicate(a, 0, false),
            33 => self.duplicate_to(a, b),
            292 => self.duplicate_to_flags(a, b, c as u32),
            72 => self.control(a, b, c, user),
            16 => self.device_control(a, b as u32, c, user),
            73 => self.lock(a, b),
            22 => self.make_pipe(a, 0, user, host),
            293 => self.make_pipe(a, b as u32, user, host),
            284 => self.make_event(a as u32, 0, host),
            290 => self.make_event(a as u32, b as u32, host),

            // Waiting.
            7 => self.poll(a, b, poll::milliseconds(c), user, host),
            271 => self.poll_timespec(a, b, c, user, host),
            23 => self.select(a, [b, c, d], e, 1_000, user, host),
            270 => self.select(a, [b, c, d], e, 1, user, host),
            213 if a as i32 <= 0 => Err(Errno::EINVAL),
            213 => self.make_watch(0, host),
            291 => self.make_watch(a as u32, host),
            233 => self.watch_control(a, b, c, d, user),
            232 | 281 => self.watch_wait(a, b, c, poll::milliseconds(d), user, host),

            // Attributes.
            4 => self.stat_at(CWD, a, b, 0, user),
            5 => self.stat_open(a, b, user),
            6 => self.stat_at(CWD, a, b, AT_SYMLINK_NOFOLLOW, user),
            262 => self.stat_at(a, b, c, d, user),
            332 => self.statx(a, b, c, d, e, user),
            21 => self.access_at(CWD, a, b, 0, user),
            269 => self.access_at(a, b, c, 0, user),
            439 => self.access_at(a, b, c, d, user),
            90 => self.change_mode_at(CWD, a, b as u32, 0, user, host),
            91 => self.change_mode_open(a, b as u32, host),
            268 => self.change_mode_at(a, b, c as u32, 0, user, host),
            452 => self.change_mode_at(a, b, c as u32, d, user, host),
            92 => self.change_owner_at(CWD, a, b as u32, c as u32, 0, user, host),
            93 => self.change_owner_open(a, b as u32, c as u32, host),
            94 => self.change_owner_at(CWD, a, b as u32, c as u32, AT_SYMLINK_NOFOLLOW, user, host),
            260 => self.change_owner_at(a, b, c as u32, d as u32, e, user, host),
            280 => self.set_times_nanoseconds(a, b, c, d, user, host),
            235 => self.set_times_microseconds(CWD, a, b, user, host),
            261 => self.set_times_microseconds(a, b, c, user, host),
            132 => self.set_times_seconds(a, b, user, host),
            95 => Ok(u64::from(core::mem::replace(&mut self.umask, a as u32 & 0o777))),
            137 => self.file_system_at(a, b, user, host),
            138 => self.file_system_open(a, b, user, host),
            // Extended attributes: none is kept.
            191 | 192 | 197 | 198 => self.extended_attribute_at(a, number, user),
            188 | 189 | 194 | 195 => self.extended_attribute_at(a, number, user),
            190 | 193 | 196 | 199 => self.extended_attribute_open(a, number),

            // Names and directories.
            82 => self.rename_at(CWD, a, CWD, b, 0, user, host),
            264 => self.rename_at(a, b, c, d, 0, user, host),
            316 => self.rename_at(a, b, c, d, e, user, host),
            83 => self.make_directory_at(CWD, a, b as u32, user, host),
            258 => self.make_directory_at(a, b, c as u32, user, host),
            84 => self.remove_directory_at(CWD, a, user, host),
            87 => self.unlink_at(CWD, a, 0, user, host),
            263 => self.unlink_at(a, b, c, user, host),
            86 => self.link_at(CWD, a, CWD, b, 0, user, host),
            265 => self.link_at(a, b, c, d, e, user, host),
            88 => self.symlink_at(a, CWD, b, user, host),
            266 => self.symlink_at(a, b, c, user, host),
            89 => self.read_link_at(CWD, a, b, c, user),
            267 => self.read_link_at(a, b, c, d, user),
            133 => self.make_node_at(CWD, a, b as u32, user, host),
            259 => self.make_node_at(a, b, c as u32, user, host),
            78 => self.list(a, b, c, directories::Format::Old, user),
            217 => self.list(a, b, c, directories::Format::Sixty4, user),
            79 => self.working_directory(a, b, user),
            80 => self.change_directory(a, user),
            81 => self.change_directory_open(a),
            // chroot, mount, umount2: nothing to mount, and the one tree is all there is.
            161 | 165 | 166 => Err(Errno::EPERM),
            _ => return None,
        })
    }

    /// The node of the path at `address`, which starts at `dirfd`.
    fn find_at(
        &self,
        dirfd: u64,
        address: u64,
        follow: bool,
        user: &mut dyn UserMemory,
    ) -> Result<NodeId, Errno> {
        let path = user.c_string(address)?;
        self.find(self.start(dirfd, path)?, path, follow)
    }

    /// As [`Files::find_at`]; an empty path, if `allow_empty`, is what `dirfd` itself is.
    fn find_at_or_open(
        &self,
        dirfd: u64,
        address: u64,
        follow: bool,
        allow_empty: bool,
        user: &mut dyn UserMemory,
    ) -> Result<NodeId, Errno> {
        let path = user.c_string(address)?;
        if allow_empty && path.is_empty() {
            return if dirfd as i32 == AT_FDCWD {
                Ok(self.cwd)
            } else {
                Ok(self.descriptors.get(dirfd)?.node)
            };
        }
        self.find(self.start(dirfd, path)?, path, follow)
    }
}
