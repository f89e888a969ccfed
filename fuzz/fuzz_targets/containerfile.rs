//! A Containerfile from anywhere.
#![no_main]

use isobench::image::Containerfile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(file) = Containerfile::parse(text) {
        assert!(!file.stages.is_empty());
        let lines = 1 + text.matches('\n').count();
        assert!(file.stages.iter().flat_map(|stage| &stage.steps).all(|step| (1..=lines).contains(&step.line)));
    }
});
