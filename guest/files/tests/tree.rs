//! Packing a tree and reading it back; and a damaged tree, which must never bring the kernel down.

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Guest, System, aligned, host_file, load};
use guest_files::pack::{PackError, TreeBuilder};
use guest_files::tree::TreeError;
use guest_files::{Files, Tree};
use libc::{O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, O_TRUNC};
use proptest::prelude::*;

/// A part of a random tree.
#[derive(Clone, Debug)]
enum Part {
    File(Vec<u8>, u32),
    Link(String),
    Directory(BTreeMap<String, Part>),
}

fn part() -> impl Strategy<Value = Part> {
    let file = (any::<u8>(), 0usize..9000, 0u32..0o1000).prop_map(|(seed, length, mode)| {
        let bytes = (0..length).map(|at| seed.wrapping_add((at / 7) as u8)).collect();
        Part::File(bytes, mode | 0o400)
    });
    let leaf = prop_oneof![4 => file, 1 => "[a-z/.]{1,20}".prop_map(Part::Link)];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop::collection::btree_map("[a-zA-Z0-9_-]{1,12}", inner, 0..6).prop_map(Part::Directory)
    })
}

fn tree() -> impl Strategy<Value = BTreeMap<String, Part>> {
    prop::collection::btree_map("[a-z]{1,8}", part(), 0..8)
}

fn write_out(parts: &BTreeMap<String, Part>, at: &Path) {
    for (name, part) in parts {
        let path = at.join(name);
        match part {
            Part::File(bytes, mode) => {
                std::fs::write(&path, bytes).unwrap();
                std::fs::set_permissions(&path, PermissionsExt::from_mode(*mode)).unwrap();
            }
            Part::Link(target) => symlink(target, &path).unwrap(),
            Part::Directory(inner) => {
                std::fs::create_dir(&path).unwrap();
                write_out(inner, &path);
            }
        }
    }
}

