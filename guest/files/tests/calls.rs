//! Each behaviour as a user's program sees it.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{Guest, System};
use guest_files::pack::TreeBuilder;
use guest_files::{Errno, UserMemory};
use libc::{
    O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY,
};
use proptest::prelude::*;

/// A guest with a program and a few files in its initial tree.
fn guest() -> Guest {
    let mut builder = TreeBuilder::new();
    builder
        .bytes(Path::new("/prog"), 0o755, Arc::from(&b"\x7fELF program"[..]))
        .unwrap()
        .bytes(Path::new("/etc/motd"), 0o644, Arc::from(&b"welcome\n"[..]))
        .unwrap()
        .bytes(Path::new("/etc/large"), 0o600, Arc::from(vec![b'x'; 10_000]))
        .unwrap()
        .program(Path::new("/prog"))
        .standard_entries()
        .unwrap();
    Guest::with_tree(&builder)
}

fn names(list: Vec<(String, u8)>) -> Vec<String> {
    list.into_iter().map(|(name, _)| name).collect()
}

fn list(guest: &mut Guest, path: &str) -> Vec<String> {
    let fd = guest.open(path, O_DIRECTORY, 0).unwrap();
    let list = guest.list(fd, 4096).unwrap();
    guest.close(fd).unwrap();
    names(list)
}

#[test]
fn the_standard_streams_are_the_console() {
    let mut guest = guest();
    guest.console.input = b"a line\n".to_vec();
    assert_eq!(guest.write(1, b"out"), Ok(3));
    assert_eq!(guest.write(2, b"err"), Ok(3));
    assert_eq!(guest.read(0, 100), Ok(b"a line\n".to_vec()));
    assert_eq!(guest.read(0, 100), Ok(Vec::new()));
    assert_eq!((&guest.console.output[..], &guest.console.errors[..]), (&b"out"[..], &b"err"[..]));
    assert_eq!(guest.write(0, b"x"), Err(libc::EBADF));
    assert_eq!(guest.read(1, 1), Err(libc::EBADF));
    assert_eq!(guest.call(libc::SYS_lseek, &[1, 0, 0]), Err(libc::ESPIPE));
    assert_eq!(guest.call(libc::SYS_ioctl, &[1, libc::TCGETS, 0]), Err(libc::ENOTTY));
    assert!(guest.files.is_plain_console(1) && guest.files.is_plain_console(2));
    assert!(!guest.files.is_plain_console(0) && !guest.files.is_plain_console(3));
}

#[test]
fn standard_output_can_be_sent_to_a_file_and_back() {
    let mut guest = guest();
    // What a shell does for `echo x > /tmp/f`.
    let saved = guest.call(libc::SYS_fcntl, &[1, libc::F_DUPFD_CLOEXEC as u64, 10]).unwrap();
    assert_eq!(saved, 10);
    let file = guest.open("/tmp/f", O_WRONLY | O_CREAT | O_TRUNC, 0o666).unwrap();
    assert_eq!(guest.call(libc::SYS_dup2, &[file, 1]), Ok(1));
    guest.close(file).unwrap();
    assert!(!guest.files.is_plain_console(1));
    assert_eq!(guest.write(1, b"x\n"), Ok(2));
    assert_eq!(guest.call(libc::SYS_dup2, &[saved, 1]), Ok(1));
    assert!(guest.files.is_plain_console(1));
    assert_eq!(guest.write(1, b"y\n"), Ok(2));
    assert_eq!(guest.get("/tmp/f"), Ok(b"x\n".to_vec()));
    assert_eq!(guest.console.output, b"y\n");
    assert_eq!(guest.stat("/tmp/f").unwrap().st_mode, libc::S_IFREG | 0o644);
}

#[test]
fn a_vector_reaches_the_console_in_one_write() {
    let mut guest = guest();
    let (first, second) = (b"one ", b"two");
    let vector = [first.as_ptr() as u64, 4, 0, 0, second.as_ptr() as u64, 3];
    assert_eq!(guest.call(libc::SYS_writev, &[1, vector.as_ptr() as u64, 3]), Ok(7));
    assert_eq!((guest.console.output.as_slice(), guest.console.writes), (&b"one two"[..], 1));
}

#[test]
fn vectors_fill_and_empty_files_in_order() {
    let mut guest = guest();
    let fd = guest.open("/tmp/v", O_RDWR | O_CREAT, 0o600).unwrap();
    let vector = [b"hello ".as_ptr() as u64, 6, b"world".as_ptr() as u64, 5];
    assert_eq!(guest.call(libc::SYS_writev, &[fd, vector.as_ptr() as u64, 2]), Ok(11));
    let (mut first, mut second) = ([0u8; 4], [0u8; 20]);
    let vector = [first.as_mut_ptr() as u64, 4, second.as_mut_ptr() as u64, 20];
    assert_eq!(guest.call(libc::SYS_preadv, &[fd, vector.as_ptr() as u64, 2, 2, 0]), Ok(9));
    assert_eq!((&first, &second[..5]), (b"llo ", &b"world"[..]));
    assert_eq!(guest.call(libc::SYS_readv, &[fd, vector.as_ptr() as u64, 1025]), Err(libc::EINVAL));
    let negative = [first.as_mut_ptr() as u64, u64::MAX];
    assert_eq!(guest.call(libc::SYS_writev, &[fd, negative.as_ptr() as u64, 1]), Err(libc::EINVAL));
}

