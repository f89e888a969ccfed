//! A results file: whatever can be read can be summed up.
#![no_main]

use isobench::report::Summary;
use isobench::results::Results;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(results) = serde_json::from_slice::<Results>(bytes) {
        let _ = isobench::report::terminal::render(&Summary::new(&results), Default::default(), Default::default());
    }
});
