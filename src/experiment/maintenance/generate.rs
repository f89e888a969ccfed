//! A file tree made from nothing, the same every time: base, dependencies and application, of content that
//! compresses about as well as that of real images.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::error::MaintenanceError;
use super::layers::Source;

/// Shares of the bytes, in percent, and the folder that the files of each are in.
const PARTS: [(&str, u64, &str); 3] =
    [("base", 60, "usr/lib"), ("dependencies", 30, "srv/vendor"), ("application", 10, "srv/app")];

/// Files in one folder: a package.
const FILES_A_FOLDER: u64 = 40;

/// Every file's time of modification, in seconds: any fixed one will do.
const MODIFIED: u64 = 1_600_000_000;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same for ever, unlike the generators of a crate
/// that may change.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// Makes the layers of an image whose files have `bytes` together, below `folder`.
pub fn generate(folder: &Path, bytes: u64, stop: &dyn Fn() -> bool) -> Result<Vec<Source>, MaintenanceError> {
    let mut sources = Vec::new();
    for (number, (name, percent, place)) in PARTS.into_iter().enumerate() {
        let layer = folder.join(name);
        let mut random = Random::new(number as u64 + 1);
        let mut left = bytes / 100 * percent;
        let mut files = 0;
        let mut package = PathBuf::new();
        while left > 0 && !stop() {
            if files % FILES_A_FOLDER == 0 {
                package = layer.join(place).join(format!("package-{:03}", files / FILES_A_FOLDER));
                fs::create_dir_all(&package).map_err(MaintenanceError::at("making", &package))?;
            }
            // Between 256 bytes and 256 KiB, every factor of two as often as every other: 38 KiB on average.
            let size = 256 << random.below(10);
            let size = (size + random.below(size)).min(left);
            let (suffix, content) = content(&mut random, size as usize);
            write(&package.join(format!("file-{files:05}.{suffix}")), &content)?;
            files += 1;
            left -= size;
        }
        settle(&layer)?;
        sources.push(Source { name: name.to_owned(), folder: layer });
    }
    Ok(sources)
}

fn write(path: &Path, content: &[u8]) -> Result<(), MaintenanceError> {
    let failed = |error| MaintenanceError::at::<std::io::Error>("writing", path)(error);
    let mut file = File::create(path).map_err(failed)?;
    file.write_all(content).and_then(|()| file.set_modified(modified())).map_err(failed)
}

fn modified() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED)
}

/// Gives every folder its time and mode, once nothing more is written into it.
fn settle(folder: &Path) -> Result<(), MaintenanceError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |error| MaintenanceError::at::<std::io::Error>("finishing", folder)(error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        // Whatever the umask is.
        let mode = if kind.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).map_err(failed)?;
        if kind.is_dir() {
            settle(&entry.path())?;
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.set_modified(modified())).map_err(failed)
}

/// Of the bytes of a distribution's image, some two fifths are text (compresses to a third or better), most
/// of the rest programs (to a half), and a little is compressed already.
fn content(random: &mut Random, size: usize) -> (&'static str, Vec<u8>) {
    match random.below(100) {
        0..40 => ("txt", text(random, size)),
        40..88 => ("bin", program(random, size)),
        _ => ("gz", noise(random, size)),
    }
}

fn noise(random: &mut Random, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend(random.next().to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Words of a small vocabulary, frequent ones more often, in lines.
fn text(random: &mut Random, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 16);
    let mut words = 0;
    while bytes.len() < size {
        // The product of two numbers favours small ones.
        let word = random.below(64) * random.below(64);
        let mut letters = Random::new(word);
        for _ in 0..2 + letters.below(9) {
            bytes.push(b'a' + letters.below(26) as u8);
        }
        words += 1;
        bytes.push(if words % 10 == 0 { b'\n' } else { b' ' });
    }
    bytes.truncate(size);
    bytes
}

/// As machine code is: frequent instructions, and now and then an address that never comes back.
fn program(random: &mut Random, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 16);
    while bytes.len() < size {
        let instruction = random.below(40) * random.below(40);
        let length = 3 + Random::new(instruction).below(5) as usize;
        bytes.extend(Random::new(instruction ^ 0xc0de).next().to_le_bytes().iter().take(length));
        if random.below(5) == 0 {
            bytes.extend((random.next() as u32).to_le_bytes());
        }
    }
    bytes.truncate(size);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(bytes: &[u8]) -> f64 {
        zstd::encode_all(bytes, 3).expect("memory").len() as f64 / bytes.len() as f64
    }

    #[test]
    fn content_compresses_as_that_of_real_images() {
        let mut random = Random::new(1);
        let mixed: Vec<u8> = (0..200).flat_map(|_| content(&mut random, 10_000).1).collect();
        let ratio = compressed(&mixed);
        assert!((0.35..0.65).contains(&ratio), "{ratio}");
        assert!(compressed(&noise(&mut random, 100_000)) > 0.99);
    }

    #[test]
    fn the_tree_is_the_same_every_time_and_as_large_as_asked() {
        let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
        let trees = folders.each_ref().map(|folder| {
            let sources = generate(folder.path(), 3 << 20, &|| false).expect("made");
            let mut files = Vec::new();
            for source in &sources {
                super::super::layers::walk(&source.folder, &mut |path, facts| {
                    if facts.is_file() {
                        files.push((path.to_owned(), fs::read(source.folder.join(path)).expect("readable")));
                    }
                    Ok(())
                })
                .expect("readable");
            }
            files
        });
        assert_eq!(trees[0], trees[1]);
        let bytes: usize = trees[0].iter().map(|(_, content)| content.len()).sum();
        assert!(((3 << 20) - 300..=3 << 20).contains(&bytes), "{bytes}");
    }
}
