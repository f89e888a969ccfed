//! Starts the workload.

use guest_abi::linux::{InitCall, Step};

use crate::doorbell::{self, ring};
use crate::start::Start;
use crate::streams::Streams;
use crate::{fail, sys};

/// Starts it as a child with pipes for its standard streams: its process, and our ends.
pub fn start(start: &Start) -> (usize, Streams) {
    let pipe = || sys::pipe(sys::O_CLOEXEC).unwrap_or_else(|errno| fail(Step::Pipes, errno));
    let ([stdin, input], [output, stdout], [errors, stderr]) = (pipe(), pipe(), pipe());
    let children = sys::child_descriptor().unwrap_or_else(|errno| fail(Step::Pipes, errno));
    let vectors = start.vectors().unwrap_or_else(|errno| fail(Step::Start, errno));
    for ours in [input, output, errors] {
        sys::set_nonblocking(ours);
    }
    sys::ignore_broken_pipes(true);
    let mut streams = Streams::new(input, output, errors, children);
    // What is there already, and an end above all, is there before the workload asks.
    streams.feed();
    match sys::fork().unwrap_or_else(|errno| fail(Step::Fork, errno)) {
        0 => become_workload(start, vectors, [stdin, stdout, stderr]),
        child => {
            for theirs in [stdin, stdout, stderr] {
                sys::close(theirs);
            }
            (child, streams)
        }
    }
}

fn become_workload(start: &Start, [arguments, variables]: [&[*const u8]; 2], streams: [i32; 3]) -> ! {
    sys::new_session();
    sys::ignore_broken_pipes(false);
    sys::unblock_signals();
    for (number, stream) in (0..).zip(streams) {
        // A pipe's number may be below 3 already: Linux opens no console for an init without one.
        sys::duplicate(stream, number + 10).unwrap_or_else(|errno| fail(Step::Pipes, errno));
    }
    for number in 0..3 {
        sys::duplicate(number + 10, number).unwrap_or_else(|errno| fail(Step::Pipes, errno));
        sys::close(number + 10);
    }
    sys::change_folder(start.folder()).unwrap_or_else(|errno| fail(Step::WorkingDirectory, errno));
    ring(InitCall::Entered, [0; 3]);
    // What the workload may do is what its user may: no calls to the VMM.
    doorbell::close();
    let errno = sys::execute(start.path(), arguments, variables);
    doorbell::open();
    ring(InitCall::ExecuteFailed, [errno as u64, 0, 0]);
    sys::exit(127)
}
