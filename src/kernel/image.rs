//! What a kernel file is: a bzImage (Documentation/arch/x86/boot.rst of Linux), or the ELF file that is
//! packed inside one (vmlinux). The file is foreign: whatever it says is checked.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use elf::abi::{EM_X86_64, ET_DYN, ET_EXEC, PT_LOAD, PT_NOTE};
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader, parse_ident};
use elf::note::{Note, NoteIterator};
use elf::segment::SegmentTable;
use linux_loader::loader::bootparam::setup_header;
use vm_memory::ByteValued;

use super::KernelError;

/// A kernel that a guest can be booted with.
#[derive(Clone, Debug)]
pub enum KernelImage {
    /// A kernel that unpacks itself.
    BzImage(BzImage),
    /// The kernel proper.
    Elf(Elf),
}

/// A bzImage.
#[derive(Clone, Copy, Debug)]
pub struct BzImage {
    /// Its setup header, for the boot parameters.
    pub header: setup_header,
    /// Where the part begins that is loaded into the guest (boot.rst, "Loading the rest of the kernel").
    pub loaded_at: u64,
    /// Bytes of that part.
    pub loaded_bytes: u64,
    /// Where in the file the packed kernel is.
    pub payload_at: u64,
    /// Bytes of the packed kernel.
    pub payload_bytes: u64,
}

/// A vmlinux.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elf {
    /// Physical address of its first instruction in 64-bit mode.
    pub entry: u64,
    /// Physical address of its first instruction in 32-bit mode by the PVH protocol, where it has one.
    pub pvh_entry: Option<u32>,
    /// What is loaded.
    pub segments: Vec<Segment>,
}

/// One piece of a vmlinux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Physical address.
    pub physical: u64,
    /// Bytes in memory; those beyond the file's are zero.
    pub bytes: u64,
    /// Where in the file its content is.
    pub file_at: u64,
    /// Bytes of content.
    pub file_bytes: u64,
}

/// Kernels run in the upper half of virtual addresses, programs in the lower.
const UPPER_HALF: u64 = 1 << 63;
/// Where the setup header is, and its magic number.
const HEADER_AT: u64 = 0x1f1;
const HEADER_MAGIC: u32 = 0x5372_6448;
/// Boot protocol 2.12, Linux 3.8: the first with the 64-bit entry point.
const LEAST_PROTOCOL: u16 = 0x020c;
/// `XLF_KERNEL_64`.
const HAS_64_BIT_ENTRY: u16 = 1;
const SECTOR: u64 = 512;
/// Program headers and bytes of notes that are believed.
const MOST_SEGMENTS: u16 = 128;
const MOST_NOTE_BYTES: u64 = 64 << 10;
/// `XEN_ELFNOTE_PHYS32_ENTRY` (Linux include/xen/interface/elfnote.h).
const PVH_NOTE: u64 = 18;

impl KernelImage {
    /// Looks at an open file, which is called `path` in messages.
    ///
    /// # Errors
    /// What it is instead, or what is wrong with it.
    pub fn read(file: &File, path: &Path) -> Result<KernelImage, KernelError> {
        let bytes = file.metadata().map_err(KernelError::at("looking at", path))?.len();
        let no = |problem: String| KernelError::NotAKernel { file: path.display().to_string(), problem };
        let mut start = [0; 0x270];
        let read = read_up_to(file, &mut start).map_err(KernelError::at("reading", path))?;
        let start = &start[..read];
        if start.starts_with(b"\x7fELF") {
            return read_elf(file, bytes, start).map(KernelImage::Elf).map_err(no);
        }
        match read_header(start) {
            Some(header) if header.header == HEADER_MAGIC => {
                read_bzimage(header, bytes).map(KernelImage::BzImage).map_err(no)
            }
            _ => Err(no(format!(
                "is {}, not a Linux kernel (a bzImage, such as /boot/vmlinuz-*, or an ELF vmlinux)",
                what_else(start)
            ))),
        }
    }

