//! The messages between harness and launcher: one JSON document per packet of a `SOCK_SEQPACKET`
//! socket pair, with file descriptors beside it (`SCM_RIGHTS`, unix(7)).

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::runtime::spec::{LaunchSpec, Measure};
use crate::runtime::{RuntimeError, SandboxReport, Unavailable};

/// The longest message. A report with its exits, counters and notes needs some 10 KiB; a spec may
/// carry a long environment.
pub const MESSAGE_MAX: usize = 256 << 10;

/// Which runtime of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No isolation.
    Process,
    /// Linux namespaces.
    Container,
    /// A KVM virtual machine with the tiny guest kernel.
    Microvm,
    /// The same, cloned from a snapshot.
    MicrovmClone,
    /// A KVM virtual machine with a Linux kernel.
    Linuxvm,
    /// The same, cloned from a snapshot.
    LinuxvmClone,
}

impl Kind {
    /// Its name on the command line and in every result.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Process => "process",
            Kind::Container => "container",
            Kind::Microvm => "microvm",
            Kind::Linuxvm => "linuxvm",
            Kind::LinuxvmClone => "linuxvm-clone",
            Kind::MicrovmClone => "microvm-clone",
        }
    }
}

/// What the harness asks.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Can this runtime run here? Answered by [`Reply::Checked`].
    Check(Kind),
    /// Make a recipe. Answered by [`Reply::Prepared`] or [`Reply::Failed`].
    Prepare(Kind, Box<LaunchSpec>),
    /// Start a sandbox from a recipe; with stdin, stdout and stderr as descriptors.
    /// Answered by [`Reply::Started`] or [`Reply::Failed`], and at its end by [`Reply::Ended`].
    Launch(u32, Measure),
    /// Write a line to standard output, with stdin, stdout and stderr as descriptors, and start nothing.
    /// Answered by [`Reply::Null`] or [`Reply::Failed`].
    Null,
    /// Kill a sandbox. [`Reply::Ended`] follows.
    Kill(u32),
    /// Send a signal to a sandbox's program; a virtual machine, which has no signals, is killed. Not answered.
    Signal(u32, i32),
    /// Throw a recipe away. Not answered.
    Forget(u32),
}

/// What the launcher answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The runtime's notes, or why it cannot run here.
    Checked(Result<Vec<String>, (String, String)>),
    /// The recipe's number.
    Prepared(u32),
    /// The sandbox's number and the host's number of its first process.
    Started(u32, i32),
    /// The line was written at this moment, on [`crate::measure::clock::monotonic_ns`].
    Null(u64),
    /// The sandbox has ended and is torn down.
    Ended(u32, Box<SandboxReport>),
    /// A request failed.
    Failed(WireError),
}

/// A [`RuntimeError`] on its way to the harness.
#[derive(Debug, Serialize, Deserialize)]
pub enum WireError {
    /// [`RuntimeError::Unavailable`].
    Unavailable(String, String),
    /// [`RuntimeError::BadSpec`].
    BadSpec(String),
    /// [`RuntimeError::NoSuchProgram`].
    NoSuchProgram(String),
    /// [`RuntimeError::Failed`] with an errno, or with a text where there is none.
    Failed(String, Result<i32, String>),
}

impl From<RuntimeError> for WireError {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Unavailable(missing) => WireError::Unavailable(missing.reason, missing.fix),
            RuntimeError::BadSpec(text) => WireError::BadSpec(text),
            RuntimeError::NoSuchProgram(text) => WireError::NoSuchProgram(text),
            RuntimeError::Failed { step, source } => {
                WireError::Failed(step, source.raw_os_error().ok_or_else(|| source.to_string()))
            }
        }
    }
}

impl From<WireError> for RuntimeError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Unavailable(reason, fix) => RuntimeError::Unavailable(Unavailable { reason, fix }),
            WireError::BadSpec(text) => RuntimeError::BadSpec(text),
            WireError::NoSuchProgram(text) => RuntimeError::NoSuchProgram(text),
            WireError::Failed(step, Ok(errno)) => {
                RuntimeError::Failed { step, source: std::io::Error::from_raw_os_error(errno) }
            }
            WireError::Failed(step, Err(text)) => {
                RuntimeError::Failed { step, source: std::io::Error::other(text) }
            }
        }
    }
}

/// Sends one message.
pub fn send<M: Serialize>(socket: BorrowedFd<'_>, message: &M, fds: &[RawFd]) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MESSAGE_MAX {
        return Err(std::io::Error::from(Errno::EMSGSIZE));
    }
    let rights = [ControlMessage::ScmRights(fds)];
    let control: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &rights };
    loop {
        match sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(&bytes)],
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop).map_err(Into::into),
        }
    }
}

/// Receives one message with up to three descriptors; `None` when the other side is gone.
pub fn receive<M: DeserializeOwned>(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> std::io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut control = nix::cmsg_space!([RawFd; 3]);
    let mut slices = [IoSliceMut::new(buffer)];
    let (len, fds) = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            Err(Errno::ECONNRESET) => return Ok(None),
            Err(error) => return Err(error.into()),
            Ok(message) => {
                let mut fds = Vec::new();
                for item in message.cmsgs()? {
                    if let ControlMessageOwned::ScmRights(raw) = item {
                        // SAFETY: the kernel has just installed these descriptors in this process, for us alone.
                        fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                    }
                }
                break (message.bytes, fds);
            }
        }
    };
    if len == 0 {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&buffer[..len])?, fds)))
}
