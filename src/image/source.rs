//! Where an image comes from: a folder, or a tar archive (itself compressed or not), as named blobs
//! that can be read in any order.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::compression::{Compression, decompress};
use super::error::{ImageError, printable};
use super::guard::Guarded;
use crate::workload::rooted;

/// Manifests, indexes and configurations are small; a larger one is refused rather than read into memory.
const LARGEST_DOCUMENT: u64 = 4 << 20;

/// How many links from one archive member to another are followed (old `docker save` has one at most).
const MOST_LINKS: usize = 8;

/// An image file or folder, opened.
pub(super) struct Source {
    /// As the user named it.
    pub(super) place: PathBuf,
    content: Content,
}

enum Content {
    Folder(PathBuf),
    Archive { file: File, members: HashMap<String, Member> },
}

/// A file, with its length in bytes.
type Opened<'a> = (Box<dyn Read + Send + 'a>, u64);

enum Member {
    File { at: u64, length: u64 },
    Link(String),
}

impl Source {
    /// Opens `place`. A compressed archive is first unpacked into an unnamed file in `scratch`, of at
    /// most `limit` bytes.
    pub(super) fn open(place: &Path, scratch: &Path, limit: u64) -> Result<Source, ImageError> {
        let metadata = std::fs::metadata(place).map_err(ImageError::at("opening", place))?;
        if metadata.is_dir() {
            return Ok(Source { place: place.to_owned(), content: Content::Folder(place.to_owned()) });
        }
        if !metadata.is_file() {
            return Err(not_an_image(place, "neither a file nor a folder"));
        }
        let mut file = File::open(place).map_err(ImageError::at("opening", place))?;
        let mut first = Vec::new();
        let reading = |error| ImageError::at("reading", place)(error);
        file.by_ref().take(4).read_to_end(&mut first).map_err(reading)?;
        file.rewind().map_err(reading)?;
        if Compression::of(&first) != Compression::None {
            let (reader, _) = decompress(file).map_err(reading)?;
            let mut plain =
                tempfile::tempfile_in(scratch).map_err(ImageError::at("making a file in", scratch))?;
            let copied = io::copy(&mut reader.take(limit.saturating_add(1)), &mut plain)
                .map_err(|error| not_an_image(place, &format!("cannot be decompressed: {error}")))?;
            if copied > limit {
                return Err(not_an_image(
                    place,
                    &format!(
                        "larger than {limit} bytes when decompressed; if it is meant to be, raise --limit"
                    ),
                ));
            }
            plain.rewind().map_err(reading)?;
            file = plain;
        }
        let members = members(&file)
            .map_err(|error| not_an_image(place, &format!("not an archive that can be read: {error}")))?;
        Ok(Source { place: place.to_owned(), content: Content::Archive { file, members } })
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.open_file(name).is_ok_and(|found| found.is_some())
    }

    /// Opens a file for reading from its start, with its length.
    pub(super) fn read(&self, name: &str) -> Result<Opened<'_>, ImageError> {
        self.open_file(name)?
            .ok_or_else(|| self.problem(format!("{name} is missing; the image is incomplete")))
    }

    /// A small file as a whole.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let (reader, length) = self.read(name)?;
        if length > LARGEST_DOCUMENT {
            return Err(self.problem(format!("{name} has {length} bytes, more than any honest one")));
        }
        let mut bytes = Vec::new();
        let read = reader.take(LARGEST_DOCUMENT).read_to_end(&mut bytes);
        read.map_err(ImageError::io(format!("reading {name} of {}", self.place.display())))?;
        Ok(bytes)
    }

    /// A problem with this image.
    pub(super) fn problem(&self, problem: impl Into<String>) -> ImageError {
        not_an_image(&self.place, &problem.into())
    }

    fn open_file(&self, name: &str) -> Result<Option<Opened<'_>>, ImageError> {
        match &self.content {
            Content::Folder(folder) => match rooted::open(folder, Path::new(name)) {
                Ok(file) => {
                    let metadata = file.metadata().map_err(ImageError::at("reading", &folder.join(name)))?;
                    if !metadata.is_file() {
                        return Err(self.problem(format!("{name} is no regular file")));
                    }
                    Ok(Some((Box::new(file), metadata.len())))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(ImageError::at("opening", &folder.join(name))(error)),
            },
            Content::Archive { file, members } => {
                let mut name = normal(Path::new(name));
                for _ in 0..MOST_LINKS {
                    match name.as_ref().and_then(|name| members.get(name)) {
                        None => return Ok(None),
                        Some(Member::Link(target)) => name = Some(target.clone()),
                        Some(Member::File { at, length }) => {
                            let slice = Slice { file, at: *at, left: *length };
                            return Ok(Some((Box::new(slice), *length)));
                        }
                    }
                }
                Err(self.problem("its members are links to each other in a circle"))
            }
        }
    }
}

/// Finds every member, without reading what it holds.
fn members(file: &File) -> io::Result<HashMap<String, Member>> {
    let length = file.metadata()?.len();
    let (reader, allowance) = Guarded::new(file);
    let mut archive = tar::Archive::new(reader);
    let mut members = HashMap::new();
    allowance.renew();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        allowance.renew();
        let kind = entry.header().entry_type();
        let Some(name) = normal(&entry.path()?) else { continue };
        let member = if kind.is_file() {
            let (at, size) = (entry.raw_file_position(), entry.size());
            if at.checked_add(size).is_none_or(|end| end > length) {
                return Err(io::Error::other(format!(
                    "{name} reaches beyond the archive's end: it is truncated"
                )));
            }
            Member::File { at, length: size }
        } else if let Some(target) = entry.link_name()?.filter(|_| kind.is_symlink() || kind.is_hard_link()) {
            let folder = if kind.is_symlink() { Path::new(&name).parent() } else { None };
            match normal(&folder.unwrap_or(Path::new("")).join(target)) {
                Some(target) => Member::Link(target),
                None => continue,
            }
        } else {
            continue;
        };
        members.insert(name, member);
    }
    if members.is_empty() {
        return Err(io::Error::other("it holds no file"));
    }
    Ok(members)
}

/// `./a/../b` as `b`; none for what is outside.
fn normal(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

fn not_an_image(place: &Path, problem: &str) -> ImageError {
    ImageError::NotAnImage { place: place.display().to_string(), problem: printable(problem) }
}

/// A part of a file, read without moving its position.
struct Slice<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let length = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.at)?;
        self.at += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

impl Seek for Guarded<&File> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_normal_and_stay_inside() {
        assert_eq!(normal(Path::new("./a//b/../c")).as_deref(), Some("a/c"));
        assert_eq!(normal(Path::new("a/../../b")), None);
        assert_eq!(normal(Path::new("/etc/passwd")), None);
    }
}
