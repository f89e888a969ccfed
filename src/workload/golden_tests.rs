//! Runs every built-in workload directly on this host, at every known size, and computes most of
//! their results a second time in another way.

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Command, Output as Ended, Stdio};
use std::time::Duration;

use super::catalogue::{self, BUILTINS, Effort, Output, Sizes};
use super::program::{self, ProgramFile};
use super::self_report;
use crate::runtime::spec::Program;

fn program(name: &str) -> ProgramFile {
    program::open_program(&Program::Builtin(name.to_owned()), None).expect("built in")
}

/// The program as a command, with nothing in its environment.
fn command(program: &ProgramFile, arguments: &[&str]) -> Command {
    // The descriptor is closed only once the program behind it has been loaded.
    let mut command = Command::new(format!("/proc/self/fd/{}", program.file.as_raw_fd()));
    command.args(arguments).env_clear().current_dir(std::env::temp_dir());
    command
}

fn run(name: &str, arguments: &[&str]) -> Ended {
    command(&program(name), arguments).output().expect("runs")
}

fn stdout(ended: &Ended) -> &str {
    std::str::from_utf8(&ended.stdout).expect("text")
}

fn sizes(name: &str) -> Sizes {
    match catalogue::find(name).expect("built in").output {
        Output::Sized(sizes) => sizes,
        _ => panic!("{name} takes no SIZE"),
    }
}

#[test]
fn every_program_prints_what_the_catalogue_says() {
    for builtin in BUILTINS {
        for effort in [Effort::Quick, Effort::Default, Effort::Thorough] {
            let size = builtin.size(effort);
            let size_text = size.map(|size| size.to_string());
            let arguments: Vec<&str> = size_text.as_deref().into_iter().collect();
            let ended = run(builtin.name, &arguments);
            assert!(ended.status.success(), "{} {arguments:?}: {ended:?}", builtin.name);
            if let Some(expected) = catalogue::expected_output(builtin.name, size) {
                assert_eq!(stdout(&ended), expected);
            }
            if matches!(builtin.output, Output::Sized(_)) {
                let report = self_report::parse(&ended.stderr).expect("a report of its own");
                assert!(report.elapsed_ns > 0 && report.work > 0, "{report:?}");
            }
        }
    }
}

#[test]
fn without_a_size_every_program_does_its_default() {
    for builtin in BUILTINS {
        if let Some(expected) = catalogue::expected_output(builtin.name, None) {
            assert_eq!(stdout(&run(builtin.name, &[])), expected);
        }
    }
}

#[test]
fn the_catalogue_lists_exactly_the_embedded_programs_and_each_is_small() {
    let mut listed: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
    listed.sort_unstable();
    assert_eq!(listed, program::PROGRAMS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, bytes) in program::PROGRAMS {
        assert!(bytes.len() < 32 << 10, "{name}: {} bytes", bytes.len());
    }
    assert!(program::embedded("noop").is_some_and(|bytes| bytes.len() < 4096));
}

#[test]
fn a_bad_argument_is_refused_with_status_2() {
    for builtin in BUILTINS.iter().filter(|builtin| matches!(builtin.output, Output::Sized(_))) {
        for argument in ["", "x", "-1", "0", "1.5", "99999999999999999999"] {
            let ended = run(builtin.name, &[argument]);
            assert_eq!(ended.status.code(), Some(2), "{} {argument:?}: {ended:?}", builtin.name);
            assert!(ended.stdout.is_empty());
            assert_eq!(ended.stderr.iter().filter(|byte| **byte == b'\n').count(), 1);
        }
    }
    assert_eq!(run("chase", &["1000"]).status.code(), Some(2));
}

