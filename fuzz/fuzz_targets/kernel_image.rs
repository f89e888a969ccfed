//! A kernel file: what it is, and the unpacking of what it holds. The first byte says whether the rest is a whole file
//! or a packed stream.
#![no_main]

use std::fs::File;
use std::io::Write;
use std::path::Path;

use isobench::kernel::KernelImage;
use isobench::kernel::unpack::{Packing, unpack, unpack_stream};
use libfuzzer_sys::fuzz_target;

/// More than the size that any input claims.
const MOST_BYTES: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, content)) = bytes.split_first() else { return };
    if kind & 1 == 0 {
        if let Some(packing) = Packing::of(content).filter(|packing| *packing != Packing::Plain) {
            let mut unpacked = Vec::new();
            let done = unpack_stream(packing, content, MOST_BYTES, &mut unpacked);
            assert!(unpacked.len() as u64 <= MOST_BYTES);
            assert!(done.is_err() || unpacked.len() as u64 == MOST_BYTES);
        }
        return;
    }
    let mut file: File = tempfile::tempfile().expect("a temporary file");
    file.write_all(content).expect("room for it");
    match KernelImage::read(&file, Path::new("kernel")) {
        Ok(KernelImage::Elf(elf)) => {
            assert!(elf.segments.iter().all(|part| part.file_at + part.file_bytes <= content.len() as u64));
            let _ = elf.end();
        }
        Ok(kernel @ KernelImage::BzImage(image)) => {
            let _ = (kernel.release(&file), image.end());
            let _ = unpack(&file, &image, &mut std::io::sink());
        }
        Err(_) => {}
    }
});
