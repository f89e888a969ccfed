//! The root filesystem that every outside tool gets: the workload's program alone, or the user's folder.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::runtime::RuntimeError;
use crate::runtime::spec::{LaunchSpec, Program};
use crate::workload::program::{ProgramFile, open_program, require_static};

/// Where tools mount things, and what some of them take for the mark of a system (systemd-nspawn wants `/usr`).
const FOLDERS: [&str; 7] = ["proc", "dev", "sys", "tmp", "etc", "run", "usr"];

/// A folder that becomes the root of a sandbox.
pub(super) struct RootFilesystem {
    /// The folder on the host.
    pub(super) folder: PathBuf,
    /// The program's absolute path inside.
    pub(super) program: PathBuf,
    /// It is the user's own: never to be written to.
    pub(super) read_only: bool,
}

/// Makes it in `scratch`, or takes the spec's own.
pub(super) fn build(spec: &LaunchSpec, scratch: &Path) -> Result<RootFilesystem, RuntimeError> {
    let program = open_program(&spec.program, spec.root.as_deref())?;
    if let Some(root) = &spec.root {
        if !spec.files.is_empty() {
            return Err(RuntimeError::BadSpec(
                "an outside tool takes files of the host or a root, not both; put the files into the root"
                    .into(),
            ));
        }
        let Some(path) = program.path_in_root.clone() else {
            return Err(RuntimeError::BadSpec(
                "with a root, an outside tool runs a program inside it".into(),
            ));
        };
        return Ok(RootFilesystem { folder: root.clone(), program: path, read_only: true });
    }
    require_static(&program)?;
    let folder = scratch.join("root");
    let path = Path::new("/").join(guest_name(&spec.program, &program));
    fill(spec, program, &folder, &path)
        .map_err(RuntimeError::step("making the workload's root filesystem"))?;
    Ok(RootFilesystem { folder, program: path, read_only: false })
}

fn guest_name(source: &Program, program: &ProgramFile) -> PathBuf {
    match source {
        Program::HostFile(path) => path.file_name().map_or_else(|| PathBuf::from("program"), PathBuf::from),
        _ => PathBuf::from(&program.name),
    }
}

fn fill(spec: &LaunchSpec, mut program: ProgramFile, folder: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for name in FOLDERS {
        fs::create_dir(folder.join(name))?;
    }
    // The same bytes that every other runtime gets.
    let inside = |path: &Path| folder.join(path.strip_prefix("/").unwrap_or(path));
    io::Seek::rewind(&mut program.file)?;
    let copied = inside(path);
    io::copy(&mut program.file, &mut File::create(&copied)?)?;
    fs::set_permissions(&copied, fs::Permissions::from_mode(0o755))?;
    for mapping in &spec.files {
        // The path's folders of dots would lead out of the root.
        let clean: PathBuf = mapping
            .guest
            .components()
            .filter(|part| matches!(part, std::path::Component::Normal(_)))
            .collect();
        let guest = folder.join(clean);
        if let Some(parent) = guest.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&mapping.host, &guest)?;
    }
    if let Some(working_dir) = &spec.working_dir {
        let clean: PathBuf =
            working_dir.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect();
        fs::create_dir_all(folder.join(clean))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::spec::FileMapping;

    #[test]
    fn the_program_and_the_files_are_in_it_and_nothing_leads_out() {
        let scratch = tempfile::tempdir().unwrap();
        let host = scratch.path().join("notes");
        fs::write(&host, "hello").unwrap();
        let spec = LaunchSpec {
            files: vec![FileMapping { host, guest: "/../../data/notes".into() }],
            ..LaunchSpec::new(Program::Builtin("noop".into()))
        };
        let root = build(&spec, scratch.path()).unwrap();
        assert_eq!(root.program, Path::new("/noop"));
        assert_eq!(fs::read_to_string(root.folder.join("data/notes")).unwrap(), "hello");
        let copied = fs::read(root.folder.join("noop")).unwrap();
        assert_eq!(Some(&copied[..]), crate::workload::program::embedded("noop"));
    }
}
