//! The calls that tell a program about itself and its surroundings. It sees what it would see inside a
//! container: process 1, root, alone.

use crate::kernel::Kernel;
use crate::memory::Memory;
use crate::registers::{self, FS_BASE, GS_BASE};
use crate::syscall::{ECHILD, ESRCH, ETIMEDOUT, Errno};
use crate::time::NS_PER_SECOND;
use crate::{console, time};
use guest_abi::layout;

/// The program's own settings.
pub struct Process {
    pub name: [u8; 16],
}

impl Process {
    pub fn new() -> Process {
        Process { name: *b"program\0\0\0\0\0\0\0\0\0" }
    }
}

/// The one process, and its one thread.
const PROCESS: u64 = 1;
/// What `uname` says, and `/proc` with it.
pub const HOST_NAME: &[u8] = b"isobench";
pub const RELEASE: &[u8] = b"6.1.0-isobench";
pub const VERSION: &[u8] = b"#1 isobench guest kernel";
/// Longest sleep that is not cut; nobody waits longer than the sandbox lives.
const LONGEST_SLEEP: u64 = 1 << 62;

/// Numbers of the calls served here.
#[rustfmt::skip]
mod nr {
    pub const SCHED_YIELD: u64 = 24;
    pub const PAUSE: u64 = 34;
    pub const NANOSLEEP: u64 = 35;
    pub const GETITIMER: u64 = 36;
    pub const ALARM: u64 = 37;
    pub const SETITIMER: u64 = 38;
    pub const WAIT4: u64 = 61;
    pub const UNAME: u64 = 63;
    pub const GETTIMEOFDAY: u64 = 96;
    pub const GETRLIMIT: u64 = 97;
    pub const GETRUSAGE: u64 = 98;
    pub const SYSINFO: u64 = 99;
    pub const TIMES: u64 = 100;
    pub const GETUID: u64 = 102;
    pub const GETGID: u64 = 104;
    pub const SETUID: u64 = 105;
    pub const SETGID: u64 = 106;
    pub const GETEUID: u64 = 107;
    pub const GETEGID: u64 = 108;
    pub const SETPGID: u64 = 109;
    pub const GETPGRP: u64 = 111;
    pub const SETSID: u64 = 112;
    pub const SETREUID: u64 = 113;
    pub const SETREGID: u64 = 114;
    pub const GETGROUPS: u64 = 115;
    pub const SETGROUPS: u64 = 116;
    pub const SETRESUID: u64 = 117;
    pub const GETRESUID: u64 = 118;
    pub const SETRESGID: u64 = 119;
    pub const GETRESGID: u64 = 120;
    pub const GETPGID: u64 = 121;
    pub const GETSID: u64 = 124;
    pub const PERSONALITY: u64 = 135;
    pub const GETPRIORITY: u64 = 140;
    pub const SETPRIORITY: u64 = 141;
    pub const PRCTL: u64 = 157;
    pub const ARCH_PRCTL: u64 = 158;
    pub const SETRLIMIT: u64 = 160;
    pub const GETTID: u64 = 186;
    pub const TIME: u64 = 201;
    pub const FUTEX: u64 = 202;
    pub const SCHED_GETAFFINITY: u64 = 204;
    pub const SET_TID_ADDRESS: u64 = 218;
    pub const CLOCK_GETTIME: u64 = 228;
    pub const CLOCK_GETRES: u64 = 229;
    pub const CLOCK_NANOSLEEP: u64 = 230;
    pub const SET_ROBUST_LIST: u64 = 273;
    pub const GETCPU: u64 = 309;
    pub const PRLIMIT64: u64 = 302;
    pub const MEMBARRIER: u64 = 324;
    pub const RSEQ: u64 = 334;
}

