//! A kernel, ready to be loaded into guests.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

use linux_loader::loader::bootparam::setup_header;

use super::boot::BZIMAGE_ENTRY;
use super::layout::{HIGH_START, PAGE};
use crate::kernel::image::BzImage;
use crate::kernel::{Elf, KernelError, KernelImage, unpacked};
use crate::runtime::RuntimeError;
use crate::runtime::vmm::guest_memory::Window;

/// A kernel in its file.
///
/// It is read into guest memory at every start. Mapping the file instead would look cheaper, but Linux patches nearly
/// every page of its own code as it boots (alternatives, ftrace): each such page would be faulted in small, copied, and
/// flushed from the processor's translations.
#[derive(Debug)]
pub struct Kernel {
    /// What is read.
    pub loaded: Vec<Window>,
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
        let loaded = elf.segments.iter().map(|segment| {
            if segment.physical < HIGH_START {
                return Err(RuntimeError::BadSpec(format!(
                    "{} wants to be loaded at address {:#x}, where a PC's firmware is; it is no Linux kernel for x86-64",
                    path.display(),
                    segment.physical
                )));
            }
            Ok(Window {
                offset: segment.physical,
                file: Rc::clone(&shared),
                file_offset: segment.file_at,
                bytes: segment.file_bytes,
            })
        });
        Ok(Kernel {
            loaded: loaded.collect::<Result<_, _>>()?,
            entry: elf.entry,
            unpacked_entry: None,
            header: None,
            end: elf.end(),
        })
    }

    fn from_bzimage(
        file: &File,
        image: &BzImage,
        path: &Path,
        most_bytes: u64,
    ) -> Result<Kernel, RuntimeError> {
        check_size(image.end(), most_bytes, path)?;
        let file = file.try_clone().map_err(KernelError::at("reading", path))?;
        let address = image.address();
        if address < HIGH_START || !address.is_multiple_of(PAGE) {
            return Err(RuntimeError::BadSpec(format!(
                "{} prefers an impossible address, {address:#x}",
                path.display()
            )));
        }
        Ok(Kernel {
            loaded: vec![Window {
                offset: address,
                file: Rc::new(file),
                file_offset: image.loaded_at,
                bytes: image.loaded_bytes,
            }],
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
