//! Counting system calls by tracing. A test binary with one test, since the tracer reaps every child
//! of its process: tests in parallel would lose theirs.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use isobench::runtime::syscall_count::{Traced, follow, trace_me};

fn count(script: &str) -> Traced {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdout(Stdio::null());
    // SAFETY: trace_me is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            trace_me();
            Ok(())
        });
    }
    #[allow(clippy::zombie_processes, reason = "follow waits for it")]
    let child = command.spawn().expect("a shell");
    follow(child.id() as i32).expect("a traced child")
}

#[test]
fn calls_are_counted_and_the_end_is_told() {
    let short = count("exit 3");
    assert_eq!(libc::WEXITSTATUS(short.status), 3);
    let longer = count("umask; umask; umask; umask; umask; exit 4");
    assert_eq!(libc::WEXITSTATUS(longer.status), 4);
    assert!(longer.calls >= short.calls + 10, "{} then {}", short.calls, longer.calls);
    assert_eq!(count("exit 3").calls, short.calls);
    // Those of children count too.
    let forking = count("(exit 1); (exit 1)");
    assert!(forking.calls > short.calls + 4, "{} then {}", short.calls, forking.calls);
    let killed = count("kill -TERM $$; exit 0");
    assert!(libc::WIFSIGNALED(killed.status) && libc::WTERMSIG(killed.status) == libc::SIGTERM);
}
