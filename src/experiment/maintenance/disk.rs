//! Disk images: ext4 file systems made from a folder, without root, and copied without their holes.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::MaintenanceError;
use super::watched::Watched;
use crate::image::{Digest, HashingWriter};

/// The file system of the images.
pub const FORMAT: &str = "ext4";

/// Bytes of a block.
pub const BLOCK: u64 = 4096;

/// Room for the file system's own structures and for what instances write.
const SPARE: u64 = 32 << 20;

/// Any fixed ones will do: with them the same files give the same image.
const UUID: &str = "9d8f1c5e-7f62-4b43-9a57-2f0c1a8e6d30";
const TIME: &str = "1600000000";

/// Makes images of one size, so that two versions can be compared block by block.
#[derive(Clone, Debug)]
pub struct DiskMaker {
    blocks: u64,
    inodes: u64,
}

impl DiskMaker {
    /// For a tree of so many entries and bytes, and versions of it that are a little larger.
    pub fn new(entries: u64, bytes: u64) -> DiskMaker {
        // A file's last block is half empty on average.
        let content = bytes + bytes / 8 + entries * BLOCK / 2;
        let inodes = entries + entries / 8 + 64;
        DiskMaker { blocks: (content + inodes * 256 + SPARE).div_ceil(BLOCK), inodes }
    }

    /// Makes the image of `root` in `file`. A journal, which would only add to it, is left out.
    pub fn make(&self, root: &Path, file: &Path) -> Result<(), MaintenanceError> {
        let _ = fs::remove_file(file);
        let mut command = tool("mke2fs");
        command.args(["-q", "-F", "-t", FORMAT, "-b", "4096", "-m", "0", "-O", "^has_journal", "-U", UUID]);
        command.args([
            "-E",
            &format!("hash_seed={UUID},root_owner=0:0"),
            "-N",
            &self.inodes.to_string(),
            "-d",
        ]);
        command.arg(root).arg(file).arg(self.blocks.to_string());
        run("mke2fs", &mut command, None).map(drop)
    }

    /// Takes the times of the build out of the image, which newer versions of mke2fs never put there.
    pub fn settle(&self, file: &Path) -> Result<(), MaintenanceError> {
        let mut command = tool("dumpe2fs");
        let facts = run("dumpe2fs", command.arg("-h").arg(file), None)?;
        let value = |key: &str| {
            let line = facts.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            line.trim().parse::<u64>().ok()
        };
        let (Some(all), Some(free)) = (value("Inode count"), value("Free inodes")) else {
            let problem = format!("{}: it counts no inodes", file.display());
            return Err(MaintenanceError::Tool { program: "dumpe2fs", problem });
        };
        let used = 1..=all.saturating_sub(free).min(self.inodes);
        let script: String =
            used.map(|inode| format!("sif <{inode}> ctime @{TIME}\nsif <{inode}> atime @{TIME}\n")).collect();
        script_on(file, &script)
    }
}

/// Runs commands of debugfs(8) on an image.
pub fn script_on(file: &Path, script: &str) -> Result<(), MaintenanceError> {
    let mut command = tool("debugfs");
    run("debugfs", command.args(["-w", "-f", "-"]).arg(file), Some(script)).map(drop)
}

/// Whether the programs are there.
pub fn check() -> Result<(), MaintenanceError> {
    for program in ["mke2fs", "dumpe2fs", "debugfs"] {
        let started = tool(program).arg("-V").stdin(Stdio::null()).output();
        if let Err(error) = started {
            let problem = format!("{error}; install e2fsprogs to compare with disk images");
            return Err(MaintenanceError::Tool { program, problem });
        }
    }
    Ok(())
}

/// The program with a fixed clock, also where an ordinary user's PATH does not lead to it.
fn tool(program: &str) -> Command {
    let folders = ["/usr/sbin", "/sbin", "/usr/local/sbin"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).chain(folders.map(PathBuf::from));
    let found = all.map(|folder| folder.join(program)).find(|path| path.is_file());
    let mut command = Command::new(found.unwrap_or_else(|| program.into()));
    command.env("E2FSPROGS_FAKE_TIME", TIME).env("SOURCE_DATE_EPOCH", TIME).env("LC_ALL", "C");
    command
}

