//! `touch`: first touch of SIZE pages of 4 KiB, fresh from `mmap`, one byte each.
//!
//! Every touch is a page fault: the kernel finds a page, clears it and maps it. A container takes the
//! same fault as a plain process, and charges the page to its cgroup. In a VM the guest's own fault
//! is followed by a second one on the host, when the guest's memory is itself touched for the first
//! time: the price of giving a VM memory only as it uses it. Huge pages are declined where the
//! kernel knows them, since one fault would then serve 512 touches.
#![no_std]
#![no_main]

use guest_workloads::checksum::Checksum;
use guest_workloads::start::Process;
use guest_workloads::{Failure, Outcome, memory, program, sys, timed};

program!("touch", 10_000, run);

const PAGE: usize = 4096;

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    let pages = memory::array::<[u8; PAGE]>(size as usize)?;
    // A kernel that does not know this advice has no huge pages to decline.
    sys::advise_small_pages(pages.as_ptr() as usize, size_of_val(pages));

    let ((), elapsed_ns) = timed(|| {
        for (number, page) in pages.iter_mut().enumerate() {
            // Volatile: a store that nothing reads soon must still happen, here and now.
            // SAFETY: the page is exclusively borrowed.
            unsafe { page.as_mut_ptr().write_volatile(number as u8) };
        }
    });

    let mut checksum = Checksum::new();
    for page in pages.iter() {
        checksum.add(u64::from(page[0]) | u64::from(page[PAGE - 1]) << 8);
    }
    process.report(size, Outcome { checksum: &checksum.bytes(), elapsed_ns, work: size, unit: "page" })
}
