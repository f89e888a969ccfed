//! `isobench run` as a whole process, beside other tools that start one program in namespaces.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use criterion::Criterion;
use isobench::workload::program::embedded;

/// Spawn → reaped, for the same `noop` program.
pub fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("noop");
    fs::write(&program, embedded("noop").expect("noop is built in")).expect("a file in the temporary folder");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");

    let mut group = criterion.benchmark_group("cli");
    for runtime in ["process", "container", "microvm"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isobench"));
        command.args(["run", "--runtime", runtime, "--"]).arg(&program);
        add(&mut group, &format!("isobench-{runtime}"), command);
    }
    if let Some(floor) = floor(folder.path()) {
        let mut command = Command::new(floor);
        command.arg(&program);
        add(&mut group, "floor", command);
    }
    let mut bwrap = Command::new("bwrap");
    bwrap
        .args(["--unshare-all", "--proc", "/proc", "--dev", "/dev", "--ro-bind"])
        .arg(&program)
        .args(["/noop", "/noop"]);
    add(&mut group, "bwrap", bwrap);
    let bundle = bundle(folder.path(), &program);
    let mut runc = Command::new("runc");
    runc.args(["run", "--bundle"]).arg(&bundle).arg(format!("isobench-bench-{}", std::process::id()));
    add(&mut group, "runc", runc);
    group.finish();
}

fn add(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    mut command: Command,
) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => return println!("SKIPPED {name}: it ended with {status}"),
        Err(error) => return println!("SKIPPED {name}: {error}"),
    }
    group.bench_function(name, |bencher| {
        bencher.iter(|| assert!(command.status().expect("it started before").success()));
    });
}

/// What bare system calls need for the same, in a program as small as can be.
fn floor(folder: &Path) -> Option<std::path::PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/isolation/floor/command.c");
    let built = folder.join("floor");
    let compiled = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&built).arg(source).status();
    match compiled {
        Ok(status) if status.success() => Some(built),
        _ => {
            println!("SKIPPED floor: no C compiler that links statically");
            None
        }
    }
}

/// An OCI bundle for runc: its own default configuration with our program as the process.
fn bundle(folder: &Path, program: &Path) -> std::path::PathBuf {
    let bundle = folder.join("bundle");
    let root = bundle.join("rootfs");
    fs::create_dir_all(&root).expect("the bundle's folder");
    fs::copy(program, root.join("noop")).expect("copying noop into the bundle");
    // Without runc there is no configuration, and the benchmark is left out aloud.
    let made = Command::new("runc").arg("spec").current_dir(&bundle).status();
    let config = bundle.join("config.json");
    if made.is_ok_and(|status| status.success()) {
        let text = fs::read_to_string(&config).expect("runc spec wrote it");
        let mut json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        json["process"]["args"] = serde_json::json!(["/noop"]);
        json["process"]["terminal"] = false.into();
        fs::write(&config, json.to_string()).expect("writing it back");
    }
    bundle
}
