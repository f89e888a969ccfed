//! Seccomp filters (Documentation/userspace-api/seccomp_filter.rst), compiled into binary decision trees.
//!
//! A chain of comparisons, as filter libraries emit it, is walked by the kernel once for every system
//! call number when the filter is installed; a tree makes that walk logarithmic.

use libc::{sock_filter, sock_fprog};

/// What happens to one system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is made.
    Allow,
    /// It fails with this error number.
    Fail(i32),
    /// It fails with this error number if the low half of that argument (0 to 5) passes the test.
    FailIf(i32, u32, Test<'a>),
    /// It fails with this error number unless the low half of that argument passes the test.
    FailUnless(i32, u32, Test<'a>),
}

/// A test of an argument's low 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test<'a> {
    /// It has any of these bits.
    AnyBit(u32),
    /// It is one of these numbers.
    OneOf(&'a [u32]),
}

// Offsets in `struct seccomp_data` (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
/// `AUDIT_ARCH_X86_64` (linux/audit.h).
const X86_64: u32 = 0xc000_003e;

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Filter(Vec<sock_filter>);

impl Filter {
    /// Compiles the verdicts on calls 0 to `last`; the one on `last + 1` is that on all others, those of the
    /// x32 ABI included. A program of another architecture is killed.
    pub fn compile<'a>(last: u32, verdict: impl Fn(u32) -> Verdict<'a>) -> Filter {
        // Neighbouring numbers of one verdict make one range, named by its first number.
        let mut ranges: Vec<(u32, Verdict<'a>)> = Vec::new();
        for number in 0..=last + 1 {
            let verdict = verdict(number);
            if ranges.last().is_none_or(|(_, last)| *last != verdict) {
                ranges.push((number, verdict));
            }
        }
        let mut program = vec![
            load(ARCHITECTURE),
            jump(libc::BPF_JEQ, X86_64, 1, 0),
            done(libc::SECCOMP_RET_KILL_PROCESS),
            load(NUMBER),
        ];
        program.extend(tree(&ranges));
        Filter(program)
    }

    /// Installs it for the calling thread and its children. Needs `no_new_privs`, or
    /// `CAP_SYS_ADMIN` in the thread's user namespace.
    ///
    /// # Errors
    /// The system's error number; `EINVAL` from a kernel without seccomp.
    pub fn install(&self) -> Result<(), i32> {
        let program = sock_fprog { len: self.0.len() as u16, filter: self.0.as_ptr().cast_mut() };
        // SAFETY: the kernel copies `len` instructions from `filter`, which `self` owns, and writes nothing.
        let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program) };
        if result == 0 { Ok(()) } else { Err(nix::errno::Errno::last_raw()) }
    }
}

/// The decision tree over sorted, gapless ranges.
fn tree(ranges: &[(u32, Verdict<'_>)]) -> Vec<sock_filter> {
    match ranges {
        [] => vec![done(libc::SECCOMP_RET_KILL_PROCESS)],
        [(_, verdict)] => leaf(*verdict),
        _ => {
            let (below, above) = ranges.split_at(ranges.len() / 2);
            let below = tree(below);
            let first = above.first().map_or(u32::MAX, |(number, _)| *number);
            // One conditional jump where it can span the lower half, else an unconditional one too.
            let mut code = match u8::try_from(below.len()) {
                Ok(span) => vec![jump(libc::BPF_JGE, first, span, 0)],
                Err(_) => vec![jump(libc::BPF_JGE, first, 0, 1), jump_over(below.len())],
            };
            code.extend(below);
            code.extend(tree(above));
            code
        }
    }
}

fn leaf(verdict: Verdict<'_>) -> Vec<sock_filter> {
    let fail = |errno: i32| done(libc::SECCOMP_RET_ERRNO | errno as u32);
    let allow = done(libc::SECCOMP_RET_ALLOW);
    match verdict {
        Verdict::Allow => vec![allow],
        Verdict::Fail(errno) => vec![fail(errno)],
        Verdict::FailIf(errno, argument, test) => by_argument(argument, test, fail(errno), allow),
        Verdict::FailUnless(errno, argument, test) => by_argument(argument, test, allow, fail(errno)),
    }
}

fn by_argument(
    argument: u32,
    test: Test<'_>,
    passed: sock_filter,
    otherwise: sock_filter,
) -> Vec<sock_filter> {
    let mut code = vec![load(ARGUMENTS + 8 * argument)];
    match test {
        Test::AnyBit(bits) => code.push(jump(libc::BPF_JSET, bits, 1, 0)),
        Test::OneOf(numbers) => {
            // Each jumps over the ones behind it and over the end for those that are none of them.
            let behind = (0..numbers.len() as u8).rev();
            code.extend(numbers.iter().zip(behind).map(|(n, behind)| jump(libc::BPF_JEQ, *n, behind + 1, 0)));
        }
    }
    code.extend([otherwise, passed]);
    code
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn jump(test: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | test | libc::BPF_K) as u16, jt, jf, k }
}

fn jump_over(instructions: usize) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JA) as u16, jt: 0, jf: 0, k: instructions as u32 }
}

