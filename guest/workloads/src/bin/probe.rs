//! `probe`: what can I see from in here? One `key value` a line; `unknown` where nothing answers.
//!
//! It measures nothing. Run under each runtime, it shows what isolation means: a container has
//! its own host name, process numbers and mounts on the *host's* kernel (same release, same boot
//! id); a microVM has another kernel altogether.
#![no_std]
#![no_main]

use core::arch::x86_64::__cpuid;
use core::ffi::CStr;

use guest_workloads::start::Process;
use guest_workloads::text::Text;
use guest_workloads::{Failure, memory, program, sys};

program!("probe", 1, run);

type Answers = Text<4096>;

/// Kept large and off the stack: a `/proc` file is read whole, or its first 64 KiB.
struct Reader(&'static mut [u8]);

impl Reader {
    fn file(&mut self, path: &CStr) -> Option<&[u8]> {
        let fd = sys::open(path, sys::O_RDONLY);
        if fd < 0 {
            return None;
        }
        let mut length = 0;
        loop {
            let read = sys::read(fd as i32, self.0.get_mut(length..)?);
            if read <= 0 {
                break;
            }
            length += read as usize;
        }
        sys::close(fd as i32);
        self.0.get(..length)
    }

    /// Entries of `/proc` that are processes, told by their numeric names.
    fn processes(&mut self) -> Option<u64> {
        let fd = sys::open(c"/proc", sys::O_RDONLY | sys::O_DIRECTORY);
        if fd < 0 {
            return None;
        }
        let mut count = 0;
        loop {
            let length = sys::directory_entries(fd as i32, self.0);
            if length <= 0 {
                break;
            }
            let mut rest = self.0.get(..length as usize)?;
            // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name.
            while let (Some(record), Some(name)) = (rest.get(16..18), rest.get(19)) {
                count += u64::from(name.is_ascii_digit());
                let length = u16::from_le_bytes(record.try_into().ok()?);
                rest = rest.get(usize::from(length)..)?;
            }
        }
        sys::close(fd as i32);
        Some(count)
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// The value after `key` and a colon, in a file such as `/proc/self/status`.
fn field<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let value = lines(text).find_map(|line| line.strip_prefix(key)?.strip_prefix(b":"))?;
    Some(value.trim_ascii())
}

fn answer(answers: &mut Answers, key: &str, value: Option<&[u8]>) {
    let value = value.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty()).unwrap_or(b"unknown");
    answers.push(key).push(" ").bytes(value).push("\n");
}

fn answer_number(answers: &mut Answers, key: &str, number: Option<u64>) {
    let mut text = Text::<20>::new();
    answer(answers, key, number.map(|number| text.decimal(number).as_bytes()));
}

fn kernel(answers: &mut Answers) {
    let mut names: sys::Utsname = [[0; 65]; 6];
    let known = sys::uname(&mut names) == 0;
    for (key, name) in ["system", "hostname", "release", "version", "machine"].into_iter().zip(&names) {
        let name = CStr::from_bytes_until_nul(name).map(CStr::to_bytes).ok();
        answer(answers, key, name.filter(|_| known));
    }
}

fn identity(answers: &mut Answers) {
    for (key, number) in
        [("pid", sys::getpid()), ("ppid", sys::getppid()), ("uid", sys::getuid()), ("gid", sys::getgid())]
    {
        answer_number(answers, key, u64::try_from(number).ok());
    }
}

/// What the CPUID instruction says of a hypervisor (leaf 1, ECX bit 31; leaf 0x4000_0000).
fn hypervisor(answers: &mut Answers) {
    let present = __cpuid(1).ecx >> 31 == 1;
    answer(answers, "hypervisor", Some(if present { b"yes" } else { b"no" }));
    if present {
        let leaf = __cpuid(0x4000_0000);
        let name = [leaf.ebx.to_le_bytes(), leaf.ecx.to_le_bytes(), leaf.edx.to_le_bytes()];
        let name = name.as_flattened();
        answer(answers, "hypervisor_vendor", name.split(|byte| *byte == 0).next());
    } else {
        answer(answers, "hypervisor_vendor", Some(b"none"));
    }
}

fn run(_: u64, _: &Process) -> Result<(), Failure> {
    let mut reader = Reader(memory::array::<u8>(64 << 10)?);
    let mut answers = Answers::new();
    let out = &mut answers;
    kernel(out);
    answer(out, "boot_id", reader.file(c"/proc/sys/kernel/random/boot_id"));
    identity(out);
    answer_number(out, "processes", reader.processes());
    answer_number(out, "mounts", reader.file(c"/proc/self/mounts").map(|text| lines(text).count() as u64));
    // Two lines of heading, then one an interface.
    let interfaces = reader.file(c"/proc/net/dev").map(|text| lines(text).count().saturating_sub(2) as u64);
    answer_number(out, "network_interfaces", interfaces);
    let memory = reader.file(c"/proc/meminfo");
    answer(out, "memory_total", memory.and_then(|text| field(text, b"MemTotal")));
    hypervisor(out);
    let status = reader.file(c"/proc/self/status");
    for (key, name) in [
        ("cpus_allowed", "Cpus_allowed_list"),
        ("capabilities_permitted", "CapPrm"),
        ("capabilities_effective", "CapEff"),
        ("capabilities_bounding", "CapBnd"),
        ("no_new_privileges", "NoNewPrivs"),
        ("seccomp", "Seccomp"),
        ("seccomp_filters", "Seccomp_filters"),
    ] {
        answer(out, key, status.and_then(|text| field(text, name.as_bytes())));
    }
    if sys::write_all(sys::STDOUT, answers.as_bytes()) {
        Ok(())
    } else {
        Err(Failure::Failed("cannot write to standard output"))
    }
}
