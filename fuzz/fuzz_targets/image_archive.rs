//! An image archive from anywhere: an OCI layout, or what docker save writes. What is loaded can be used; what is
//! refused leaves the store as it was.
#![no_main]

use std::fs;

use isobench::image::{LoadOptions, Store};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path().join("store")).expect("opened");
    let file = folder.path().join("image.tar");
    fs::write(&file, bytes).expect("written");
    match store.load(&file, &LoadOptions { name: None, limit: 1 << 20 }) {
        Ok(_) => {
            for image in store.images().expect("listed") {
                store.root(&image).expect("put together");
            }
        }
        Err(_) => {
            assert!(store.images().expect("listed").is_empty());
            let layers = fs::read_dir(store.folder().join("layers")).expect("there").count();
            assert_eq!(layers, 0);
        }
    }
});
