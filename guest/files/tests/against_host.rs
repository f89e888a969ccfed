//! The same random calls to [`guest_files::Files`] and to the host's Linux must give the same answers.

mod common;

use std::ffi::CString;
use std::path::Path;

use common::{Answer, Guest, Linux, System, host_file};
use guest_files::pack::TreeBuilder;
use proptest::prelude::*;

/// A path: names under the working directory; the first may be reached from another open directory.
type Name = String;

#[derive(Clone, Debug)]
enum Call {
    Open { from: usize, path: Name, flags: i32, mode: u32 },
    Close(usize),
    Read(usize, usize),
    Write(usize, Vec<u8>),
    ReadAt(usize, usize, i64),
    WriteAt(usize, Vec<u8>, i64),
    Seek(usize, i64, i32),
    TruncateOpen(usize, i64),
    Truncate(Name, i64),
    MakeDirectory(usize, Name, u32),
    RemoveDirectory(Name),
    Unlink(usize, Name, i32),
    Rename(Name, Name, u32),
    Link(Name, Name, i32),
    Symlink(Name, usize, Name),
    ReadLink(usize, Name),
    Stat(usize, Name, i32),
    StatOpen(usize),
    Access(Name, i32),
    ChangeMode(Name, u32),
    SetTimes(Name, i64, i32),
    List(usize, usize),
    Duplicate(usize),
    DuplicateTo(usize, usize),
    Flags(usize),
    SetFlags(usize, i32),
    CopyRange(usize, usize, usize),
    SendFile(usize, usize, usize),
    Pipe(i32),
}

/// What a call answered, and what it left in the caller's memory.
#[derive(Debug, PartialEq)]
struct Seen(Answer, Vec<u8>);

/// One of the two systems: its descriptors for the same open files stand at the same places.
struct Side<S> {
    system: S,
    /// The first is the working directory.
    open: Vec<Option<u64>>,
    is_tmpfs: bool,
}

impl<S: System> Side<S> {
    fn fd(&self, index: usize) -> u64 {
        self.open[index % self.open.len()].unwrap_or(9999)
    }

    /// A descriptor that is not the working directory, which must stay.
    fn other_fd(&self, index: usize) -> (usize, u64) {
        let place = if self.open.len() == 1 { usize::MAX } else { 1 + index % (self.open.len() - 1) };
        (place, self.open.get(place).copied().flatten().unwrap_or(9999))
    }

    fn opened(&mut self, answer: Answer) -> Seen {
        Seen(answer.map(|fd| self.open.push(Some(fd))).map(|()| 0), Vec::new())
    }

