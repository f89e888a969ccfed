//! The bytes of a changed file: pages in RAM over the bytes it had in the initial tree.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::Errno;

const PAGE: usize = 4096;
/// As for every Linux file system on a 64-bit machine.
const LARGEST: u64 = i64::MAX as u64;

type Page = Box<[u8; PAGE]>;

/// A file's contents. A page that was never written reads as the initial tree's bytes, and as zeros
/// beyond them, so a file is copied page by page and a hole costs nothing.
#[derive(Default)]
pub(crate) struct Data {
    size: u64,
    base: &'static [u8],
    pages: Vec<Option<Page>>,
    /// Pages in RAM beyond those of `base`.
    beyond_base: u64,
}

impl Data {
    pub(crate) fn over(base: &'static [u8]) -> Data {
        Data { size: base.len() as u64, base, ..Data::default() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of the initial tree, if these are still the whole contents.
    pub(crate) fn unchanged(&self) -> Option<&'static [u8]> {
        (self.pages.is_empty() && self.size == self.base.len() as u64).then_some(self.base)
    }

    /// Pages that hold data, as tmpfs counts them.
    pub(crate) fn pages_held(&self) -> u64 {
        self.base_pages() as u64 + self.beyond_base
    }

    fn base_pages(&self) -> usize {
        self.base.len().div_ceil(PAGE)
    }

    /// Fills `buffer` from `offset` on, up to the end of the file; returns how many bytes.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let Some(left) = self.size.checked_sub(offset).filter(|left| *left > 0) else { return 0 };
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let Ok(start) = usize::try_from(offset) else { return 0 };
        let mut done = 0;
        while done < length {
            let (index, within) = ((start + done) / PAGE, (start + done) % PAGE);
            let piece = (PAGE - within).min(length - done);
            let into = &mut buffer[done..done + piece];
            match self.pages.get(index) {
                Some(Some(page)) => into.copy_from_slice(&page[within..within + piece]),
                Some(None) => copy_or_zero(self.base, start + done, into),
                // No page of this file is in RAM from here on.
                None => {
                    copy_or_zero(self.base, start + done, &mut buffer[done..length]);
                    break;
                }
            }
            done += piece;
        }
        length
    }

    /// Writes `bytes` at `offset`, growing the file as needed; returns how many were written, which is
    /// fewer only when memory runs out on the way. `EFBIG` beyond the largest offset, `ENOSPC` without memory.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= LARGEST).ok_or(Errno::EFBIG)?;
        let start = usize::try_from(offset).map_err(|_| Errno::EFBIG)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        self.reserve(usize::try_from(end).map_err(|_| Errno::EFBIG)?.div_ceil(PAGE))?;
        let mut done = 0;
        while done < bytes.len() {
            let (index, within) = ((start + done) / PAGE, (start + done) % PAGE);
            let piece = (PAGE - within).min(bytes.len() - done);
            let from = &bytes[done..done + piece];
            if let Err(error) = self.write_page(index, within, from) {
                if done == 0 {
                    return Err(error);
                }
                break;
            }
            done += piece;
        }
        self.size = self.size.max(offset + done as u64);
        Ok(done)
    }

    /// Makes room for the first `pages` pages. `Vec` doubles, so a growing file is copied rarely.
    fn reserve(&mut self, pages: usize) -> Result<(), Errno> {
        let more = pages.saturating_sub(self.pages.len());
        if more > 0 {
            self.pages.try_reserve(more).map_err(|_| Errno::ENOSPC)?;
            self.pages.resize_with(pages, || None);
        }
        Ok(())
    }

    fn write_page(&mut self, index: usize, within: usize, from: &[u8]) -> Result<(), Errno> {
        let slot = self.pages.get_mut(index).ok_or(Errno::EIO)?;
        match slot {
            Some(page) => page[within..within + from.len()].copy_from_slice(from),
            None => {
                let mut page = Vec::new();
                page.try_reserve_exact(PAGE).map_err(|_| Errno::ENOSPC)?;
                if from.len() == PAGE {
                    page.extend_from_slice(from);
                } else {
                    let base = self.base.get(index * PAGE..).unwrap_or(&[]);
                    page.extend_from_slice(&base[..base.len().min(PAGE)]);
                    page.resize(PAGE, 0);
                    page[within..within + from.len()].copy_from_slice(from);
                }
                *slot = Some(Page::try_from(page.into_boxed_slice()).map_err(|_| Errno::EIO)?);
                if index >= self.base.len().div_ceil(PAGE) {
                    self.beyond_base += 1;
                }
            }
        }
        Ok(())
    }

    /// Cuts the file, or lengthens it by a hole. `EFBIG` beyond the largest offset.
    pub(crate) fn truncate(&mut self, size: u64) -> Result<(), Errno> {
        if size > LARGEST {
            return Err(Errno::EFBIG);
        }
        if size < self.size {
            let length = usize::try_from(size).map_err(|_| Errno::EFBIG)?;
            self.base = &self.base[..self.base.len().min(length)];
            self.pages.truncate(length.div_ceil(PAGE));
            // What lies beyond the new end must read as zeros if the file grows again.
            if length % PAGE != 0
                && let Some(Some(page)) = self.pages.get_mut(length / PAGE)
            {
                page[length % PAGE..].fill(0);
            }
            let beyond = self.pages.get(self.base_pages()..).unwrap_or(&[]);
            self.beyond_base = beyond.iter().flatten().count() as u64;
        }
        self.size = size;
        Ok(())
    }
}

/// Copies `base` from `offset` on; what lies beyond it is zeros.
pub(crate) fn copy_or_zero(base: &[u8], offset: usize, into: &mut [u8]) {
    let from = base.get(offset..).unwrap_or(&[]);
    let length = from.len().min(into.len());
    into[..length].copy_from_slice(&from[..length]);
    into[length..].fill(0);
}