#[test]
fn a_file_of_the_tree_is_copied_only_when_it_is_written() {
    let mut guest = guest();
    let before = guest.files.contents(b"/etc/large").unwrap();
    assert_eq!(before.len(), 10_000);
    let fd = guest.open("/etc/large", O_RDWR, 0).unwrap();
    assert_eq!(guest.call(libc::SYS_pwrite64, &[fd, b"new".as_ptr() as u64, 3, 5000]), Ok(3));
    let after = guest.get("/etc/large").unwrap();
    assert_eq!((&after[4999..5004], after.len()), (&b"xnewx"[..], 10_000));
    assert_eq!(before[5000], b'x');
    assert!(guest.files.contents(b"/etc/large").is_err());
    // Attributes alone leave the contents where they are.
    assert_eq!(guest.call_path(libc::SYS_chmod, "/etc/motd", &[0o4711]), Ok(0));
    assert_eq!(guest.stat("/etc/motd").unwrap().st_mode, libc::S_IFREG | 0o4711);
    assert_eq!(guest.files.contents(b"/etc/motd"), Ok(&b"welcome\n"[..]));
    assert_eq!(guest.stat("/etc/large").unwrap().st_blocks, 3 * 8);
}

#[test]
fn what_is_deleted_from_the_tree_stays_deleted() {
    let mut guest = guest();
    assert_eq!(guest.call_path(libc::SYS_unlink, "/etc/motd", &[]), Ok(0));
    assert_eq!(guest.stat("/etc/motd").err(), Some(libc::ENOENT));
    assert_eq!(list(&mut guest, "/etc"), [".", "..", "large"]);
    guest.put("/etc/motd", b"mine");
    assert_eq!(guest.get("/etc/motd"), Ok(b"mine".to_vec()));
    assert_eq!(list(&mut guest, "/etc"), [".", "..", "large", "motd"]);
    guest.call_path(libc::SYS_unlink, "/etc/motd", &[]).unwrap();
    guest.call_path(libc::SYS_unlink, "/etc/large", &[]).unwrap();
    assert_eq!(guest.call_path(libc::SYS_rmdir, "/etc", &[]), Ok(0));
    assert_eq!(guest.stat("/etc").err(), Some(libc::ENOENT));
    assert_eq!(guest.call_path(libc::SYS_mkdir, "/etc", &[0o755]), Ok(0));
    assert_eq!(list(&mut guest, "/etc"), [".", ".."]);
}

#[test]
fn an_open_file_outlives_its_name() {
    let mut guest = guest();
    let fd = guest.open("/etc/motd", O_RDWR, 0).unwrap();
    guest.call_path(libc::SYS_unlink, "/etc/motd", &[]).unwrap();
    assert_eq!(guest.read(fd, 3), Ok(b"wel".to_vec()));
    assert_eq!(guest.write(fd, b"COME"), Ok(4));
    guest.call(libc::SYS_lseek, &[fd, 0, 0]).unwrap();
    assert_eq!(guest.read(fd, 20), Ok(b"welCOME\n".to_vec()));
    assert_eq!(guest.stat_at(fd, "", libc::AT_EMPTY_PATH).unwrap().st_nlink, 0);
    assert_eq!(guest.read_link(0, &format!("/proc/self/fd/{fd}")), Ok(b"/ (deleted)".to_vec()));
    // A mapping holds it even without a descriptor.
    let handle = guest.files.retain(fd).unwrap();
    guest.close(fd).unwrap();
    let mut buffer = [0; 4];
    assert_eq!((guest.files.read_retained(&handle, 3, &mut buffer), &buffer), (4, b"COME"));
    guest.files.release(handle);
}

#[test]
fn a_listing_goes_on_while_its_entries_are_removed() {
    let mut guest = guest();
    guest.call_path(libc::SYS_mkdir, "/tmp/d", &[0o755]).unwrap();
    let all: Vec<String> = (0..100).map(|number| format!("file{number}")).collect();
    for name in &all {
        guest.put(&format!("/tmp/d/{name}"), b"");
    }
    // As `rm -r` does: read a piece, remove what it names, read on.
    let fd = guest.open("/tmp/d", O_DIRECTORY, 0).unwrap();
    let mut seen = Vec::new();
    loop {
        let piece = names(guest.list_piece(fd, 200).unwrap());
        if piece.is_empty() {
            break;
        }
        for name in piece.into_iter().filter(|name| !name.starts_with('.')) {
            guest.call_path(libc::SYS_unlink, &format!("/tmp/d/{name}"), &[]).unwrap();
            seen.push(name);
        }
    }
    assert_eq!(seen, all);
    assert_eq!(guest.call_path(libc::SYS_rmdir, "/tmp/d", &[]), Ok(0));
    assert_eq!(guest.list_piece(fd, 200), Err(libc::ENOENT));
    let fd = guest.open("/", O_DIRECTORY, 0).unwrap();
    assert_eq!(guest.list_piece(fd, 20), Err(libc::EINVAL));
}