fn run(
    program: &'static str,
    command: &mut Command,
    input: Option<&str>,
) -> Result<String, MaintenanceError> {
    let problem = |problem: String| MaintenanceError::Tool { program, problem };
    let failed = |error: io::Error| problem(error.to_string());
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let command = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let writer = child.stdin.take().zip(input.map(str::to_owned));
    // From a thread of its own: the program may say much before it has read all.
    let writer = writer.map(|(mut pipe, text)| std::thread::spawn(move || pipe.write_all(text.as_bytes())));
    let output = child.wait_with_output().map_err(failed)?;
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("failed").to_owned();
    Err(problem(line.chars().filter(|letter| !letter.is_control()).take(300).collect()))
}

/// Bytes of a file on the disk, without its holes.
pub fn allocated(file: &Path) -> Result<u64, MaintenanceError> {
    let facts = fs::metadata(file).map_err(MaintenanceError::at("reading", file))?;
    Ok(512 * facts.blocks())
}

/// Bytes of a file's parts that are no holes: what goes over the wire.
pub fn data_bytes(file: &Path) -> Result<u64, MaintenanceError> {
    let mut opened = File::open(file).map_err(MaintenanceError::at("opening", file))?;
    let mut bytes = 0;
    extents(&mut opened, |_, _, length| {
        bytes += length;
        Ok(())
    })
    .map_err(MaintenanceError::at("reading", file))?;
    Ok(bytes)
}

/// Copies a file without its holes; where the file system can share blocks, it shares them all.
pub fn copy(from: &Path, to: &Path, stop: &dyn Fn() -> bool) -> Result<(), MaintenanceError> {
    if clone(from, to).is_ok() {
        return Ok(());
    }
    copy_through(from, to, stop, io::sink()).map(drop)
}

/// The same without sharing, and hashed on the way, as one receives a file.
pub fn copy_hashed(from: &Path, to: &Path, stop: &dyn Fn() -> bool) -> Result<Digest, MaintenanceError> {
    Ok(copy_through(from, to, stop, HashingWriter::new(io::sink()))?.finish().1)
}

fn copy_through<W: Write>(
    from: &Path,
    to: &Path,
    stop: &dyn Fn() -> bool,
    mut also: W,
) -> Result<W, MaintenanceError> {
    let failed = |error| MaintenanceError::at::<io::Error>("copying", from)(error);
    let mut source = File::open(from).map_err(failed)?;
    let length = source.metadata().map_err(failed)?.len();
    let mut target = File::create(to).map_err(failed)?;
    let mut buffer = vec![0; 1 << 18];
    extents(&mut source, |source, offset, length| {
        target.seek(SeekFrom::Start(offset))?;
        let mut part = Watched::new(source, stop).take(length);
        loop {
            let got = part.read(&mut buffer)?;
            let read = buffer.get(..got).unwrap_or_default();
            if read.is_empty() {
                return Ok(());
            }
            target.write_all(read)?;
            also.write_all(read)?;
        }
    })
    .map_err(failed)?;
    target.set_len(length).map_err(failed)?;
    Ok(also)
}

/// Visits the parts that are no holes, with the file standing at each (lseek(2), `SEEK_DATA`).
fn extents(file: &mut File, mut visit: impl FnMut(&mut File, u64, u64) -> io::Result<()>) -> io::Result<()> {
    let end = file.metadata()?.len();
    let seek = |file: &File, offset: u64, whence: i32| {
        let offset = i64::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: moves the position of an open descriptor; no memory is passed.
        match unsafe { libc::lseek(file.as_raw_fd(), offset, whence) } {
            -1 => Err(io::Error::last_os_error()),
            found => Ok(found as u64),
        }
    };
    let mut at = 0;
    while at < end {
        let data = match seek(file, at, libc::SEEK_DATA) {
            // Nothing but a hole is left.
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Ok(()),
            found => found?,
        };
        let hole = seek(file, data, libc::SEEK_HOLE)?.min(end);
        file.seek(SeekFrom::Start(data))?;
        visit(file, data, hole.saturating_sub(data))?;
        at = hole;
    }
    Ok(())
}

