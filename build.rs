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
    link_statically(&out);
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

/// Links the command line statically, where this system has the libraries for it: the dynamic loader takes a third of a
/// millisecond, as much as the bare kernel needs for a quarter of a container.
///
/// The feature `crt-static` would say so to rustc, but no build script can set it, and set for all it forbids procedural
/// macros. So the linker is told to, and finds, under the names of the dynamic libraries that rustc asks for, a folder of
/// references to the static ones first.
fn link_statically(out: &Path) {
    let is_gnu_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux")
        && env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|libc| libc == "gnu");
    let is_native = env::var("HOST").ok() == env::var("TARGET").ok();
    let found = ["libc.a", "libm.a", "libgcc_eh.a", "libgcc.a", "rcrt1.o"].map(library);
    let [Some(libc), Some(libm), Some(libgcc_eh), Some(libgcc), Some(_)] = &found else { return };
    if !is_gnu_linux || !is_native {
        return;
    }
    let folder = out.join("static");
    fs::create_dir_all(&folder).expect("the build's own folder");
    let unwinder = format!("{} {}", libgcc_eh.display(), libgcc.display());
    // Each needs something of the other.
    let everything = format!("GROUP({} {unwinder})\n", libc.display());
    fs::write(folder.join("libc.so"), &everything).expect("the build's own folder");
    fs::write(folder.join("libgcc_s.so"), format!("GROUP({unwinder} {})\n", libc.display()))
        .expect("the build's own folder");
    fs::write(folder.join("libm.so"), format!("GROUP({})\n", libm.display()))
        .expect("the build's own folder");
    for argument in [format!("-L{}", folder.display()), "-static-pie".to_owned()] {
        println!("cargo::rustc-link-arg-bin=isobench={argument}");
    }
}

/// Where the C compiler finds a file of its libraries.
fn library(name: &str) -> Option<PathBuf> {
    let output = Command::new("cc").arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_absolute().then(|| path.canonicalize().ok())?
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