#[test]
fn directories_count_as_in_tmpfs() {
    let mut guest = guest();
    let root = guest.stat("/").unwrap();
    // dev, etc, proc, tmp and the program.
    assert_eq!((root.st_size, root.st_nlink, root.st_blocks), ((2 + 5) * 20, 2 + 4, 0));
    guest.call_path(libc::SYS_mkdir, "/home", &[0o700]).unwrap();
    guest.put("/file", b"1");
    let root = guest.stat("/").unwrap();
    assert_eq!((root.st_size, root.st_nlink), ((2 + 7) * 20, 2 + 5));
    assert_eq!(guest.stat("/tmp").unwrap().st_mode, libc::S_IFDIR | 0o1777);
}

#[test]
fn the_working_directory_follows_its_directory() {
    let mut guest = guest();
    let cwd = |guest: &mut Guest| {
        let mut buffer = vec![0u8; 100];
        let length = guest.call(libc::SYS_getcwd, &[buffer.as_mut_ptr() as u64, 100])? as usize;
        buffer.truncate(length - 1);
        Ok::<_, i32>(String::from_utf8(buffer).unwrap())
    };
    assert_eq!(cwd(&mut guest), Ok("/".into()));
    guest.call_path(libc::SYS_mkdir, "/tmp/a", &[0o755]).unwrap();
    guest.call_path(libc::SYS_chdir, "/tmp/a", &[]).unwrap();
    assert_eq!(cwd(&mut guest), Ok("/tmp/a".into()));
    guest.put("here", b"1");
    let (old, new) = (c"/tmp/a", c"/etc/b");
    guest.call(libc::SYS_rename, &[old.as_ptr() as u64, new.as_ptr() as u64]).unwrap();
    assert_eq!(cwd(&mut guest), Ok("/etc/b".into()));
    assert_eq!(guest.get("../b/here"), Ok(b"1".to_vec()));
    guest.call_path(libc::SYS_unlink, "here", &[]).unwrap();
    guest.call_path(libc::SYS_rmdir, "/etc/b", &[]).unwrap();
    assert_eq!(cwd(&mut guest), Err(libc::ENOENT));
    assert_eq!(guest.open("new", O_CREAT | O_WRONLY, 0o600), Err(libc::ENOENT));
    assert_eq!(guest.call_path(libc::SYS_chdir, "..", &[]), Ok(0));
    assert_eq!(cwd(&mut guest), Ok("/etc".into()));
    let mut small = [0u8; 3];
    assert_eq!(guest.call(libc::SYS_getcwd, &[small.as_mut_ptr() as u64, 3]), Err(libc::ERANGE));
    assert_eq!(guest.call_path(libc::SYS_chdir, "/etc/motd", &[]), Err(libc::ENOTDIR));
}

#[test]
fn the_program_starts_where_the_tree_says() {
    let mut builder = TreeBuilder::new();
    builder.bytes(Path::new("/srv/app/data"), 0o644, Arc::from(&b"1"[..])).unwrap();
    builder.working_directory(Path::new("/srv/app")).unwrap();
    let mut guest = Guest::with_tree(&builder);
    assert_eq!(guest.get("data"), Ok(b"1".to_vec()));
    assert_eq!(guest.get("../app/data"), Ok(b"1".to_vec()));
}

#[test]
fn links_that_go_in_circles_end() {
    let mut guest = guest();
    let link = |guest: &mut Guest, target: &str, path: &str| {
        let path = std::ffi::CString::new(path).unwrap();
        guest.call_path(libc::SYS_symlink, target, &[path.as_ptr() as u64])
    };
    link(&mut guest, "b", "/tmp/a").unwrap();
    link(&mut guest, "/tmp/a", "/tmp/b").unwrap();
    assert_eq!(guest.open("/tmp/a", O_RDONLY, 0), Err(libc::ELOOP));
    assert_eq!(guest.open("/tmp/a/c", O_RDONLY, 0), Err(libc::ELOOP));
    assert_eq!(guest.open("/tmp/a", O_WRONLY | O_CREAT, 0o600), Err(libc::ELOOP));
    assert_eq!(guest.lstat("/tmp/a").unwrap().st_size, 1);
    // Forty links are followed, and not one more.
    guest.put("/tmp/0", b"end");
    for number in 1..=41 {
        link(&mut guest, &(number - 1).to_string(), &format!("/tmp/{number}")).unwrap();
    }
    assert_eq!(guest.get("/tmp/40"), Ok(b"end".to_vec()));
    assert_eq!(guest.get("/tmp/41"), Err(libc::ELOOP));
    assert_eq!(link(&mut guest, "", "/tmp/empty"), Err(libc::ENOENT));
}