    /// The release that a bzImage names, such as `6.1.0-13-amd64`.
    pub fn release(&self, file: &File) -> Option<String> {
        let KernelImage::BzImage(image) = self else { return None };
        let at = u64::from(image.header.kernel_version);
        let mut text = [0; 256];
        // The field is the offset of a string behind the first sector; 0 means none.
        let read = if at == 0 { 0 } else { file.read_at(&mut text, at + SECTOR).ok()? };
        let text = text[..read].split(|byte| matches!(byte, 0 | b' ')).next()?;
        let printable = text.iter().all(u8::is_ascii_graphic) && !text.is_empty();
        printable.then(|| String::from_utf8_lossy(text).into_owned())
    }
}

fn read_up_to(file: &File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn what_else(start: &[u8]) -> &'static str {
    match start {
        [] => "empty",
        [0x1f, 0x8b, ..] => "a gzip archive",
        [b'B', b'Z', b'h', ..] => "a bzip2 archive",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "an xz archive",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd archive",
        [b'0', b'7', b'0', b'7', ..] => "a cpio archive (an initramfs?)",
        [b'!', b'<', b'a', b'r', b'c', b'h', ..] => "a Debian package or another ar archive",
        [b'#', b'!', ..] => "a script",
        _ if start.get(0x38..0x3c) == Some(b"ARM\x64") => "a kernel for 64-bit ARM",
        _ if start.get(0x38..0x3c) == Some(b"RSC\x05") => "a kernel for RISC-V",
        [b'M', b'Z', ..] => "a Windows or EFI program",
        _ => "something else",
    }
}

fn read_header(start: &[u8]) -> Option<setup_header> {
    let mut header = setup_header::default();
    let bytes = start.get(HEADER_AT as usize..)?.get(..size_of::<setup_header>())?;
    header.as_mut_slice().copy_from_slice(bytes);
    Some(header)
}

fn read_bzimage(header: setup_header, file_bytes: u64) -> Result<BzImage, String> {
    let (version, flags) = (header.version, header.xloadflags);
    if version < LEAST_PROTOCOL {
        return Err(format!(
            "is a kernel of boot protocol {}.{:02}, older than Linux 3.8; use a newer one",
            version >> 8,
            version & 0xff
        ));
    }
    if flags & HAS_64_BIT_ENTRY == 0 {
        return Err("is a 32-bit kernel; use one for x86-64 (amd64)".into());
    }
    let sectors = if header.setup_sects == 0 { 4 } else { u64::from(header.setup_sects) };
    let loaded_at = (sectors + 1) * SECTOR;
    let loaded_bytes = file_bytes.checked_sub(loaded_at).filter(|bytes| *bytes > 0x200);
    let loaded_bytes = loaded_bytes.ok_or("is a kernel that was cut off; copy it again")?;
    let payload_at = loaded_at + u64::from(header.payload_offset);
    let payload_bytes = u64::from(header.payload_length);
    if payload_bytes < 4 || payload_at + payload_bytes > file_bytes {
        return Err("is a kernel that was cut off; copy it again".into());
    }
    Ok(BzImage { header, loaded_at, loaded_bytes, payload_at, payload_bytes })
}

/// The architectures that a kernel is likely to be for, by ELF's numbers.
fn architecture(machine: u16) -> String {
    match machine {
        elf::abi::EM_386 => "32-bit x86".into(),
        elf::abi::EM_ARM => "32-bit ARM".into(),
        elf::abi::EM_AARCH64 => "64-bit ARM".into(),
        elf::abi::EM_RISCV => "RISC-V".into(),
        elf::abi::EM_PPC64 => "POWER".into(),
        elf::abi::EM_S390 => "s390x".into(),
        other => format!("machine number {other}"),
    }
}

