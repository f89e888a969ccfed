//! Snapshots of any bytes; and ones whose header is any bytes but whose checksum is right.
#![no_main]

use isobench::runtime::microvm;
use isobench::runtime::snapshot::Snapshot;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

fuzz_target!(|bytes: &[u8]| {
    let _ = Snapshot::read(bytes);

    let mut file = b"ISOBSNAP\x01\0\0\0".to_vec();
    file.extend((bytes.len() as u32).to_le_bytes());
    file.extend(bytes);
    file.resize(file.len().next_multiple_of(4096), 0);
    // As many pages as a reader could want of so short a file; most headers want none.
    for pages in [0, 1, 2] {
        let mut file = file.clone();
        file.resize(file.len() + pages * 4096, 7);
        let checksum = Sha256::digest(&file);
        file.extend(checksum);
        if let Ok(snapshot) = Snapshot::read(&file[..]) {
            let _ = microvm::inspect(&snapshot.header);
            assert_eq!(snapshot.header.page_bytes(), pages as u64 * 4096);
        }
    }
});