#[test]
fn bad_arguments_get_linux_errors() {
    let mut guest = guest();
    assert_eq!(guest.call(libc::SYS_open, &[8, 0, 0]), Err(libc::EFAULT));
    assert_eq!(guest.open("", O_RDONLY, 0), Err(libc::ENOENT));
    assert_eq!(guest.open(&"n".repeat(256), O_CREAT | O_RDWR, 0o600), Err(libc::ENAMETOOLONG));
    assert_eq!(guest.open(&"a/".repeat(2100), O_RDONLY, 0), Err(libc::ENAMETOOLONG));
    assert_eq!(guest.open("/etc", O_WRONLY, 0), Err(libc::EISDIR));
    assert_eq!(guest.open("/etc/motd/x", O_RDONLY, 0), Err(libc::ENOTDIR));
    assert_eq!(guest.open("/etc/motd", O_CREAT | O_EXCL, 0), Err(libc::EEXIST));
    assert_eq!(guest.close(77), Err(libc::EBADF));
    let fd = guest.open("/etc/motd", O_RDONLY, 0).unwrap();
    assert_eq!(guest.call(libc::SYS_read, &[fd, 8, 3]), Err(libc::EFAULT));
    assert_eq!(guest.call(libc::SYS_write, &[fd, 8, 3]), Err(libc::EBADF));
    assert_eq!(guest.call(libc::SYS_fstat, &[fd, 8]), Err(libc::EFAULT));
    assert_eq!(guest.call(libc::SYS_ftruncate, &[fd, 0]), Err(libc::EINVAL));
    assert_eq!(guest.call_path(libc::SYS_truncate, "/etc/motd", &[u64::MAX]), Err(libc::EINVAL));
    assert_eq!(guest.call_path(libc::SYS_mount, "/", &[]), Err(libc::EPERM));
    assert_eq!(guest.call_path(libc::SYS_chroot, "/tmp", &[]), Err(libc::EPERM));
    assert_eq!(guest.call(libc::SYS_getpid, &[]), Err(libc::ENOSYS));
    assert_eq!(guest.call_path(libc::SYS_access, "/etc/motd", &[libc::X_OK as u64]), Err(libc::EACCES));
    assert_eq!(guest.call_path(libc::SYS_access, "/prog", &[libc::X_OK as u64]), Ok(0));
}

#[test]
fn a_process_has_at_most_1024_descriptors() {
    let mut guest = guest();
    for expected in 3..1024 {
        assert_eq!(guest.open("/etc/motd", O_RDONLY, 0), Ok(expected));
    }
    assert_eq!(guest.open("/etc/motd", O_RDONLY, 0), Err(libc::EMFILE));
    assert_eq!(guest.call(libc::SYS_dup, &[0]), Err(libc::EMFILE));
    let mut ends = [0u32; 2];
    assert_eq!(guest.call(libc::SYS_pipe, &[ends.as_mut_ptr() as u64]), Err(libc::EMFILE));
    assert_eq!(guest.call(libc::SYS_dup2, &[0, 1024]), Err(libc::EBADF));
    assert_eq!(guest.call(libc::SYS_close_range, &[10, u64::from(u32::MAX), 0]), Ok(0));
    assert_eq!(guest.call(libc::SYS_fcntl, &[9, libc::F_DUPFD as u64, 0]), Ok(10));
}

#[test]
fn close_on_exec_is_kept_per_descriptor() {
    let mut guest = guest();
    let fd = guest.open("/etc/motd", O_RDONLY | O_CLOEXEC, 0).unwrap();
    let flags = |guest: &mut Guest, fd| guest.call(libc::SYS_fcntl, &[fd, libc::F_GETFD as u64]);
    assert_eq!(flags(&mut guest, fd), Ok(1));
    let copy = guest.call(libc::SYS_dup, &[fd]).unwrap();
    assert_eq!(flags(&mut guest, copy), Ok(0));
    assert_eq!(guest.call(libc::SYS_dup3, &[fd, copy, O_CLOEXEC as u64]), Ok(copy));
    assert_eq!(flags(&mut guest, copy), Ok(1));
    assert_eq!(guest.call(libc::SYS_dup3, &[fd, fd, 0]), Err(libc::EINVAL));
    guest.call(libc::SYS_fcntl, &[fd, libc::F_SETFD as u64, 0]).unwrap();
    assert_eq!((flags(&mut guest, fd), flags(&mut guest, copy)), (Ok(0), Ok(1)));
}

#[test]
fn duplicates_share_their_position() {
    let mut guest = guest();
    let fd = guest.open("/etc/motd", O_RDONLY, 0).unwrap();
    let copy = guest.call(libc::SYS_dup, &[fd]).unwrap();
    assert_eq!(guest.read(fd, 3), Ok(b"wel".to_vec()));
    assert_eq!(guest.read(copy, 3), Ok(b"com".to_vec()));
    guest.close(fd).unwrap();
    assert_eq!(guest.read(copy, 9), Ok(b"e\n".to_vec()));
}