    fn run(&mut self, call: &Call) -> Seen {
        let cwd = self.fd(0);
        let c = |path: &str| CString::new(path).unwrap();
        let only = |answer: Answer| Seen(answer, Vec::new());
        match call {
            Call::Open { from, path, flags, mode } => {
                let (dirfd, path) = (self.fd(*from), c(path));
                let args = [dirfd, path.as_ptr() as u64, *flags as u64, u64::from(*mode)];
                let answer = self.system.call(libc::SYS_openat, &args);
                self.opened(answer)
            }
            Call::Close(index) => {
                let (place, fd) = self.other_fd(*index);
                if let Some(slot) = self.open.get_mut(place) {
                    *slot = None;
                }
                only(self.system.close(fd))
            }
            Call::Read(index, length) => {
                let fd = self.fd(*index);
                // Reading an empty pipe would wait for ever on the host.
                if !self.would_wait(fd) { bytes(self.system.read(fd, *length)) } else { only(Ok(0)) }
            }
            Call::Write(index, data) => only(self.system.write(self.fd(*index), data)),
            Call::ReadAt(index, length, offset) => {
                let mut buffer = vec![0u8; (*length).max(1)];
                let args = [self.fd(*index), buffer.as_mut_ptr() as u64, *length as u64, *offset as u64];
                let answer = self.system.call(libc::SYS_pread64, &args);
                Seen(answer, buffer)
            }
            Call::WriteAt(index, data, offset) => {
                let args = [self.fd(*index), data.as_ptr() as u64, data.len() as u64, *offset as u64];
                only(self.system.call(libc::SYS_pwrite64, &args))
            }
            Call::Seek(index, offset, whence) => {
                let fd = self.fd(*index);
                // A directory's positions are the file system's own affair, but for the first.
                let is_directory = self.kind(fd) == libc::S_IFDIR;
                let (offset, whence) = if is_directory { (0, 0) } else { (*offset, *whence) };
                only(self.system.call(libc::SYS_lseek, &[fd, offset as u64, whence as u64]))
            }
            Call::TruncateOpen(index, length) => {
                only(self.system.call(libc::SYS_ftruncate, &[self.fd(*index), *length as u64]))
            }
            // No truncateat: through a descriptor, as the shell's redirection does.
            Call::Truncate(path, length) => {
                let path = c(path);
                let args = [cwd, path.as_ptr() as u64, libc::O_WRONLY as u64, 0];
                match self.system.call(libc::SYS_openat, &args) {
                    Err(error) => only(Err(error)),
                    Ok(fd) => {
                        let answer = self.system.call(libc::SYS_ftruncate, &[fd, *length as u64]);
                        self.system.close(fd).unwrap();
                        only(answer)
                    }
                }
            }
            Call::MakeDirectory(from, path, mode) => {
                let (dirfd, path) = (self.fd(*from), c(path));
                only(self.system.call(libc::SYS_mkdirat, &[dirfd, path.as_ptr() as u64, u64::from(*mode)]))
            }
            Call::RemoveDirectory(path) => {
                let path = c(path);
                let args = [cwd, path.as_ptr() as u64, libc::AT_REMOVEDIR as u64];
                only(self.system.call(libc::SYS_unlinkat, &args))
            }
            Call::Unlink(from, path, flags) => {
                let (dirfd, path) = (self.fd(*from), c(path));
                only(self.system.call(libc::SYS_unlinkat, &[dirfd, path.as_ptr() as u64, *flags as u64]))
            }
            Call::Rename(old, new, flags) => {
                let (old, new) = (c(old), c(new));
                let args = [cwd, old.as_ptr() as u64, cwd, new.as_ptr() as u64, u64::from(*flags)];
                only(self.system.call(libc::SYS_renameat2, &args))
            }
            Call::Link(old, new, flags) => {
                let (old, new) = (c(old), c(new));
                let args = [cwd, old.as_ptr() as u64, cwd, new.as_ptr() as u64, *flags as u64];
                only(self.system.call(libc::SYS_linkat, &args))
            }
            Call::Symlink(target, from, path) => {
                let (target, dirfd, path) = (c(target), self.fd(*from), c(path));
                let args = [target.as_ptr() as u64, dirfd, path.as_ptr() as u64];
                only(self.system.call(libc::SYS_symlinkat, &args))
            }
            Call::ReadLink(from, path) => bytes(self.system.read_link(self.fd(*from), path)),
            Call::Stat(from, path, flags) => {
                let stat = self.system.stat_at(self.fd(*from), path, *flags);
                self.seen_stat(stat)
            }
            Call::StatOpen(index) => {
                let stat = self.system.stat_at(self.fd(*index), "", libc::AT_EMPTY_PATH);
                self.seen_stat(stat)
            }
            Call::Access(path, mode) => {
                let path = c(path);
                only(self.system.call(libc::SYS_faccessat, &[cwd, path.as_ptr() as u64, *mode as u64]))
            }
            Call::ChangeMode(path, mode) => {
                let path = c(path);
                // Rights that the owner needs stay, so that the test need not be run by root.
                let mode = u64::from(*mode | 0o600) | if mode & 0o111 != 0 { 0o100 } else { 0 };
                let is_directory = self
                    .system
                    .stat_at(cwd, path.to_str().unwrap(), 0)
                    .is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR);
                let mode = if is_directory { mode | 0o700 } else { mode };
                only(self.system.call(libc::SYS_fchmodat, &[cwd, path.as_ptr() as u64, mode]))
            }
            Call::SetTimes(path, seconds, flags) => {
                let (path, times) = (c(path), [*seconds, 7, *seconds + 1, 8]);
                let args = [cwd, path.as_ptr() as u64, times.as_ptr() as u64, *flags as u64];
                only(self.system.call(libc::SYS_utimensat, &args))
            }
            Call::List(index, size) => {
                let fd = self.fd(*index);
                // From the start: whether a listing at its end shows what was added since is left open.
                if self.kind(fd) == libc::S_IFDIR {
                    let _ = self.system.call(libc::SYS_lseek, &[fd, 0, 0]);
                }
                match self.system.list(fd, *size) {
                    Err(error) => only(Err(error)),
                    Ok(mut names) => {
                        names.sort();
                        Seen(Ok(names.len() as u64), format!("{names:?}").into_bytes())
                    }
                }
            }
            Call::Duplicate(index) => {
                let answer = self.system.call(libc::SYS_dup, &[self.fd(*index)]);
                self.opened(answer)
            }
            Call::DuplicateTo(index, to) => {
                let (place, new) = self.other_fd(*to);
                if place == usize::MAX || new == 9999 {
                    return only(Ok(0));
                }
                only(self.system.call(libc::SYS_dup2, &[self.fd(*index), new]).map(|fd| u64::from(fd == new)))
            }
            Call::Flags(index) => {
                only(self.system.call(libc::SYS_fcntl, &[self.fd(*index), libc::F_GETFL as u64]))
            }
            Call::SetFlags(index, flags) => {
                let args = [self.fd(*index), libc::F_SETFL as u64, *flags as u64];
                only(self.system.call(libc::SYS_fcntl, &args))
            }
            Call::CopyRange(from, to, length) => {
                let args = [self.fd(*from), 0, self.fd(*to), 0, *length as u64, 0];
                only(self.system.call(libc::SYS_copy_file_range, &args))
            }
            Call::SendFile(to, from, length) => {
                // From a pipe, or a file to itself, is each kernel's own affair.
                let (to, from) = (self.fd(*to), self.fd(*from));
                let same = self.inode(to) == self.inode(from);
                if same || self.kind(from) != libc::S_IFREG || self.kind(to) != libc::S_IFREG {
                    return only(Ok(0));
                }
                only(self.system.call(libc::SYS_sendfile, &[to, from, 0, *length as u64]))
            }
            Call::Pipe(flags) => {
                let mut ends = [0u32; 2];
                let args = [ends.as_mut_ptr() as u64, (*flags | libc::O_NONBLOCK) as u64];
                let answer = self.system.call(libc::SYS_pipe2, &args);
                if answer.is_ok() {
                    self.open.extend(ends.map(|fd| Some(fd.into())));
                }
                only(answer)
            }
        }
    }

    fn kind(&mut self, fd: u64) -> u32 {
        self.system.stat_at(fd, "", libc::AT_EMPTY_PATH).map_or(0, |stat| stat.st_mode & libc::S_IFMT)
    }

    fn inode(&mut self, fd: u64) -> u64 {
        self.system.stat_at(fd, "", libc::AT_EMPTY_PATH).map_or(0, |stat| stat.st_ino)
    }

    fn would_wait(&mut self, fd: u64) -> bool {
        let flags = self.system.call(libc::SYS_fcntl, &[fd, libc::F_GETFL as u64]).unwrap_or(0);
        self.kind(fd) == libc::S_IFIFO && flags & libc::O_NONBLOCK as u64 == 0
    }

    /// What of a file's attributes must be alike.
    fn seen_stat(&self, stat: Result<libc::stat, i32>) -> Seen {
        let stat = match stat {
            Err(error) => return Seen(Err(error), Vec::new()),
            Ok(stat) => stat,
        };
        let kind = stat.st_mode & libc::S_IFMT;
        // Directory sizes and blocks are tmpfs's; other file systems have ways of their own.
        let own_size = kind == libc::S_IFDIR && !self.is_tmpfs;
        let size = if own_size { 0 } else { stat.st_size };
        let blocks = if self.is_tmpfs && kind == libc::S_IFREG { stat.st_blocks } else { 0 };
        // Times that a call set, in the distant past, must be kept; others are the clocks'.
        let modified = if stat.st_mtime < 1_000_000 { stat.st_mtime } else { 0 };
        Seen(Ok(0), format!("{:o} {} {size} {blocks} {modified}", stat.st_mode, stat.st_nlink).into_bytes())
    }
}

