//! A hostile driver of a disk, of which half may be written.
#![no_main]

mod hostile_driver;

use std::fs::File;
use std::os::fd::AsFd;

use hostile_driver::{Act, play, serve};
use isobench::runtime::virtio::block::Block;
use isobench::runtime::virtio::disk::{Disk, Writes};
use libfuzzer_sys::fuzz_target;
use vm_memory::{Bytes, GuestAddress};

const DISK_BYTES: u64 = 64 << 10;

fuzz_target!(|acts: Vec<Act>| {
    let file = tempfile::tempfile().expect("a temporary file");
    file.set_len(DISK_BYTES).expect("room for it");
    let new = || {
        let file = file.as_fd().try_clone_to_owned().expect("one more descriptor");
        Block::new(Disk::new(File::from(file), Writes::Kept(DISK_BYTES / 2)).expect("a disk"))
    };
    let (mut device, memory) = play(&acts, new, |_, _| Ok(()));
    // Reading its first sector: the request of zeros is just that.
    memory.write_obj(0xffu8, GuestAddress(0xa000)).expect("guest memory");
    serve(&mut device, &memory, 0, &[(0x8000, 16, false), (0x9000, 512, true), (0xa000, 1, true)]);
    let status: u8 = memory.read_obj(GuestAddress(0xa000)).expect("guest memory");
    assert_eq!(status, 0, "the disk cannot be read");
});
