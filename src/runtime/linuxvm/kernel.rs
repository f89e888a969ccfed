//! A kernel, ready to be mapped into guests.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;

use linux_loader::loader::bootparam::setup_header;
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::boot::BZIMAGE_ENTRY;
use super::layout::{HIGH_START, PAGE};
use crate::kernel::image::{BzImage, Segment};
use crate::kernel::{Elf, KernelError, KernelImage, unpacked};
use crate::runtime::RuntimeError;
use crate::runtime::vmm::guest_memory::Window;

/// A kernel in files. What fills whole pages of guest memory is mapped, the rest is copied at every start.
#[derive(Debug)]
pub struct Kernel {
    /// The files.
    pub mapped: Vec<Window>,
    /// Guest physical address and content of what is copied.
    pub copied: Vec<(u64, Vec<u8>)>,
    /// Guest physical address of the first instruction.
    pub entry: u64,
    /// Where the kernel proper begins when it has unpacked itself.
    pub unpacked_entry: Option<u64>,
    /// The setup header of a kernel that unpacks itself.
    pub header: Option<setup_header>,
    /// End of what it occupies.
    pub end: u64,
}

impl Kernel {
    /// Opens a kernel. A bzImage is unpacked on the host, once, unless the guest is to do that at every boot.
    ///
    /// # Errors
    /// What is wrong with the file, or that it needs more than `most_bytes` of memory.
    pub fn open(path: &Path, guest_unpacks: bool, most_bytes: u64) -> Result<Kernel, RuntimeError> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(KernelError::at("opening the kernel", path))?;
        match KernelImage::read(&file, path)? {
            KernelImage::Elf(elf) => Kernel::from_elf(&file, &elf, path, most_bytes),
            KernelImage::BzImage(image) if guest_unpacks => {
                Kernel::from_bzimage(&file, &image, path, most_bytes)
            }
            KernelImage::BzImage(image) => {
                let unpacked = unpacked::vmlinux(&file, path, &image)?;
                match KernelImage::read(&unpacked, path)? {
                    KernelImage::Elf(elf) => Kernel::from_elf(&unpacked, &elf, path, most_bytes),
                    KernelImage::BzImage(_) => {
                        Err(RuntimeError::BadSpec(format!("{} holds another bzImage", path.display())))
                    }
                }
            }
        }
    }

    fn from_elf(file: &File, elf: &Elf, path: &Path, most_bytes: u64) -> Result<Kernel, RuntimeError> {
        let in_file =
            elf.segments.iter().fold(0u64, |bytes, segment| bytes.saturating_add(segment.file_bytes));
        check_size(elf.end().max(in_file), most_bytes, path)?;
        let failed = || KernelError::at("reading", path);
        let shared = Rc::new(file.try_clone().map_err(failed())?);
        let mut kernel = Kernel {
            mapped: Vec::new(),
            copied: Vec::new(),
            entry: elf.entry,
            unpacked_entry: None,
            header: None,
            end: elf.end(),
        };
        for Segment { physical, file_at, file_bytes, .. } in &elf.segments {
            if *physical < HIGH_START {
                return Err(RuntimeError::BadSpec(format!(
                    "{} wants to be loaded at address {physical:#x}, where a PC's firmware is; it is no Linux kernel \
                     for x86-64",
                    path.display()
                )));
            }
            let end = physical + file_bytes;
            let (first, last) = (physical.next_multiple_of(PAGE), end / PAGE * PAGE);
            if physical % PAGE != file_at % PAGE || first >= last {
                let copy = read(file, *file_at, *file_bytes).map_err(failed())?;
                kernel.copied.push((*physical, copy));
                continue;
            }
            kernel.mapped.push(Window {
                offset: first,
                file: Rc::clone(&shared),
                file_offset: file_at + first - physical,
                bytes: last - first,
            });
            for (from, to) in [(*physical, first), (last, end)].into_iter().filter(|(from, to)| from < to) {
                let copy = read(file, file_at + from - physical, to - from).map_err(failed())?;
                kernel.copied.push((from, copy));
            }
        }
        Ok(kernel)
    }

    /// What is loaded does not begin at a page of the file, so it is copied, once, to a file where it does.
    fn from_bzimage(
        file: &File,
        image: &BzImage,
        path: &Path,
        most_bytes: u64,
    ) -> Result<Kernel, RuntimeError> {
        check_size(image.end(), most_bytes, path)?;
        let copy = memfd_create(c"isobench kernel", MFdFlags::MFD_CLOEXEC)
            .map_err(RuntimeError::step("making a memory file"))?;
        let copy = File::from(copy);
        let mut at = 0;
        let mut piece = vec![0; 1 << 20];
        while at < image.loaded_bytes {
            let read =
                file.read_at(&mut piece, image.loaded_at + at).map_err(KernelError::at("reading", path))?;
            if read == 0 {
                break;
            }
            copy.write_all_at(&piece[..read], at).map_err(RuntimeError::step("filling a memory file"))?;
            at += read as u64;
        }
        let address = image.address();
        if address < HIGH_START || address % PAGE != 0 {
            return Err(RuntimeError::BadSpec(format!(
                "{} prefers an impossible address, {address:#x}",
                path.display()
            )));
        }
        Ok(Kernel {
            mapped: vec![Window {
                offset: address,
                file: Rc::new(copy),
                file_offset: 0,
                bytes: image.loaded_bytes,
            }],
            copied: Vec::new(),
            entry: address + BZIMAGE_ENTRY,
            // A kernel that is where it prefers to be unpacks itself to that place (boot.rst, `pref_address`).
            unpacked_entry: Some(address),
            header: Some(image.header),
            end: image.end(),
        })
    }

    /// The highest address that the end of an initramfs may have.
    pub fn ramdisk_end(&self) -> u64 {
        self.header.map_or(u64::from(u32::MAX), |header| u64::from(header.initrd_addr_max) + 1)
    }
}

fn check_size(end: u64, most_bytes: u64, path: &Path) -> Result<(), RuntimeError> {
    if end <= most_bytes {
        return Ok(());
    }
    Err(RuntimeError::BadSpec(format!(
        "{} needs {} MiB of memory to be loaded, and the guest has {}; give it more with --memory",
        path.display(),
        end.div_ceil(1 << 20),
        most_bytes >> 20
    )))
}

fn read(file: &File, at: u64, bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut copy = vec![0; bytes as usize];
    file.read_exact_at(&mut copy, at)?;
    Ok(copy)
}
