//! Signals. The program is alone, so a signal comes from itself (`kill`, `raise`, `abort`) or from an
//! exception it made, and is delivered at once, on the way back to ring 3. The vector registers are not
//! saved around a handler: a call changes them anyway, and the kernel keeps out of them.

use core::sync::atomic::Ordering;

use guest_abi::layout;

use crate::entry::{ExceptionFrame, FULL_FRAME, FullFrame, ReturnFrame};
use crate::memory::Memory;
use crate::syscall::Errno;
use crate::{hypercall, kernel};

const SIGILL: u32 = 4;
const SIGTRAP: u32 = 5;
const SIGBUS: u32 = 7;
const SIGFPE: u32 = 8;
const SIGKILL: u32 = 9;
const SIGSEGV: u32 = 11;
/// Writing to a pipe that nobody reads any more raises it.
pub const SIGPIPE: u64 = 13;
const SIGSTOP: u32 = 19;
/// Signals whose default is to do nothing (or to stop, which nobody could undo here): SIGCHLD, SIGCONT,
/// SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH.
const HARMLESS: u64 = bit(17) | bit(18) | bit(19) | bit(20) | bit(21) | bit(22) | bit(23) | bit(28);

const SIG_DFL: u64 = 0;
const SIG_IGN: u64 = 1;
const SA_RESTORER: u64 = 0x0400_0000;
const SA_ONSTACK: u64 = 0x0800_0000;
const SA_NODEFER: u64 = 0x4000_0000;
const SA_RESETHAND: u64 = 0x8000_0000;
const SS_ONSTACK: u64 = 1;
const SS_DISABLE: u64 = 2;
/// Bytes below the stack pointer that a function may use unannounced (System V ABI).
const RED_ZONE: u64 = 128;
/// Flags that a program may set: AC, RF, OF, DF, TF, SF, ZF, AF, PF, CF.
const USER_FLAGS: u64 = 0x5_0dd5;
/// Flags that are always set: interrupts enabled, and bit 1.
const FIXED_FLAGS: u64 = 0x202;

const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

/// What the program wants done at one signal, as `rt_sigaction` has it.
#[derive(Clone, Copy)]
struct Action {
    handler: u64,
    flags: u64,
    restorer: u64,
    mask: u64,
}

/// The program's signals.
pub struct Signals {
    actions: [Action; 64],
    blocked: u64,
    pending: u64,
    /// The handler asked to return.
    returning: bool,
    /// Address and number of the exception behind the pending signal.
    cause: (u64, u64),
    stack: [u64; 3],
}

/// Linux' `struct rt_sigframe` in 64-bit words: return address, `ucontext`, `siginfo`.
type SignalFrame = [u64; 55];
const FRAME_BYTES: u64 = size_of::<SignalFrame>() as u64;
const CONTEXT: usize = 1;
const REGISTERS: usize = CONTEXT + 5;
const MASK: usize = REGISTERS + 32;
const INFO: usize = MASK + 1;

impl Signals {
    pub fn new() -> Signals {
        Signals {
            actions: [Action { handler: SIG_DFL, flags: 0, restorer: 0, mask: 0 }; 64],
            blocked: 0,
            pending: 0,
            returning: false,
            cause: (0, 0),
            stack: [0, SS_DISABLE, 0],
        }
    }

    fn action(&mut self, signal: u32) -> Option<&mut Action> {
        self.actions.get_mut(signal.checked_sub(1)? as usize)
    }

    /// `rt_sigaction`.
    pub fn set_action(&mut self, memory: &mut Memory, args: [u64; 6]) -> Result<u64, Errno> {
        let [signal, new, old, set_bytes, ..] = args;
        if set_bytes != 8 {
            return Err(Errno::EINVAL);
        }
        let signal = u32::try_from(signal).map_err(|_| Errno::EINVAL)?;
        let action = self.action(signal).ok_or(Errno::EINVAL)?;
        if old != 0 {
            memory.write(old, [action.handler, action.flags, action.restorer, action.mask])?;
        }
        if new != 0 {
            if signal == SIGKILL || signal == SIGSTOP {
                return Err(Errno::EINVAL);
            }
            let [handler, flags, restorer, mask] = memory.read::<[u64; 4]>(new)?;
            *action = Action { handler, flags, restorer, mask };
        }
        Ok(0)
    }