impl Kernel {
    /// Serves the call if it is one of these.
    pub fn process_call(&mut self, number: u64, args: [u64; 6]) -> Option<Result<u64, Errno>> {
        let [a, b, c, d, ..] = args;
        let memory = &mut self.memory;
        Some(match number {
            nr::GETTID | nr::GETPGRP | nr::GETPGID | nr::GETSID | nr::SETSID | nr::SET_TID_ADDRESS => {
                Ok(PROCESS)
            }
            nr::GETUID | nr::GETGID | nr::GETEUID | nr::GETEGID | nr::SCHED_YIELD => Ok(0),
            // Root may become anyone, and nothing here looks at who anyone is.
            nr::SETUID
            | nr::SETGID
            | nr::SETREUID
            | nr::SETREGID
            | nr::SETRESUID
            | nr::SETRESGID
            | nr::SETGROUPS
            | nr::SETPGID
            | nr::GETGROUPS
            | nr::SET_ROBUST_LIST
            | nr::PERSONALITY => Ok(0),
            nr::GETRESUID | nr::GETRESGID => memory
                .write(a, 0u32)
                .and_then(|()| memory.write(b, 0u32))
                .and_then(|()| memory.write(c, 0u32))
                .map(|()| 0),
            nr::CLOCK_GETTIME => match self.clock.read(a) {
                Some(ns) => write_time(memory, b, ns),
                None => Err(Errno::EINVAL),
            },
            nr::CLOCK_GETRES => match self.clock.read(a) {
                Some(_) if b == 0 => Ok(0),
                Some(_) => write_time(memory, b, 1),
                None => Err(Errno::EINVAL),
            },
            nr::GETTIMEOFDAY => self.gettimeofday(a, b),
            nr::TIME => {
                let seconds = self.clock.realtime() / NS_PER_SECOND;
                if a != 0 { memory.write(a, seconds).map(|()| seconds) } else { Ok(seconds) }
            }
            nr::TIMES => self.times(a),
            nr::NANOSLEEP => self.sleep(None, a),
            nr::CLOCK_NANOSLEEP => {
                const TIMER_ABSTIME: u64 = 1;
                self.sleep((b & TIMER_ABSTIME != 0).then_some(a), c)
            }
            nr::PAUSE => loop {
                console::sleep(LONGEST_SLEEP);
            },
            nr::ALARM if a == 0 => Ok(0),
            nr::SETITIMER => match memory.read::<[u64; 4]>(b) {
                // Only stopping a timer works: there are no timers.
                Ok([_, _, 0, 0]) => {
                    if c == 0 {
                        Ok(0)
                    } else {
                        memory.write(c, [0u64; 4]).map(|()| 0)
                    }
                }
                Ok(_) => return None,
                Err(errno) => Err(errno),
            },
            nr::GETITIMER => memory.write(b, [0u64; 4]).map(|()| 0),
            nr::ARCH_PRCTL => arch_prctl(memory, a, b),
            nr::PRCTL => self.prctl(a, b)?,
            nr::UNAME => uname(memory, a),
            nr::GETRLIMIT => write_limit(memory, a, b),
            nr::SETRLIMIT => Ok(0),
            nr::PRLIMIT64 => {
                if a > PROCESS {
                    Err(ESRCH)
                } else if d == 0 {
                    Ok(0)
                } else {
                    write_limit(memory, b, d)
                }
            }
            nr::GETRUSAGE => self.getrusage(b),
            nr::SYSINFO => self.sysinfo(a),
            nr::GETPRIORITY => Ok(20),
            nr::SETPRIORITY => Ok(0),
            nr::WAIT4 => Err(ECHILD),
            nr::SCHED_GETAFFINITY => {
                if b < 8 {
                    Err(Errno::EINVAL)
                } else {
                    memory.write(c, 1u64).map(|()| 8)
                }
            }
            nr::GETCPU => {
                let cpu = if a != 0 { memory.write(a, 0u32) } else { Ok(()) };
                cpu.and_then(|()| if b != 0 { memory.write(b, 0u32) } else { Ok(()) }).map(|()| 0)
            }
            nr::FUTEX => self.futex(a, b, c, d),
            // One thread: every barrier is done.
            nr::MEMBARRIER => Ok(0),
            // An optimisation that every C library does without.
            nr::RSEQ => Err(Errno::ENOSYS),
            _ => return None,
        })
    }

    fn gettimeofday(&mut self, at: u64, zone: u64) -> Result<u64, Errno> {
        let ns = self.clock.realtime();
        if at != 0 {
            self.memory.write(at, [ns / NS_PER_SECOND, ns % NS_PER_SECOND / 1000])?;
        }
        if zone != 0 {
            self.memory.write(zone, [0u32; 2])?;
        }
        Ok(0)
    }

    fn times(&mut self, at: u64) -> Result<u64, Errno> {
        // In ticks of 10 ms (AT_CLKTCK); the program has all of the time.
        const TICK: u64 = NS_PER_SECOND / 100;
        if at != 0 {
            self.memory.write(at, [self.clock.uptime() / TICK, 0, 0, 0])?;
        }
        Ok(self.clock.monotonic() / TICK)
    }

    /// Sleeps for the time at `at`, or until then on the given clock.
    fn sleep(&mut self, until_clock: Option<u64>, at: u64) -> Result<u64, Errno> {
        let [seconds, ns] = self.memory.read::<[u64; 2]>(at)?;
        if ns >= NS_PER_SECOND || (seconds as i64) < 0 {
            return Err(Errno::EINVAL);
        }
        let time = seconds.saturating_mul(NS_PER_SECOND).saturating_add(ns).min(LONGEST_SLEEP);
        let length = match until_clock {
            None => time,
            Some(clock) => time.saturating_sub(self.clock.read(clock).ok_or(Errno::EINVAL)?),
        };
        console::sleep(length);
        Ok(0)
    }

