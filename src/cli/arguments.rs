//! Arguments that several commands share, and how their values are written.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::Failure;
use crate::experiment::suite::environment;
use crate::image::{self, Image, Overrides};
use crate::runtime::launcher::{Kind, Launcher};
use crate::runtime::spec::{FileMapping, Isolation, LaunchSpec, Limits, Program, set_variable};
use crate::runtime::{Runtime, RuntimeError, external};
use crate::workload::catalogue;
use crate::workload::program::{find_in_root, program_on_disk, resolve_program};

/// What a sandbox gets.
#[derive(Debug, Args)]
pub struct SandboxArguments {
    /// CPUs that a sandbox may use
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub cpus: u32,

    /// Memory: the limit of a container, the size of a VM (64M, 1G, …; powers of 1024)
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = size)]
    pub memory: u64,

    /// Kill a sandbox after this time (500ms, 10s, 2min, …)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: Option<Duration>,

    /// Show a file of the host in the sandbox; may be repeated
    #[arg(long = "file", value_name = "HOST[:GUEST]", value_parser = mapping)]
    pub files: Vec<FileMapping>,

    /// Use a folder of the host as the sandbox's root; it is never written to
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Leave out steps of building a container; may be repeated, or separated by commas
    #[arg(long, value_name = "STEP", value_delimiter = ',', value_parser = isolation_parser())]
    pub without: Vec<String>,

    /// The Linux kernel of a linuxvm: a bzImage (vmlinuz) or a vmlinux; by default the newest known (isobench kernel ls)
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,

    /// Let a linuxvm unpack its own kernel at every boot; by default the host unpacks it once
    #[arg(long)]
    pub guest_unpacks_kernel: bool,

    /// Boot the kernel of a linuxvm even where this host's KVM is known not to boot Linux
    #[arg(long)]
    pub boot_anyway: bool,

    /// The image of a disk (ext4, squashfs, erofs, xfs, btrfs, iso9660) that becomes the root of a linuxvm; it is never
    /// written to
    #[arg(long, value_name = "FILE", conflicts_with_all = ["root", "files"])]
    pub disk: Option<PathBuf>,

    /// Let the standard streams of a linuxvm go by a virtio console; by default init calls the VMM for them
    #[arg(long)]
    pub virtio_console: bool,

    /// Set a variable in the sandbox's environment; may be repeated
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE")]
    pub env: Vec<OsString>,
}

impl SandboxArguments {
    /// A spec for `command`, whose first word names the program.
    pub fn spec(&self, command: &[OsString]) -> Result<LaunchSpec, Failure> {
        let name = command.first().ok_or_else(|| Failure::usage("no program given; put it after --"))?;
        let program = match &self.disk {
            Some(_) => program_on_disk(name),
            None => resolve_program(name, self.root.as_deref()).map_err(program_failure)?,
        };
        let argv = command.iter().map(c_string).collect::<Result<_, _>>()?;
        Ok(LaunchSpec { program, argv, ..self.template()? })
    }

    /// A spec for a clone of a saved snapshot, with `arguments` in place of its program's own, where there are any.
    pub fn spec_from_snapshot(&self, snapshot: &Path, arguments: &[OsString]) -> Result<LaunchSpec, Failure> {
        let argv = arguments.iter().map(c_string).collect::<Result<_, _>>()?;
        Ok(LaunchSpec { snapshot: Some(snapshot.to_owned()), argv, ..self.template_over(Vec::new())? })
    }

    /// The same with no program yet.
    pub fn template(&self) -> Result<LaunchSpec, Failure> {
        self.template_over(environment())
    }

    /// A spec for a command in an image, of which `root` is the root filesystem. Whoever is asked for to run it
    /// is looked up there.
    pub fn spec_in_image(
        &self,
        image: &Image,
        root: &Path,
        overrides: &Overrides,
    ) -> Result<LaunchSpec, Failure> {
        let command = image::Command::new(image, overrides);
        let Some(name) = command.words.first() else {
            return Err(Failure::usage(format!(
                "the image {} names no program to run; put one after --",
                image.shown()
            )));
        };
        let cannot = |message: String| Failure { message, status: 126 };
        let user = command
            .user
            .as_deref()
            .map(|user| image::identity(Some(root), user))
            .transpose()
            .map_err(cannot)?;
        let mut env = environment();
        let of_root = || image::identity(Some(root), "0").ok();
        let home =
            user.clone().or_else(of_root).and_then(|user| user.home).map(|home| format!("HOME={home}"));
        for variable in home.iter().chain(&command.env) {
            set_variable(&mut env, c_string(&variable.into())?);
        }
        let template = self.template_over(env)?;
        let path = template.env.iter().find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="));
        let path = OsStr::from_bytes(path.unwrap_or_default());
        let program = find_in_root(name, root, path, &command.working_dir).map_err(program_failure)?;
        let argv = command.words.iter().map(c_string).collect::<Result<_, _>>()?;
        let working_dir = Some(command.working_dir);
        Ok(LaunchSpec { program, argv, root: Some(root.to_owned()), working_dir, user, ..template })
    }

