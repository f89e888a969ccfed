//! What the VMM and our init in a Linux guest agree on.
//!
//! Init runs in ring 3, and Linux lets it use one port: it puts the address of a [`CallBlock`] into RDI and
//! writes the call's number to the [`crate::DOORBELL`]. The VMM walks init's page tables, so init must have
//! touched whatever it names.

use core::mem::{offset_of, size_of};

/// Where init is in the guest's root. It removes itself, and the folder, before the workload runs.
pub const FOLDER: &str = "/.isobench";
/// Init's own file.
pub const INIT: &str = "/.isobench/init";
/// A [`StartHeader`] and the strings behind it.
pub const START: &str = "/.isobench/start";
/// A program of the host's, for a guest whose root is a disk.
pub const PROGRAM: &str = "/.isobench/program";

/// What init asks of the VMM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum InitCall {
    /// Init runs: Linux is up.
    Started = 0x100,
    /// The workload's process is about to execute its program.
    Entered = 0x101,
    /// Write `args[1]` bytes at address `args[0]` to stream `args[2]` (1 or 2). Result: bytes written.
    Write = 0x102,
    /// Read at most `args[1]` bytes of standard input to address `args[0]`. Result: bytes read, 0 at the end,
    /// [`WOULD_BLOCK`] when there is nothing yet.
    Read = 0x103,
    /// The workload's program could not be executed: error number `args[0]`.
    ExecuteFailed = 0x104,
    /// The workload ended with the status `args[0]` (as wait4(2) tells); Linux' out-of-memory killer has killed
    /// `args[1]` processes. When no log is wanted, this call does not return.
    Exited = 0x105,
    /// Linux' log: `args[1]` bytes at address `args[0]`. Result: bytes taken.
    Log = 0x106,
    /// All is told. Does not return.
    PowerOff = 0x107,
    /// Init cannot go on: step `args[0]` (see [`Step`]), error number `args[1]`. Does not return.
    Failed = 0x108,
    /// Linux is up and init is ready: here a snapshot is taken. Only rung where [`InitCall::Started`] gave
    /// [`TAKES_SNAPSHOT`]. The `args[1]` bytes at address `args[0]` are room for a [`Renewal`] and what follows it.
    /// Result: the bytes that a clone finds there.
    Ready = 0x109,
}

impl InitCall {
    /// The call with this number.
    pub const fn from_number(number: u32) -> Option<InitCall> {
        use InitCall::*;
        Some(match number {
            0x100 => Started,
            0x101 => Entered,
            0x102 => Write,
            0x103 => Read,
            0x104 => ExecuteFailed,
            0x105 => Exited,
            0x106 => Log,
            0x107 => PowerOff,
            0x108 => Failed,
            0x109 => Ready,
            _ => return None,
        })
    }

    /// Its name in the counts of exits.
    pub const fn name(self) -> &'static str {
        use InitCall::*;
        match self {
            Started => "started",
            Entered => "enter",
            Write => "stdout_write",
            Read => "stdin_read",
            ExecuteFailed => "execute_failed",
            Exited => "exit",
            Log => "log",
            PowerOff => "power_off",
            Failed => "init_failed",
            Ready => "ready",
        }
    }
}

/// What [`InitCall::Started`] gives where a snapshot is to be taken.
pub const TAKES_SNAPSHOT: i64 = 1;

/// Room for a [`Renewal`] and what follows it.
pub const RENEWAL_BYTES: usize = 128 << 10;

/// What a clone of a snapshot is given in place of what all clones would share else; behind it, a [`START`] file.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Renewal {
    /// Fresh random bytes.
    pub seed: [u8; 64],
    /// The host's `CLOCK_REALTIME`: seconds.
    pub seconds: u64,
    /// And nanoseconds.
    pub nanoseconds: u64,
    /// Bytes of the file that replaces the root's [`START`]; 0: none does.
    pub start_bytes: u64,
}

/// What [`InitCall::Read`] gives when it would have to wait: `-EAGAIN`.
pub const WOULD_BLOCK: i64 = -11;

/// Steps of init that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[allow(missing_docs, reason = "each variant is the step of that name")]
pub enum Step {
    Start = 1,
    WorkingDirectory = 2,
    Pipes = 3,
    Fork = 4,
    Module = 5,
    Disk = 6,
    Ports = 7,
    Renewal = 8,
}

impl Step {
    /// In words.
    pub const fn words(number: u64) -> &'static str {
        match number {
            1 => "reading what to run",
            2 => "entering the working directory",
            3 => "making pipes",
            4 => "making the workload's process",
            5 => "loading a kernel module",
            6 => "mounting the disk",
            7 => "opening the console's ports",
            8 => "renewing what clones must not share",
            _ => "an unknown step",
        }
    }
}

/// Arguments and result of an [`InitCall`]. Aligned to its size, so that it never lies on two pages, of which the VMM
/// might find only one.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(32))]
pub struct CallBlock {
    /// See [`InitCall`].
    pub args: [u64; 3],
    /// A number below 0 is a Linux error number, negated.
    pub result: i64,
}

/// The file [`START`]: this, then as strings that each end with a zero byte the program's path, the working
/// directory, the kind of the disk's file system, the arguments, the environment, and the modules to load in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct StartHeader {
    /// Arguments, `argv[0]` included.
    pub arguments: u32,
    /// Variables of the environment.
    pub variables: u32,
    /// Kernel modules.
    pub modules: u32,
    /// 1: Linux' log is wanted at the end.
    pub log: u32,
    /// 1: the standard streams go by the virtio console's ports, not by calls.
    pub ports: u32,
    /// Whether the root is a disk: see [`disk`].
    pub disk: u32,
}

/// Values of [`StartHeader::disk`].
pub mod disk {
    /// There is none: the root is the initramfs.
    pub const NONE: u32 = 0;
    /// The root is a disk.
    pub const WRITABLE: u32 = 1;
    /// The root is a disk that can only be read.
    pub const READ_ONLY: u32 = 2;
}

const _: () = {
    assert!(
        size_of::<CallBlock>() == 32 && align_of::<CallBlock>() == 32 && offset_of!(CallBlock, result) == 24
    );
    assert!(size_of::<StartHeader>() == 24);
    assert!(size_of::<Renewal>() == 88 && offset_of!(Renewal, start_bytes) == 80);
};
