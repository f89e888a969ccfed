//! Runtime `process`: the baseline. The same launcher, the same program bytes, no isolation.
//!
//! It sees the host's files and starts in the caller's folder; `--file` and `--root` only say where
//! the program comes from.

use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::ptr;

use super::RuntimeError;
use super::clone::{Cloned, clone3};
use super::launcher::recipe::{Launch, Recipe, Started};
use super::spec::LaunchSpec;
use crate::workload::program::{ProgramFile, open_program};

/// Opens the program.
///
/// # Errors
/// [`RuntimeError::BadSpec`] when it cannot be run.
pub fn prepare(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    let program = open_program(&spec.program, spec.root.as_deref())?;
    Ok(Box::new(ProcessRecipe { program, argv: spec.argv.clone(), env: spec.env.clone() }))
}

struct ProcessRecipe {
    program: ProgramFile,
    argv: Vec<CString>,
    env: Vec<CString>,
}

impl Recipe for ProcessRecipe {
    fn start(&mut self, launch: Launch<'_>) -> Result<Started, RuntimeError> {
        let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
            strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
        };
        let (argv, env) = (pointers(&self.argv), pointers(&self.env));
        let stdio = [&launch.stdio.stdin, &launch.stdio.stdout, &launch.stdio.stderr];
        let board = launch.board;
        // CLONE_VFORK: the kernel lets us go on when the child has executed its program, which is
        // the moment of `entered`.
        // SAFETY: the child calls only async-signal-safe functions, allocates nothing, and leaves by
        // execveat or _exit.
        let cloned = unsafe { clone3(libc::CLONE_VFORK as u64, None) };
        match cloned.map_err(RuntimeError::step("clone3 of the workload's process"))? {
            Cloned::Parent { pid, pidfd } => {
                if board.exit().is_none() {
                    board.phase("exec");
                    board.entered();
                }
                Ok(Started { pid, pidfd, cgroup: None, ending: None })
            }
            Cloned::Child => {
                board.spawned();
                board.phase("clone");
                // SAFETY: as above; every pointer outlives the call, and the arrays end with null.
                unsafe {
                    libc::setpgid(0, 0);
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    super::clone::reset_signals();
                    for (number, fd) in stdio.iter().enumerate() {
                        libc::dup2(fd.as_raw_fd(), number as i32);
                    }
                    board.phase("standard streams");
                    libc::execveat(
                        self.program.file.as_raw_fd(),
                        c"".as_ptr(),
                        argv.as_ptr().cast(),
                        env.as_ptr().cast(),
                        libc::AT_EMPTY_PATH,
                    );
                    board.launch_failed("executing the program", *libc::__errno_location());
                    libc::_exit(125)
                }
            }
        }
    }
}
