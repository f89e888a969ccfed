//! Compiles `guest/` (the guest kernel, the inits of container and Linux guest, the built-in workloads) with the host's own toolchain
//! and hands the resulting ELF files to the library, which embeds them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Flags of every freestanding guest program: no libc, no start files, fixed addresses.
const FREESTANDING: &[&str] = &[
    "-Crelocation-model=static",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-static",
    "-Clink-arg=-no-pie",
    "-Clink-arg=-Wl,--build-id=none",
];

/// Ring 0 runs on a software KVM's instruction emulator, which knows no SSE arithmetic, and it must
/// not touch the workload's vector registers: so the compiler may not use them. There is no red
/// zone either, since an exception in ring 0 would overwrite it.
const RING0: &[&str] = &[
    "-Ccode-model=kernel",
    "-Ctarget-feature=-sse,-sse2,-sse3,-ssse3,-sse4.1,-sse4.2,-avx",
    "-Cno-redzone=yes",
];

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo::rustc-env=ISOBENCH_VERSION={}", version(&manifest));
    let guest = manifest.join("guest");
    for watched in ["abi", "files", "init", "kernel", "linux-init", "workloads", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed=guest/{watched}");
    }

    let script = format!("-Clink-arg=-Wl,-T,{}", guest.join("kernel/kernel.ld").display());
    let kernel_flags = [FREESTANDING, RING0, &[script.as_str()]].concat();
    let kernel_dir = cargo_build(&guest, "guest-kernel", &kernel_flags, &out.join("kernel"));
    fs::copy(kernel_dir.join("guest-kernel"), out.join("guest-kernel.elf"))
        .expect("copying the guest kernel");

    for init in ["guest-init", "guest-linux-init"] {
        let folder = cargo_build(&guest, init, FREESTANDING, &out.join("workloads"));
        fs::copy(folder.join(init), out.join(init).with_extension("elf")).expect("copying an init");
    }

    let workloads_dir = cargo_build(&guest, "guest-workloads", FREESTANDING, &out.join("workloads"));
    let mut table = String::from("pub(crate) static PROGRAMS: &[(&str, &[u8])] = &[\n");
    for name in workload_names(&guest.join("workloads/src/bin")) {
        table.push_str(&format!("    ({name:?}, include_bytes!({:?})),\n", workloads_dir.join(&name)));
    }
    table.push_str("];\n");
    fs::write(out.join("programs.rs"), table).expect("writing the table of workloads");
}

/// The package's version, with the git revision where this is a checkout.
fn version(manifest: &Path) -> String {
    let log = manifest.join(".git/logs/HEAD");
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets CARGO_PKG_VERSION");
    let git = Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(manifest).output();
    match git {
        Ok(output) if log.exists() && output.status.success() => {
            format!("{version} ({})", String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => version,
    }
}

/// Builds one guest package in its own target folder and returns the folder of its programs.
/// `--target` is given although it is the host's, so that the flags do not reach build scripts.
fn cargo_build(guest: &Path, package: &str, flags: &[&str], target_dir: &Path) -> PathBuf {
    let triple = env::var("HOST").expect("cargo sets HOST");
    let output = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"))
        .current_dir(guest)
        .args([
            "build",
            "--release",
            "--locked",
            "--bins",
            "--package",
            package,
            "--target",
            &triple,
            "--target-dir",
        ])
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .unwrap_or_else(|error| panic!("cannot start cargo for {package}: {error}"));
    if !output.status.success() {
        panic!("building {package} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    target_dir.join(triple).join("release")
}

/// Every file `src/bin/NAME.rs` or folder `src/bin/NAME/` is a workload named NAME.
fn workload_names(bin: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(bin)
        .expect("guest/workloads/src/bin exists")
        .map(|entry| entry.expect("readable folder").path())
        .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
        .collect();
    names.sort();
    names
}