fn bytes(answer: Result<Vec<u8>, i32>) -> Seen {
    match answer {
        Ok(bytes) => Seen(Ok(bytes.len() as u64), bytes),
        Err(error) => Seen(Err(error), Vec::new()),
    }
}

fn name() -> impl Strategy<Value = Name> {
    let part = prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "c", "d", "old", "dir", "full"]),
        1 => Just("."),
    ];
    let path = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    prop_oneof![
        12 => path.clone(),
        2 => path.clone().prop_map(|path| path + "/"),
        1 => path.clone().prop_map(|path| format!("../{path}")),
        1 => path.prop_map(|path| path + "/.."),
        1 => Just(String::new()),
        1 => Just("n".repeat(256)),
    ]
}

fn flags() -> impl Strategy<Value = i32> {
    let access = prop::sample::select(vec![libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR]);
    let extra = prop::sample::subsequence(
        vec![libc::O_CREAT, libc::O_TRUNC, libc::O_EXCL, libc::O_APPEND, libc::O_NOFOLLOW, libc::O_DIRECTORY],
        0..4,
    );
    let special = prop_oneof![12 => Just(0), 1 => Just(libc::O_PATH), 1 => Just(libc::O_TMPFILE)];
    (access, extra, special)
        .prop_map(|(access, extra, special)| extra.into_iter().fold(access | special, |all, flag| all | flag))
        // Newer kernels refuse O_CREAT with O_DIRECTORY; older ones differ among themselves.
        .prop_filter("O_CREAT with O_DIRECTORY", |flags| {
            flags & (libc::O_CREAT | libc::O_DIRECTORY) != libc::O_CREAT | libc::O_DIRECTORY
        })
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        (any::<u8>(), prop::sample::select(vec![4095usize, 4096, 4097, 9000]))
            .prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn offset() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0i64..20_000, 2 => prop::sample::select(vec![0i64, 4096, 8192, 4095]), 1 => Just(-1)]
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![0usize..50, prop::sample::select(vec![4096usize, 20_000])]
}