    fn template_over(&self, mut env: Vec<CString>) -> Result<LaunchSpec, Failure> {
        for variable in &self.env {
            if !variable.as_bytes().contains(&b'=') {
                return Err(Failure::usage(format!(
                    "--env {}: write NAME=VALUE",
                    Path::new(variable).display()
                )));
            }
            set_variable(&mut env, c_string(variable)?);
        }
        for mapping in &self.files {
            if !mapping.host.is_file() {
                return Err(Failure::usage(format!(
                    "--file {}: no such file on the host (a folder goes in by --root)",
                    mapping.host.display()
                )));
            }
        }
        if let Some(root) = self.root.as_ref().filter(|root| !root.is_dir()) {
            return Err(Failure::usage(format!("--root {}: no such folder", root.display())));
        }
        Ok(LaunchSpec {
            env,
            limits: Limits { cpus: self.cpus, memory_bytes: self.memory, ..Limits::default() },
            timeout: self.timeout,
            files: self.files.clone(),
            root: self.root.as_ref().map(|root| root.canonicalize().unwrap_or_else(|_| root.clone())),
            kernel: self
                .kernel
                .as_ref()
                .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            guest_unpacks_kernel: self.guest_unpacks_kernel,
            boot_anyway: self.boot_anyway,
            disk: self.disk.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            virtio_console: self.virtio_console,
            without: self.without.iter().filter_map(|name| Isolation::from_name(name)).collect(),
            ..LaunchSpec::new(Program::Builtin(String::new()))
        })
    }
}

/// As a shell, `env` and `docker run` report it: 127 where there is no such program, 126 where it cannot run.
pub fn program_failure(error: RuntimeError) -> Failure {
    let status = if matches!(error, RuntimeError::NoSuchProgram(_)) { 127 } else { 126 };
    Failure { message: error.to_string(), status }
}

fn c_string(text: &OsString) -> Result<CString, Failure> {
    CString::new(text.clone().into_vec())
        .map_err(|_| Failure::usage("an argument contains a zero byte, which no program can receive"))
}

/// The runtimes of ours by name.
pub const RUNTIMES: [(&str, Kind); 6] = [
    ("process", Kind::Process),
    ("container", Kind::Container),
    ("microvm", Kind::Microvm),
    ("microvm-clone", Kind::MicrovmClone),
    ("linuxvm", Kind::Linuxvm),
    ("linuxvm-clone", Kind::LinuxvmClone),
];

/// Accepts the name of a runtime, ours or external; clap suggests the nearest for any other.
pub fn runtime_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(own_names().chain(external::names()))
}

/// Accepts the name of a runtime of ours.
pub fn own_runtime_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(own_names())
}

fn own_names() -> impl Iterator<Item = &'static str> {
    RUNTIMES.into_iter().map(|(name, _)| name)
}

/// The runtime with this name, whose processes `launcher` starts; the parser has let no other through.
pub fn runtime<'l>(name: &str, launcher: &'l Launcher) -> Box<dyn Runtime + 'l> {
    match external::runtime(name, launcher) {
        Some(tool) => Box::new(tool),
        None => Box::new(launcher.runtime(kind(name))),
    }
}

/// Accepts a built-in workload's name.
pub fn workload_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(catalogue::BUILTINS.iter().map(|workload| workload.name))
}

fn isolation_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(Isolation::ALL.map(Isolation::name))
}

/// The runtime with this name; the parser has let no other through.
pub fn kind(name: &str) -> Kind {
    RUNTIMES.iter().find(|(known, _)| *known == name).map_or(Kind::Process, |(_, kind)| *kind)
}

/// A size with its unit.
pub fn size(text: &str) -> Result<u64, String> {
    let bytes = parse_size::Config::new()
        .with_binary()
        .parse_size(text)
        .map_err(|error| format!("{error}; write a size like 64M or 1G"))?;
    match bytes {
        0..0x40_0000 => Err("less than 4M, in which nothing of use can run".into()),
        _ => Ok(bytes),
    }
}

/// A share of something, as a percentage: `10%`, `2.5%`, `10`.
pub fn share(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if percent.is_finite() && (0.0..=1_000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write a percentage from 0% to 1000%, like 10%".to_owned()),
    }
}

/// `HOST[:GUEST]`; the guest path must be absolute, by default it is the host file's absolute path.
fn mapping(text: &str) -> Result<FileMapping, String> {
    let (host, guest) = match text.rsplit_once(':') {
        Some((host, guest)) if guest.starts_with('/') => (host, Some(guest)),
        Some((host, _)) if !Path::new(text).exists() => {
            return Err(format!("the path in the sandbox must begin with / (--file {host}:/PATH)"));
        }
        _ => (text, None),
    };
    let host = std::path::absolute(host).map_err(|error| error.to_string())?;
    let guest = guest.map_or_else(|| host.clone(), PathBuf::from);
    Ok(FileMapping { host, guest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert!(size("1k").is_err() && size("big").is_err() && size("-1").is_err());
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(share("10%"), Ok(0.1));
        assert_eq!(share("2.5 %"), Ok(0.025));
        assert_eq!(share("0"), Ok(0.0));
        assert!(
            share("-1%").is_err() && share("NaN").is_err() && share("ten").is_err() && share("").is_err()
        );
    }

    #[test]
    fn file_mappings_name_both_sides() {
        let both = mapping("/etc/hosts:/data/hosts").unwrap();
        assert_eq!((both.host, both.guest), ("/etc/hosts".into(), "/data/hosts".into()));
        let one = mapping("/etc/hosts").unwrap();
        assert_eq!(one.guest, PathBuf::from("/etc/hosts"));
        assert!(mapping("/etc/hosts:data").is_err());
    }
}
