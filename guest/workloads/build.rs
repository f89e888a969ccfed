//! How every workload is linked: alone (no libc, no start files), and as few pages as possible.

use std::{env, fs};

fn main() {
    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none,--gc-sections,--no-eh-frame-hdr,-s,-z,noseparate-code,-z,max-page-size=4096,-z,norelro",
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    for entry in fs::read_dir(format!("{manifest}/src/bin")).expect("src/bin exists") {
        let path = entry.expect("readable folder").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a workload's name is text");
        let script = if name == "noop" { "noop.ld" } else { "workload.ld" };
        println!("cargo::rustc-link-arg-bin={name}=-T{manifest}/{script}");
    }
    for watched in ["noop.ld", "workload.ld", "build.rs", "src/bin"] {
        println!("cargo::rerun-if-changed={watched}");
    }
}
