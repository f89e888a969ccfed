//! The initial file tree, as the guest kernel reads it.
#![no_main]

use guest_files::tree::Tree;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The tree must begin at a multiple of eight.
    let mut words = vec![0u64; bytes.len().div_ceil(8)];
    // SAFETY: the words' memory, seen as at most as many bytes.
    let aligned = unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), bytes.len()) };
    aligned.copy_from_slice(bytes);
    let Ok(tree) = Tree::new(aligned, bytes) else { return };
    for node in 0..tree.len() {
        let Some(record) = tree.node(node) else { continue };
        let _ = (tree.contents(record), tree.target(record), tree.find(node, b"name"));
        let _ = tree.entry(node, 0);
    }
});
