//! `files`: creates, writes, reads back and deletes SIZE small files. `files [SIZE [DIRECTORY]]`, by default
//! in `/tmp`, or in the working directory where `/tmp` cannot be written.
//!
//! Seven system calls a file, into a file system: the host's, a tmpfs or an overlay in a container,
//! the guest kernel's own in a VM, where no file operation leaves the guest. It compares file
//! systems as much as isolation, which is what a build or a mail server gets.
#![no_std]
#![no_main]

use core::ffi::CStr;

use guest_workloads::checksum::Checksum;
use guest_workloads::random::SplitMix64;
use guest_workloads::start::Process;
use guest_workloads::text::Text;
use guest_workloads::{Failure, Outcome, program, sys, timed};

program!("files", 80, run);

const FILE: usize = 1024;
/// Files that exist at once.
const BATCH: u64 = 100;

/// Where the files go. The process id keeps several sandboxes in one directory apart.
#[derive(Clone, Copy)]
struct Place {
    directory: &'static [u8],
    pid: u64,
}

/// The name of one file: `DIRECTORY/isobench-PID-NUMBER`.
struct Name(Text<320>);

impl Name {
    fn new(place: Place, number: u64) -> Name {
        let mut text = Text::new();
        text.bytes(place.directory).push("/isobench-").decimal(place.pid).push("-").decimal(number).byte(0);
        Name(text)
    }

    fn as_c_str(&self) -> Result<&CStr, Failure> {
        CStr::from_bytes_with_nul(self.0.as_bytes()).map_err(|_| Failure::Usage("DIRECTORY is too long"))
    }
}

fn content(number: u64) -> [[u8; 8]; FILE / 8] {
    let mut random = SplitMix64::new(number);
    core::array::from_fn(|_| random.word().to_le_bytes())
}

fn write(name: &Name, number: u64) -> Result<(), Failure> {
    let fd = sys::open(name.as_c_str()?, sys::O_WRONLY | sys::O_CREAT | sys::O_EXCL);
    if fd < 0 {
        return Err(Failure::Failed("cannot create a file; name a writable directory: files SIZE DIRECTORY"));
    }
    let written = sys::write_all(fd as i32, content(number).as_flattened());
    sys::close(fd as i32);
    if written { Ok(()) } else { Err(Failure::Failed("cannot write a file")) }
}

fn read(name: &Name, number: u64, checksum: &mut Checksum) -> Result<(), Failure> {
    let fd = sys::open(name.as_c_str()?, sys::O_RDONLY);
    if fd < 0 {
        return Err(Failure::Failed("cannot open a file"));
    }
    let mut buffer = [0u8; FILE + 1];
    let length = sys::read(fd as i32, &mut buffer);
    sys::close(fd as i32);
    if length != FILE as isize || buffer.get(..FILE) != Some(content(number).as_flattened()) {
        return Err(Failure::Failed("a file does not hold what was written"));
    }
    buffer.as_chunks().0.iter().for_each(|word| checksum.add(u64::from_le_bytes(*word)));
    Ok(())
}

/// One batch: writes all, reads all, deletes all. Deletes too when something failed.
fn batch(place: Place, numbers: core::ops::Range<u64>, checksum: &mut Checksum) -> Result<(), Failure> {
    let names = || numbers.clone().map(|number| (Name::new(place, number), number));
    let used = names()
        .try_for_each(|(name, number)| write(&name, number))
        .and_then(|()| names().try_for_each(|(name, number)| read(&name, number, checksum)));
    let mut deleted = true;
    for (name, _) in names() {
        deleted &= sys::unlink(name.as_c_str()?) == 0;
    }
    used?;
    if deleted { Ok(()) } else { Err(Failure::Failed("cannot delete a file")) }
}

/// The directory that the user named, else the first that can be written to.
fn place(process: &Process) -> Place {
    let pid = sys::getpid() as u64;
    if let Some(given) = process.argument(2) {
        return Place { directory: given.to_bytes(), pid };
    }
    let temporary = Place { directory: b"/tmp", pid };
    let trial = Name::new(temporary, 0);
    match trial.as_c_str() {
        Ok(path) if write(&trial, 0).is_ok() && sys::unlink(path) == 0 => temporary,
        _ => Place { directory: b".", pid },
    }
}

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    let place = place(process);
    let mut checksum = Checksum::new();
    let (result, elapsed_ns) = timed(|| {
        let mut first = 0;
        while first < size {
            let end = size.min(first + BATCH);
            batch(place, first..end, &mut checksum)?;
            first = end;
        }
        Ok(())
    });
    result?;
    process.report(size, Outcome { checksum: &checksum.bytes(), elapsed_ns, work: size, unit: "file" })
}
