//! The built-in workloads: what each is for, how much work it is given, and what it must print.
//!
//! The expected checksums were printed by the programs themselves; the tests run every program at
//! every size again, and most results are also computed there a second time, in another way.

use std::ffi::CString;

use crate::results::WorkloadKind;

/// One built-in workload.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name, on the command line and in every result.
    pub name: &'static str,
    /// One clause: what it does.
    pub description: &'static str,
    /// What it is there to measure.
    pub kind: WorkloadKind,
    /// What it prints.
    pub output: Output,
}

/// What a workload prints on standard output.
#[derive(Clone, Copy, Debug)]
pub enum Output {
    /// Always this; it takes no SIZE.
    Fixed(&'static str),
    /// A checksum that depends on SIZE.
    Sized(Sizes),
    /// What it finds or is asked, which differs between runs; it measures nothing.
    Findings,
}

/// The amounts of work that are known, each with its result.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// For a look at whether all works: a fraction of the default.
    pub quick: Known,
    /// What the program does without an argument: some 20 to 60 ms on a server of the 2020s, much
    /// less where a system call in a VM may be some hundred times dearer (on a software KVM).
    pub default: Known,
    /// For narrow intervals: about five times the default.
    pub thorough: Known,
}

/// One amount of work and its result.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// SIZE, as on the command line.
    pub size: u64,
    /// The checksum that it must print, as hex.
    pub checksum: &'static str,
}

/// How much work to give to a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// [`Sizes::quick`]
    Quick,
    /// [`Sizes::default`]
    #[default]
    Default,
    /// [`Sizes::thorough`]
    Thorough,
}

impl Builtin {
    /// The SIZE for this effort; `None` for a workload that takes none.
    pub fn size(&self, effort: Effort) -> Option<u64> {
        let Output::Sized(sizes) = &self.output else { return None };
        Some(match effort {
            Effort::Quick => sizes.quick.size,
            Effort::Default => sizes.default.size,
            Effort::Thorough => sizes.thorough.size,
        })
    }

    /// The command line for this effort, `argv[0]` included.
    pub fn argv(&self, effort: Effort) -> Vec<CString> {
        let size = self.size(effort).map(|size| size.to_string());
        // No zero byte can be in there, so nothing is ever left out.
        [Some(self.name.to_owned()), size].into_iter().flatten().flat_map(CString::new).collect()
    }
}

/// The built-in workload of this name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// The built-in workload whose name looks most like `name`, if any is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    BUILTINS
        .iter()
        .map(|builtin| (strsim::damerau_levenshtein(name, builtin.name), builtin.name))
        .filter(|(distance, near)| *distance <= 1 + near.len() / 4)
        .min()
        .map(|(_, near)| near)
}

/// Everything that a built-in workload must print on standard output for this SIZE (`None`: its own
/// default); `None` where that is not known in advance.
pub fn expected_output(name: &str, size: Option<u64>) -> Option<String> {
    match &find(name)?.output {
        Output::Fixed(text) => Some((*text).to_owned()),
        Output::Findings => None,
        Output::Sized(sizes) => {
            let size = size.unwrap_or(sizes.default.size);
            let known = [sizes.quick, sizes.default, sizes.thorough];
            let Known { checksum, .. } = known.into_iter().find(|known| known.size == size)?;
            Some(format!("{name} {size} checksum {checksum}\n"))
        }
    }
}

/// [`expected_output`] of a command line, `argv[0]` included: where its first argument is no SIZE, or
/// there are more arguments than that, nothing is expected.
pub fn expected_output_of(name: &str, argv: &[CString]) -> Option<String> {
    match argv.get(1..).unwrap_or_default() {
        [] => expected_output(name, None),
        [size] => expected_output(name, Some(size.to_str().ok()?.parse().ok()?)),
        _ => None,
    }
}