fn check(guest: &mut Guest, parts: &BTreeMap<String, Part>, at: &str) {
    let fd = guest.open(if at.is_empty() { "/" } else { at }, O_DIRECTORY, 0).unwrap();
    let listed: Vec<String> = guest.list(fd, 4096).unwrap().into_iter().map(|(name, _)| name).collect();
    guest.close(fd).unwrap();
    assert_eq!(&listed[..2], [".", ".."]);
    assert!(listed[2..].iter().eq(parts.keys()), "{listed:?}");
    for (name, part) in parts {
        let path = format!("{at}/{name}");
        match part {
            Part::File(bytes, mode) => {
                assert_eq!(guest.get(&path).as_ref(), Ok(bytes));
                let stat = guest.stat(&path).unwrap();
                assert_eq!((stat.st_mode, stat.st_uid, stat.st_gid), (libc::S_IFREG | mode, 0, 0));
                assert_eq!((stat.st_size, stat.st_nlink), (bytes.len() as i64, 1));
            }
            Part::Link(target) => {
                assert_eq!(guest.read_link(0, &path).as_deref(), Ok(target.as_bytes()));
            }
            Part::Directory(inner) => check(guest, inner, &path),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_packed_tree_is_read_back(parts in tree()) {
        let root = tempfile::tempdir().unwrap();
        write_out(&parts, root.path());
        let mut builder = TreeBuilder::new();
        builder.root(root.path()).unwrap();
        check(&mut Guest::with_tree(&builder), &parts, "");
    }

    #[test]
    fn a_damaged_tree_gives_errors_at_worst(
        parts in tree(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let root = tempfile::tempdir().unwrap();
        write_out(&parts, root.path());
        let mut builder = TreeBuilder::new();
        builder.root(root.path()).unwrap().standard_entries().unwrap();
        let (metadata, window) = load(&builder.build().unwrap());
        let mut metadata = metadata.to_vec();
        for (index, byte) in damage {
            // The first bytes only say that this is a tree.
            let at = 8 + index.index(metadata.len() - 8);
            metadata[at] = byte;
        }
        if let Some(cut) = cut {
            metadata.truncate(cut.index(metadata.len()));
        }
        exercise(&metadata, window);
    }

    #[test]
    fn any_bytes_give_errors_at_worst(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut metadata = b"ISOTREE1".to_vec();
        metadata.extend(bytes);
        exercise(&metadata, &[1, 2, 3]);
    }
}

/// Does with a tree, sound or not, what a program might.
fn exercise(metadata: &[u8], window: &'static [u8]) {
    let Ok(tree) = Tree::new(aligned(metadata), window) else { return };
    let mut guest = Guest { files: Files::new(tree), console: Default::default() };
    let mut paths = vec![String::from("/"), String::from("/proc/self/fd"), String::from("/dev/null")];
    let mut at = 0;
    while let Some(path) = paths.get(at).cloned() {
        at += 1;
        if let Ok(fd) = guest.open(&path, O_DIRECTORY, 0) {
            // A damaged directory may contain itself, and name millions.
            for (name, _) in list_some(&mut guest, fd) {
                if paths.len() < 60 {
                    paths.push(format!("{}/{name}", path.trim_end_matches('/')));
                }
            }
            let _ = guest.read_link(0, &format!("/proc/self/fd/{fd}"));
            let _ = guest.call(libc::SYS_fchdir, &[fd]);
            let mut buffer = [0u8; 4096];
            let _ = guest.call(libc::SYS_getcwd, &[buffer.as_mut_ptr() as u64, 4096]);
            let _ = guest.open("new", O_CREAT | O_RDWR, 0o600).map(|fd| guest.close(fd));
            let _ = guest.close(fd);
        }
        let _ = (guest.stat(&path), guest.lstat(&path), guest.read_link(0, &path));
        if let Ok(fd) = guest.open(&path, O_RDWR, 0) {
            let _ = guest.read(fd, 5000);
            let _ = guest.call(libc::SYS_pwrite64, &[fd, [7u8; 9].as_ptr() as u64, 9, 4000]);
            let _ = guest.call(libc::SYS_ftruncate, &[fd, 100]);
            let _ = guest.close(fd);
        }
        let _ = guest.open(&path, O_RDONLY | O_CREAT | O_TRUNC, 0o600).map(|fd| guest.close(fd));
        let (old, new) = (std::ffi::CString::new(path.clone()).unwrap(), c"/moved");
        let _ = guest.call(libc::SYS_rename, &[old.as_ptr() as u64, new.as_ptr() as u64]);
        let _ = guest.call(libc::SYS_rename, &[new.as_ptr() as u64, old.as_ptr() as u64]);
        let _ = guest.call(libc::SYS_link, &[old.as_ptr() as u64, c"/hard".as_ptr() as u64]);
    }
    for path in paths.iter().rev() {
        let _ = guest.call_path(libc::SYS_unlink, path, &[]);
        let _ = guest.call_path(libc::SYS_rmdir, path, &[]);
    }
}

/// The first few names of a directory, valid UTF-8 or not.
fn list_some(guest: &mut Guest, fd: u64) -> Vec<(String, u8)> {
    let mut buffer = vec![0u8; 2000];
    let done = guest.call(libc::SYS_getdents64, &[fd, buffer.as_mut_ptr() as u64, 2000]).unwrap_or(0);
    let (mut names, mut at) = (Vec::new(), 0);
    while at < done as usize {
        let length = u16::from_ne_bytes([buffer[at + 16], buffer[at + 17]]) as usize;
        let name = buffer[at + 19..at + length].split(|byte| *byte == 0).next().unwrap_or(&[]);
        if let Ok(name) = std::str::from_utf8(name) {
            names.push((name.to_owned(), buffer[at + 18]));
        }
        at += length;
    }
    names
}

#[test]
fn what_is_no_tree_is_refused() {
    let refused = |bytes: &[u8]| Tree::new(aligned(bytes), &[]).err();
    assert_eq!(refused(b""), Some(TreeError::TooShort));
    assert_eq!(refused(&[0; 64]), Some(TreeError::NoMagic));
    let mut tree = TreeBuilder::new().build().unwrap().metadata;
    assert_eq!(refused(&tree), None);
    assert_eq!(refused(&tree[..tree.len() - 1]), Some(TreeError::TooShort));
    let shifted = aligned(&[&[0; 4], &tree[..]].concat());
    assert_eq!(Tree::new(&shifted[4..], &[]).err(), Some(TreeError::Misaligned));
    tree[32] = 2;
    assert_eq!(refused(&tree), Some(TreeError::NoRoot));
}

#[test]
fn mappings_make_their_directories_and_follow_the_trees_links() {
    let host = tempfile::tempdir().unwrap();
    host_file(host.path(), "root/usr/bin/old", b"old");
    host_file(host.path(), "root/etc/conf", b"conf");
    host_file(host.path(), "tool", b"tool");
    host_file(host.path(), "data/deep/file", b"deep");
    std::fs::set_permissions(host.path().join("tool"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("usr/bin", host.path().join("root/bin")).unwrap();
    let mut builder = TreeBuilder::new();
    builder
        .root(&host.path().join("root"))
        .unwrap()
        .map(&host.path().join("tool"), Path::new("/bin/tool"))
        .unwrap()
        .map(&host.path().join("tool"), Path::new("/opt/a/b/tool"))
        .unwrap()
        .map(&host.path().join("data"), Path::new("/etc"))
        .unwrap()
        .program(Path::new("/bin/tool"))
        .standard_entries()
        .unwrap();
    let mut guest = Guest::with_tree(&builder);
    assert_eq!(guest.get("/usr/bin/tool"), Ok(b"tool".to_vec()));
    assert_eq!(guest.stat("/bin/tool").unwrap().st_mode, libc::S_IFREG | 0o755);
    assert_eq!(guest.stat("/opt/a").unwrap().st_mode, libc::S_IFDIR | 0o755);
    assert_eq!(guest.get("/etc/deep/file"), Ok(b"deep".to_vec()));
    assert_eq!(guest.get("/etc/conf"), Ok(b"conf".to_vec()));
    assert_eq!(guest.get("/proc/self/exe"), Ok(b"tool".to_vec()));
    let modified = std::fs::metadata(host.path().join("tool")).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    let stat = guest.stat("/bin/tool").unwrap();
    assert_eq!((stat.st_mtime as u64, stat.st_mtime_nsec as u32), (since.as_secs(), since.subsec_nanos()));
}

#[test]
fn mistakes_are_told_in_one_line() {
    let host = tempfile::tempdir().unwrap();
    host_file(host.path(), "file", b"1");
    let file = host.path().join("file");
    let error = |result: Result<&mut TreeBuilder, PackError>| result.err().map(|error| error.to_string());
    let mut builder = TreeBuilder::new();
    assert_eq!(error(builder.map(&file, Path::new("/file"))), None);
    let missing = error(builder.map(&host.path().join("none"), Path::new("/x"))).unwrap();
    assert!(missing.contains("none") && missing.contains("No such file"), "{missing}");
    for (guest, reason) in [
        ("relative", "must begin with a slash"),
        ("/", "names no file"),
        ("/file/under", "a file is where a directory should be"),
    ] {
        let told = error(builder.map(&file, Path::new(guest))).unwrap();
        assert!(told.contains(reason), "{told}");
    }
    builder.map(host.path(), Path::new("/dir")).unwrap();
    assert!(error(builder.map(&file, Path::new("/dir"))).unwrap().contains("a directory is already there"));
    assert!(error(builder.root(&file)).unwrap().contains("neither a file nor a directory"));
}

#[test]
fn sockets_are_left_out_with_a_note_and_hard_links_stay_one_file() {
    let host = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(host.path().join("socket")).unwrap();
    host_file(host.path(), "one", b"same");
    std::fs::hard_link(host.path().join("one"), host.path().join("two")).unwrap();
    let mut builder = TreeBuilder::new();
    builder.root(host.path()).unwrap();
    let packed = builder.build().unwrap();
    assert_eq!((packed.pieces.len(), packed.notes.len()), (1, 1));
    assert!(packed.notes[0].ends_with("socket is left out: it is a socket"), "{:?}", packed.notes);
    let mut guest = Guest::with_tree(&builder);
    assert_eq!(guest.stat("/socket").err(), Some(libc::ENOENT));
    assert_eq!(guest.stat("/one").unwrap().st_nlink, 2);
    let fd = guest.open("/one", O_RDWR, 0).unwrap();
    guest.write(fd, b"SA").unwrap();
    assert_eq!(guest.get("/two"), Ok(b"SAme".to_vec()));
}

#[test]
fn contents_come_in_order_at_page_boundaries() {
    let mut builder = TreeBuilder::new();
    for (name, length) in [("/c", 1), ("/a", 5000), ("/b", 0), ("/d", 4096)] {
        builder.bytes(&PathBuf::from(name), 0o644, Arc::from(vec![b'x'; length])).unwrap();
    }
    let packed = builder.build().unwrap();
    let places: Vec<(u64, u64)> = packed.pieces.iter().map(|piece| (piece.offset, piece.length)).collect();
    assert_eq!(places, [(0, 5000), (8192, 1), (12_288, 4096)]);
    assert_eq!(packed.window_length, 16_384);
    assert_eq!(packed.metadata, builder.build().unwrap().metadata);
}