/// Shares all blocks (ioctl_ficlone(2)): Btrfs, XFS and a few others can.
fn clone(from: &Path, to: &Path) -> io::Result<()> {
    let source = File::open(from)?;
    let target = File::create(to)?;
    // SAFETY: two open descriptors; no memory is passed.
    match unsafe { libc::ioctl(target.as_raw_fd(), libc::FICLONE, source.as_raw_fd()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// How many units of `unit` bytes (at most 64 KiB) of two files differ.
pub fn changed_units(old: &Path, new: &Path, unit: u64) -> Result<u64, MaintenanceError> {
    let open = |path: &Path| {
        let file = File::open(path).map_err(MaintenanceError::at("opening", path))?;
        Ok::<_, MaintenanceError>(io::BufReader::with_capacity(1 << 18, file))
    };
    let (mut old_file, mut new_file) = (open(old)?, open(new)?);
    let mut changed = 0;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        let unit = unit.clamp(1, 64 << 10);
        let read =
            |file: &mut io::BufReader<File>, to: &mut Vec<u8>| file.by_ref().take(unit).read_to_end(to);
        read(&mut old_file, &mut left).map_err(MaintenanceError::at("reading", old))?;
        read(&mut new_file, &mut right).map_err(MaintenanceError::at("reading", new))?;
        if left.is_empty() && right.is_empty() {
            return Ok(changed);
        }
        changed += u64::from(left != right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(folder: &Path) -> PathBuf {
        let root = folder.join("root");
        fs::create_dir_all(root.join("etc")).expect("made");
        for number in 0..20u32 {
            fs::write(root.join(format!("etc/{number}")), number.to_string().repeat(1000)).expect("written");
        }
        root
    }

    #[test]
    fn the_same_files_give_the_same_image_whatever_the_time_is() {
        if check().is_err() {
            return eprintln!("SKIPPED: no e2fsprogs");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let root = tree(folder.path());
        let maker = DiskMaker::new(21, 40_000);
        let images = ["one", "two"].map(|name| {
            let file = folder.path().join(name);
            maker.make(&root, &file).expect("made");
            maker.settle(&file).expect("settled");
            // Another time of change, as another flattened root has.
            fs::set_permissions(
                root.join("etc/1"),
                fs::metadata(root.join("etc/1")).expect("there").permissions(),
            )
            .expect("changed");
            std::thread::sleep(std::time::Duration::from_millis(1100));
            fs::read(&file).expect("readable")
        });
        assert!(images[0] == images[1], "the images differ");
        let damaged = DiskMaker { blocks: 8, inodes: 16 }.make(&root, &folder.path().join("small"));
        assert!(damaged.expect_err("too small").to_string().starts_with("mke2fs: "));
    }

    #[test]
    fn copies_keep_holes_and_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let mut file = File::create(path("one")).expect("made");
        file.seek(SeekFrom::Start(1 << 20)).expect("seeks");
        file.write_all(b"content").expect("written");
        file.set_len(4 << 20).expect("longer");
        copy(&path("one"), &path("two"), &|| false).expect("copied");
        copy_hashed(&path("one"), &path("three"), &|| false).expect("copied");
        for name in ["two", "three"] {
            assert_eq!(fs::read(path(name)).expect("there"), fs::read(path("one")).expect("there"));
            assert!(allocated(&path(name)).expect("known") < 1 << 20);
        }
        assert_eq!(changed_units(&path("one"), &path("two"), BLOCK).expect("read"), 0);
        file.seek(SeekFrom::Start(3 << 20)).expect("seeks");
        file.write_all(b"more").expect("written");
        assert_eq!(changed_units(&path("one"), &path("two"), BLOCK).expect("read"), 1);
        assert!(copy_hashed(&path("one"), &path("four"), &|| true).is_err());
    }
}
