//! What a pax header adds to an entry: extended attributes, precise times, maps of sparse files.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Pieces that a sparse file may have; more cost more memory than any honest file is worth.
const MOST_PIECES: u64 = 1 << 20;

/// The extensions that matter here.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// Extended attributes (`SCHILY.xattr.NAME`).
    pub(super) attributes: Vec<(OsString, Vec<u8>)>,
    /// Seconds and nanoseconds of the last change.
    pub(super) modified: Option<(i64, i64)>,
    /// The name of a sparse file, whose header carries another.
    pub(super) sparse_name: Option<PathBuf>,
    size: Option<u64>,
    map: Vec<u64>,
    /// The map is the first part of the content (version 1.0).
    map_in_content: bool,
}

/// Where the content of a sparse file goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SparseMap {
    /// Bytes of the file, holes included.
    pub(super) size: u64,
    /// Offset and length, in order, within the size.
    pub(super) pieces: Vec<(u64, u64)>,
}

impl Extensions {
    pub(super) fn read<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Extensions, String> {
        let broken = |error: std::io::Error| format!("a broken pax header: {error}");
        let mut found = Extensions::default();
        let Some(extensions) = entry.pax_extensions().map_err(broken)? else { return Ok(found) };
        for extension in extensions {
            let extension = extension.map_err(broken)?;
            let value = extension.value_bytes();
            let Ok(key) = extension.key() else { continue };
            match key {
                "mtime" => found.modified = std::str::from_utf8(value).ok().and_then(time),
                "GNU.sparse.name" => found.sparse_name = Some(OsStr::from_bytes(value).into()),
                "GNU.sparse.realsize" | "GNU.sparse.size" => found.size = Some(number(value)?),
                "GNU.sparse.major" => found.map_in_content = value == b"1",
                // Version 0.1 lists the map, 0.0 repeats keys.
                "GNU.sparse.map" => {
                    found.map = value.split(|byte| *byte == b',').map(number).collect::<Result<_, _>>()?;
                }
                "GNU.sparse.offset" | "GNU.sparse.numbytes" => found.map.push(number(value)?),
                _ => {
                    if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                        found.attributes.push((name.into(), value.to_vec()));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The map of a sparse file; reads it from the content where it is there.
    pub(super) fn sparse(&self, content: &mut impl Read) -> Result<Option<SparseMap>, String> {
        let Some(size) = self.size else { return Ok(None) };
        let numbers = if self.map_in_content { map_in_content(content)? } else { self.map.clone() };
        let pairs = numbers.chunks(2).map(|pair| match pair {
            [offset, length] => Ok((*offset, *length)),
            _ => Err("a sparse map with half a piece"),
        });
        let pieces: Vec<(u64, u64)> = pairs.collect::<Result<_, _>>()?;
        let mut end = 0;
        for (offset, length) in &pieces {
            if *offset < end {
                return Err("a sparse map with pieces out of order".into());
            }
            end = offset
                .checked_add(*length)
                .filter(|end| *end <= size)
                .ok_or("a sparse map beyond the file's end")?;
        }
        Ok(Some(SparseMap { size, pieces }))
    }
}

/// Decimal numbers, one a line: how many pieces, then offset and length of each; padded to 512 bytes.
fn map_in_content(content: &mut impl Read) -> Result<Vec<u64>, String> {
    let mut block = [0; 512];
    let mut digits = Vec::new();
    let mut numbers: Vec<u64> = Vec::new();
    let mut wanted = None;
    while wanted.is_none_or(|wanted| numbers.len() < wanted) {
        content.read_exact(&mut block).map_err(|_| "a truncated sparse map")?;
        for byte in block {
            if wanted.is_some_and(|wanted| numbers.len() >= wanted) {
                break;
            }
            if byte != b'\n' {
                digits.push(byte);
                if digits.len() > 20 {
                    return Err("a sparse map that is none".into());
                }
                continue;
            }
            let value = number(&std::mem::take(&mut digits))?;
            if wanted.is_some() {
                numbers.push(value);
            } else if value > MOST_PIECES {
                return Err(format!("a sparse map of {value} pieces"));
            } else {
                wanted = Some(2 * value as usize);
            }
        }
    }
    Ok(numbers)
}

fn number(text: &[u8]) -> Result<u64, String> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| format!("{:.40}: not a size", String::from_utf8_lossy(text)))
}

/// `SECONDS.FRACTION`, perhaps negative.
fn time(text: &str) -> Option<(i64, i64)> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = seconds.starts_with('-');
    let seconds: i64 = seconds.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: i64 = digits.parse().ok()?;
    match negative && nanoseconds > 0 {
        true => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        false => Some((seconds, nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nanoseconds_and_may_be_before_1970() {
        assert_eq!(time("12.5"), Some((12, 500_000_000)));
        assert_eq!(time("12"), Some((12, 0)));
        assert_eq!(time("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time("soon"), None);
    }

    #[test]
    fn a_map_in_the_content_is_read_to_its_block() {
        let mut content = b"2\n0\n10\n4096\n5\n".to_vec();
        content.resize(512, 0);
        content.extend(b"content");
        let extensions = Extensions { size: Some(5000), map_in_content: true, ..Extensions::default() };
        let mut reader = &content[..];
        let map = extensions.sparse(&mut reader).expect("well formed").expect("sparse");
        assert_eq!(map, SparseMap { size: 5000, pieces: vec![(0, 10), (4096, 5)] });
        assert_eq!(reader, b"content");
    }

    #[test]
    fn maps_that_lead_beyond_the_file_are_refused() {
        for map in [vec![0, 11], vec![5, 5, 0, 1], vec![u64::MAX, 2], vec![1]] {
            let extensions = Extensions { size: Some(10), map, ..Extensions::default() };
            assert!(extensions.sparse(&mut std::io::empty()).is_err(), "{extensions:?}");
        }
        let absurd = Extensions { size: Some(10), map_in_content: true, ..Extensions::default() };
        assert!(absurd.sparse(&mut &b"99999999999999999999\n"[..]).is_err());
        assert!(absurd.sparse(&mut &[b'1'; 2048][..]).is_err());
    }
}
