//! Loads an ELF program: not by copying it, but by mapping its file's pages into the guest.
//!
//! The program window holds the file, page for page. A page of a segment is mapped straight to it,
//! except for those that would show something else than on Linux: a page with the end of the file's
//! part and the beginning of `bss`, and a writable page whose file page another segment maps too.
//! Those few are copied into the boot image.

use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_INTERP, PT_LOAD, PT_PHDR};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;
use guest_abi::Area;
use serde::{Deserialize, Serialize};

use super::image::Image;
use super::memory_layout::*;
use super::page_tables::{PageTables, user_bits};

/// A program that can be loaded.
#[derive(Debug)]
pub struct Program<'a> {
    file: &'a [u8],
    segments: Vec<ProgramHeader>,
    /// Where it starts.
    pub start: Start,
}

/// What a program is told about its own start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// First instruction.
    pub entry: u64,
    /// Address of the program headers, 0 where they are not loaded.
    pub headers: u64,
    /// How many program headers there are.
    pub header_count: u64,
    /// Bytes of one.
    pub header_bytes: u64,
}

/// What loading has left to do: areas for the guest kernel, and pages that start out blank.
#[derive(Debug)]
pub struct Loaded {
    /// The program's areas, in order.
    pub areas: Vec<Area>,
    /// Pages of `bss` to map to blank memory, each with its entry bits.
    pub blank: Vec<(u64, u64)>,
    /// Where the heap starts.
    pub brk_start: u64,
}

/// More than any linker makes.
const MOST_SEGMENTS: usize = 64;

fn page_down(address: u64) -> u64 {
    address & !(PAGE - 1)
}

fn rights_of(segment: &ProgramHeader) -> u32 {
    [(PF_R, rights::READ), (PF_W, rights::WRITE), (PF_X, rights::EXECUTE)]
        .into_iter()
        .filter(|(flag, _)| segment.p_flags & flag != 0)
        .fold(0, |all, (_, right)| all | right)
}

impl<'a> Program<'a> {
    /// Checks the program. The error says what is wrong, in words that follow "the program".
    pub fn parse(file: &'a [u8]) -> Result<Program<'a>, String> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file)
            .map_err(|error| format!("is no ELF file: {error}"))?;
        let header = elf.ehdr;
        if header.e_machine != EM_X86_64 {
            return Err("is not for x86-64".into());
        }
        let base = match header.e_type {
            ET_EXEC => 0,
            ET_DYN => PIE_BASE,
            _ => return Err("is no executable (ELF type is neither EXEC nor DYN)".into()),
        };
        let headers: Vec<ProgramHeader> = elf.segments().ok_or("has no program headers")?.iter().collect();
        if headers.iter().any(|header| header.p_type == PT_INTERP) {
            return Err("is dynamically linked; link it statically (cc -static)".into());
        }
        let mut segments = Vec::new();
        for mut segment in
            headers.iter().copied().filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0)
        {
            segment.p_vaddr = segment.p_vaddr.checked_add(base).ok_or("has a segment out of bounds")?;
            check_segment(&segment, file.len() as u64)?;
            segments.push(segment);
        }
        segments.sort_by_key(|segment| segment.p_vaddr);
        if segments.len() > MOST_SEGMENTS {
            return Err(format!("has more than {MOST_SEGMENTS} segments"));
        }
        if segments.is_empty() {
            return Err("has nothing to load".into());
        }
        if segments.windows(2).any(|pair| segment_end(&pair[0]) > page_down(pair[1].p_vaddr)) {
            return Err("has segments that overlap".into());
        }
        let entry = header.e_entry.wrapping_add(base);
        // Also keeps `iretq` from faulting in ring 0, at an address that is not canonical.
        if !(USER_START..USER_END).contains(&entry) {
            return Err(format!("starts at {entry:#x}, which is out of bounds"));
        }
        let in_file = segments.iter().find(|segment| {
            segment.p_offset <= header.e_phoff && header.e_phoff < segment.p_offset + segment.p_filesz
        });
        let phdr = headers.iter().find(|header| header.p_type == PT_PHDR);
        let headers_at = match (phdr, in_file) {
            (Some(phdr), _) => phdr.p_vaddr.wrapping_add(base),
            (None, Some(segment)) => segment.p_vaddr + (header.e_phoff - segment.p_offset),
            (None, None) => 0,
        };
        let start = Start {
            entry,
            headers: headers_at,
            header_count: headers.len() as u64,
            header_bytes: header.e_phentsize.into(),
        };
        Ok(Program { file, segments, start })
    }

    /// Most page tables that mapping the segments takes.
    pub fn most_tables(&self) -> u64 {
        let mapped =
            |segment: &ProgramHeader| segment.p_filesz.min(segment.p_memsz) + PREMAPPED_BSS_PAGES * PAGE;
        // A range touches one table more than it fills, and each level above may need one too.
        self.segments.iter().map(|segment| mapped(segment) / LARGE_PAGE + 4).sum()
    }

    /// Most pages of the program that are copied into the image.
    pub fn most_copies(&self) -> u64 {
        let shared = |index| {
            let segment: &ProgramHeader = &self.segments[index];
            (page_down(segment.p_offset)..segment.p_offset + segment.p_filesz)
                .step_by(PAGE as usize)
                .filter(|offset| self.is_shared(*offset, index))
                .count() as u64
        };
        (0..self.segments.len()).map(|index| shared(index) + 1).sum()
    }

    /// Maps the program into the guest, its file being at `window`.
    pub fn load(&self, image: &mut Image, tables: &mut PageTables, window: u64) -> Loaded {
        let mut loaded = Loaded { areas: Vec::new(), blank: Vec::new(), brk_start: 0 };
        for (index, segment) in self.segments.iter().enumerate() {
            let (writable, executable) = (segment.p_flags & PF_W != 0, segment.p_flags & PF_X != 0);
            let bits = user_bits(writable, executable);
            let start = page_down(segment.p_vaddr);
            let file_end = segment.p_vaddr + segment.p_filesz;
            let end = segment_end(segment);
            tables.prepare(
                image,
                start,
                end.min(file_end.next_multiple_of(PAGE) + PREMAPPED_BSS_PAGES * PAGE),
            );

            let mut page = start;
            while page < file_end && segment.p_filesz > 0 {
                let in_file = page_down(segment.p_offset) + (page - start);
                let holds_bss = file_end < page + PAGE && segment.p_memsz > segment.p_filesz;
                if holds_bss || writable && self.is_shared(in_file, index) {
                    let copy = image.allocate(1);
                    let bytes_end = (in_file + PAGE).min(if holds_bss {
                        segment.p_offset + segment.p_filesz
                    } else {
                        u64::MAX
                    });
                    let bytes = &self.file[in_file as usize..(bytes_end as usize).min(self.file.len())];
                    image.write(copy, bytes);
                    tables.map(image, page, copy, bits);
                } else {
                    tables.map(image, page, window + in_file, bits);
                }
                page += PAGE;
            }
            let premapped_end = end.min(page + PREMAPPED_BSS_PAGES * PAGE);
            while page < premapped_end {
                loaded.blank.push((page, bits));
                page += PAGE;
            }
            push_area(&mut loaded.areas, Area { start, end, rights: rights_of(segment), reserved: 0 });
            loaded.brk_start = loaded.brk_start.max(end);
        }
        loaded
    }

    /// Whether another segment than number `index` maps the page of the file at `offset`.
    fn is_shared(&self, offset: u64, index: usize) -> bool {
        self.segments.iter().enumerate().any(|(other, segment)| {
            other != index
                && page_down(segment.p_offset) < offset + PAGE
                && offset < segment.p_offset + segment.p_filesz
        })
    }
}