    /// `rt_sigprocmask`.
    pub fn set_mask(&mut self, memory: &mut Memory, args: [u64; 6]) -> Result<u64, Errno> {
        let [how, new, old, set_bytes, ..] = args;
        if set_bytes != 8 {
            return Err(Errno::EINVAL);
        }
        let before = self.blocked;
        if new != 0 {
            let set = memory.read::<u64>(new)?;
            self.blocked = match how {
                0 => before | set,
                1 => before & !set,
                2 => set,
                _ => return Err(Errno::EINVAL),
            } & !(bit(SIGKILL) | bit(SIGSTOP));
            self.check_pending();
        }
        if old != 0 {
            memory.write(old, before)?;
        }
        Ok(0)
    }

    /// `sigaltstack`.
    pub fn set_stack(&mut self, memory: &mut Memory, new: u64, old: u64) -> Result<u64, Errno> {
        let before = self.stack;
        if new != 0 {
            let [start, flags, bytes] = memory.read::<[u64; 3]>(new)?;
            self.stack = [start, flags & SS_DISABLE, bytes];
        }
        if old != 0 {
            memory.write(old, before)?;
        }
        Ok(0)
    }

    /// `rt_sigpending`.
    pub fn pending(&self) -> u64 {
        self.pending & self.blocked
    }

    /// The program sends itself a signal.
    pub fn send(&mut self, signal: u64) -> Result<u64, Errno> {
        if signal == 0 {
            return Ok(0);
        }
        let signal = u32::try_from(signal).ok().filter(|signal| *signal <= 64).ok_or(Errno::EINVAL)?;
        self.cause = (0, 0);
        self.pending |= bit(signal);
        self.check_pending();
        Ok(0)
    }

    /// `rt_sigreturn`: the registers come back with the full frame.
    pub fn request_return(&mut self) -> Result<u64, Errno> {
        self.returning = true;
        FULL_FRAME.store(1, Ordering::Relaxed);
        Ok(0)
    }

    /// Turns an exception into its signal, if the program handles that one.
    pub fn raise_for_exception(&mut self, frame: &ExceptionFrame, address: u64) -> bool {
        let signal = match frame.vector {
            0 | 16 | 19 => SIGFPE,
            1 | 3 => SIGTRAP,
            6 => SIGILL,
            17 => SIGBUS,
            _ => SIGSEGV,
        };
        let blocked = self.blocked & bit(signal) != 0;
        let handled = self.action(signal).is_some_and(|action| action.handler > SIG_IGN);
        if blocked || !handled {
            return false;
        }
        self.cause = (if frame.vector == 14 { address } else { frame.ret.rip }, frame.vector);
        self.pending |= bit(signal);
        self.check_pending();
        true
    }

    fn check_pending(&mut self) {
        if self.pending & !self.blocked != 0 {
            FULL_FRAME.store(1, Ordering::Relaxed);
        }
    }

    /// Takes the next signal that is not blocked.
    fn next(&mut self) -> Option<u32> {
        let ready = self.pending & !self.blocked;
        if ready == 0 {
            return None;
        }
        let signal = ready.trailing_zeros() + 1;
        self.pending &= !bit(signal);
        Some(signal)
    }