#[test]
fn a_pipe_carries_bytes_and_tells_when_an_end_is_gone() {
    let mut guest = guest();
    let mut ends = [0u32; 2];
    guest.call(libc::SYS_pipe2, &[ends.as_mut_ptr() as u64, O_NONBLOCK as u64]).unwrap();
    let [reader, writer] = ends.map(u64::from);
    assert_eq!(guest.read(reader, 1), Err(libc::EAGAIN));
    assert_eq!(guest.write(writer, b"through"), Ok(7));
    assert_eq!(guest.read(reader, 4), Ok(b"thro".to_vec()));
    let mut waiting = 0u32;
    guest.call(libc::SYS_ioctl, &[reader, libc::FIONREAD, &raw mut waiting as u64]).unwrap();
    assert_eq!(waiting, 3);
    // It fills up; a small write is whole or nothing.
    let big = vec![7u8; 100_000];
    assert_eq!(guest.write(writer, &big), Ok(65_536 - 3));
    assert_eq!(guest.write(writer, b"x"), Err(libc::EAGAIN));
    assert_eq!(guest.read(reader, 100_000).unwrap().len(), 65_536);
    guest.close(writer).unwrap();
    assert_eq!(guest.read(reader, 1), Ok(Vec::new()));

    guest.call(libc::SYS_pipe, &[ends.as_mut_ptr() as u64]).unwrap();
    let [reader, writer] = ends.map(u64::from);
    // Nobody else could ever write: Linux would wait for ever.
    assert_eq!(guest.read(reader, 1), Err(libc::EDEADLK));
    guest.close(reader).unwrap();
    assert_eq!(guest.write(writer, b"x"), Err(libc::EPIPE));
}

#[test]
fn appending_writes_at_the_end_wherever_the_position_is() {
    let mut guest = guest();
    let fd = guest.open("/etc/motd", O_RDWR | O_APPEND, 0).unwrap();
    assert_eq!(guest.write(fd, b"more"), Ok(4));
    guest.call(libc::SYS_lseek, &[fd, 0, 0]).unwrap();
    assert_eq!(guest.write(fd, b"!"), Ok(1));
    assert_eq!(guest.get("/etc/motd"), Ok(b"welcome\nmore!".to_vec()));
}

#[test]
fn holes_read_as_zeros_and_take_no_room() {
    let mut guest = guest();
    let fd = guest.open("/tmp/sparse", O_RDWR | O_CREAT, 0o600).unwrap();
    let far = 1 << 28;
    assert_eq!(guest.call(libc::SYS_pwrite64, &[fd, b"end".as_ptr() as u64, 3, far]), Ok(3));
    assert_eq!(guest.read(fd, 5), Ok(vec![0; 5]));
    let stat = guest.stat("/tmp/sparse").unwrap();
    assert_eq!((stat.st_size as u64, stat.st_blocks), (far + 3, 8));
    // Lengthening alone costs nothing, however far.
    assert_eq!(guest.call(libc::SYS_ftruncate, &[fd, i64::MAX as u64]), Ok(0));
    assert_eq!(guest.stat("/tmp/sparse").unwrap().st_size, i64::MAX);
    let args = [fd, b"xx".as_ptr() as u64, 2, i64::MAX as u64];
    assert_eq!(guest.call(libc::SYS_pwrite64, &args), Err(libc::EFBIG));
    // What was cut off does not come back.
    assert_eq!(guest.call(libc::SYS_ftruncate, &[fd, far + 1]), Ok(0));
    assert_eq!(guest.call(libc::SYS_ftruncate, &[fd, far + 3]), Ok(0));
    let mut tail = [9u8; 4];
    assert_eq!(guest.call(libc::SYS_pread64, &[fd, tail.as_mut_ptr() as u64, 4, far]), Ok(3));
    assert_eq!(tail, [b'e', 0, 0, 9]);
}

#[test]
fn a_large_file_written_in_small_pieces_is_read_back_whole() {
    let mut guest = guest();
    let fd = guest.open("/tmp/large", O_RDWR | O_CREAT, 0o600).unwrap();
    let piece: Vec<u8> = (0..=254).collect();
    for _ in 0..40_000 {
        assert_eq!(guest.write(fd, &piece), Ok(255));
    }
    let whole = guest.get("/tmp/large").unwrap();
    assert_eq!(whole.len(), 255 * 40_000);
    assert!(whole.chunks(255).all(|chunk| chunk == piece));
}

#[test]
fn devices_behave() {
    let mut guest = guest();
    let null = guest.open("/dev/null", O_RDWR, 0).unwrap();
    assert_eq!((guest.write(null, b"gone"), guest.read(null, 9)), (Ok(4), Ok(Vec::new())));
    let zero = guest.open("/dev/zero", O_RDONLY, 0).unwrap();
    assert_eq!(guest.read(zero, 5), Ok(vec![0; 5]));
    let full = guest.open("/dev/full", O_WRONLY, 0).unwrap();
    assert_eq!(guest.write(full, b"x"), Err(libc::ENOSPC));
    let random = guest.open("/dev/urandom", O_RDONLY, 0).unwrap();
    assert_eq!(guest.read(random, 3), Ok(vec![11, 48, 85]));
    assert_eq!(guest.open("/dev/tty", O_RDWR, 0), Err(libc::ENXIO));
    assert_eq!(guest.lstat("/dev/null").unwrap().st_rdev, libc::makedev(1, 3));
    // `> /dev/stderr`, `cat /dev/stdin`.
    let error = guest.open("/dev/stderr", O_WRONLY | O_CREAT | O_TRUNC, 0o666).unwrap();
    guest.write(error, b"oops").unwrap();
    assert_eq!(guest.console.errors, b"oops");
    guest.console.input = b"typed".to_vec();
    assert_eq!(guest.get("/dev/stdin"), Ok(b"typed".to_vec()));
}