fn call() -> impl Strategy<Value = Call> {
    let index = || 0usize..12;
    // Most paths start at the working directory.
    let from = || prop_oneof![5 => Just(0usize), 1 => 0usize..12];
    let nofollow = || prop::sample::select(vec![0, libc::AT_SYMLINK_NOFOLLOW]);
    prop_oneof![
        6 => (from(), name(), flags(), 0u32..0o1000)
            .prop_map(|(from, path, flags, mode)| Call::Open { from, path, flags, mode: mode | 0o600 }),
        1 => index().prop_map(Call::Close),
        3 => (index(), length()).prop_map(|(index, length)| Call::Read(index, length)),
        4 => (index(), data()).prop_map(|(index, data)| Call::Write(index, data)),
        2 => (index(), length(), offset()).prop_map(|(i, length, offset)| Call::ReadAt(i, length, offset)),
        3 => (index(), data(), offset()).prop_map(|(i, data, offset)| Call::WriteAt(i, data, offset)),
        2 => (index(), -30i64..20_000, 0..4i32)
            .prop_filter("holes", |(_, _, whence)| *whence != 3)
            .prop_map(|(i, offset, whence)| Call::Seek(i, offset, if whence == 3 { 7 } else { whence })),
        2 => (index(), offset()).prop_map(|(i, length)| Call::TruncateOpen(i, length)),
        1 => (name(), offset()).prop_map(|(path, length)| Call::Truncate(path, length)),
        4 => (from(), name(), 0u32..0o1000).prop_map(|(f, path, mode)| Call::MakeDirectory(f, path, mode | 0o700)),
        2 => name().prop_map(Call::RemoveDirectory),
        3 => (from(), name(), prop::sample::select(vec![0, 0, 0, libc::AT_REMOVEDIR, 0x4000]))
            .prop_map(|(f, path, flags)| Call::Unlink(f, path, flags)),
        5 => (name(), name(), prop::sample::select(vec![0u32, 0, 0, 1, 2, 3]))
            .prop_map(|(old, new, flags)| Call::Rename(old, new, flags)),
        2 => (name(), name(), prop::sample::select(vec![0, libc::AT_SYMLINK_FOLLOW]))
            .prop_map(|(old, new, flags)| Call::Link(old, new, flags)),
        3 => (name(), from(), name()).prop_map(|(target, f, path)| Call::Symlink(target, f, path)),
        1 => (from(), name()).prop_map(|(f, path)| Call::ReadLink(f, path)),
        4 => (from(), name(), nofollow()).prop_map(|(f, path, flags)| Call::Stat(f, path, flags)),
        2 => index().prop_map(Call::StatOpen),
        1 => (name(), 0..9i32).prop_map(|(path, mode)| Call::Access(path, mode)),
        1 => (name(), 0u32..0o1000).prop_map(|(path, mode)| Call::ChangeMode(path, mode)),
        1 => (name(), 1i64..1_000_000, nofollow()).prop_map(|(path, s, flags)| Call::SetTimes(path, s, flags)),
        2 => (index(), prop::sample::select(vec![24usize, 64, 4096])).prop_map(|(i, size)| Call::List(i, size)),
        1 => index().prop_map(Call::Duplicate),
        1 => (index(), index()).prop_map(|(index, to)| Call::DuplicateTo(index, to)),
        1 => index().prop_map(Call::Flags),
        1 => (index(), prop::sample::select(vec![0, libc::O_APPEND, libc::O_NONBLOCK]))
            .prop_map(|(index, flags)| Call::SetFlags(index, flags)),
        1 => (index(), index(), length()).prop_map(|(from, to, length)| Call::CopyRange(from, to, length)),
        1 => (index(), index(), length()).prop_map(|(to, from, length)| Call::SendFile(to, from, length)),
        1 => prop::sample::select(vec![0, libc::O_CLOEXEC]).prop_map(Call::Pipe),
    ]
}

