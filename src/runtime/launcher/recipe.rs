//! What the launcher needs to know of a runtime of ours: how to start one sandbox's processes.

use std::os::fd::OwnedFd;

use crate::runtime::RuntimeError;
use crate::runtime::board::Board;
use crate::runtime::cgroup::Cgroup;
use crate::runtime::spec::{Measure, Stdio};

/// A prepared spec, in the launcher: whatever can be computed, opened or compiled once for many
/// launches is done when it is made.
pub trait Recipe {
    /// Starts one sandbox and returns as soon as its first process exists, with that process alone
    /// holding the standard streams.
    ///
    /// The child writes phases, milestones and its end to the board; the launcher reaps it, enforces
    /// the timeout by killing [`Started::pid`] (and its process group), and reads the board.
    fn start(&mut self, launch: Launch<'_>) -> Result<Started, RuntimeError>;

    /// Called when a sandbox has been torn down and reported: time, outside of every clock, to make
    /// ready what the next launch will use up.
    fn restock(&mut self) {}

    /// What every sandbox of this recipe lacks, in words, for the user.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One launch.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Standard streams of the workload.
    pub stdio: Stdio,
    /// Where the sandbox's processes write their progress; already shared with any child.
    pub board: &'a Board,
    /// Extra measurements.
    pub measure: Measure,
}

/// A sandbox that has been started.
#[derive(Debug)]
pub struct Started {
    /// Its first process, a child of the launcher and leader of a process group of its own.
    pub pid: libc::pid_t,
    /// A pidfd of it: readable when it has ended.
    pub pidfd: OwnedFd,
    /// The cgroup made for it, if any; the launcher reads its accounts and removes it at the end.
    pub cgroup: Option<Cgroup>,
    /// What else is to be noted on the board once [`Started::pid`] has ended.
    pub ending: Option<Ending>,
}

/// See [`Started::ending`].
pub struct Ending(pub Box<dyn FnOnce(&Board)>);

impl std::fmt::Debug for Ending {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Ending")
    }
}