#[test]
fn proc_tells_what_is_known() {
    let mut guest = guest();
    let text = |guest: &mut Guest, path: &str| String::from_utf8(guest.get(path).unwrap()).unwrap();
    assert_eq!(guest.read_link(0, "/proc/self/exe"), Ok(b"/prog".to_vec()));
    assert_eq!(guest.get("/proc/self/exe"), Ok(b"\x7fELF program".to_vec()));
    assert_eq!(guest.read_link(0, "/proc/self"), Ok(b"1".to_vec()));
    let memory = text(&mut guest, "/proc/meminfo");
    assert!(memory.starts_with("MemTotal:          65536 kB\nMemFree:           61440 kB\n"), "{memory}");
    assert_eq!(text(&mut guest, "/proc/uptime"), "1.23 0.00\n");
    assert_eq!(text(&mut guest, "/proc/mounts"), "tmpfs / tmpfs rw,noatime 0 0\n");
    assert_eq!(text(&mut guest, "/proc/sys/kernel/osrelease"), "6.1.0-test\n");
    assert_eq!(text(&mut guest, "/proc/version"), "Linux version 6.1.0-test #1\n");
    assert!(text(&mut guest, "/proc/self/status").contains("Umask:\t0022\n"));
    let id = text(&mut guest, "/proc/sys/kernel/random/boot_id");
    assert_eq!(id, text(&mut guest, "/proc/sys/kernel/random/boot_id"));
    let dashes: Vec<usize> = id.match_indices('-').map(|(at, _)| at).collect();
    assert_eq!((id.len(), dashes), (37, vec![8, 13, 18, 23]));
    assert_eq!(guest.open("/proc/self/maps", O_RDONLY, 0), Err(libc::ENOENT));
    assert_eq!(guest.open("/proc/meminfo", O_WRONLY, 0), Err(libc::EACCES));
    assert_eq!(guest.open("/proc/new", O_WRONLY | O_CREAT, 0o600), Err(libc::ENOENT));
    assert_eq!(guest.call_path(libc::SYS_mkdir, "/proc/1/new", &[0o700]), Err(libc::ENOENT));
    assert_eq!(guest.call_path(libc::SYS_unlink, "/proc/meminfo", &[]), Err(libc::EPERM));

    let fd = guest.open("/etc/motd", O_RDONLY, 0).unwrap();
    assert_eq!(guest.read_link(0, &format!("/proc/self/fd/{fd}")), Ok(b"/etc/motd".to_vec()));
    assert_eq!(list(&mut guest, "/dev/fd/"), [".", "..", "0", "1", "2", "3", "4"]);
    assert_eq!(guest.get(&format!("/dev/fd/{fd}")), Ok(b"welcome\n".to_vec()));
    assert_eq!(guest.stat("/proc/self/fd/9").err(), Some(libc::ENOENT));
}

#[test]
fn poll_tells_what_is_ready_and_waits_for_the_console() {
    let mut guest = guest();
    let fd = guest.open("/etc/motd", O_RDONLY, 0).unwrap() as i32;
    let poll = |guest: &mut Guest, entries: &mut [libc::pollfd], timeout: i32| {
        guest.call(libc::SYS_poll, &[entries.as_mut_ptr() as u64, entries.len() as u64, timeout as u64])
    };
    let entry = |fd, events| libc::pollfd { fd, events, revents: 0 };
    let mut entries = [
        entry(0, libc::POLLIN),
        entry(1, libc::POLLOUT),
        entry(fd, libc::POLLIN),
        entry(-1, 1),
        entry(50, 1),
    ];
    assert_eq!(poll(&mut guest, &mut entries, 1000), Ok(3));
    let told = entries.map(|entry| entry.revents);
    assert_eq!(told, [0, libc::POLLOUT, libc::POLLIN, 0, libc::POLLNVAL]);
    // Nothing comes: the whole time passes.
    assert_eq!(poll(&mut guest, &mut [entry(0, libc::POLLIN)], 250), Ok(0));
    assert_eq!(guest.console.slept, 250_000_000);
    assert_eq!(poll(&mut guest, &mut [], 250), Ok(0));
    assert_eq!(guest.console.slept, 500_000_000);
    assert_eq!(poll(&mut guest, &mut [], -1), Err(libc::EDEADLK));
    // Something comes while we wait.
    (guest.console.input, guest.console.input_comes_late) = (b"x".to_vec(), true);
    let mut input = [entry(0, libc::POLLIN)];
    assert_eq!((poll(&mut guest, &mut input, -1), input[0].revents), (Ok(1), libc::POLLIN));
}

