//! `int`: an interpreter of a small random program; branchy integer work, as in a language runtime.
//!
//! Every interpreted instruction is an indirect jump and some depend on data, so it exercises branch
//! prediction and the first-level cache. It needs no kernel: neither a container nor a VM that
//! runs ring 3 natively should slow it down. A difference is interrupts taken while it runs, or
//! different mitigations for speculative execution.
#![no_std]
#![no_main]

use core::hint::black_box;

use guest_workloads::checksum::Checksum;
use guest_workloads::random::SplitMix64;
use guest_workloads::start::Process;
use guest_workloads::{Failure, Outcome, program, timed};

program!("int", 4_000_000, run);

const CODE: usize = 1024;
const CELLS: usize = 256;

#[derive(Clone, Copy)]
struct Instruction {
    operation: u8,
    a: u8,
    b: u8,
    immediate: u8,
}

struct Machine {
    code: [Instruction; CODE],
    cells: [u64; CELLS],
    registers: [u64; 8],
}

impl Machine {
    fn new(seed: u64) -> Machine {
        let mut random = SplitMix64::new(seed);
        let mut code = [Instruction { operation: 0, a: 0, b: 0, immediate: 0 }; CODE];
        for instruction in &mut code {
            let [operation, a, b, immediate, ..] = random.word().to_le_bytes();
            *instruction = Instruction { operation: operation & 7, a: a & 7, b: b & 7, immediate };
        }
        let mut machine = Machine { code, cells: [0; CELLS], registers: [0; 8] };
        machine.cells.fill_with(|| random.word());
        machine.registers.fill_with(|| random.word());
        machine
    }

    #[inline(never)]
    fn interpret(&mut self, steps: u64) {
        let mut at = 0;
        for _ in 0..steps {
            let Instruction { operation, a, b, immediate } = self.code[at % CODE];
            let (a, b) = (usize::from(a & 7), usize::from(b & 7));
            let r = &mut self.registers;
            at = at.wrapping_add(1);
            match operation {
                0 => r[a] = r[a].wrapping_add(r[b]),
                1 => r[a] ^= r[b].rotate_left(immediate.into()),
                2 => r[a] = r[a].wrapping_mul(r[b] | 1),
                3 => r[a] = r[a].wrapping_sub(u64::from(immediate)),
                4 => r[a] = self.cells[(r[b] % CELLS as u64) as usize],
                5 => self.cells[(r[b] % CELLS as u64) as usize] = r[a],
                6 if r[a] & 3 == 0 => at = at.wrapping_add(usize::from(immediate)),
                7 if r[a] > r[b] => r[a] >>= 1,
                _ => r[a] = r[a].wrapping_add(1),
            }
        }
    }
}

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    let mut machine = black_box(Machine::new(1));
    let ((), elapsed_ns) = timed(|| machine.interpret(size));
    let mut checksum = Checksum::new();
    for word in machine.registers.iter().chain(&machine.cells) {
        checksum.add(*word);
    }
    process.report(size, Outcome { checksum: &checksum.bytes(), elapsed_ns, work: size, unit: "step" })
}