fn done(action: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action }
}

/// What a filter makes of one call of an x86-64 program, all of whose arguments are the same.
#[cfg(test)]
pub fn outcome(filter: &Filter, number: u32, argument: u32) -> u32 {
    run(filter, X86_64, number, argument)
}

/// Runs a filter as the kernel would.
#[cfg(test)]
fn run(filter: &Filter, architecture: u32, number: u32, argument: u32) -> u32 {
    let (mut at, mut accumulator) = (0usize, 0u32);
    loop {
        let instruction = filter.0[at];
        at += 1;
        match u32::from(instruction.code) & 7 {
            libc::BPF_LD => {
                accumulator = match instruction.k {
                    NUMBER => number,
                    ARCHITECTURE => architecture,
                    ARGUMENTS.. => argument,
                    other => panic!("loads from {other}"),
                }
            }
            libc::BPF_JMP => {
                let holds = match u32::from(instruction.code) & 0xf0 {
                    libc::BPF_JA => {
                        at += instruction.k as usize;
                        continue;
                    }
                    libc::BPF_JEQ => accumulator == instruction.k,
                    libc::BPF_JGE => accumulator >= instruction.k,
                    libc::BPF_JSET => accumulator & instruction.k != 0,
                    other => panic!("jumps by {other}"),
                };
                at += usize::from(if holds { instruction.jt } else { instruction.jf });
            }
            libc::BPF_RET => return instruction.k,
            other => panic!("class {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_verdict() -> impl Strategy<Value = Verdict<'static>> {
        const FEW: &[u32] = &[1, 5, 9];
        let test = prop_oneof![any::<u32>().prop_map(Test::AnyBit), Just(Test::OneOf(FEW))];
        prop_oneof![
            Just(Verdict::Allow),
            (1..100).prop_map(Verdict::Fail),
            (1..100, 0..6u32, test.clone()).prop_map(|(errno, n, test)| Verdict::FailIf(errno, n, test)),
            (1..100, 0..6u32, test).prop_map(|(errno, n, test)| Verdict::FailUnless(errno, n, test)),
        ]
    }

    proptest! {
        #[test]
        fn every_call_gets_its_verdict(
            verdicts in proptest::collection::vec(any_verdict(), 1..400), argument in 0u32..12, beyond: u32
        ) {
            let last = verdicts.len() as u32 - 1;
            let of = |number: u32| verdicts.get(number as usize).copied().unwrap_or(Verdict::Fail(77));
            let filter = Filter::compile(last, of);
            for number in (0..=last).chain([beyond]) {
                let passes = |test: Test<'_>| match test {
                    Test::AnyBit(bits) => argument & bits != 0,
                    Test::OneOf(numbers) => numbers.contains(&argument),
                };
                let errno = match of(number) {
                    Verdict::Allow => None,
                    Verdict::Fail(errno) => Some(errno),
                    Verdict::FailIf(errno, _, test) => passes(test).then_some(errno),
                    Verdict::FailUnless(errno, _, test) => (!passes(test)).then_some(errno),
                };
                let expected = errno.map_or(libc::SECCOMP_RET_ALLOW, |errno| libc::SECCOMP_RET_ERRNO | errno as u32);
                prop_assert_eq!(run(&filter, X86_64, number, argument), expected, "call {}", number);
            }
            let i386 = 0x4000_0003;
            prop_assert_eq!(run(&filter, i386, 0, argument), libc::SECCOMP_RET_KILL_PROCESS);
        }
    }
}