const fn sized(
    quick: (u64, &'static str),
    default: (u64, &'static str),
    thorough: (u64, &'static str),
) -> Output {
    Output::Sized(Sizes {
        quick: Known { size: quick.0, checksum: quick.1 },
        default: Known { size: default.0, checksum: default.1 },
        thorough: Known { size: thorough.0, checksum: thorough.1 },
    })
}

/// All of them, in the order of a report.
pub static BUILTINS: &[Builtin] = &[
    Builtin {
        name: "noop",
        description: "prints one line and exits",
        kind: WorkloadKind::Startup,
        output: Output::Fixed("noop\n"),
    },
    Builtin {
        name: "int",
        description: "interprets a small random program (SIZE instructions)",
        kind: WorkloadKind::Cpu,
        output: sized(
            (800_000, "200d7c1cd6d0787b"),
            (4_000_000, "f8d64f986e6ee04e"),
            (20_000_000, "884696433a7f9c85"),
        ),
    },
    Builtin {
        name: "float",
        description: "multiplies matrices with SIMD (SIZE products of 128 × 128 doubles)",
        kind: WorkloadKind::Cpu,
        output: sized((40, "ba6a25e4264e3554"), (400, "4796e9ca042846c3"), (2_000, "190b7dd79fdd4665")),
    },
    Builtin {
        name: "sha256",
        description: "hashes SIZE bytes",
        kind: WorkloadKind::Cpu,
        output: sized(
            (4 << 20, "a76b52344fb33e878fc1e4aaa7ee4517d5b11453d1cfaabc937511278210430f"),
            (64 << 20, "1f2037deae0685150902b28bc2f08dab5559f841a203cedf06159a16aa6338b6"),
            (320 << 20, "7c0f859e4c902a5785a5b86996e1bef746342f1ccc76a42ffb87c5ca3152c16d"),
        ),
    },
    Builtin {
        name: "compress",
        description: "compresses and restores SIZE bytes of text (LZ4)",
        kind: WorkloadKind::Cpu,
        output: sized(
            (2 << 20, "5690ef3d096876ff"),
            (16 << 20, "cd4311f5ef5498b2"),
            (80 << 20, "5b2922e44898ec4f"),
        ),
    },
    Builtin {
        name: "sort",
        description: "sorts SIZE random 64-bit numbers",
        kind: WorkloadKind::Cpu,
        output: sized(
            (200_000, "3ddc73cac81fc04f"),
            (2_000_000, "483a403bb36a2a34"),
            (8_000_000, "79e9810447ab4d4f"),
        ),
    },
    Builtin {
        name: "stream",
        description: "memory bandwidth: copies, scales and adds three arrays of SIZE doubles",
        kind: WorkloadKind::Memory,
        output: sized(
            (262_144, "fd0c42d1adc59f01"),
            (2_097_152, "93b18d3e2611c64c"),
            (6_291_456, "6d505b2c45617ca8"),
        ),
    },
    Builtin {
        name: "chase",
        description: "memory latency: follows a random chain through SIZE cache lines",
        kind: WorkloadKind::Memory,
        output: sized(
            (262_144, "817f46fbf29c7816"),
            (1_048_576, "5f96f6fbe42c7c8a"),
            (2_097_152, "cb04b6fbff6c6823"),
        ),
    },
    Builtin {
        name: "touch",
        description: "first touch of SIZE pages of memory",
        kind: WorkloadKind::Memory,
        output: sized(
            (1_000, "106cecf00eb7a914"),
            (10_000, "47c523483733a865"),
            (40_000, "0c02a8aae5c63ae4"),
        ),
    },
    Builtin {
        name: "syscall",
        description: "makes SIZE null system calls",
        kind: WorkloadKind::Calls,
        output: sized(
            (1_000, "90bfb78af5ec2ca9"),
            (5_000, "90c316bef5ee28a9"),
            (100_000, "9112481ff61cc3a9"),
        ),
    },
    Builtin {
        name: "clock",
        description: "reads the clock SIZE times, by the vDSO where there is one",
        kind: WorkloadKind::Calls,
        output: sized(
            (2_000, "90c09989f5ecb1a9"),
            (20_000, "90cfe7eff5f5b3a9"),
            (100_000, "9112481ff61cc3a9"),
        ),
    },
    Builtin {
        name: "files",
        description: "creates, writes, reads and deletes SIZE small files",
        kind: WorkloadKind::Calls,
        output: sized((20, "4901d6a4c5d37203"), (80, "3d077d3f279604a8"), (400, "a330546001912c5a")),
    },
    Builtin {
        name: "probe",
        description: "tells what can be seen from inside",
        kind: WorkloadKind::Startup,
        output: Output::Findings,
    },
    Builtin {
        name: "serve",
        description: "answers each line of its input",
        kind: WorkloadKind::Startup,
        output: Output::Findings,
    },
];
