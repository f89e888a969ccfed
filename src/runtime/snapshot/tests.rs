use std::io::Read;

use proptest::prelude::*;

use super::format::{PAGE, Writer, read};
use super::origin::{Origin, admit_features};
use super::vcpu::{Time, VcpuState};
use super::*;

fn origin() -> Origin {
    Origin {
        tool: "0".into(),
        architecture: "x86_64".into(),
        backend: "kvm_x".into(),
        processor: "a processor".into(),
        kernel: "00".into(),
    }
}

fn state() -> VcpuState {
    VcpuState {
        regs: kvm_bindings::kvm_regs { rip: 0x1234, ..Default::default() },
        sregs: Default::default(),
        xcrs: Default::default(),
        xsave: Box::default(),
        debug: Default::default(),
        events: Default::default(),
        mp_state: Default::default(),
        msrs: vec![kvm_bindings::kvm_msr_entry { index: 7, reserved: 0, data: u64::MAX }],
        lapic: None,
    }
}

fn header(extents: Vec<Extent>) -> Header {
    Header {
        runtime: "microvm".into(),
        program: "program".into(),
        taken: "2026-01-01".into(),
        origin: origin(),
        cpuid: Vec::new(),
        vcpus: vec![state()],
        memory_bytes: 64 * PAGE,
        extents,
        machine: serde_json::json!({ "some": "thing" }),
    }
}

/// A snapshot whose every page is filled with its number.
fn written(extents: Vec<Extent>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = header(extents);
    let mut writer = Writer::begin(&mut bytes, &header).unwrap();
    for extent in &header.extents {
        for page in extent.offset / PAGE..(extent.offset + extent.bytes) / PAGE {
            writer.pages(&[page as u8; PAGE as usize]).unwrap();
        }
    }
    writer.finish().unwrap();
    bytes
}

fn example() -> Vec<u8> {
    written(vec![Extent { offset: PAGE, bytes: PAGE }, Extent { offset: 5 * PAGE, bytes: 2 * PAGE }])
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes, std::io::sink()).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_was_written_is_read_back_and_lies_where_it_says() {
    let snapshot = Snapshot::read(&example()[..]).unwrap();
    assert_eq!(snapshot.header.vcpus[0].regs.rip, 0x1234);
    assert_eq!(snapshot.header.vcpus[0].msrs[0].data, u64::MAX);
    assert_eq!(snapshot.header.machine["some"], "thing");
    let parts: Vec<_> = snapshot.parts().collect();
    assert_eq!(parts.len(), 2);
    for (extent, at) in parts {
        assert!(at.is_multiple_of(PAGE));
        let mut page = vec![0; PAGE as usize];
        std::os::unix::fs::FileExt::read_exact_at(&**snapshot.file(), &mut page, at).unwrap();
        assert_eq!(page, vec![(extent.offset / PAGE) as u8; PAGE as usize]);
    }
}

#[test]
fn the_copy_in_memory_cannot_be_changed() {
    let snapshot = Snapshot::read(&example()[..]).unwrap();
    assert!((&**snapshot.file()).write_all(b"x").is_err());
    assert!(snapshot.file().set_len(0).is_err());
}

#[test]
fn a_saved_snapshot_is_the_same_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    Snapshot::read(&example()[..]).unwrap().save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), example());
    let mut again = Vec::new();
    File::open(&path).unwrap().read_to_end(&mut again).unwrap();
    assert_eq!(Snapshot::open(&path).unwrap().header.program, "program");
    // Anything that is no file might never end.
    assert!(matches!(Snapshot::open(folder.path()), Err(SnapshotError::NotOne)));
}