    fn deliver(&mut self, signal: u32, memory: &mut Memory, frame: &mut FullFrame) -> Result<(), Errno> {
        let Some(action) = self.action(signal).map(|action| *action) else { return Ok(()) };
        match action.handler {
            SIG_IGN => return Ok(()),
            SIG_DFL if HARMLESS & bit(signal) != 0 => return Ok(()),
            SIG_DFL => hypercall::exit_by_signal(signal.into()),
            _ if action.flags & SA_RESTORER == 0 => return Err(Errno::EFAULT),
            _ => {}
        }
        let rsp = frame.rest.ret.rsp;
        let [stack, stack_flags, stack_bytes] = self.stack;
        let on_stack = rsp.wrapping_sub(stack) < stack_bytes;
        let top = if action.flags & SA_ONSTACK != 0 && stack_flags & SS_DISABLE == 0 && !on_stack {
            stack.wrapping_add(stack_bytes)
        } else {
            rsp.wrapping_sub(RED_ZONE)
        };
        // As if called: the stack pointer is 8 off a multiple of 16.
        let at = (top.wrapping_sub(FRAME_BYTES) & !15).wrapping_sub(8);

        let (address, vector) = self.cause;
        let rest = &frame.rest;
        let mut saved: SignalFrame = [0; 55];
        saved[0] = action.restorer;
        saved[CONTEXT + 2] = stack;
        saved[CONTEXT + 3] = stack_flags | if on_stack { SS_ONSTACK } else { 0 };
        saved[CONTEXT + 4] = stack_bytes;
        saved[REGISTERS..REGISTERS + 23].copy_from_slice(&[
            rest.r8,
            rest.r9,
            rest.r10,
            rest.r11,
            frame.r12,
            frame.r13,
            frame.r14,
            frame.r15,
            rest.rdi,
            rest.rsi,
            frame.rbp,
            frame.rbx,
            rest.rdx,
            rest.rax,
            rest.rcx,
            rsp,
            rest.ret.rip,
            rest.ret.rflags,
            u64::from(layout::USER_CODE) | u64::from(layout::USER_DATA) << 48,
            rest.error,
            vector,
            self.blocked,
            address,
        ]);
        saved[MASK] = self.blocked;
        saved[INFO] = signal.into();
        // si_code: SI_TKILL, or SEGV_MAPERR and its kin, which are all 1.
        saved[INFO + 1] = if vector == 0 && address == 0 { -6i32 as u32 as u64 } else { 1 };
        saved[INFO + 2] = if address != 0 { address } else { 1 };
        memory.write(at, saved)?;

        if action.flags & SA_NODEFER == 0 {
            self.blocked |= bit(signal);
        }
        self.blocked |= action.mask & !(bit(SIGKILL) | bit(SIGSTOP));
        if action.flags & SA_RESETHAND != 0
            && let Some(action) = self.action(signal)
        {
            action.handler = SIG_DFL;
        }
        frame.rest.rdi = signal.into();
        frame.rest.rsi = at + 8 * INFO as u64;
        frame.rest.rdx = at + 8 * CONTEXT as u64;
        frame.rest.rax = 0;
        frame.rest.ret = ReturnFrame { rip: action.handler, rflags: FIXED_FLAGS, rsp: at, ..frame.rest.ret };
        Ok(())
    }

    /// The handler has returned: everything is as it was before it.
    fn restore(&mut self, memory: &mut Memory, frame: &mut FullFrame) -> Result<(), Errno> {
        // The handler's `ret` has popped the first word.
        let saved = memory.read::<SignalFrame>(frame.rest.ret.rsp.wrapping_sub(8))?;
        let rest = &mut frame.rest;
        let [r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags] =
            core::array::from_fn(|index| saved[REGISTERS + index]);
        (rest.r8, rest.r9, rest.r10, rest.r11) = (r8, r9, r10, r11);
        (frame.r12, frame.r13, frame.r14, frame.r15) = (r12, r13, r14, r15);
        (rest.rdi, rest.rsi, frame.rbp, frame.rbx) = (rdi, rsi, rbp, rbx);
        (rest.rdx, rest.rax, rest.rcx) = (rdx, rax, rcx);
        rest.ret = ReturnFrame {
            rip,
            cs: layout::USER_CODE.into(),
            rflags: rflags & USER_FLAGS | FIXED_FLAGS,
            rsp,
            ss: layout::USER_DATA.into(),
        };
        self.blocked = saved[MASK] & !(bit(SIGKILL) | bit(SIGSTOP));
        self.check_pending();
        Ok(())
    }
}

/// Called by the trap entries when a handler has raised [`FULL_FRAME`].
#[unsafe(no_mangle)]
extern "C" fn full_frame_handler(frame: &mut FullFrame) {
    FULL_FRAME.store(0, Ordering::Relaxed);
    // SAFETY: this is the end of a trap, whose handler has returned; traps do not nest.
    let kernel = unsafe { kernel::kernel() };
    let (signals, memory) = (&mut kernel.signals, &mut kernel.memory);
    let mut done = Ok(());
    if core::mem::take(&mut signals.returning) {
        done = signals.restore(memory, frame);
    }
    while let (Ok(()), Some(signal)) = (&done, signals.next()) {
        done = signals.deliver(signal, memory, frame);
    }
    // A handler outside the program's addresses would make `iretq` fault in ring 0.
    if done.is_err() || frame.rest.ret.rip >= layout::USER_END {
        hypercall::exit_by_signal(SIGSEGV.into());
    }
}