/// The working directory lies deep, so that `..` in paths and links stays inside on the host too.
const WORK: &str = "1/2/3/4/5/6/7/8/9/work";

fn initial(root: &Path) {
    host_file(root, &format!("{WORK}/old"), &[b'o'; 5000]);
    host_file(root, &format!("{WORK}/full/a"), b"first");
    host_file(root, &format!("{WORK}/full/b"), &[b'b'; 4096]);
    std::fs::create_dir(root.join(WORK).join("dir")).unwrap();
    std::fs::hard_link(root.join(WORK).join("full/a"), root.join(WORK).join("full/c")).unwrap();
    std::os::unix::fs::symlink("full/a", root.join(WORK).join("d")).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_linux(calls in prop::collection::vec(call(), 1..60)) {
        // tmpfs is what we compare with most closely; any other file system will do.
        let shared_memory = Path::new("/dev/shm");
        let root = if shared_memory.is_dir() {
            tempfile::tempdir_in(shared_memory)
        } else {
            tempfile::tempdir()
        }
        .unwrap();
        initial(root.path());
        let is_tmpfs = on_tmpfs(root.path());
        let mut builder = TreeBuilder::new();
        builder.root(root.path()).unwrap();
        let (mut guest, mut linux) = (Guest::with_tree(&builder), Linux);
        // SAFETY: umask changes this process's mask only; this is the binary's one test.
        unsafe { libc::umask(0o022) };
        let directory = guest.open(&format!("/{WORK}"), libc::O_DIRECTORY, 0).unwrap();
        let mut ours = Side { system: guest, open: vec![Some(directory)], is_tmpfs };
        let directory = linux.open(root.path().join(WORK).to_str().unwrap(), libc::O_DIRECTORY, 0).unwrap();
        let mut theirs = Side { system: linux, open: vec![Some(directory)], is_tmpfs };
        let mut failure = None;
        for (index, call) in calls.iter().enumerate() {
            let (our, their) = (ours.run(call), theirs.run(call));
            if our != their {
                failure = Some(format!("call {index}, {call:?}: ours {our:?}, Linux {their:?}"));
                break;
            }
        }
        for fd in theirs.open.iter().flatten() {
            let _ = theirs.system.close(*fd);
        }
        prop_assert!(failure.is_none(), "{}", failure.unwrap());
    }
}

fn on_tmpfs(path: &Path) -> bool {
    let path = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a statfs is integers only, of which zero is one.
    let mut statfs: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a C string and a statfs of our own.
    let result = unsafe { libc::statfs(path.as_ptr(), &raw mut statfs) };
    result == 0 && statfs.f_type == 0x0102_1994
}
