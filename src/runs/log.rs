//! What a detached run says, kept in a file: frames of stream, time, length and bytes.
//!
//! A log that has become too long becomes `log.1`, in place of the one that was: of a program that never
//! stops talking, the last words are kept.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where a log ends and the next one begins, in bytes.
const LONGEST: u64 = 32 << 20;

/// No frame is longer.
const LONGEST_FRAME: usize = 64 << 10;

const NAMES: [&str; 2] = ["log.1", "log"];

/// Where something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where.
    pub stream: Stream,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What.
    pub bytes: Vec<u8>,
}

/// Writes a log.
pub struct Log {
    folder: PathBuf,
    file: File,
    length: u64,
    longest: u64,
}

impl Log {
    /// The log in the folder of a run.
    pub fn create(folder: &Path) -> io::Result<Log> {
        Log::limited(folder, LONGEST)
    }

    fn limited(folder: &Path, longest: u64) -> io::Result<Log> {
        Ok(Log { folder: folder.to_owned(), file: File::create(folder.join("log"))?, length: 0, longest })
    }

    /// Adds one frame, in one write: a reader sees whole frames, or the last one in part.
    pub fn write(&mut self, stream: Stream, at_ms: u64, bytes: &[u8]) -> io::Result<()> {
        for bytes in bytes.chunks(LONGEST_FRAME) {
            if self.length > self.longest {
                fs::rename(self.folder.join("log"), self.folder.join("log.1"))?;
                self.file = File::create(self.folder.join("log"))?;
                self.length = 0;
            }
            let mut frame = vec![if stream == Stream::Output { 1u8 } else { 2 }];
            frame.extend(at_ms.to_le_bytes());
            frame.extend(u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
            frame.extend(bytes);
            self.file.write_all(&frame)?;
            self.length += frame.len() as u64;
        }
        Ok(())
    }
}

/// Reads a log, and goes on reading while it is written.
pub struct Reader {
    folder: PathBuf,
    file: Option<BufReader<File>>,
    /// Names that are still to come, from the oldest.
    left: Vec<&'static str>,
    /// The start of a frame that is not there as a whole yet.
    rest: Vec<u8>,
}

impl Reader {
    /// From the beginning of what is kept.
    pub fn open(folder: &Path) -> Reader {
        Reader {
            folder: folder.to_owned(),
            file: None,
            left: NAMES.into_iter().rev().collect(),
            rest: Vec::new(),
        }
    }

    /// The next frame; none at the end, where more may come later.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Ok(Some(frame));
            }
            let mut chunk = [0; 16 << 10];
            let read = match &mut self.file {
                Some(file) => file.read(&mut chunk)?,
                None => 0,
            };
            if read > 0 {
                self.rest.extend(chunk.iter().take(read));
            } else if !self.turn_the_page()? {
                return Ok(None);
            }
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let (kind, rest) = self.rest.split_first()?;
        let (at_ms, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = (u32::from_le_bytes(*length) as usize).min(LONGEST_FRAME);
        let bytes = rest.get(..length)?.to_vec();
        let stream = if *kind == 1 { Stream::Output } else { Stream::Errors };
        let frame = Frame { stream, at_ms: u64::from_le_bytes(*at_ms), bytes };
        self.rest.drain(..13 + length);
        Some(frame)
    }

    /// Opens the next file, if there is one after this.
    fn turn_the_page(&mut self) -> io::Result<bool> {
        if self.left.is_empty() {
            // The one that we read may have become `log.1` meanwhile.
            let ours =
                self.file.as_ref().and_then(|file| file.get_ref().metadata().ok()).map(|facts| facts.ino());
            let there = fs::metadata(self.folder.join("log")).ok().map(|facts| facts.ino());
            if ours.is_none() || there.is_none() || ours == there {
                return Ok(false);
            }
            self.left.push("log");
        }
        while let Some(name) = self.left.pop() {
            match File::open(self.folder.join(name)) {
                Ok(file) => {
                    self.file = Some(BufReader::new(file));
                    self.rest.clear();
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(reader: &mut Reader) -> Vec<(Stream, Vec<u8>)> {
        std::iter::from_fn(|| reader.next_frame().expect("readable"))
            .map(|frame| (frame.stream, frame.bytes))
            .collect()
    }

    #[test]
    fn what_was_written_is_read_while_it_grows() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = Log::create(folder.path()).expect("made");
        let mut reader = Reader::open(folder.path());
        assert_eq!(all(&mut reader), []);
        log.write(Stream::Output, 1, b"one\n").expect("written");
        log.write(Stream::Errors, 2, b"\xff\0").expect("written");
        assert_eq!(
            all(&mut reader),
            [(Stream::Output, b"one\n".to_vec()), (Stream::Errors, b"\xff\0".to_vec())]
        );
        log.write(Stream::Output, 3, &vec![7; LONGEST_FRAME + 1]).expect("written");
        assert_eq!(
            all(&mut reader).iter().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>(),
            [LONGEST_FRAME, 1]
        );
    }

    #[test]
    fn a_long_log_keeps_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = Log::limited(folder.path(), 200).expect("made");
        let mut reader = Reader::open(folder.path());
        let mut followed = Vec::new();
        for number in 0..100u8 {
            log.write(Stream::Output, 0, &[number]).expect("written");
            followed.extend(all(&mut reader));
        }
        assert_eq!(followed.len(), 100);
        let kept = all(&mut Reader::open(folder.path()));
        assert!(kept.len() < 40 && kept.last() == followed.last(), "{kept:?}");
        assert!(
            kept.iter().zip(kept.iter().skip(1)).all(|(one, next)| one.1[0] + 1 == next.1[0]),
            "{kept:?}"
        );
    }

    #[test]
    fn foreign_bytes_are_no_danger() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("log"), [0xff; 100]).expect("written");
        assert_eq!(all(&mut Reader::open(folder.path())), []);
    }
}
