//! What is to be done to make one container, as data: computed once for a spec, outside every clock.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::copy_tree;
use super::host::Host;
use super::operation::Operation;
use crate::runtime::RuntimeError;
use crate::runtime::spec::{Identity, Isolation, LaunchSpec, Program};

/// How to build a container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// `CLONE_NEW…` flags of the clone that starts it.
    pub namespaces: u64,
    /// In order.
    pub steps: Vec<Step>,
    /// The root holds nothing of the host's that was not asked for.
    pub has_own_root: bool,
    /// The first process becomes another user, by which the kernel forgets that it is tied to its parent.
    pub changes_user: bool,
    /// What to execute when all is done.
    pub command: Command,
    /// What was left out and why, for the user.
    pub notes: Vec<String>,
}

/// One phase of the timeline.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub phase: &'static str,
    pub action: Action,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Operations(Vec<Operation>),
    /// Enters the groups that were made for this launch.
    JoinCgroup,
    InstallFilter,
}

/// The program to execute.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The opened bytes of a built-in workload.
    Opened,
    /// A path as the container sees it.
    Path(CString),
}

/// A host file that is shown in the sandbox; `host` has no symbolic links left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub host: PathBuf,
    pub guest: PathBuf,
    pub folder: bool,
}

/// The devices that every program may expect, by name and number (Linux `admin-guide/devices.txt`).
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const DEVICE_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// What root keeps where its files are to last, as in the step of a build: package managers give files away
/// and become other users. CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETFCAP
/// (linux/capability.h), of what Docker leaves by default.
const FOR_A_BUILD: u64 = 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 31;

/// The phase in which overlayfs is mounted.
pub(super) const OVERLAY: &str = "overlay";

/// The host name inside.
const HOSTNAME: &str = "isobench";

impl Plan {
    /// Plans a container for `spec` on `host`. `program` is the host's path of [`Program::HostFile`]
    /// and `root` that of [`LaunchSpec::root`], both without symbolic links.
    pub(super) fn new(
        spec: &LaunchSpec,
        host: &Host,
        program: Option<&Path>,
        root: Option<&Path>,
        shown: &[Shown],
    ) -> Result<Plan, RuntimeError> {
        Planner { host, without: effective(&spec.without), steps: Vec::new(), notes: Vec::new() }
            .plan(spec, program, root, shown)
    }
}

impl Plan {
    /// The same up to the overlay, if there is one.
    pub(super) fn until_root(mut self) -> Plan {
        if let Some(index) = self.steps.iter().position(|step| step.phase == OVERLAY) {
            self.steps.truncate(index + 1);
        }
        self
    }
}

/// What is left out, with what follows from it: without a mount namespace there can be no root of
/// one's own, and without that, no `/proc` and `/dev` that the host would not see as well.
fn effective(without: &BTreeSet<Isolation>) -> BTreeSet<Isolation> {
    let mut all = without.clone();
    if all.contains(&Isolation::Mount) {
        all.extend([Isolation::Root, Isolation::Proc]);
    }
    if all.contains(&Isolation::Root) {
        all.insert(Isolation::Dev);
    }
    all
}

struct Planner<'a> {
    host: &'a Host,
    without: BTreeSet<Isolation>,
    steps: Vec<Step>,
    notes: Vec<String>,
}

