//! What images cost, each beside what it is to be measured against, in one run.
//!
//! | line | measures | beside |
//! |---|---|---|
//! | `unpack` | `isobench image load` of 500 MB in gzip, as a whole process | `gzip -d` and `tar -x` in a pipe |
//! | `load again` | the same, when its layers are in the store | the first load |
//! | `overlay` | mounting the overlay of a container | 1 ms |
//!
//! Rounds are interleaved, and ratios are medians of the rounds' own. `ISOBENCH_BENCH_QUICK=1` takes 50 MB.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use sha2::{Digest, Sha256};

const ISOBENCH: &str = env!("CARGO_BIN_EXE_isobench");

fn main() -> io::Result<()> {
    let quick = std::env::var_os("ISOBENCH_BENCH_QUICK").is_some();
    let (bytes, rounds) = if quick { (50 << 20, 3) } else { (500 << 20, 5) };
    let folder = tempfile::tempdir()?;
    let layer = make_image(&folder.path().join("image"), bytes)?;
    println!("image: {} MB, {} MB in gzip", bytes >> 20, fs::metadata(&layer)?.len() >> 20);
    let mut ratios = Vec::new();
    let (mut ours, mut theirs, mut again, mut memory) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..rounds {
        let mut measure = |which: bool| -> io::Result<f64> {
            let target = folder.path().join("target");
            fs::create_dir(&target)?;
            let time = if which {
                let (first, peak) = load(&target, &folder.path().join("image"))?;
                again.push(load(&target, &folder.path().join("image"))?.0);
                memory = memory.max(peak);
                first
            } else {
                let script = format!("gzip -dc {} | tar -xf - -C {}", layer.display(), target.display());
                run(Command::new("sh").args(["-c", &script]))?.0
            };
            fs::remove_dir_all(&target)?;
            Ok(time.as_secs_f64())
        };
        // In turns, so that neither always finds the warmer cache.
        let (first, second) = (measure(round % 2 == 0)?, measure(round % 2 != 0)?);
        let (our, their) = if round % 2 == 0 { (first, second) } else { (second, first) };
        println!("round {round}: {our:.2} s, gzip and tar {their:.2} s, ratio {:.2}", our / their);
        ratios.push(our / their);
        ours.push(our);
        theirs.push(their);
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let again = median(&mut again.iter().map(Duration::as_secs_f64).collect::<Vec<_>>());
    let ratio = median(&mut ratios);
    println!(
        "unpack: {ours:.2} s, gzip and tar {theirs:.2} s: ratio {ratio:.2} (target 1.20), {} MB of memory (target 100)",
        memory >> 10
    );
    println!("load again: {:.1} ms, {:.4} of the first load", 1e3 * again, again / ours);
    let overlay = overlay(folder.path(), if quick { 10 } else { 50 })?;
    println!("overlay: {overlay:.0} us: {:.2} of the target, 1 ms", overlay / 1e3);
    Ok(())
}

/// An image layout with one layer of files like those of programs: some text, some that hardly compresses.
fn make_image(folder: &Path, bytes: u64) -> io::Result<PathBuf> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let mut random = SmallRng::seed_from_u64(1);
    let words: Vec<String> =
        (0..4096).map(|_| format!("{:x} ", random.random::<u32>() >> random.random_range(0..24))).collect();
    let raw = folder.join("layer.tar");
    let mut archive = tar::Builder::new(BufWriter::new(File::create(&raw)?));
    let mut left = bytes;
    let mut number = 0;
    while left > 0 {
        // Most files are small; most bytes are in large ones.
        let length = (1u64 << random.random_range(8..21)).min(left);
        let mut content = Vec::with_capacity(length as usize + 16);
        while (content.len() as u64) < length {
            if number % 4 == 0 {
                content.extend(random.random::<u64>().to_le_bytes());
                content.extend([0; 8]);
            } else {
                content.extend(words[random.random_range(0..words.len())].as_bytes());
            }
        }
        content.truncate(length as usize);
        let mut header = tar::Header::new_gnu();
        header.set_size(length);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("usr/lib/{}/file-{number}", number % 97), &content[..])?;
        left -= length;
        number += 1;
    }
    archive.into_inner()?.flush()?;
    let layer = fs::read(&raw)?;
    let diff_id = hex(&layer);
    drop(layer);
    run(Command::new("gzip").arg("-6").arg("-n").arg(&raw))?;
    let packed = fs::read(raw.with_extension("tar.gz"))?;
    let layer = blobs.join(hex(&packed));
    fs::rename(raw.with_extension("tar.gz"), &layer)?;
    let write = |kind: &str, document: serde_json::Value| -> io::Result<serde_json::Value> {
        let text = document.to_string();
        fs::write(blobs.join(hex(text.as_bytes())), &text)?;
        Ok(described(kind, &hex(text.as_bytes()), text.len()))
    };
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let rootfs = json!({ "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] });
    let config =
        write("config.v1+json", json!({ "architecture": architecture, "os": "linux", "rootfs": rootfs }))?;
    let layers = [described("layer.v1.tar+gzip", &hex(&packed), packed.len())];
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
    let manifest = write("manifest.v1+json", manifest)?;
    fs::write(folder.join("index.json"), json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string())?;
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(layer)
}

fn described(kind: &str, digest: &str, size: usize) -> serde_json::Value {
    let kind = format!("application/vnd.oci.image.{kind}");
    json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": size })
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn load(data: &Path, image: &Path) -> io::Result<(Duration, i64)> {
    run(Command::new(ISOBENCH).args(["image", "load"]).arg(image).env("XDG_DATA_HOME", data))
}

/// Time of a whole process, and the most memory that it had, in KiB.
fn run(command: &mut Command) -> io::Result<(Duration, i64)> {
    let began = Instant::now();
    let child = command.stdout(Stdio::null()).process_group(0).spawn()?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: waits for the child just made; both pointers are valid for the writes that wait4(2) makes, and an
    // all-zero rusage is a valid one.
    let usage = unsafe {
        if libc::wait4(child.id() as libc::pid_t, &mut status, 0, usage.as_mut_ptr()) < 0 {
            return Err(io::Error::last_os_error());
        }
        usage.assume_init()
    };
    match status {
        0 => Ok((began.elapsed(), usage.ru_maxrss)),
        _ => Err(io::Error::other(format!("{command:?} ended with status {status}"))),
    }
}

/// Median of the phase in which the overlay is mounted, in microseconds.
fn overlay(folder: &Path, runs: usize) -> io::Result<f64> {
    let context = folder.join("context");
    fs::create_dir(&context)?;
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
    fs::copy(busybox.ok_or_else(|| io::Error::other("busybox is needed"))?, context.join("busybox"))?;
    fs::write(
        context.join("Containerfile"),
        "FROM scratch\nCOPY busybox /bin/\nCMD [\"/bin/busybox\", \"true\"]\n",
    )?;
    let isobench = || {
        let mut command = Command::new(ISOBENCH);
        command.env("XDG_DATA_HOME", folder.join("data"));
        command
    };
    run(isobench().args(["image", "build", "-t", "app"]).arg(&context).stderr(Stdio::null()))?;
    let mut times = Vec::new();
    for _ in 0..runs {
        let output = isobench().args(["run", "--json", "--image", "app"]).output()?;
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let phases = document["trial"]["timeline"]["phases"].as_array().cloned().unwrap_or_default();
        let overlay = phases.iter().find(|phase| phase["name"] == "overlay");
        let time = overlay.and_then(|phase| Some(phase["end_ns"].as_u64()? - phase["start_ns"].as_u64()?));
        times.push(time.ok_or_else(|| io::Error::other("no overlay here"))? as f64 / 1e3);
    }
    Ok(median(&mut times))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
