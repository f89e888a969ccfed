//! Reading and writing results files, and writing any file whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Deserialize;
use tempfile::NamedTempFile;

use super::error::ReportError;
use crate::results::{Results, VERSION, journal};

/// Reads a results file, or the journal that a killed run has left.
pub fn read(path: &Path) -> Result<Results, ReportError> {
    let mut file = open(path)?;
    let results = match parse_first(path, &mut file)? {
        Ok(results) => results,
        Err(error) => return Err(why_not_results(path, &error)),
    };
    let results = journal::read_trials(results, &mut file).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ReportError::NotResults {
            path: path.to_owned(),
            detail: format!("after the first value: {source}"),
        },
        _ => unreadable(path, source),
    })?;
    match results.version {
        1..=VERSION => Ok(results),
        0 => {
            Err(ReportError::NotResults { path: path.to_owned(), detail: "there is no format 0".to_owned() })
        }
        newer => {
            Err(ReportError::NewerVersion { path: path.to_owned(), found: newer.into(), known: VERSION })
        }
    }
}

/// Writes a results file whole or not at all.
pub fn write(path: &Path, results: &Results) -> Result<(), ReportError> {
    stage_results(path, results)?.publish()
}

/// Writes a results file beside its place.
pub fn stage_results<'a>(path: &'a Path, results: &Results) -> Result<Staged<'a>, ReportError> {
    stage(path, |out| {
        serde_json::to_writer(&mut *out, results)?;
        out.write_all(b"\n")
    })
}

/// Writes a file beside its place and then renames it there, so that a reader sees the old one or the
/// new one and never a part. Missing folders are made.
pub fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<(), ReportError> {
    stage(path, content)?.publish()
}

/// A file that is written whole, beside its place. Dropping it removes it.
pub struct Staged<'a> {
    path: &'a Path,
    file: NamedTempFile,
}

impl Staged<'_> {
    /// Puts it in its place.
    pub fn publish(self) -> Result<(), ReportError> {
        self.file.persist(self.path).map(drop).map_err(|error| ReportError::writing(self.path, error.error))
    }
}

/// Writes a file beside its place. Missing folders are made.
pub fn stage<'a>(
    path: &'a Path,
    content: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<Staged<'a>, ReportError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(|source| ReportError::writing(folder, source))?;
    let mut file = temporary()
        // As `File::create` would, before the umask: the private mode of a temporary file would stay.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(|source| ReportError::writing(folder, source))?;
    let mut out = BufWriter::with_capacity(1 << 16, file.as_file_mut());
    content(&mut out).and_then(|()| out.flush()).map_err(|source| ReportError::writing(path, source))?;
    drop(out);
    Ok(Staged { path, file })
}

fn temporary<'a>() -> tempfile::Builder<'a, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".isobench-");
    builder
}

/// Makes `folder` where it is missing, and tries to write there, so that a long run need not end in
/// the discovery that its report cannot be kept.
pub fn prepare_folder(folder: &Path) -> Result<(), ReportError> {
    fs::create_dir_all(folder).map_err(|source| ReportError::writing(folder, source))?;
    temporary().tempfile_in(folder).map(drop).map_err(|source| ReportError::writing(folder, source))
}

fn open(path: &Path) -> Result<BufReader<File>, ReportError> {
    File::open(path)
        .map(|file| BufReader::with_capacity(1 << 16, file))
        .map_err(|error| unreadable(path, error))
}

/// The value that a file begins with.
fn parse_first<T: for<'de> Deserialize<'de>>(
    path: &Path,
    file: &mut BufReader<File>,
) -> Result<serde_json::Result<T>, ReportError> {
    match T::deserialize(&mut serde_json::Deserializer::from_reader(file)) {
        Err(error) if error.is_io() => Err(unreadable(path, error.into())),
        other => Ok(other),
    }
}

fn unreadable(path: &Path, source: io::Error) -> ReportError {
    match source.kind() {
        io::ErrorKind::NotFound => ReportError::Missing(path.to_owned()),
        _ => ReportError::Unreadable { path: path.to_owned(), source },
    }
}

/// A later format need not look like ours at all, except for its version.
#[derive(Deserialize)]
struct OnlyVersion {
    version: u64,
}

fn why_not_results(path: &Path, error: &serde_json::Error) -> ReportError {
    if let Ok(Ok(OnlyVersion { version })) = open(path).and_then(|mut file| parse_first(path, &mut file))
        && version > VERSION.into()
    {
        return ReportError::NewerVersion { path: path.to_owned(), found: version, known: VERSION };
    }
    let path = path.to_owned();
    match error.classify() {
        serde_json::error::Category::Eof => ReportError::Truncated { path, line: error.line() },
        serde_json::error::Category::Data => ReportError::NotResults { path, detail: error.to_string() },
        _ => ReportError::NotJson { path, line: error.line(), column: error.column() },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::synthetic::Synthetic;
    use super::*;

    fn error_of(content: &str) -> ReportError {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        fs::write(&path, content).unwrap();
        read(&path).unwrap_err()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new folder/results.json");
        let results = Synthetic { hostile: true, ..Synthetic::default() }.results();
        write(&path, &results).unwrap();
        assert_eq!(read(&path).unwrap(), results);
        write(&path, &results).unwrap();
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing beside the file");
    }

    #[test]
    fn each_bad_file_is_named_for_what_it_is() {
        let whole = serde_json::to_string(&Synthetic::default().results()).unwrap();
        assert!(matches!(error_of(""), ReportError::Truncated { .. }));
        assert!(matches!(error_of(&whole[..whole.len() / 2]), ReportError::Truncated { .. }));
        assert!(matches!(error_of("<html>"), ReportError::NotJson { line: 1, .. }));
        assert!(matches!(error_of("{\"version\":1}"), ReportError::NotResults { .. }));
        assert!(matches!(error_of("[]"), ReportError::NotResults { .. }));
        assert!(matches!(
            error_of("{\"version\":7,\"other\":[1]}"),
            ReportError::NewerVersion { found: 7, .. }
        ));
        let newer = whole.replacen("\"version\":1", "\"version\":2", 1);
        assert!(matches!(error_of(&newer), ReportError::NewerVersion { found: 2, .. }));
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(&folder.path().join("none")).unwrap_err(), ReportError::Missing(_)));
        assert!(matches!(read(folder.path()).unwrap_err(), ReportError::Unreadable { .. }));
    }

    #[test]
    fn every_message_is_one_line_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let not_a_folder = write_whole(&file.join("results.json"), |_| Ok(())).unwrap_err();
        assert!(matches!(not_a_folder, ReportError::NotWritable { .. }));
        let full = write_whole(&file, |_| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(matches!(full, ReportError::DiskFull(_)));
        for message in [not_a_folder.to_string(), full.to_string(), error_of("{}").to_string()] {
            assert!(!message.contains('\n') && message.starts_with('/'), "{message}");
        }
    }

    #[test]
    fn a_full_disk_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "old").unwrap();
        write_whole(&file, |out| {
            out.write_all(b"half of the new")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(cut in 0.0..1.0f64, byte: u8) {
            let mut bytes = serde_json::to_vec(&Synthetic { rounds: 1, ..Synthetic::default() }.results()).unwrap();
            let place = (cut * bytes.len() as f64) as usize;
            bytes[place] = byte;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("results.json");
            fs::write(&path, &bytes).unwrap();
            let _ = read(&path);
        }
    }
}
