//! A layer of an image: a tar stream from anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _ = isobench::image::unpack(bytes, folder.path(), 1 << 20);
});