fn read_elf(file: &File, file_bytes: u64, start: &[u8]) -> Result<Elf, String> {
    const IDENT: usize = 16;
    let damaged = || "is a damaged ELF file; copy it again".to_owned();
    let ident = parse_ident::<LittleEndian>(start).map_err(|_| "is an ELF file for another architecture")?;
    let class = ident.1;
    let tail = start.get(IDENT..64).ok_or_else(damaged)?;
    let header = FileHeader::parse_tail(ident, tail).map_err(|_| damaged())?;
    if header.e_machine != EM_X86_64 || class != Class::ELF64 {
        return Err(format!("is for {}; a kernel for x86-64 is needed", architecture(header.e_machine)));
    }
    if !matches!(header.e_type, ET_EXEC | ET_DYN) || header.e_phnum == 0 || header.e_phnum > MOST_SEGMENTS {
        return Err("is an ELF file, but not one that can be loaded as a kernel".into());
    }
    let table_bytes = usize::from(header.e_phnum) * usize::from(header.e_phentsize.max(1));
    let mut table = vec![0; table_bytes];
    file.read_exact_at(&mut table, header.e_phoff).map_err(|_| damaged())?;
    let mut elf = Elf { entry: header.e_entry, ..Elf::default() };
    let mut upper_half = false;
    for entry in SegmentTable::new(LittleEndian, Class::ELF64, &table).iter() {
        let inside = entry.p_offset.checked_add(entry.p_filesz).is_some_and(|end| end <= file_bytes);
        match entry.p_type {
            PT_LOAD if entry.p_memsz > 0 => {
                let end = entry.p_paddr.checked_add(entry.p_memsz);
                if !inside || entry.p_filesz > entry.p_memsz || end.is_none() {
                    return Err(damaged());
                }
                upper_half |= entry.p_vaddr >= UPPER_HALF;
                elf.segments.push(Segment {
                    physical: entry.p_paddr,
                    bytes: entry.p_memsz,
                    file_at: entry.p_offset,
                    file_bytes: entry.p_filesz,
                });
            }
            PT_NOTE if inside && entry.p_filesz <= MOST_NOTE_BYTES => {
                let mut notes = vec![0; entry.p_filesz as usize];
                file.read_exact_at(&mut notes, entry.p_offset).map_err(|_| damaged())?;
                elf.pvh_entry = elf.pvh_entry.or_else(|| pvh_entry(&notes, entry.p_align as usize));
            }
            _ => {}
        }
    }
    let inside =
        |segment: &Segment| (segment.physical..segment.physical + segment.file_bytes).contains(&elf.entry);
    if !upper_half && elf.pvh_entry.is_none() {
        return Err("is an ELF program, not a kernel".into());
    }
    if !elf.segments.iter().any(inside) {
        return Err(
            "is an ELF file, but not one that can be loaded as a kernel: its entry is no physical address"
                .into(),
        );
    }
    Ok(elf)
}

fn pvh_entry(notes: &[u8], align: usize) -> Option<u32> {
    NoteIterator::new(LittleEndian, Class::ELF64, align, notes).find_map(|note| match note {
        Note::Unknown(note) if note.n_type == PVH_NOTE && note.name.starts_with(b"Xen") => {
            let entry = note.desc.get(..8).map_or_else(
                || {
                    note.desc
                        .get(..4)
                        .and_then(|bytes| bytes.try_into().ok())
                        .map(u32::from_le_bytes)
                        .map(u64::from)
                },
                |bytes| bytes.try_into().ok().map(u64::from_le_bytes),
            );
            entry.and_then(|entry| u32::try_from(entry).ok())
        }
        _ => None,
    })
}

impl Elf {
    /// The first byte behind everything that is loaded.
    pub fn end(&self) -> u64 {
        self.segments.iter().map(|segment| segment.physical + segment.bytes).max().unwrap_or(0)
    }
}

impl BzImage {
    /// Where it is loaded: at its preferred address, so that it need not move itself.
    pub fn address(&self) -> u64 {
        self.header.pref_address
    }

    /// The first byte behind what it needs while it unpacks itself.
    pub fn end(&self) -> u64 {
        let needed = u64::from(self.header.init_size).max(self.loaded_bytes);
        self.address().saturating_add(needed)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use proptest::prelude::*;

    fn read(content: &[u8]) -> Result<KernelImage, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        KernelImage::read(&file, Path::new("FILE")).map_err(|error| error.to_string())
    }

    /// The smallest bzImage that is accepted: one sector of setup, 1024 bytes of kernel.
    fn bzimage() -> Vec<u8> {
        let header = setup_header {
            setup_sects: 1,
            header: HEADER_MAGIC,
            version: 0x020f,
            xloadflags: HAS_64_BIT_ENTRY,
            payload_offset: 0x200,
            payload_length: 0x200,
            pref_address: 0x100_0000,
            init_size: 0x10_0000,
            kernel_version: 0x100,
            ..setup_header::default()
        };
        let mut content = vec![0; 2048];
        content[HEADER_AT as usize..][..size_of::<setup_header>()].copy_from_slice(header.as_slice());
        content[0x300..0x30c].copy_from_slice(b"6.1.0-test x");
        content
    }