impl Planner<'_> {
    fn plan(
        mut self,
        spec: &LaunchSpec,
        program: Option<&Path>,
        root: Option<&Path>,
        shown: &[Shown],
    ) -> Result<Plan, RuntimeError> {
        if !self.host.privileged && !self.with(Isolation::User) {
            return Err(bad("--without user needs root: any other user gets the other namespaces from it"));
        }
        let own_root = self.with(Isolation::Root);
        if !own_root {
            self.refuse_what_needs_a_root(spec, shown)?;
        }
        if self.with(Isolation::Limits) {
            self.steps.push(Step { phase: "cgroup", action: Action::JoinCgroup });
        }
        if self.with(Isolation::Cgroup) {
            // Only now, so that its root is the group just joined.
            self.add("cgroup namespace", vec![Operation::Unshare(libc::CLONE_NEWCGROUP)]);
        }
        if self.makes_user_namespace() {
            let operations = self.id_map(spec.user.as_ref());
            self.add("id map", operations);
        } else {
            self.add("groups", vec![Operation::ClearGroups]);
        }
        if self.with(Isolation::Uts) {
            self.add("host name", vec![Operation::SetHostname(HOSTNAME)]);
        }
        if self.with(Isolation::Mount) {
            self.add("mounts", vec![Operation::MakeMountsPrivate]);
        }
        if own_root {
            self.root(root, spec.writes.as_deref())?;
        }
        if self.with(Isolation::Proc) {
            self.proc();
        }
        if self.with(Isolation::Dev) {
            self.dev(root.is_some());
        }
        let command = if own_root {
            self.files(program, shown)?
        } else {
            match program {
                Some(path) => Command::Path(c_path(path)?),
                None => Command::Opened,
            }
        };
        let command = match &spec.program {
            Program::InRoot(path) => Command::Path(c_path(path)?),
            _ => command,
        };
        if own_root {
            self.add("old root", vec![Operation::DetachOldRoot]);
            self.working_dir(spec)?;
        }
        self.privileges(spec);
        Ok(Plan {
            namespaces: self.namespaces(),
            steps: self.steps,
            has_own_root: own_root,
            changes_user: spec.user.is_some(),
            command,
            notes: self.notes,
        })
    }

    fn with(&self, step: Isolation) -> bool {
        !self.without.contains(&step)
    }

    fn add(&mut self, phase: &'static str, operations: Vec<Operation>) {
        self.steps.push(Step { phase, action: Action::Operations(operations) });
    }

    fn makes_user_namespace(&self) -> bool {
        !self.host.privileged
    }

    fn namespaces(&self) -> u64 {
        let mut flags = 0;
        for (step, flag) in [
            (Isolation::Pid, libc::CLONE_NEWPID),
            (Isolation::Mount, libc::CLONE_NEWNS),
            (Isolation::Uts, libc::CLONE_NEWUTS),
            (Isolation::Ipc, libc::CLONE_NEWIPC),
            (Isolation::Net, libc::CLONE_NEWNET),
        ] {
            if self.with(step) {
                flags |= flag;
            }
        }
        if self.makes_user_namespace() {
            flags |= libc::CLONE_NEWUSER;
        }
        flags as u64
    }

    fn refuse_what_needs_a_root(&self, spec: &LaunchSpec, shown: &[Shown]) -> Result<(), RuntimeError> {
        let step = if self.with(Isolation::Mount) { "root" } else { "mount" };
        if spec.root.is_some() {
            return Err(bad(format!("--root cannot be had together with --without {step}")));
        }
        match shown.iter().find(|shown| shown.host != shown.guest) {
            Some(shown) => Err(bad(format!(
                "{} cannot appear as {} together with --without {step}, which shows the host's files as they are",
                shown.host.display(),
                shown.guest.display()
            ))),
            None => Ok(()),
        }
    }

    /// The user becomes root inside, or whoever is asked for, and nobody else exists there. A process may
    /// write such a map of its own (user_namespaces(7)), once it has given up `setgroups`.
    fn id_map(&mut self, user: Option<&Identity>) -> Vec<Operation> {
        let write = |path: &CStr, text: String| Operation::Write { path: path.to_owned(), text };
        let (uid, gid) = user.map_or((0, 0), |user| (user.uid, user.gid));
        if user.is_some_and(|user| !user.groups.is_empty()) {
            self.notes.push(
                "without root there is one user and one group in a container: further groups are left out"
                    .into(),
            );
        }
        vec![
            write(c"/proc/self/setgroups", "deny".into()),
            write(c"/proc/self/uid_map", format!("{uid} {} 1\n", self.host.euid)),
            write(c"/proc/self/gid_map", format!("{gid} {} 1\n", self.host.egid)),
        ]
    }

    /// A root that holds nothing yet, or one that shows `lower` and takes writes elsewhere: in memory, or in
    /// the host's folder `writes`. It is built over a folder that every host has and nobody needs meanwhile;
    /// only this mount namespace ever sees it there.
    fn root(&mut self, lower: Option<&Path>, writes: Option<&Path>) -> Result<(), RuntimeError> {
        let staging = self.host.staging;
        let under = |name: &str| format!("{}/{name}", staging.to_string_lossy());
        let tmpfs = |flags| Operation::Mount {
            kind: c"tmpfs",
            target: staging.to_owned(),
            flags: libc::MS_NOSUID | flags,
            options: c"mode=755".to_owned(),
        };
        let mut new_root = staging.to_owned();
        match (lower, writes) {
            // Device nodes are made in it, where that is allowed.
            (None, _) => self.add("root", vec![tmpfs(0)]),
            (Some(lower), None) if self.host.overlay => {
                let folders = ["upper", "work", "root"].map(under);
                let mut operations = vec![tmpfs(libc::MS_NODEV)];
                for path in &folders {
                    operations.push(folder(c_string(path.as_str())?, 0o755));
                }
                self.add("root", operations);
                let [upper, work, target] = folders;
                new_root = c_string(target)?;
                self.overlay(lower, Path::new(&upper), Path::new(&work), new_root.clone())?;
            }
            (Some(lower), Some(writes)) if self.host.overlay => {
                self.overlay(lower, &writes.join("upper"), &writes.join("work"), new_root.clone())?;
            }
            (Some(lower), writes) => {
                let copy = writes.map(|writes| writes.join("copy"));
                let mut operations = Vec::new();
                let source = match &copy {
                    Some(copy) => copy.as_path(),
                    None => {
                        operations.push(tmpfs(libc::MS_NODEV));
                        Path::new(OsStr::from_bytes(staging.to_bytes()))
                    }
                };
                let (copying, notes) = copy_tree::operations(lower, source)?;
                operations.extend(copying);
                if let Some(copy) = &copy {
                    operations.push(Operation::Bind { source: c_path(copy)?, target: staging.to_owned() });
                }
                self.notes
                    .push("overlayfs cannot be had here: the root is a copy, made anew for each run".into());
                self.notes.extend(notes);
                self.add("copy of the root", operations);
            }
        }
        self.add("pivot root", vec![Operation::PivotRoot(new_root)]);
        Ok(())
    }

    fn overlay(
        &mut self,
        lower: &Path,
        upper: &Path,
        work: &Path,
        target: CString,
    ) -> Result<(), RuntimeError> {
        let mut options = Vec::new();
        for (name, path) in [("lowerdir=", lower), (",upperdir=", upper), (",workdir=", work)] {
            options.extend(name.bytes());
            options.extend(escape_for_overlay(path));
        }
        if self.makes_user_namespace() {
            // Which switches off what the next line does.
            options.extend(b",userxattr");
        } else {
            // What is written is there as a whole, to be read without the lower folder.
            options.extend(b",redirect_dir=off,metacopy=off");
        }
        let mount = Operation::Mount {
            kind: c"overlay",
            target,
            flags: libc::MS_NOSUID | libc::MS_NODEV,
            options: c_string(options)?,
        };
        self.add(OVERLAY, vec![mount]);
        Ok(())
    }

    /// Read-only as a whole: as host root, even without capabilities, one could else write to
    /// `/proc/sys` and `/proc/sysrq-trigger`.
    fn proc(&mut self) {
        let target = c"/proc".to_owned();
        let mut operations = Vec::new();
        if self.with(Isolation::Root) {
            operations.push(folder(target.clone(), 0o555));
        }
        if self.makes_user_namespace() && !self.with(Isolation::Pid) {
            // A new mount of /proc needs a pid namespace of one's own; the host's can only be shown.
            let source = if self.with(Isolation::Root) { c"proc" } else { c"/proc" };
            operations.push(Operation::Bind { source: source.to_owned(), target: target.clone() });
            operations.push(Operation::Harden(target));
        } else {
            operations.push(Operation::Mount {
                kind: c"proc",
                target,
                flags: libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
                options: CString::default(),
            });
        }
        self.add("proc", operations);
    }

    fn dev(&mut self, over_lower: bool) {
        let mut operations = vec![folder(c"/dev".to_owned(), 0o755)];
        if over_lower {
            operations.push(Operation::Mount {
                kind: c"tmpfs",
                target: c"/dev".to_owned(),
                flags: libc::MS_NOSUID | libc::MS_NOEXEC,
                options: c"mode=755".to_owned(),
            });
        }
        for (name, major, minor) in DEVICES {
            let path = literal(format!("/dev/{name}"));
            if self.host.privileged {
                operations.push(Operation::CharacterDevice { path, major, minor });
            } else {
                operations.push(Operation::MountPoint(path.clone()));
                operations.push(Operation::Bind { source: literal(format!("dev/{name}")), target: path });
            }
        }
        if self.with(Isolation::Proc) {
            for (name, target) in DEVICE_LINKS {
                let (path, to) = (literal(format!("/dev/{name}")), literal(target.into()));
                operations.push(Operation::Symlink { path, to });
            }
        }
        operations.push(folder(c"/dev/shm".to_owned(), 0o1777));
        self.add("dev", operations);
    }

    /// The program, the files that were asked for, and `/tmp`.
    fn files(&mut self, program: Option<&Path>, shown: &[Shown]) -> Result<Command, RuntimeError> {
        let mut operations = vec![folder(c"/tmp".to_owned(), 0o1777)];
        let mut command = Command::Opened;
        let mut shown = shown.to_vec();
        if let Some(host) = program {
            let Some(name) = host.file_name() else {
                return Err(bad(format!("{} is no program", host.display())));
            };
            let guest = Path::new("/").join(name);
            command = Command::Path(c_path(&guest)?);
            shown.push(Shown { host: host.to_owned(), guest, folder: false });
        }
        for Shown { host, guest, folder: is_folder } in &shown {
            check_guest_path(guest)?;
            let target = c_path(guest)?;
            for parent in parents(guest) {
                operations.push(folder(c_path(parent)?, 0o755));
            }
            operations.push(if *is_folder {
                folder(target.clone(), 0o755)
            } else {
                Operation::MountPoint(target.clone())
            });
            let relative = host.strip_prefix("/").unwrap_or(host);
            operations.push(Operation::Bind { source: c_path(relative)?, target: target.clone() });
            operations.push(Operation::Harden(target));
        }
        self.add("files", operations);
        Ok(command)
    }

    /// Only now, when no link of the image can lead to the host.
    fn working_dir(&mut self, spec: &LaunchSpec) -> Result<(), RuntimeError> {
        let Some(path) = spec.working_dir.as_deref().filter(|path| *path != Path::new("/")) else {
            return Ok(());
        };
        if !path.is_absolute() {
            return Err(bad(format!("the working directory {} is not an absolute path", path.display())));
        }
        let mut operations = Vec::new();
        for parent in parents(path).into_iter().chain([path]) {
            operations.push(folder(c_path(parent)?, 0o755));
        }
        operations.push(Operation::Enter(c_path(path)?));
        self.add("working directory", operations);
        Ok(())
    }

    /// The filter goes first: without `no_new_privs`, installing it takes a capability. The bounding set is
    /// emptied while we may, and before another user has lost the right to.
    fn privileges(&mut self, spec: &LaunchSpec) {
        if self.with(Isolation::NoNewPrivileges) {
            self.add("no new privileges", vec![Operation::NoNewPrivileges]);
        }
        if self.with(Isolation::Seccomp) {
            self.steps.push(Step { phase: "seccomp", action: Action::InstallFilter });
        }
        let drops = self.with(Isolation::Capabilities);
        let user = spec.user.as_ref();
        let is_root = user.is_none_or(|user| user.uid == 0);
        let kept = if spec.writes.is_some() && is_root { FOR_A_BUILD } else { 0 };
        let mut capabilities = Vec::new();
        if drops {
            capabilities.push(Operation::DropBoundingSet { last: self.host.last_capability, kept });
        }
        // In a user namespace of ours, the map has made us that user.
        if let Some(user) = user.filter(|_| !self.makes_user_namespace()) {
            let Identity { uid, gid, groups, .. } = user;
            let mut operations = std::mem::take(&mut capabilities);
            operations.push(Operation::BecomeUser { uid: *uid, gid: *gid, groups: groups.clone() });
            self.add("user", operations);
        }
        if drops {
            capabilities.push(Operation::DropCapabilities(kept));
            self.add("capabilities", capabilities);
        }
    }
}

