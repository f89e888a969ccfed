//! Command lines of outside tools: found, run with a time limit, and quoted when they fail.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a tool may take for what is done outside the clock.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of a tool's output is kept.
const KEPT_BYTES: u64 = 1 << 20;

/// The program of this name on PATH.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| {
        path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
    })
}

/// A program with its arguments.
#[derive(Clone, Debug)]
pub(super) struct CommandLine {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl CommandLine {
    pub(super) fn new(program: &Path) -> CommandLine {
        CommandLine { program: program.to_owned(), arguments: Vec::new() }
    }

    pub(super) fn arguments<A: AsRef<OsStr>>(mut self, more: impl IntoIterator<Item = A>) -> CommandLine {
        self.arguments.extend(more.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// The same program with no arguments yet.
    pub(super) fn same_program(&self) -> CommandLine {
        CommandLine::new(&self.program)
    }

    /// The program and its arguments, `argv[0]` included.
    pub(super) fn words(&self) -> Vec<OsString> {
        std::iter::once(self.program.clone().into_os_string()).chain(self.arguments.iter().cloned()).collect()
    }

    /// The program that the kernel would start, and its words: a script's is its interpreter (execve(2)).
    pub(super) fn executable(&self) -> std::io::Result<(PathBuf, Vec<OsString>)> {
        let mut beginning = [0; 256];
        let read = File::open(&self.program)?.read(&mut beginning)?;
        let line =
            beginning[..read].strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
        let Some(line) = line.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) else {
            return Ok((self.program.clone(), self.words()));
        };
        let mut parts = line
            .splitn(2, |byte| byte.is_ascii_whitespace())
            .map(|part| OsStr::from_bytes(part.trim_ascii()));
        let interpreter = PathBuf::from(parts.next().unwrap_or_default());
        let mut words = vec![interpreter.clone().into_os_string()];
        words.extend(parts.map(OsStr::to_owned));
        words.extend(self.words());
        Ok((interpreter, words))
    }

    /// Runs it with no input and returns its standard output.
    pub(super) fn run(&self) -> Result<String, CommandFailure> {
        self.run_with(Stdio::null())
    }

    /// Runs it with this standard input.
    pub(super) fn run_with(&self, stdin: Stdio) -> Result<String, CommandFailure> {
        let failure = |what: String| CommandFailure { command: self.shown(), what };
        let (mut output, mut errors) =
            (spool().map_err(|e| failure(e.to_string()))?, spool().map_err(|e| failure(e.to_string()))?);
        let copy =
            |file: &File| file.try_clone().map(Stdio::from).map_err(|error| failure(error.to_string()));
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(stdin)
            .stdout(copy(&output)?)
            .stderr(copy(&errors)?)
            .process_group(0)
            .spawn()
            .map_err(|error| failure(error.to_string()))?;
        let ended = wait(child, PATIENCE).map_err(|error| failure(error.to_string()))?;
        let (output, errors) = (read_back(&mut output), read_back(&mut errors));
        match ended {
            Some(status) if status.success() => Ok(String::from_utf8_lossy(&output).into_owned()),
            Some(_) => Err(failure(own_words(&errors, &output))),
            None => Err(failure(format!("nothing for {} s", PATIENCE.as_secs()))),
        }
    }

    fn shown(&self) -> String {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let verb = self.arguments.iter().find(|word| !word.to_string_lossy().starts_with('-'));
        verb.map_or_else(|| name.clone(), |verb| format!("{name} {}", verb.to_string_lossy()))
    }
}

/// A tool that failed, in its own words.
#[derive(Debug, thiserror::Error)]
pub(super) struct CommandFailure {
    command: String,
    what: String,
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {}", self.command, self.what)
    }
}

impl From<CommandFailure> for std::io::Error {
    fn from(failure: CommandFailure) -> Self {
        std::io::Error::other(failure)
    }
}

/// A tool's own error text in one line: the last lines of what it said, where it said something.
pub(super) fn own_words(errors: &[u8], output: &[u8]) -> String {
    let said = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines[lines.len().saturating_sub(2)..].join(" / ");
        last.chars().filter(|one| !one.is_control()).take(300).collect::<String>()
    };
    let (errors, output) = (said(errors), said(output));
    match (errors.is_empty(), output.is_empty()) {
        (false, _) => errors,
        (true, false) => output,
        (true, true) => "it said nothing".to_owned(),
    }
}

fn spool() -> std::io::Result<File> {
    tempfile::tempfile()
}

fn read_back(file: &mut File) -> Vec<u8> {
    use std::io::{Seek, SeekFrom};
    let mut bytes = Vec::new();
    // What cannot be read back was not said.
    let _ = file.flush();
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(KEPT_BYTES).read_to_end(&mut bytes));
    bytes
}

/// Waits for its end; kills its process group and gives `None` when it takes too long.
fn wait(mut child: Child, patience: Duration) -> std::io::Result<Option<ExitStatus>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begin.elapsed() > patience {
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> CommandLine {
        CommandLine::new(Path::new("/bin/sh")).arguments(["-c", script])
    }

    #[test]
    fn output_comes_back() {
        assert_eq!(shell("echo one; echo two >&2").run().unwrap(), "one\n");
    }

    #[test]
    fn a_failure_is_told_in_the_tools_own_words() {
        let failure = shell("echo before >&2; echo 'no such daemon' >&2; exit 3").run().unwrap_err();
        assert_eq!(
            failure.to_string(),
            "sh echo before >&2; echo 'no such daemon' >&2; exit 3: before / no such daemon"
        );
        assert_eq!(own_words(b"", b""), "it said nothing");
        assert_eq!(own_words(b"\n\n", b"only this\x1b[31m\n"), "only this[31m");
    }

    #[test]
    fn a_script_is_started_by_its_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("tool");
        std::fs::write(&script, "#!/usr/bin/env  python3 -u\nprint()\n").unwrap();
        let (program, words) = CommandLine::new(&script).arguments(["run"]).executable().unwrap();
        assert_eq!(program, Path::new("/usr/bin/env"));
        assert_eq!(
            words,
            ["/usr/bin/env".as_ref(), "python3 -u".as_ref(), script.as_os_str(), "run".as_ref()]
        );
    }

    #[test]
    fn what_hangs_is_killed_with_its_children() {
        let child =
            Command::new("/bin/sh").args(["-c", "sleep 1000 & sleep 1000"]).process_group(0).spawn().unwrap();
        let group = child.id().cast_signed();
        assert_eq!(wait(child, Duration::from_millis(50)).unwrap(), None);
        // The group is gone as soon as its last process is reaped by its new parent.
        let gone = || killpg(Pid::from_raw(group), None) == Err(nix::errno::Errno::ESRCH);
        assert!((0..500).any(|_| gone() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }));
    }
}