#[test]
fn more_memory_than_there_is_gives_status_1() {
    for name in ["sort", "stream", "touch"] {
        let ended = run(name, &["100000000000000"]);
        assert_eq!(ended.status.code(), Some(1), "{name}: {ended:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("memory"), "{name}: {ended:?}");
    }
}

#[test]
fn a_held_program_prints_first_and_ends_with_its_input() {
    for (name, arguments) in [("noop", &[][..]), ("syscall", &["2000"])] {
        let program = program(name);
        let mut command = command(&program, arguments);
        // A name that only begins like it must not matter.
        command.env("ISOBENCH_HOLD_NOT", "1").env("ISOBENCH_HOLD", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
        let mut input = child.stdin.take().expect("piped");
        let mut output = std::io::BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        std::io::BufRead::read_line(&mut output, &mut line).expect("readable");
        assert!(line.starts_with(name));
        input.write_all(b"still here\n").expect("somebody reads");
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(child.try_wait().expect("waits"), None, "{name} did not hold");
        drop(input);
        assert!(child.wait().expect("waits").success());
    }
}

#[test]
fn a_program_not_told_to_hold_ends_with_its_input_open() {
    for environment in
        [&[][..], &[("ISOBENCH_HOLD", "0")], &[("ISOBENCH_HOLD", "11")], &[("I", "1"), ("", "")]]
    {
        let program = program("noop");
        let mut command = command(&program, &["an", "argument"]);
        let variables = environment.iter().filter(|(name, _)| !name.is_empty());
        command.envs(variables.map(|(name, value)| (OsStr::new(name), OsStr::new(value))));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("runs");
        let input = child.stdin.take();
        assert!(child.wait().expect("waits").success());
        drop(input);
    }
}

#[test]
fn files_works_where_it_is_told_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    let size = sizes("files").quick.size;
    let ended = run("files", &[&size.to_string(), path]);
    assert_eq!(Some(stdout(&ended).to_owned()), catalogue::expected_output("files", Some(size)));
    assert_eq!(std::fs::read_dir(path).expect("readable").count(), 0);

    let missing = format!("{path}/none");
    let ended = run("files", &["1", &missing]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("writable directory"));
}

#[test]
fn probe_answers_every_question() {
    let ended = run("probe", &[]);
    let answer = |key: &str| {
        let lines = stdout(&ended).lines();
        lines.filter_map(|line| line.split_once(' ')).find(|(known, _)| *known == key).map(|(_, value)| value)
    };
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux");
    assert_eq!(answer("boot_id"), Some(boot_id.trim()));
    assert_eq!(answer("ppid"), Some(std::process::id().to_string().as_str()));
    assert_eq!(answer("machine"), Some("x86_64"));
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("Linux").lines().count();
    assert_eq!(answer("mounts"), Some(mounts.to_string().as_str()));
    for key in [
        "system",
        "hostname",
        "release",
        "uid",
        "gid",
        "processes",
        "network_interfaces",
        "memory_total",
        "hypervisor",
        "capabilities_effective",
        "no_new_privileges",
        "seccomp",
        "cpus_allowed",
    ] {
        assert!(answer(key).is_some_and(|value| value != "unknown"), "{key}");
    }
}

// The results again, in another way. `sequence` is SplitMix64, `checksum` the words' FNV-1a.

fn sequence(seed: u64) -> impl Iterator<Item = u64> {
    let step = 0x9e37_79b9_7f4a_7c15u64;
    (1..).map(move |index: u64| {
        let z = seed.wrapping_add(step.wrapping_mul(index));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

fn checksum(words: impl IntoIterator<Item = u64>) -> String {
    let mixed = words.into_iter().fold(0xcbf2_9ce4_8422_2325u64, |mixed, word| {
        (mixed ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(29)
    });
    format!("{mixed:016x}")
}

#[test]
fn sha256_agrees_with_coreutils() {
    let known = sizes("sha256").quick;
    let block: Vec<u8> = sequence(3).take(1 << 17).flat_map(u64::to_le_bytes).collect();
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    for _ in 0..known.size / block.len() as u64 {
        file.write_all(&block).expect("written");
    }
    let ended = Command::new("sha256sum").arg(file.path()).output().expect("coreutils");
    assert!(stdout(&ended).starts_with(known.checksum));
}

#[test]
fn sort_agrees_with_a_stable_sort() {
    let known = sizes("sort").quick;
    let mut numbers: Vec<u64> = sequence(5).take(known.size as usize).collect();
    numbers.sort();
    assert_eq!(checksum(numbers), known.checksum);
}

#[test]
fn chase_agrees_with_arithmetic() {
    for known in [sizes("chase").quick, sizes("chase").default] {
        let next = |line: u64| {
            (u128::from(line) * 0x5851_f42d_4c95_7f2d + 0x1405_7b7e_f767_814f) as u64 % known.size
        };
        let steps = (known.size / 4).max(65_536) as usize;
        let visited: Vec<u64> =
            std::iter::successors(Some(next(0)), |line| Some(next(*line))).take(steps).collect();
        assert_eq!(checksum([visited.iter().sum()]), known.checksum);
        // No line twice, as long as the chain is longer than the walk.
        let distinct: std::collections::HashSet<u64> = visited.iter().copied().collect();
        assert_eq!(distinct.len(), steps);
    }
}

#[test]
fn stream_agrees_with_one_element_at_a_time() {
    let known = sizes("stream").quick;
    let element = |index: u64| {
        let (mut a, mut b, mut c) = ((index % 1000) as f64, 2.0, 0.0);
        for _ in 0..6 {
            c = a;
            b = c / 2.0;
            c = a + b;
            a = b + c / 2.0;
        }
        (a, b, c)
    };
    let bits =
        |pick: fn((f64, f64, f64)) -> f64| (0..known.size).map(move |index| pick(element(index)).to_bits());
    let words = bits(|(a, _, _)| a).chain(bits(|(_, b, _)| b)).chain(bits(|(_, _, c)| c));
    assert_eq!(checksum(words), known.checksum);
}

#[test]
fn float_agrees_with_the_schoolbook_product() {
    const N: usize = 128;
    let known = sizes("float").quick;
    let mut fractions = sequence(2).map(|word| (word >> 11) as f64 / (1u64 << 53) as f64);
    let mut a: Vec<f64> = fractions.by_ref().take(N * N).collect();
    let mut b: Vec<f64> = fractions.take(N * N).collect();
    for row in b.chunks_mut(N) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|element| *element /= sum);
    }
    for _ in 0..known.size {
        let mut c = vec![0.0; N * N];
        for (row, out) in a.chunks(N).zip(c.chunks_mut(N)) {
            for (factor, b_row) in row.iter().zip(b.chunks(N)) {
                for (sum, element) in out.iter_mut().zip(b_row) {
                    *sum += factor * element;
                }
            }
        }
        a = c;
    }
    assert_eq!(checksum(a.into_iter().map(f64::to_bits)), known.checksum);
}

#[test]
fn the_simple_ones_agree() {
    for name in ["syscall", "clock"] {
        let known = sizes(name).default;
        assert_eq!(checksum([known.size]), known.checksum);
    }
    let touch = sizes("touch").default;
    assert_eq!(checksum((0..touch.size).map(|page| page % 256)), touch.checksum);
    let files = sizes("files").default;
    assert_eq!(checksum((0..files.size).flat_map(|file| sequence(file).take(128))), files.checksum);
}
