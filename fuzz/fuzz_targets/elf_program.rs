//! A user's program, as the host's checks see it.
#![no_main]

use std::fs::File;
use std::io::Write;

use isobench::workload::elf::ElfFacts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file: File = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("room for it");
    let _ = ElfFacts::read(&file);
});
