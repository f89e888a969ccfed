//! Finding and opening the program that a sandbox runs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use sha2::{Digest, Sha256};

use super::elf::{ElfFacts, ElfProblem, Linkage};
use super::{catalogue, rooted};
use crate::runtime::RuntimeError;
use crate::runtime::spec::Program;

include!(concat!(env!("OUT_DIR"), "/programs.rs"));

/// Where a command is looked for inside a root directory: the usual `PATH` of a container.
const PATH_IN_ROOT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An open program, checked to be an ELF file for this host (or, inside a root, a script).
#[derive(Debug)]
pub struct ProgramFile {
    /// The file, open for reading; a built-in workload is a sealed memory file.
    pub file: File,
    /// File name without folders, or the built-in's name.
    pub name: String,
    /// Its absolute path inside [`crate::runtime::spec::LaunchSpec::root`], for a program that lives there.
    pub path_in_root: Option<PathBuf>,
    /// What kind of ELF file it is.
    pub elf: ElfFacts,
}

impl ProgramFile {
    /// SHA-256 of the whole file, as hex. Reads it through, so call it outside every clock.
    pub fn sha256(&self) -> io::Result<String> {
        use std::os::unix::fs::FileExt;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut at = 0;
        loop {
            let length = match self.file.read_at(&mut buffer, at) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hasher.update(buffer.get(..length).unwrap_or_default());
            at += length as u64;
        }
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The bytes of a built-in workload.
pub fn embedded(name: &str) -> Option<&'static [u8]> {
    PROGRAMS.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// What the user means by the first word of a command.
///
/// A name without a slash is a built-in workload if there is one, else a command, looked for along
/// `PATH` as a shell does, or along a container's usual `PATH` inside `root`. A name with a slash is
/// a path on the host, or inside `root` where one is given.
pub fn resolve_program(name: &OsStr, root: Option<&Path>) -> Result<Program, RuntimeError> {
    if name.is_empty() {
        return Err(bad("no program given: an empty name".to_owned()));
    }
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        return Ok(match root {
            Some(_) => Program::InRoot(Path::new("/").join(path)),
            None => Program::HostFile(path),
        });
    }
    if let Some(name) = name.to_str().filter(|name| embedded(name).is_some()) {
        return Ok(Program::Builtin(name.to_owned()));
    }
    let found =
        match root {
            Some(root) => along_path(name, root, OsStr::new(PATH_IN_ROOT)),
            None => std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
                .map(|folder| {
                    if folder.as_os_str().is_empty() { Path::new(".").join(name) } else { folder.join(name) }
                })
                .find(|path| open_on_host(path).is_ok_and(|file| is_command(&file)))
                .map(Program::HostFile),
        };
    found.ok_or_else(|| unknown(&name.to_string_lossy()))
}

/// What the first word of a command means for a guest whose root is a disk, into which the host does not look: a
/// built-in workload if there is one of that name, else a path there, or a name to be looked for there.
pub fn program_on_disk(name: &OsStr) -> Program {
    match name.to_str().filter(|name| embedded(name).is_some()) {
        Some(name) => Program::Builtin(name.to_owned()),
        None => Program::InRoot(PathBuf::from(name)),
    }
}

/// What the first word of a command means in an image: a name is looked for along `path`, a relative
/// path begins at `folder`. Built-in workloads are not among the image's programs.
pub fn find_in_root(name: &OsStr, root: &Path, path: &OsStr, folder: &Path) -> Result<Program, RuntimeError> {
    if name.as_bytes().contains(&b'/') {
        return Ok(Program::InRoot(folder.join(name)));
    }
    along_path(name, root, path).ok_or_else(|| {
        RuntimeError::NoSuchProgram(format!(
            "no such program in the image: {}; its PATH is {}",
            name.display(),
            path.display()
        ))
    })
}

fn along_path(name: &OsStr, root: &Path, path: &OsStr) -> Option<Program> {
    std::env::split_paths(path)
        .map(|folder| Path::new("/").join(folder).join(name))
        .find(|path| rooted::open(root, path).is_ok_and(|file| is_command(&file)))
        .map(Program::InRoot)
}

/// Opens a program and checks that it can run on this host at all. Whether a *dynamic* program can
/// run depends on the runtime: see [`require_static`].
pub fn open_program(program: &Program, root: Option<&Path>) -> Result<ProgramFile, RuntimeError> {
    let (file, name, path_in_root) = match program {
        Program::Builtin(name) => {
            let bytes = embedded(name).ok_or_else(|| unknown(name))?;
            let file = memory_file(name, bytes)
                .map_err(RuntimeError::step(format!("making a memory file for the workload {name}")))?;
            (file, name.clone(), None)
        }
        Program::HostFile(path) => {
            let file = open_on_host(path).map_err(|error| cannot_open(path, None, &error))?;
            (file, file_name(path), None)
        }
        Program::InRoot(path) => {
            let Some(root) = root else {
                return Err(bad(format!("{} is a path inside a root, but there is no root", path.display())));
            };
            let file = rooted::open(root, path).map_err(|error| cannot_open(path, Some(root), &error))?;
            (file, file_name(path), Some(Path::new("/").join(path)))
        }
    };
    let shown = match program {
        Program::Builtin(name) => name.clone(),
        Program::HostFile(path) => path.display().to_string(),
        Program::InRoot(path) => format!("{} in the root", path.display()),
    };
    if !matches!(program, Program::Builtin(_)) {
        check_kind(&file, &shown)?;
    }
    let elf = match ElfFacts::read(&file) {
        Err(ElfProblem::Script { interpreter }) if path_in_root.is_some() => ElfFacts::script(interpreter),
        read => read.map_err(|problem| bad(format!("{shown} {problem}")))?,
    };
    Ok(ProgramFile { file, name, path_in_root, elf })
}

/// Refuses a program that needs a dynamic linker: for the microvm, and for a container without a
/// root, where neither the linker nor the libraries would be there.
pub fn require_static(program: &ProgramFile) -> Result<(), RuntimeError> {
    match &program.elf.linkage {
        Linkage::Static | Linkage::StaticPie => Ok(()),
        Linkage::Dynamic { interpreter } => Err(bad(format!(
            "{} is dynamically linked (interpreter {interpreter}): static needed for the microvm; link it with \
             `-static`, or use `--root DIR` with a container",
            program.name
        ))),
        Linkage::Script { interpreter } => Err(bad(format!(
            "{} is a script for {interpreter}: the microvm runs a single static program; use a container",
            program.name
        ))),
    }
}

/// A memory file that holds `bytes` and can be executed, but no longer written to.
pub(crate) fn memory_file(name: &str, bytes: &[u8]) -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Linux 6.3 wants to be told whether a memory file may be executed; older kernels refuse to be.
    let executable = flags | MFdFlags::from_bits_retain(libc::MFD_EXEC);
    let fd = match memfd_create(name, executable) {
        Err(Errno::EINVAL) => memfd_create(name, flags)?,
        made => made?,
    };
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

/// Opens a file without waiting, should it be a FIFO.
fn open_on_host(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// A regular file that somebody may execute.
fn is_command(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
}

fn check_kind(file: &File, shown: &str) -> Result<(), RuntimeError> {
    let metadata = file.metadata().map_err(RuntimeError::step(format!("looking at {shown}")))?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(bad(format!("{shown} is a directory, not a program")));
    }
    if !kind.is_file() {
        let what = if kind.is_fifo() { "a FIFO" } else { "a device or socket" };
        return Err(bad(format!("{shown} is {what}, not a program")));
    }
    if metadata.mode() & 0o111 == 0 {
        return Err(bad(format!("{shown} is not executable; `chmod +x` it")));
    }
    Ok(())
}

fn cannot_open(path: &Path, root: Option<&Path>, error: &io::Error) -> RuntimeError {
    let place = root.map(|root| format!(" in the root {}", root.display())).unwrap_or_default();
    let shown = path.display();
    if error.kind() == io::ErrorKind::NotFound {
        let advice = match path.to_str().and_then(catalogue::nearest) {
            Some(near) => format!("; did you mean the built-in workload `{near}`?"),
            None => String::new(),
        };
        return RuntimeError::NoSuchProgram(format!("no such program{place}: {shown}{advice}"));
    }
    bad(match error.kind() {
        io::ErrorKind::PermissionDenied => format!("no permission to read {shown}{place}"),
        io::ErrorKind::IsADirectory => format!("{shown}{place} is a directory, not a program"),
        _ => format!("cannot open {shown}{place}: {error}"),
    })
}

fn unknown(name: &str) -> RuntimeError {
    let advice = match catalogue::nearest(name) {
        Some(near) => format!("did you mean the built-in workload `{near}`?"),
        None => format!("for a file in this folder write `./{name}`"),
    };
    RuntimeError::NoSuchProgram(format!("no such program: {name}; {advice}"))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn bad(message: String) -> RuntimeError {
    RuntimeError::BadSpec(message)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

    use super::*;

    fn refused(program: &Program, root: Option<&Path>) -> String {
        open_program(program, root).expect_err("refused").to_string()
    }

    fn program_file(folder: &Path, name: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, embedded("noop").expect("built in")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
        path
    }

    #[test]
    fn every_built_in_opens_sealed_and_static() {
        for builtin in catalogue::BUILTINS {
            let program = open_program(&Program::Builtin(builtin.name.to_owned()), None).expect("opens");
            require_static(&program).expect("static");
            assert_eq!((program.name.as_str(), program.path_in_root.as_ref()), (builtin.name, None));
            assert!(program.file.write_at(b"x", 0).is_err());
            assert!(program.file.set_len(0).is_err());
        }
    }

    #[test]
    fn the_hash_is_that_of_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = program_file(folder.path(), "tool", 0o755);
        let program = open_program(&Program::HostFile(path.clone()), None).expect("opens");
        let output = std::process::Command::new("sha256sum").arg(&path).output().expect("coreutils");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).split(' ').next(),
            program.sha256().ok().as_deref()
        );
    }

    #[test]
    fn bad_files_are_refused_with_their_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let plain = program_file(folder.path(), "plain", 0o644);
        assert!(refused(&Program::HostFile(plain), None).contains("not executable"));
        assert!(refused(&Program::HostFile(folder.path().to_owned()), None).contains("is a directory"));
        assert!(refused(&Program::HostFile(folder.path().join("none")), None).contains("no such program"));
        let script = folder.path().join("script");
        fs::write(&script, "#!/bin/sh\n").expect("written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("changed");
        assert!(refused(&Program::HostFile(script), None).contains("/bin/sh"));
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("made");
        assert!(refused(&Program::HostFile(fifo), None).contains("FIFO"));
        assert!(refused(&Program::Builtin("itn".to_owned()), None).contains("`int`"));
    }

    #[test]
    fn a_program_in_a_root_is_found_there_and_nowhere_else() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("usr/bin")).expect("made");
        program_file(&root.path().join("usr/bin"), "tool", 0o755);
        symlink("/usr/bin", root.path().join("bin")).expect("linked");
        symlink("/proc/self/exe", root.path().join("out")).expect("linked");

        let resolved = resolve_program(OsStr::new("tool"), Some(root.path())).expect("found");
        assert_eq!(resolved, Program::InRoot("/usr/bin/tool".into()));
        let program = open_program(&Program::InRoot("/bin/tool".into()), Some(root.path())).expect("opens");
        assert_eq!(program.path_in_root.as_deref(), Some(Path::new("/bin/tool")));
        let script = root.path().join("start.sh");
        fs::write(&script, "#!/usr/bin/tool -x\n").expect("written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("changed");
        let script = open_program(&Program::InRoot("/start.sh".into()), Some(root.path())).expect("opens");
        assert_eq!(script.elf.linkage, Linkage::Script { interpreter: "/usr/bin/tool -x".to_owned() });
        assert!(require_static(&script).is_err());
        assert!(refused(&Program::InRoot("/out".into()), Some(root.path())).contains("no such program"));
        assert!(resolve_program(OsStr::new("sh"), Some(root.path())).is_err());
    }

    #[test]
    fn names_resolve_to_built_ins_then_along_the_path() {
        let resolve = |name: &str| resolve_program(OsStr::new(name), None);
        // There is a `sort` on every host, too; a slash asks for that one.
        assert_eq!(resolve("sort").ok(), Some(Program::Builtin("sort".to_owned())));
        assert_eq!(resolve("./sort").ok(), Some(Program::HostFile("./sort".into())));
        let Ok(Program::HostFile(shell)) = resolve("sh") else { panic!("every host has a shell") };
        assert!(shell.is_absolute() && shell.ends_with("sh"));
        let message = resolve("strem").expect_err("no such program").to_string();
        assert!(message.contains("`stream`"), "{message}");
        assert!(resolve("").is_err());
    }

    #[test]
    fn a_dynamic_program_is_refused_where_static_is_needed() {
        let program = open_program(&Program::HostFile("/proc/self/exe".into()), None).expect("opens");
        if !program.elf.is_static() {
            let message = require_static(&program).expect_err("dynamic").to_string();
            assert!(message.contains("-static") && message.contains("/lib"), "{message}");
        }
    }
}