    /// Nobody else can wake a sleeper or take a lock, so waiting is either pointless or for ever.
    fn futex(&mut self, at: u64, operation: u64, value: u64, timeout: u64) -> Result<u64, Errno> {
        const WAIT: u64 = 0;
        const WAKE: u64 = 1;
        const WAIT_BITSET: u64 = 9;
        const WAKE_BITSET: u64 = 10;
        match operation & 0x7f {
            WAIT | WAIT_BITSET => {
                if self.memory.read::<u32>(at)? != value as u32 {
                    return Err(Errno::EAGAIN);
                }
                if timeout == 0 {
                    loop {
                        console::sleep(LONGEST_SLEEP);
                    }
                }
                let absolute = operation & 0x7f == WAIT_BITSET;
                self.sleep(absolute.then_some(if operation & 0x100 != 0 { 0 } else { 1 }), timeout)?;
                Err(ETIMEDOUT)
            }
            WAKE | WAKE_BITSET => Ok(0),
            _ => Err(Errno::ENOSYS),
        }
    }

    fn prctl(&mut self, option: u64, at: u64) -> Option<Result<u64, Errno>> {
        const PR_SET_DUMPABLE: u64 = 4;
        const PR_SET_NAME: u64 = 15;
        const PR_GET_NAME: u64 = 16;
        const PR_SET_VMA: u64 = 0x5356_4d41;
        Some(match option {
            PR_SET_DUMPABLE => Ok(0),
            PR_SET_NAME => self.memory.read::<[u8; 16]>(at).map(|name| {
                self.process.name = name;
                self.process.name[15] = 0;
                0
            }),
            PR_GET_NAME => self.memory.write(at, self.process.name).map(|()| 0),
            // Names for mappings are for /proc/self/maps only; Linux without that option says so too.
            PR_SET_VMA => Err(Errno::EINVAL),
            _ => return None,
        })
    }

    fn getrusage(&mut self, at: u64) -> Result<u64, Errno> {
        let ns = self.clock.uptime();
        let (total, free) = self.memory.total_and_free();
        let mut usage = [0u64; 18];
        usage[0] = ns / NS_PER_SECOND;
        usage[1] = ns % NS_PER_SECOND / 1000;
        usage[4] = (total - free) / 1024;
        self.memory.write(at, usage).map(|()| 0)
    }

    fn sysinfo(&mut self, at: u64) -> Result<u64, Errno> {
        let (total, free) = self.memory.total_and_free();
        let mut info = [0u64; 14];
        info[0] = self.clock.uptime() / NS_PER_SECOND;
        info[4] = total;
        info[5] = free;
        // One process, in a 16-bit field.
        info[10] = 1;
        // The size of the unit of memory, in a 32-bit field behind two more sizes.
        info[13] = 1;
        self.memory.write(at, info).map(|()| 0)
    }
}

fn write_time(memory: &mut Memory, at: u64, ns: u64) -> Result<u64, Errno> {
    memory.write(at, [ns / time::NS_PER_SECOND, ns % time::NS_PER_SECOND]).map(|()| 0)
}

fn arch_prctl(memory: &mut Memory, code: u64, at: u64) -> Result<u64, Errno> {
    const SET_GS: u64 = 0x1001;
    const SET_FS: u64 = 0x1002;
    const GET_FS: u64 = 0x1003;
    const GET_GS: u64 = 0x1004;
    let register = if matches!(code, SET_FS | GET_FS) { FS_BASE } else { GS_BASE };
    match code {
        SET_FS | SET_GS if at >= layout::USER_END => Err(Errno::EPERM),
        SET_FS | SET_GS => {
            // SAFETY: both registers exist on every 64-bit processor, the address is canonical, and the
            // kernel uses neither FS nor GS.
            unsafe { registers::write_msr(register, at) };
            Ok(0)
        }
        GET_FS | GET_GS => {
            // SAFETY: as above.
            let value = unsafe { registers::read_msr(register) };
            memory.write(at, value).map(|()| 0)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn uname(memory: &mut Memory, at: u64) -> Result<u64, Errno> {
    const FIELD: usize = 65;
    let mut name = [0u8; 6 * FIELD];
    let fields: [&[u8]; 6] = [b"Linux", HOST_NAME, RELEASE, VERSION, b"x86_64", b"(none)"];
    for (place, text) in name.chunks_mut(FIELD).zip(fields) {
        place[..text.len()].copy_from_slice(text);
    }
    memory.write(at, name).map(|()| 0)
}

/// The limits of a fresh Linux process, as far as they mean something here.
fn write_limit(memory: &mut Memory, resource: u64, at: u64) -> Result<u64, Errno> {
    const RLIMIT_STACK: u64 = 3;
    const RLIMIT_CORE: u64 = 4;
    const RLIMIT_NPROC: u64 = 6;
    const RLIMIT_NOFILE: u64 = 7;
    const INFINITY: u64 = u64::MAX;
    let limit = match resource {
        RLIMIT_STACK => [layout::STACK_BYTES, INFINITY],
        RLIMIT_CORE => [0, INFINITY],
        RLIMIT_NPROC => [1, 1],
        RLIMIT_NOFILE => [1024, 1024],
        0..=15 => [INFINITY, INFINITY],
        _ => return Err(Errno::EINVAL),
    };
    memory.write(at, limit).map(|()| 0)
}
