//! Facts about a program file, from its ELF header and program headers (System V ABI, chapters 4 and 5).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use elf::abi;
use elf::endian::{AnyEndian, EndianParse};
use elf::file::{Class, FileHeader, parse_ident};
use elf::segment::SegmentTable;

/// What kind of program an ELF file for this processor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfFacts {
    /// `e_machine`: always this build's own processor, [`MACHINE`], which a script's interpreter is taken to be for.
    pub machine: u16,
    /// How it is linked.
    pub linkage: Linkage,
    /// Where it starts, as in the file (a static PIE moves it).
    pub entry: u64,
}

/// How a program is linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// At fixed addresses, needing nothing else.
    Static,
    /// Needing nothing else, at any address.
    StaticPie,
    /// With libraries, which this program loads.
    Dynamic {
        /// Path of the dynamic linker.
        interpreter: String,
    },
    /// No ELF file at all, but a script, which the kernel hands to a program of the same root. Only
    /// programs inside a root may be one.
    Script {
        /// What stands after `#!`.
        interpreter: String,
    },
}

impl ElfFacts {
    /// True when it runs without any other file.
    pub fn is_static(&self) -> bool {
        matches!(self.linkage, Linkage::Static | Linkage::StaticPie)
    }
}

/// Why a file is no program for this host. Reads as the end of a sentence that begins with its path.
#[derive(Debug, thiserror::Error)]
pub enum ElfProblem {
    /// It begins with `#!`.
    #[error(
        "is a script for {interpreter}, not an ELF program; run its interpreter inside an image that holds it \
         (`--root DIR` or an OCI image)"
    )]
    Script {
        /// What stands after `#!`.
        interpreter: String,
    },
    /// It is something else.
    #[error("is not an ELF program")]
    NotElf,
    /// It is for a 32-bit mode.
    #[error("is a 32-bit program; only 64-bit programs can run here")]
    ThirtyTwoBit,
    /// It is for another processor.
    #[error("is built for {machine}, but this host is {host}", host = std::env::consts::ARCH)]
    WrongMachine {
        /// The processor's usual name.
        machine: String,
    },
    /// It is an object file, a library or a core dump.
    #[error("is {0}, not a program")]
    NotProgram(&'static str),
    /// A header points outside the file, or the file ends too early.
    #[error("is truncated or damaged: {0}")]
    Damaged(&'static str),
    /// It could not be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// `e_machine` of programs that run here.
pub const MACHINE: u16 = if cfg!(target_arch = "aarch64") { abi::EM_AARCH64 } else { abi::EM_X86_64 };

const IDENT: usize = abi::EI_NIDENT;
/// Size of the ELF header of a 64-bit file.
const HEADER: usize = 64;
/// Size of one program header of a 64-bit file.
const PROGRAM_HEADER: usize = 56;
/// Longest path that a program may name (`PATH_MAX`).
const LONGEST_PATH: u64 = 4096;

impl ElfFacts {
    /// Of a script inside a root.
    pub(super) fn script(interpreter: String) -> ElfFacts {
        ElfFacts { machine: MACHINE, linkage: Linkage::Script { interpreter }, entry: 0 }
    }

    /// Reads what is needed of the file, whatever it holds; its read position does not move.
    pub fn read(file: &File) -> Result<ElfFacts, ElfProblem> {
        let length = file.metadata()?.len();
        let mut start = vec![0; length.min(256) as usize];
        file.read_exact_at(&mut start, 0)?;
        if let Some(line) = start.strip_prefix(b"#!") {
            let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let interpreter = String::from_utf8_lossy(line.trim_ascii()).escape_debug().to_string();
            return Err(ElfProblem::Script { interpreter });
        }
        if !start.starts_with(&abi::ELFMAGIC) {
            return Err(ElfProblem::NotElf);
        }
        let header = parse_header(&start)?;
        let segments = read_program_headers(file, &header, length)?;
        let mut interpreter = None;
        let mut loadable = false;
        for segment in SegmentTable::new(header.endianness, Class::ELF64, &segments).iter() {
            let end = segment.p_offset.checked_add(segment.p_filesz);
            match segment.p_type {
                abi::PT_LOAD if end.is_none_or(|end| end > length) => {
                    return Err(ElfProblem::Damaged("a segment lies beyond the end of the file"));
                }
                abi::PT_LOAD => loadable = true,
                abi::PT_INTERP if end.is_none_or(|end| end > length) || segment.p_filesz > LONGEST_PATH => {
                    return Err(ElfProblem::Damaged(
                        "the path of its interpreter lies beyond the end of the file",
                    ));
                }
                abi::PT_INTERP => {
                    let mut path = vec![0; segment.p_filesz as usize];
                    file.read_exact_at(&mut path, segment.p_offset)?;
                    let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
                    interpreter = Some(String::from_utf8_lossy(path).escape_debug().to_string());
                }
                _ => {}
            }
        }
        if !loadable {
            return Err(ElfProblem::Damaged("it has no segment to load"));
        }
        let linkage = match interpreter {
            Some(interpreter) => Linkage::Dynamic { interpreter },
            None if header.e_type == abi::ET_EXEC => Linkage::Static,
            None if header.e_entry == 0 => return Err(ElfProblem::NotProgram("a shared library")),
            None => Linkage::StaticPie,
        };
        Ok(ElfFacts { machine: header.e_machine, linkage, entry: header.e_entry })
    }
}

/// The ELF header, once it is known to be of a 64-bit program for this processor.
fn parse_header(start: &[u8]) -> Result<FileHeader<AnyEndian>, ElfProblem> {
    const SHORT: ElfProblem = ElfProblem::Damaged("it ends within its header");
    let ident = start.get(..IDENT).ok_or(SHORT)?;
    let ident =
        parse_ident::<AnyEndian>(ident).map_err(|_| ElfProblem::Damaged("its header makes no sense"))?;
    let (endian, class, ..) = ident;
    if class == Class::ELF32 {
        // The machine is at the same place in both classes.
        let machine = endian.parse_u16_at(&mut 18, start).map_err(|_| SHORT)?;
        return Err(match machine {
            abi::EM_386 | abi::EM_X86_64 | abi::EM_ARM => ElfProblem::ThirtyTwoBit,
            other => ElfProblem::WrongMachine { machine: machine_name(other, endian) },
        });
    }
    let tail = start.get(IDENT..HEADER).ok_or(SHORT)?;
    let header = FileHeader::parse_tail(ident, tail).map_err(|_| SHORT)?;
    if header.e_machine != MACHINE || !endian.is_little() {
        return Err(ElfProblem::WrongMachine { machine: machine_name(header.e_machine, endian) });
    }
    match header.e_type {
        abi::ET_EXEC | abi::ET_DYN => Ok(header),
        abi::ET_REL => Err(ElfProblem::NotProgram("an object file")),
        abi::ET_CORE => Err(ElfProblem::NotProgram("a core dump")),
        _ => Err(ElfProblem::NotProgram("an ELF file of an unknown type")),
    }
}

fn read_program_headers(
    file: &File,
    header: &FileHeader<AnyEndian>,
    length: u64,
) -> Result<Vec<u8>, ElfProblem> {
    if usize::from(header.e_phentsize) != PROGRAM_HEADER {
        return Err(ElfProblem::Damaged("its program headers have a wrong size"));
    }
    let size = u64::from(header.e_phnum) * PROGRAM_HEADER as u64;
    if header.e_phoff.checked_add(size).is_none_or(|end| end > length) {
        return Err(ElfProblem::Damaged("its program headers lie beyond the end of the file"));
    }
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, header.e_phoff)?;
    Ok(bytes)
}

/// A processor's name as `uname -m` has it.
fn machine_name(machine: u16, endian: AnyEndian) -> String {
    let name = match machine {
        abi::EM_X86_64 => "x86_64",
        abi::EM_AARCH64 => "aarch64",
        abi::EM_386 => "i686",
        abi::EM_ARM => "arm",
        abi::EM_RISCV => "riscv64",
        abi::EM_PPC64 => {
            if endian.is_little() {
                "ppc64le"
            } else {
                "ppc64"
            }
        }
        abi::EM_S390 => "s390x",
        abi::EM_MIPS => "mips",
        abi::EM_LOONGARCH => "loongarch64",
        other => return format!("another processor (ELF machine {other})"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::workload::program::embedded;

    fn read(bytes: &[u8]) -> Result<ElfFacts, ElfProblem> {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("written");
        ElfFacts::read(&file)
    }

    fn problem(bytes: &[u8]) -> String {
        read(bytes).expect_err("no program").to_string()
    }

    fn noop() -> Vec<u8> {
        embedded("noop").expect("built in").to_vec()
    }

    #[test]
    fn a_built_in_workload_is_static() {
        let facts = read(&noop()).expect("a program");
        assert_eq!((facts.machine, &facts.linkage), (MACHINE, &Linkage::Static));
        assert!(facts.entry > 0x40_0000);
    }

    #[test]
    fn the_test_itself_is_dynamic_and_its_interpreter_exists() {
        let file = File::open("/proc/self/exe").expect("Linux");
        let facts = ElfFacts::read(&file).expect("a program");
        if let Linkage::Dynamic { interpreter } = facts.linkage {
            assert!(std::path::Path::new(&interpreter).exists(), "{interpreter}");
        }
    }

    #[test]
    fn what_is_no_program_is_named() {
        assert!(problem(b"#!/usr/bin/env python3\nprint()").contains("script for /usr/bin/env python3"));
        assert!(problem(b"").contains("not an ELF"));
        assert!(problem(b"\x7fEL").contains("not an ELF"));
        assert!(problem(&noop()[..40]).contains("truncated"));
    }

    #[test]
    fn other_processors_and_types_are_named() {
        let patched = |at: usize, value: u8| {
            let mut bytes = noop();
            bytes[at] = value;
            problem(&bytes)
        };
        assert!(patched(18, 183).contains("aarch64"));
        assert!(patched(18, 243).contains("riscv64"));
        assert!(patched(4, 1).contains("32-bit"));
        assert!(patched(16, 1).contains("object file"));
        assert!(patched(16, 4).contains("core dump"));
    }

    #[test]
    fn a_program_cut_short_inside_a_segment_is_damaged() {
        let whole = embedded("int").expect("built in");
        assert!(problem(&whole[..2000]).contains("beyond the end of the file"));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_mutated_program_never_panics(
            changes in proptest::collection::vec((0usize..240, any::<u8>()), 1..12),
            length in 0usize..600,
        ) {
            let mut bytes = noop();
            for (at, value) in changes {
                bytes[at] = value;
            }
            bytes.truncate(length);
            let _ = read(&bytes);
        }
    }
}
