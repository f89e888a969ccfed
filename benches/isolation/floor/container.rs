//! The bare system calls of a container: one `clone3` with the same namespaces, a new root, `/proc`,
//! and the same program. No `/dev`, no cgroup, no seccomp filter, no init, no launcher.

use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::time::{Duration, Instant};

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use isobench::runtime::clone::{Cloned, clone3};
use isobench::runtime::spec::Program;
use isobench::workload::program::open_program;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

const NAMESPACES: i32 = libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP;

pub fn bench(group: &mut BenchmarkGroup<'_, WallTime>) {
    let program = open_program(&Program::Builtin("noop".into()), None).expect("noop is built in");
    let user = if nix::unistd::geteuid().is_root() { 0 } else { libc::CLONE_NEWUSER };
    for (name, namespaces) in [("process", 0), ("container", NAMESPACES | user)] {
        if let Err(reason) = run(program.file.as_raw_fd(), namespaces) {
            println!("SKIPPED floor/{name}: {reason}");
            continue;
        }
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let one = || run(program.file.as_raw_fd(), namespaces).expect("it worked before");
                (0..iterations).map(|_| one()).sum()
            });
        });
    }
}

/// Request → first byte of output; the rest of the output and the end are waited for off the clock.
fn run(program: i32, namespaces: i32) -> Result<Duration, String> {
    let (mut output, stdout): (std::fs::File, OwnedFd) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map(|(r, w)| (r.into(), w)).expect("a pipe");
    let begin = Instant::now();
    // SAFETY: the child makes system calls only, and leaves by execveat or _exit.
    match unsafe { clone3(namespaces as u64, None) }.map_err(|error| format!("clone3: {error}"))? {
        Cloned::Child => {
            // SAFETY: as above; every pointer is to a constant or to an array that ends with null.
            unsafe {
                if namespaces != 0 {
                    enter();
                }
                libc::dup2(stdout.as_raw_fd(), 1);
                let argv = [c"noop".as_ptr(), ptr::null()];
                let env = [ptr::null::<libc::c_char>()];
                libc::execveat(
                    program,
                    c"".as_ptr(),
                    argv.as_ptr().cast(),
                    env.as_ptr().cast(),
                    libc::AT_EMPTY_PATH,
                );
                libc::_exit(125)
            }
        }
        Cloned::Parent { pid, .. } => {
            drop(stdout);
            let mut byte = [0];
            let read = output.read(&mut byte).expect("reading a pipe");
            let elapsed = begin.elapsed();
            output.read_to_end(&mut Vec::new()).expect("reading a pipe");
            waitpid(Pid::from_raw(pid), None).expect("a child of ours");
            if read == 1 { Ok(elapsed) } else { Err("the child could not set up its root".into()) }
        }
    }
}

/// Private mounts, a tmpfs as the root, `/proc`, and away with the old root.
///
/// # Safety
/// Only in a child with a mount namespace of its own.
unsafe fn enter() {
    let check = |result: libc::c_int| {
        if result != 0 {
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(125) }
        }
    };
    let none = ptr::null::<libc::c_char>();
    // SAFETY: system calls with constant strings, in a mount namespace of our own.
    unsafe {
        check(libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, ptr::null()));
        check(libc::mount(c"tmpfs".as_ptr(), c"/tmp".as_ptr(), c"tmpfs".as_ptr(), 0, ptr::null()));
        check(libc::chdir(c"/tmp".as_ptr()));
        check(libc::mkdir(c"proc".as_ptr(), 0o555));
        check(libc::mount(c"proc".as_ptr(), c"proc".as_ptr(), c"proc".as_ptr(), 0, ptr::null()));
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) as libc::c_int);
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH));
    }
}