#[test]
fn select_answers_by_sets() {
    let mut guest = guest();
    let mut ends = [0u32; 2];
    guest.call(libc::SYS_pipe, &[ends.as_mut_ptr() as u64]).unwrap();
    assert_eq!(ends, [3, 4]);
    let select = |guest: &mut Guest, read: u64, write: u64, time: [i64; 2]| {
        let (mut read, mut write) = (read, write);
        let sets = [&raw mut read as u64, &raw mut write as u64, 0];
        let args = [5, sets[0], sets[1], sets[2], time.as_ptr() as u64];
        guest.call(libc::SYS_select, &args).map(|count| (count, read, write))
    };
    assert_eq!(select(&mut guest, 0b01001, 0b10010, [1, 0]), Ok((2, 0, 0b10010)));
    assert_eq!(select(&mut guest, 0b01000, 0, [0, 500]), Ok((0, 0, 0)));
    assert_eq!(guest.console.slept, 500_000);
    guest.write(4, b"x").unwrap();
    guest.console.input = b"y".to_vec();
    assert_eq!(select(&mut guest, 0b01001, 0, [1, 0]), Ok((2, 0b01001, 0)));
    guest.close(3).unwrap();
    assert_eq!(select(&mut guest, 0b01000, 0, [0, 0]), Err(libc::EBADF));
    assert_eq!(select(&mut guest, 0, 0, [-1, 0]), Err(libc::EINVAL));
}

#[test]
fn epoll_and_eventfd_serve_an_event_loop() {
    let mut guest = guest();
    let watch = guest.call(libc::SYS_epoll_create1, &[libc::EPOLL_CLOEXEC as u64]).unwrap();
    let event = guest.call(libc::SYS_eventfd2, &[0, O_NONBLOCK as u64]).unwrap();
    let file = guest.open("/etc/motd", O_RDONLY, 0).unwrap();
    let control = |guest: &mut Guest, operation: i32, fd: u64, events: u32| {
        let entry = libc::epoll_event { events, u64: 1000 + fd };
        guest.call(libc::SYS_epoll_ctl, &[watch, operation as u64, fd, &raw const entry as u64])
    };
    let wait = |guest: &mut Guest| {
        let mut entries = [libc::epoll_event { events: 0, u64: 0 }; 4];
        let count = guest.call(libc::SYS_epoll_wait, &[watch, entries.as_mut_ptr() as u64, 4, 0])?;
        Ok::<_, i32>(
            entries[..count as usize].iter().map(|entry| (entry.events, entry.u64)).collect::<Vec<_>>(),
        )
    };
    assert_eq!(control(&mut guest, libc::EPOLL_CTL_ADD, event, libc::EPOLLIN as u32), Ok(0));
    // Go's runtime relies on this answer for regular files.
    assert_eq!(control(&mut guest, libc::EPOLL_CTL_ADD, file, libc::EPOLLIN as u32), Err(libc::EPERM));
    assert_eq!(control(&mut guest, libc::EPOLL_CTL_ADD, event, 0), Err(libc::EEXIST));
    assert_eq!(wait(&mut guest), Ok(Vec::new()));
    guest.write(event, &3u64.to_ne_bytes()).unwrap();
    guest.write(event, &4u64.to_ne_bytes()).unwrap();
    assert_eq!(wait(&mut guest), Ok(vec![(libc::EPOLLIN as u32, 1000 + event)]));
    assert_eq!(guest.read(event, 8), Ok(7u64.to_ne_bytes().to_vec()));
    assert_eq!(guest.read(event, 8), Err(libc::EAGAIN));
    assert_eq!(control(&mut guest, libc::EPOLL_CTL_DEL, event, 0), Ok(0));
    assert_eq!(control(&mut guest, libc::EPOLL_CTL_DEL, event, 0), Err(libc::ENOENT));
}

#[test]
fn times_are_set_as_asked() {
    let mut guest = guest();
    let times = [100i64, 1, 200, 2];
    let path = c"/etc/motd".as_ptr() as u64;
    let cwd = libc::AT_FDCWD as u64;
    guest.call(libc::SYS_utimensat, &[cwd, path, times.as_ptr() as u64, 0]).unwrap();
    let stat = guest.stat("/etc/motd").unwrap();
    assert_eq!((stat.st_atime, stat.st_atime_nsec, stat.st_mtime, stat.st_mtime_nsec), (100, 1, 200, 2));
    // The clock of the test stands at 2·10⁹.
    let times = [7, libc::UTIME_OMIT, 7, libc::UTIME_NOW];
    let fd = guest.open("/etc/motd", O_RDONLY, 0).unwrap();
    guest.call(libc::SYS_utimensat, &[fd, 0, times.as_ptr() as u64, 0]).unwrap();
    let stat = guest.stat("/etc/motd").unwrap();
    assert_eq!((stat.st_atime, stat.st_mtime, stat.st_mtime_nsec), (100, 2_000_000_000, 5));
    let bad = [0i64, 1_000_000_000, 0, 0];
    assert_eq!(guest.call(libc::SYS_utimensat, &[cwd, path, bad.as_ptr() as u64, 0]), Err(libc::EINVAL));
}

#[test]
fn statx_and_statfs_agree_with_stat() {
    let mut guest = guest();
    // SAFETY: integers only, of which zero is one.
    let (mut extended, mut system): (libc::statx, libc::statfs) = unsafe { std::mem::zeroed() };
    let args = [libc::AT_FDCWD as u64, c"/etc/large".as_ptr() as u64, 0, 0x7ff, &raw mut extended as u64];
    guest.call(libc::SYS_statx, &args).unwrap();
    let stat = guest.stat("/etc/large").unwrap();
    assert_eq!((extended.stx_size, extended.stx_blocks), (stat.st_size as u64, stat.st_blocks as u64));
    assert_eq!((u32::from(extended.stx_mode), extended.stx_nlink), (stat.st_mode, 1));
    assert_eq!((extended.stx_ino, extended.stx_mtime.tv_sec), (stat.st_ino, stat.st_mtime));
    assert_eq!(libc::makedev(extended.stx_dev_major, extended.stx_dev_minor), stat.st_dev);
    guest.call_path(libc::SYS_statfs, "/", &[&raw mut system as u64]).unwrap();
    assert_eq!((system.f_type, system.f_blocks, system.f_bfree), (0x0102_1994, 16_384, 15_360));
}