    /// A vmlinux with one segment at 16 MiB and a PVH note.
    fn vmlinux() -> Vec<u8> {
        let mut content = b"\x7fELF\x02\x01\x01".to_vec();
        content.resize(16, 0);
        content.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        for word in [0x100_0000u64, 64, 0] {
            content.extend(word.to_le_bytes());
        }
        content.extend([0, 0, 0, 0, 64, 0, 56, 0, 2, 0, 64, 0, 0, 0, 0, 0]);
        for (kind, offset, bytes, align) in [(1u32, 0x200u64, 0x100u64, 0x1000u64), (4, 0x180, 24, 4)] {
            content.extend(kind.to_le_bytes());
            content.extend(5u32.to_le_bytes());
            for word in [offset, 0xffff_ffff_8100_0000, 0x100_0000, bytes, bytes + 0x1000, align] {
                content.extend(word.to_le_bytes());
            }
        }
        content.resize(0x180, 0);
        for word in [4u32, 8, 18] {
            content.extend(word.to_le_bytes());
        }
        content.extend(b"Xen\0");
        content.extend(0x100_0040u64.to_le_bytes());
        content.resize(0x300, 0);
        content
    }

    #[test]
    fn a_bzimage_tells_where_its_parts_are() {
        let Ok(KernelImage::BzImage(image)) = read(&bzimage()) else { panic!("no bzImage") };
        assert_eq!((image.loaded_at, image.loaded_bytes), (1024, 1024));
        assert_eq!((image.payload_at, image.payload_bytes), (1536, 512));
        assert_eq!((image.address(), image.end()), (0x100_0000, 0x110_0000));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bzimage()).unwrap();
        assert_eq!(KernelImage::BzImage(image).release(&file).as_deref(), Some("6.1.0-test"));
    }

    #[test]
    fn a_vmlinux_tells_its_segments_and_its_entries() {
        let Ok(KernelImage::Elf(elf)) = read(&vmlinux()) else { panic!("{:?}", read(&vmlinux())) };
        assert_eq!((elf.entry, elf.pvh_entry), (0x100_0000, Some(0x100_0040)));
        let segment = Segment { physical: 0x100_0000, bytes: 0x1100, file_at: 0x200, file_bytes: 0x100 };
        assert_eq!((elf.segments.as_slice(), elf.end()), (&[segment][..], 0x100_1100));
    }

    #[test]
    fn what_is_no_kernel_is_named() {
        let mut old = bzimage();
        old[0x206..0x208].copy_from_slice(&0x0208u16.to_le_bytes());
        let mut narrow = bzimage();
        narrow[0x236] = 0;
        let mut arm = vmlinux();
        arm[18] = 183;
        let mut outside = vmlinux();
        outside[24] = 1;
        outside[27] = 9;
        for (content, words) in [
            (&b""[..], "is empty"),
            (b"#!/bin/sh\n", "is a script"),
            (b"\x1f\x8b\x08", "is a gzip archive"),
            (&[0; 4096], "is something else"),
            (&old, "boot protocol 2.08"),
            (&narrow, "is a 32-bit kernel"),
            (&bzimage()[..1400], "was cut off"),
            (&arm, "is for 64-bit ARM"),
            (&vmlinux()[..0x280], "damaged"),
            (&outside, "its entry is no physical address"),
        ] {
            let problem = read(content).expect_err(words);
            assert!(problem.contains(words) && problem.lines().count() == 1, "{problem}");
        }
    }

    proptest! {
        #[test]
        fn damage_is_survived(elf in any::<bool>(), damage in proptest::collection::vec((0usize..0x300, any::<u8>()), 1..8)) {
            let mut content = if elf { vmlinux() } else { bzimage() };
            for (at, byte) in damage {
                content[at] = byte;
            }
            if let Ok(KernelImage::Elf(elf)) = read(&content) {
                prop_assert!(elf.segments.iter().all(|segment| segment.file_at + segment.file_bytes <= content.len() as u64));
            }
        }
    }
}
