use std::io::Write;

use super::super::disk::Writes;
use super::super::testing::*;
use super::*;

fn disk(writes: Writes) -> Driver<Block> {
    let mut file = tempfile::tempfile().unwrap();
    for sector in 0..64u8 {
        file.write_all(&[sector; 512]).unwrap();
    }
    Driver::ready(Block::new(Disk::new(file, writes).unwrap()))
}

fn header(kind: u32, sector: u64) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat()
}

const OK: u8 = VIRTIO_BLK_S_OK as u8;
const FAILED: u8 = VIRTIO_BLK_S_IOERR as u8;
const UNSUPPORTED: u8 = VIRTIO_BLK_S_UNSUPP as u8;

#[test]
fn sectors_are_read_however_the_request_is_cut() {
    let mut driver = disk(Writes::Refused);
    let head = header(VIRTIO_BLK_T_IN, 5);
    let expected = [vec![5; 512], vec![6; 512], vec![OK]].concat();
    assert_eq!(driver.exchange(0, &[Piece::Out(&head), Piece::In(1024), Piece::In(1)]), expected);
    let pieces =
        [Piece::Out(&head[..3]), Piece::Out(&head[3..]), Piece::In(1), Piece::In(700), Piece::In(324)];
    assert_eq!(driver.exchange(0, &pieces), expected);
}

#[test]
fn what_is_written_is_read_back() {
    let mut driver = disk(Writes::Kept(1 << 20));
    let head = header(VIRTIO_BLK_T_OUT, 7);
    assert_eq!(driver.exchange(0, &[Piece::Out(&head), Piece::Out(&[0xaa; 512]), Piece::In(1)]), [OK]);
    assert_eq!(driver.exchange(0, &[Piece::Out(&header(VIRTIO_BLK_T_FLUSH, 0)), Piece::In(1)]), [OK]);
    let read = driver.exchange(0, &[Piece::Out(&header(VIRTIO_BLK_T_IN, 6)), Piece::In(1537)]);
    assert_eq!(read, [vec![6; 512], vec![0xaa; 512], vec![8; 512], vec![OK]].concat());
}

#[test]
fn requests_that_cannot_be_served_fail_alone() {
    let mut driver = disk(Writes::Refused);
    for (kind, sector, data, status) in [
        (VIRTIO_BLK_T_OUT, 0, 512, FAILED),
        (VIRTIO_BLK_T_IN, 64, 512, FAILED),
        (VIRTIO_BLK_T_IN, u64::MAX, 512, FAILED),
        (VIRTIO_BLK_T_IN, 63, 1024, FAILED),
        (VIRTIO_BLK_T_IN, 0, 100, FAILED),
        (VIRTIO_BLK_T_DISCARD, 0, 16, UNSUPPORTED),
        (VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, UNSUPPORTED),
        (0xdead_beef, 0, 0, UNSUPPORTED),
    ] {
        let head = header(kind, sector);
        let bytes = vec![1; data as usize];
        let pieces = match kind {
            VIRTIO_BLK_T_IN => [Piece::Out(&head), Piece::In(data), Piece::In(1)],
            _ => [Piece::Out(&head), Piece::Out(&bytes), Piece::In(1)],
        };
        driver.exchange(0, &pieces);
        assert_eq!(driver.last_byte(), status, "{kind} {sector} {data}");
    }
    // And the disk goes on.
    let id = driver.exchange(0, &[Piece::Out(&header(VIRTIO_BLK_T_GET_ID, 0)), Piece::In(20), Piece::In(1)]);
    assert_eq!(&id[..9], b"isobench\0");
    assert_eq!(id[20], OK);
}

#[test]
fn a_request_without_header_or_status_breaks_the_rules() {
    for pieces in [&[Piece::Out(&[0; 15]), Piece::In(1)][..], &[Piece::Out(&[0; 16])], &[Piece::In(1)]] {
        let mut driver = disk(Writes::Refused);
        driver.put(0, pieces);
        assert!(matches!(driver.notify(0), Err(Broken::TooShort(_))));
    }
}

#[test]
fn a_snapshot_holds_what_was_written() {
    let mut driver = disk(Writes::Kept(1 << 20));
    driver.exchange(0, &[Piece::Out(&header(VIRTIO_BLK_T_OUT, 0)), Piece::Out(&[0xbb; 512]), Piece::In(1)]);
    let state = serde_json::to_string(&driver.transport.state()).unwrap();
    let mut other = disk(Writes::Kept(1 << 20));
    std::mem::swap(&mut other.memory, &mut driver.memory);
    let read_only = disk(Writes::Refused);
    for (mut device, accepted) in [(other, true), (read_only, false)] {
        let restored = device.transport.restore(serde_json::from_str(&state).unwrap());
        assert_eq!(restored.is_ok(), accepted);
    }
}
