//! The guest kernel runs in ring 0, where some KVM backends interpret instructions and know no vector
//! arithmetic, and where the vector registers are the program's. So its code must not use them at all.

use elf::ElfBytes;
use elf::abi::{PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use guest_abi::KernelHeader;
use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Register};

/// The guest kernel, as it is embedded.
static KERNEL: &[u8] = isobench::runtime::microvm::GUEST_KERNEL;

const HEADER: usize = size_of::<KernelHeader>();

fn code() -> Vec<(u64, &'static [u8])> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(KERNEL).expect("an ELF file");
    let segments = elf.segments().expect("program headers").iter();
    segments
        .filter(|segment| segment.p_type == PT_LOAD && segment.p_flags & PF_X != 0)
        // It begins with addresses for the VMM, which are no instructions.
        .map(|segment| {
            let bytes = elf.segment_data(&segment).expect("data within the file");
            (segment.p_vaddr + HEADER as u64, &bytes[HEADER..])
        })
        .collect()
}

fn is_vector_or_x87(register: Register) -> bool {
    register.is_vector_register() || register.is_st() || register.is_mm() || register.is_k()
}

#[test]
fn no_instruction_touches_a_vector_register() {
    let mut factory = InstructionInfoFactory::new();
    let mut checked = 0;
    let mut found = Vec::new();
    for (address, bytes) in code() {
        let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            let info = factory.info(&instruction);
            if info.used_registers().iter().any(|used| is_vector_or_x87(used.register())) {
                found.push(format!("{:#x} {:?}", instruction.ip(), instruction.code()));
            }
            checked += 1;
        }
    }
    assert!(checked > 1000, "only {checked} instructions: is this the kernel?");
    assert!(found.is_empty(), "{} instructions, the first: {:?}", found.len(), &found[..found.len().min(10)]);
}

#[test]
fn no_segment_can_be_both_written_and_executed() {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(KERNEL).expect("an ELF file");
    for segment in elf.segments().expect("program headers").iter().filter(|segment| segment.p_type == PT_LOAD)
    {
        assert_ne!(segment.p_flags & (elf::abi::PF_W | PF_X), elf::abi::PF_W | PF_X);
    }
}
