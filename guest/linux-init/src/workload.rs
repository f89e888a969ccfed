//! Starts the workload.

use core::ffi::CStr;

use guest_abi::linux::{InitCall, Step};

use crate::doorbell::{self, ring};
use crate::link::Link;
use crate::start::Start;
use crate::streams::Streams;
use crate::{fail, sys};

/// Starts it as a child with pipes for its standard streams: its process, and our ends.
/// `program` is open if the workload is not in the root.
pub fn start(start: &Start, program: Option<i32>) -> (usize, Streams) {
    let link = Link::new(start.uses_ports()).unwrap_or_else(|errno| fail(Step::Ports, errno));
    let pipe = || sys::pipe(sys::O_CLOEXEC).unwrap_or_else(|errno| fail(Step::Pipes, errno));
    let ([stdin, input], [output, stdout], [errors, stderr]) = (pipe(), pipe(), pipe());
    let children = sys::child_descriptor().unwrap_or_else(|errno| fail(Step::Pipes, errno));
    let vectors = start.vectors().unwrap_or_else(|errno| fail(Step::Start, errno));
    for ours in [input, output, errors] {
        sys::set_nonblocking(ours);
    }
    sys::ignore_broken_pipes(true);
    let mut streams = Streams::new(input, output, errors, children, link);
    // What is there already, and an end above all, is there before the workload asks.
    streams.feed();
    match sys::fork().unwrap_or_else(|errno| fail(Step::Fork, errno)) {
        0 => become_workload(start, program, vectors, [stdin, stdout, stderr]),
        child => {
            for theirs in [stdin, stdout, stderr] {
                sys::close(theirs);
            }
            (child, streams)
        }
    }
}

fn become_workload(
    start: &Start,
    program: Option<i32>,
    [arguments, variables]: [&[*const u8]; 2],
    streams: [i32; 3],
) -> ! {
    sys::new_session();
    sys::ignore_broken_pipes(false);
    sys::unblock_signals();
    // A number that none of our descriptors has.
    const FAR: i32 = 100;
    for (number, stream) in (0..).zip(streams) {
        // A pipe's number may be below 3 already: Linux opens no console for an init without one.
        sys::duplicate(stream, number + FAR).unwrap_or_else(|errno| fail(Step::Pipes, errno));
    }
    for number in 0..3 {
        sys::duplicate(number + FAR, number).unwrap_or_else(|errno| fail(Step::Pipes, errno));
        sys::close(number + FAR);
    }
    sys::change_folder(start.folder()).unwrap_or_else(|errno| fail(Step::WorkingDirectory, errno));
    ring(InitCall::Entered, [0; 3]);
    // What the workload may do is what its user may: no calls to the VMM.
    doorbell::close();
    let errno = match program {
        Some(program) => sys::execute_open(program, arguments, variables),
        None => execute(start.path(), arguments, variables),
    };
    doorbell::open();
    ring(InitCall::ExecuteFailed, [errno as u64, 0, 0]);
    sys::exit(127)
}

/// Executes a program; a name without a slash is looked for where a container's programs usually are.
fn execute(path: &CStr, arguments: &[*const u8], variables: &[*const u8]) -> i32 {
    const FOLDERS: [&[u8]; 6] =
        [b"/usr/local/sbin/", b"/usr/local/bin/", b"/usr/sbin/", b"/usr/bin/", b"/sbin/", b"/bin/"];
    const ENOENT: i32 = 2;
    let name = path.to_bytes_with_nul();
    if name.contains(&b'/') {
        return sys::execute(path, arguments, variables);
    }
    let mut buffer = [0; 4096];
    for folder in FOLDERS {
        let Some((front, rest)) = buffer.split_at_mut_checked(folder.len()) else { continue };
        let Some(end) = rest.get_mut(..name.len()) else { continue };
        front.copy_from_slice(folder);
        end.copy_from_slice(name);
        let Ok(path) = CStr::from_bytes_until_nul(&buffer) else { continue };
        let errno = sys::execute(path, arguments, variables);
        if errno != ENOENT {
            return errno;
        }
    }
    ENOENT
}