#[test]
fn each_refusal_says_why() {
    let whole = example();
    assert!(refusal(b"").contains("no isobench snapshot"));
    assert!(refusal(b"#!/bin/sh\necho something else\n").contains("no isobench snapshot"));
    assert!(refusal(&whole[..whole.len() - 1]).contains("cut short"));
    let mut longer = whole.clone();
    longer.push(0);
    assert!(refusal(&longer).contains("behind its end"));
    let mut newer = whole.clone();
    newer[8] += 1;
    assert!(refusal(&newer).contains("format version 2"));
    for extents in [
        vec![Extent { offset: 0, bytes: 0 }],
        vec![Extent { offset: 1, bytes: PAGE }],
        vec![Extent { offset: 0, bytes: 65 * PAGE }],
        vec![Extent { offset: u64::MAX - PAGE + 1, bytes: PAGE }],
        vec![Extent { offset: PAGE, bytes: PAGE }, Extent { offset: PAGE, bytes: PAGE }],
    ] {
        let mut bytes = Vec::new();
        Writer::begin(&mut bytes, &header(extents)).unwrap().finish().unwrap();
        assert!(refusal(&bytes).contains("out of bounds"));
    }
}

#[test]
fn another_host_is_told_by_what_differs() {
    let here = origin();
    assert!(here.admit(&here).is_ok());
    assert!(Origin { tool: "1".into(), processor: "same features".into(), ..origin() }.admit(&here).is_ok());
    let refused = |theirs: Origin, what: &str| {
        let said = theirs.admit(&here).unwrap_err().to_string();
        assert!(said.contains(what) && said.lines().count() == 1, "{said}");
    };
    refused(Origin { architecture: "aarch64".into(), ..origin() }, "architecture aarch64");
    refused(Origin { backend: "kvm_y".into(), ..origin() }, "KVM backend kvm_y");
    refused(Origin { kernel: "01".into(), ..origin() }, "another guest kernel");

    let leaf = |function, ebx| kvm_bindings::kvm_cpuid_entry2 { function, ebx, ..Default::default() };
    let offered = kvm_bindings::CpuId::from_entries(&[leaf(1, 0x0100_0800), leaf(7, 0xff)]).unwrap();
    // On which CPU of the host the question was asked does not matter.
    assert!(admit_features(&[leaf(1, 0x0700_0800), leaf(7, 0xff)], &offered, "x").is_ok());
    for theirs in [&[leaf(1, 0x0100_0800), leaf(7, 0xfe)][..], &[leaf(1, 0x0100_0800)]] {
        assert!(admit_features(theirs, &offered, "x").unwrap_err().to_string().contains("leaf 0x7"));
    }
}

#[test]
fn a_clone_is_given_only_what_a_new_processor_lacks() {
    let changes = state().changes(&state(), Time::BeginsAnew);
    assert!(changes.msrs.is_empty() && changes.xcrs.is_none() && changes.xsave.is_none());
    let mut other = state();
    other.msrs.extend([
        kvm_bindings::kvm_msr_entry { index: 8, reserved: 0, data: 1 },
        // The time stamp counter is not the original's.
        kvm_bindings::kvm_msr_entry { index: 0x10, reserved: 0, data: 1 },
    ]);
    other.xsave.region[3] = 1;
    let changes = other.changes(&state(), Time::BeginsAnew);
    assert_eq!(changes.msrs.iter().map(|entry| entry.index).collect::<Vec<_>>(), [8]);
    assert_eq!(changes.xsave.unwrap().region[3], 1);
    let going_on = other.changes(&state(), Time::GoesOn);
    assert_eq!(going_on.msrs.iter().map(|entry| entry.index).collect::<Vec<_>>(), [0x10, 8]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_altered_byte_is_refused(at in any::<prop::sample::Index>(), change in 1u8..) {
        let mut bytes = example();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(read(&bytes[..], std::io::sink()).is_err());
    }

    #[test]
    fn any_truncation_is_refused(length in any::<prop::sample::Index>()) {
        let bytes = example();
        prop_assert!(read(&bytes[..length.index(bytes.len())], std::io::sink()).is_err());
    }

    #[test]
    fn nonsense_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(read(&bytes[..], std::io::sink()).is_err());
    }

    #[test]
    fn whatever_is_written_is_read_back(pages in proptest::collection::btree_set(0u64..64, 0..20)) {
        let extents = super::extents::of_pages(pages.iter().map(|page| page * PAGE));
        let (header, _) = read(&written(extents.clone())[..], std::io::sink()).unwrap();
        prop_assert_eq!(header.extents, extents);
    }
}
