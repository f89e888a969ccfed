//! Prepares a spec for launching: builds the boot image and opens the files that every VM maps.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::mem::offset_of;

use elf::ElfBytes;
use elf::abi::{PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use guest_abi::{Area, AreaTable, BootInfo, KernelHeader};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::descriptors;
use super::file_tree::FileTree;
use super::image::Image;
use super::initial_stack::{Hardware, InitialStack};
use super::loader::Program;
use super::memory_layout::*;
use super::page_tables::{PageTables, kernel_bits, user_bits};
use super::vdso;
use crate::runtime::RuntimeError;
use crate::runtime::spec::LaunchSpec;

/// The guest kernel, compiled by build.rs.
pub static KERNEL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest-kernel.elf"));

/// A boot image in a memory file, and what a vCPU needs to start it.
#[derive(Debug)]
pub struct BootImage {
    /// The image; it is mapped at offset 0 of guest memory.
    pub file: File,
    /// Its size.
    pub bytes: u64,
    /// Entry points of the guest kernel.
    pub kernel: KernelHeader,
    /// Guest physical address of the top page table.
    pub page_table: u64,
    /// Offset of the frame for `iretq` that the kernel stack begins with.
    pub frame: u64,
    /// Bytes of the stack that are mapped from the start.
    pub stack_bytes: u64,
    /// Offset of 16 bytes that must be random in every VM.
    pub random: u64,
}

impl BootImage {
    /// Room for any image of a program: the kernel, tables, the largest arguments. Large
    /// programs and much memory take more page tables.
    pub fn most_bytes(program: &Program<'_>, memory_bytes: u64) -> u64 {
        const ALWAYS: u64 = 3 << 20;
        ALWAYS + (program.most_tables() + program.most_copies() + memory_bytes / (1 << 30)) * PAGE
    }

    /// Builds the image for a program.
    pub fn build(
        spec: &LaunchSpec,
        program: &Program<'_>,
        path: &CString,
        layout: &Layout,
        files: &FileTree,
        hardware: Hardware,
    ) -> Result<BootImage, RuntimeError> {
        let bad = |problem: String| RuntimeError::BadSpec(problem);
        let mut image = Image::new(KERNEL_IMAGE);
        let header = load_kernel(&mut image)?;
        let mut tables = PageTables::new(&mut image);
        map_kernel(&mut image, &mut tables)?;
        let mut at = 0;
        while at < layout.end {
            tables.map_large(&mut image, DIRECT_MAP + physical(at), at, kernel_bits(true, false));
            at += LARGE_PAGE;
        }
        for at in (layout.files..layout.memory).step_by(LARGE_PAGE as usize) {
            tables.map_large(&mut image, FILES_MAP + (at - layout.files), at, kernel_bits(false, false));
        }
        descriptors::write_tables(&mut image, &header);

        let mut loaded = program.load(&mut image, &mut tables, layout.program);
        let stack = InitialStack::new(&program.start, path, &spec.argv, &spec.env, hardware).map_err(bad)?;
        let stack_bits = user_bits(true, false);
        let stack_start = stack.pointer & !(PAGE - 1);
        let stack_low = stack_start - PREMAPPED_STACK_PAGES * PAGE;
        tables.prepare(&mut image, stack_low, USER_END);
        let stack_offset = image.allocate((USER_END - stack_start) / PAGE);
        image.write(stack_offset + (stack.pointer - stack_start), &stack.bytes);
        for page in 0..(USER_END - stack_start) / PAGE {
            tables.map(&mut image, stack_start + page * PAGE, stack_offset + page * PAGE, stack_bits);
        }

        let vdso = image.allocate(1);
        image.write(vdso, vdso::bytes());
        tables.map(&mut image, USER_CLOCK_PAGE, CLOCK_PAGE, user_bits(false, false));
        tables.map(&mut image, VDSO, vdso, user_bits(false, true));

        let stack_pages = (0..PREMAPPED_STACK_PAGES).map(|page| (stack_low + page * PAGE, stack_bits));
        loaded.blank.extend(stack_pages);
        let mut free_offset = layout.memory + bitmap_bytes(layout.memory_bytes());
        for (address, bits) in loaded.blank {
            tables.map(&mut image, address, free_offset, bits);
            free_offset += PAGE;
        }
        if free_offset + LEAST_MEMORY / 4 > layout.ready {
            return Err(RuntimeError::BadSpec(format!(
                "the program does not fit into {} MiB; give the microVM more with --memory",
                layout.memory_bytes() >> 20
            )));
        }
        if image.end() > layout.program {
            return Err(RuntimeError::BadSpec("the program has too many or too scattered segments".into()));
        }

        for (start, rights) in [(USER_CLOCK_PAGE, rights::READ), (VDSO, rights::READ | rights::EXECUTE)] {
            loaded.areas.push(Area { start, end: start + PAGE, rights, reserved: 0 });
        }
        let stack_area = USER_END - STACK_BYTES;
        loaded.areas.push(Area {
            start: stack_area,
            end: USER_END,
            rights: rights::READ | rights::WRITE,
            reserved: 0,
        });
        write_areas(&mut image, &loaded.areas).map_err(bad)?;
        for (field, value) in [
            (offset_of!(BootInfo, page_table), tables.root()),
            (offset_of!(BootInfo, memory_bytes), layout.memory_bytes()),
            (offset_of!(BootInfo, memory_offset), layout.memory),
            (offset_of!(BootInfo, free_offset), free_offset),
            (offset_of!(BootInfo, ready_offset), layout.ready),
            (offset_of!(BootInfo, files_bytes), files.window_bytes),
            (offset_of!(BootInfo, tree_bytes), files.tree_bytes),
            (offset_of!(BootInfo, brk_start), loaded.brk_start),
        ] {
            image.write_u64(BOOT_INFO + field as u64, value);
        }

        // What `iretq` pops: RIP, CS, RFLAGS (interrupts enabled), RSP, SS.
        let frame = [program.start.entry, USER_CODE.into(), 0x202, stack.pointer, USER_DATA.into()];
        let frame_at = KERNEL_STACK_TOP - 8 * frame.len() as u64;
        for (index, word) in frame.into_iter().enumerate() {
            image.write_u64(frame_at + 8 * index as u64, word);
        }

        Ok(BootImage {
            file: memory_file(c"isobench boot image", image.bytes())?,
            bytes: image.end(),
            kernel: header,
            page_table: tables.root(),
            frame: frame_at,
            stack_bytes: USER_END - stack_low,
            random: stack_offset + (stack.random - stack_start),
        })
    }
}

/// A memory file with this content.
pub fn memory_file(name: &std::ffi::CStr, bytes: &[u8]) -> Result<File, RuntimeError> {
    let file =
        memfd_create(name, MFdFlags::MFD_CLOEXEC).map_err(RuntimeError::step("making a memory file"))?;
    let mut file = File::from(file);
    file.write_all(bytes).map_err(RuntimeError::step("filling a memory file"))?;
    Ok(file)
}

/// The guest kernel comes from our own build: a fault in it is a bug, told as an error all the same.
fn broken_kernel(_: impl std::fmt::Debug) -> RuntimeError {
    RuntimeError::BadSpec("the guest kernel inside this program is damaged; build isobench again".into())
}

/// Copies the guest kernel's segments into the image, and reads its header.
fn load_kernel(image: &mut Image) -> Result<KernelHeader, RuntimeError> {
    for segment in kernel_segments()? {
        let start = segment.p_vaddr.checked_sub(KERNEL_BASE).ok_or(()).map_err(broken_kernel)?;
        let pages = (start + segment.p_memsz).saturating_sub(image.end()).div_ceil(PAGE);
        image.allocate(pages);
        let file = segment.p_offset as usize..(segment.p_offset + segment.p_filesz) as usize;
        image.write(start, KERNEL.get(file).ok_or(()).map_err(broken_kernel)?);
    }
    let word = |index: u64| image.read_u64(KERNEL_IMAGE + 8 * index);
    let header = KernelHeader {
        magic: word(0),
        start: word(1),
        boot: word(2),
        syscall: word(3),
        exceptions: std::array::from_fn(|vector| word(4 + vector as u64)),
    };
    if header.magic == KernelHeader::MAGIC { Ok(header) } else { Err(broken_kernel(())) }
}

fn kernel_segments() -> Result<Vec<elf::segment::ProgramHeader>, RuntimeError> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(KERNEL).map_err(broken_kernel)?;
    let headers = elf.segments().ok_or(()).map_err(broken_kernel)?;
    Ok(headers.iter().filter(|header| header.p_type == PT_LOAD).collect())
}