fn segment_end(segment: &ProgramHeader) -> u64 {
    (segment.p_vaddr + segment.p_memsz).next_multiple_of(PAGE)
}

fn check_segment(segment: &ProgramHeader, file_bytes: u64) -> Result<(), String> {
    let end = segment.p_vaddr.checked_add(segment.p_memsz);
    let highest = USER_END - STACK_BYTES - STACK_GAP;
    if segment.p_vaddr < USER_START || end.is_none_or(|end| end > highest) {
        return Err(format!("has a segment at {:#x} that is out of bounds", segment.p_vaddr));
    }
    let in_file = segment.p_offset.checked_add(segment.p_filesz);
    if in_file.is_none_or(|end| end > file_bytes) || segment.p_filesz > segment.p_memsz {
        return Err("is cut short: a segment reaches over the end of the file".into());
    }
    if segment.p_filesz > 0 && segment.p_offset % PAGE != segment.p_vaddr % PAGE {
        return Err("has a segment that is not aligned to pages".into());
    }
    Ok(())
}

/// Adds an area, joined to the one before it where that has the same rights and ends there.
pub fn push_area(areas: &mut Vec<Area>, area: Area) {
    match areas.last_mut() {
        Some(last) if last.end == area.start && last.rights == area.rights => last.end = area.end,
        _ => areas.push(area),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::program::embedded;
    use proptest::prelude::*;

    fn load(file: &[u8]) -> Result<Loaded, String> {
        let program = Program::parse(file)?;
        let mut image = Image::new(PAGE);
        let mut tables = PageTables::new(&mut image);
        let loaded = program.load(&mut image, &mut tables, 16 * LARGE_PAGE);
        assert!(image.end() <= (2 + program.most_tables() + program.most_copies()) * PAGE);
        Ok(loaded)
    }

    #[test]
    fn areas_are_in_order_and_hold_the_entry() {
        let file = embedded("noop").unwrap();
        let entry = Program::parse(file).unwrap().start.entry;
        let areas = load(file).unwrap().areas;
        assert!(areas.windows(2).all(|pair| pair[0].end <= pair[1].start));
        let home = areas.iter().find(|area| (area.start..area.end).contains(&entry)).unwrap();
        assert_ne!(home.rights & rights::EXECUTE, 0);
    }

    #[test]
    fn a_dynamic_program_is_refused_with_the_mending() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert!(Program::parse(&own).unwrap_err().contains("dynamically linked"));
    }

    proptest! {
        #[test]
        fn a_damaged_program_never_brings_the_vmm_down(changes in proptest::collection::vec((0usize..512, any::<u8>()), 1..12)) {
            let mut file = embedded("noop").unwrap().to_vec();
            for (at, byte) in changes {
                let at = at % file.len();
                file[at] = byte;
            }
            let _ = load(&file);
        }

        #[test]
        fn nonsense_is_refused(file in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(load(&file).is_err());
        }
    }
}