fn folder(path: CString, mode: libc::mode_t) -> Operation {
    Operation::Directory { path, mode }
}

/// `/a/b` of `/a/b/c`: every folder above a file, the root left out, from the top.
fn parents(path: &Path) -> Vec<&Path> {
    let mut parents: Vec<&Path> = path
        .ancestors()
        .skip(1)
        .filter(|parent| *parent != Path::new("/") && *parent != Path::new(""))
        .collect();
    parents.reverse();
    parents
}

fn check_guest_path(guest: &Path) -> Result<(), RuntimeError> {
    let normal = guest.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
    if !guest.is_absolute() || !normal || guest == Path::new("/") {
        return Err(bad(format!(
            "a file cannot appear as {:?}: an absolute path without .. is needed",
            guest
        )));
    }
    if ["/proc", "/dev"].iter().any(|reserved| guest.starts_with(reserved)) {
        return Err(bad(format!(
            "a file cannot appear as {}: /proc and /dev are the container's",
            guest.display()
        )));
    }
    Ok(())
}

/// Overlayfs reads `:` and `,` as separators unless a backslash is before them.
fn escape_for_overlay(path: &Path) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    escaped
}

fn bad(reason: impl Into<String>) -> RuntimeError {
    RuntimeError::BadSpec(reason.into())
}

fn c_path(path: &Path) -> Result<CString, RuntimeError> {
    c_string(path.as_os_str().as_bytes())
}

fn c_string(bytes: impl Into<Vec<u8>>) -> Result<CString, RuntimeError> {
    CString::new(bytes).map_err(|_| bad("a path holds a zero byte"))
}

/// For text of ours, which holds no zero byte.
fn literal(text: String) -> CString {
    CString::new(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
