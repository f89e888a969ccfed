//! How every workload is linked: alone (no libc, no start files), and as few pages as possible.

fn main() {
    let manifest = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let script = format!("-Wl,-T,{manifest}/workload.ld");
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none,--gc-sections,--no-eh-frame-hdr,-s,-z,noseparate-code,-z,max-page-size=4096,-z,norelro",
        &script,
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rerun-if-changed=workload.ld");
    println!("cargo::rerun-if-changed=build.rs");
}