/// Maps what the kernel uses at the addresses it is linked for. What is not named here is not mapped:
/// the null page and the pages below the stacks.
fn map_kernel(image: &mut Image, tables: &mut PageTables) -> Result<(), RuntimeError> {
    let mut parts = vec![
        (HYPERCALL_PAGE, HYPERCALL_PAGE + PAGE, kernel_bits(true, false)),
        (BOOT_INFO, BOOT_INFO + PAGE, kernel_bits(false, false)),
        (GDT, GDT + PAGE, kernel_bits(false, false)),
        (IDT, IDT + PAGE, kernel_bits(false, false)),
        (KERNEL_STACK, KERNEL_STACK_TOP, kernel_bits(true, false)),
        (FAULT_STACK_TOP - PAGE, FAULT_STACK_TOP, kernel_bits(true, false)),
        (AREA_TABLE, CLOCK_PAGE, kernel_bits(true, false)),
        (CLOCK_PAGE, KERNEL_IMAGE, kernel_bits(false, false)),
    ];
    for segment in kernel_segments()? {
        let start = segment.p_vaddr - KERNEL_BASE;
        let bits = kernel_bits(segment.p_flags & PF_W != 0, segment.p_flags & PF_X != 0);
        parts.push((start & !(PAGE - 1), start + segment.p_memsz, bits));
    }
    for (start, end, bits) in parts {
        for page in (start..end).step_by(PAGE as usize) {
            tables.map(image, KERNEL_BASE + page, page, bits);
        }
    }
    Ok(())
}

fn write_areas(image: &mut Image, areas: &[Area]) -> Result<(), String> {
    if areas.len() > guest_abi::boot::MAX_AREAS / 2 {
        return Err("the program has too many segments".into());
    }
    image.write_u64(AREA_TABLE + offset_of!(AreaTable, count) as u64, areas.len() as u64);
    for (index, area) in areas.iter().enumerate() {
        let at = AREA_TABLE + (offset_of!(AreaTable, areas) + index * size_of::<Area>()) as u64;
        image.write_u64(at + offset_of!(Area, start) as u64, area.start);
        image.write_u64(at + offset_of!(Area, end) as u64, area.end);
        image.write_u64(at + offset_of!(Area, rights) as u64, area.rights.into());
    }
    Ok(())
}