#[test]
fn files_are_mapped_by_offset() {
    let mut guest = guest();
    let fd = guest.open("/etc/large", O_RDONLY, 0).unwrap();
    assert_eq!(guest.files.size_of(fd).unwrap(), 10_000);
    let mut page = [0u8; 4096];
    assert_eq!(guest.files.read_at(fd, 8192, &mut page), Ok(10_000 - 8192));
    assert_eq!(guest.files.read_at(fd, 20_000, &mut page), Ok(0));
    assert_eq!(guest.files.size_of(1).unwrap_err().0, libc::ENODEV);
    assert_eq!(guest.files.contents_of(fd), Some(&[b'x'; 10_000][..]));
    assert_eq!(guest.files.contents_of(1), None);
    guest.put("/etc/large", b"changed");
    assert_eq!(guest.files.contents_of(fd), None);
    guest.put("/etc/large", &[b'x'; 10_000]);
    // A shared memory file, as a program makes one to map it.
    let memory = guest.call_path(libc::SYS_memfd_create, "shm", &[1]).unwrap();
    guest.call(libc::SYS_ftruncate, &[memory, 4096]).unwrap();
    assert_eq!(guest.files.read_at(memory, 0, &mut page), Ok(4096));
}

#[test]
fn locks_are_had_and_met_by_nobody() {
    let mut guest = guest();
    let fd = guest.open("/etc/motd", O_RDWR, 0).unwrap();
    assert_eq!(guest.call(libc::SYS_flock, &[fd, (libc::LOCK_EX | libc::LOCK_NB) as u64]), Ok(0));
    let mut lock = [0u16; 16];
    lock[0] = libc::F_WRLCK as u16;
    assert_eq!(guest.call(libc::SYS_fcntl, &[fd, libc::F_SETLK as u64, lock.as_ptr() as u64]), Ok(0));
    assert_eq!(guest.call(libc::SYS_fcntl, &[fd, libc::F_GETLK as u64, lock.as_mut_ptr() as u64]), Ok(0));
    assert_eq!(lock[0], libc::F_UNLCK as u16);
}

#[test]
fn the_umask_takes_rights_from_new_files_only() {
    let mut guest = guest();
    assert_eq!(guest.call(libc::SYS_umask, &[0o077]), Ok(0o022));
    guest.put("/tmp/new", b"");
    guest.put("/etc/motd", b"");
    assert_eq!(guest.stat("/tmp/new").unwrap().st_mode & 0o777, 0o600);
    assert_eq!(guest.stat("/etc/motd").unwrap().st_mode & 0o777, 0o644);
}

/// Memory that is there at whatever address, and holds what was put there last.
struct Everywhere(Vec<u8>);

impl UserMemory for Everywhere {
    fn bytes(&mut self, _: u64, len: usize) -> Result<&[u8], Errno> {
        self.0.get(..len).ok_or(Errno::EFAULT)
    }

    fn bytes_mut(&mut self, _: u64, len: usize) -> Result<&mut [u8], Errno> {
        self.0.get_mut(..len).ok_or(Errno::EFAULT)
    }

    fn c_string(&mut self, addr: u64) -> Result<&[u8], Errno> {
        const PATHS: [&[u8]; 8] =
            [b"/tmp/a", b"a", b"..", b"/etc", b"/etc/motd", b"/proc/self/fd/3", b"/tmp/a/b", b""];
        Ok(PATHS[addr as usize % PATHS.len()])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a program passes, the kernel lives on, with sound files.
    #[test]
    fn wild_arguments_get_errors_and_nothing_worse(
        seed in any::<u64>(),
        calls in prop::collection::vec((0u64..460, prop::array::uniform6(argument())), 1..100),
    ) {
        let mut guest = guest();
        let noise = |at: u64| (seed.wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        let mut memory = Everywhere((0..9000).map(noise).collect());
        for (number, args) in calls {
            if let Some(Err(error)) = guest.files.dispatch(number, args, &mut memory, &mut guest.console) {
                prop_assert!((1..134).contains(&error.0), "call {number}: error {}", error.0);
            }
        }
        prop_assert_eq!(guest.stat("/").unwrap().st_mode & libc::S_IFMT, libc::S_IFDIR);
        prop_assert_eq!(guest.get("/dev/null"), Ok(Vec::new()));
    }
}

fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..12,
        2 => prop::sample::select(vec![0o100, 0o101, 0o102, 0o1101, 4096, 8192, libc::AT_FDCWD as u64]),
        1 => prop::sample::select(vec![u64::from(u32::MAX), i64::MAX as u64, 1 << 63, u64::MAX - 3, u64::MAX]),
        1 => any::<u64>(),
    ]
}
