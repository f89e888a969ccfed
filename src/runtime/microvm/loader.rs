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

use super::image::Image;
use super::memory_layout::*;
use super::page_tables::{PageTables, user_bits};

/// A program that can be loaded.
#[derive(Debug)]
pub struct Program<'a> {
    file: &'a [u8],
    segments: Vec<ProgramHeader>,
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
        if segments.is_empty() {
            return Err("has nothing to load".into());
        }
        if segments.windows(2).any(|pair| segment_end(&pair[0]) > page_down(pair[1].p_vaddr)) {
            return Err("has segments that overlap".into());
        }
        let entry = header.e_entry.wrapping_add(base);
        let in_file = segments.iter().find(|segment| {
            segment.p_offset <= header.e_phoff && header.e_phoff < segment.p_offset + segment.p_filesz
        });
        let phdr = headers.iter().find(|header| header.p_type == PT_PHDR);
        let headers_at = match (phdr, in_file) {
            (Some(phdr), _) => phdr.p_vaddr.wrapping_add(base),
            (None, Some(segment)) => segment.p_vaddr + (header.e_phoff - segment.p_offset),
            (None, None) => 0,
        };
        Ok(Program {
            file,
            segments,
            entry,
            headers: headers_at,
            header_count: headers.len() as u64,
            header_bytes: header.e_phentsize.into(),
        })
    }

    /// Bytes of addresses that the segments take.
    pub fn span(&self) -> u64 {
        self.segments.iter().map(|segment| segment_end(segment) - page_down(segment.p_vaddr)).sum()
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
