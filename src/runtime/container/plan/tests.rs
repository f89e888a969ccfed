//! What a plan holds, and in which order; no rights needed.

use super::*;

fn host(privileged: bool) -> Host {
    Host { privileged, euid: 1000, egid: 100, last_capability: 40, overlay: true, staging: c"/sys" }
}

fn spec(without: &[Isolation]) -> LaunchSpec {
    LaunchSpec {
        without: without.iter().copied().collect(),
        ..LaunchSpec::new(Program::HostFile("/opt/bin/tool".into()))
    }
}

fn plan(privileged: bool, without: &[Isolation]) -> Plan {
    Plan::new(&spec(without), &host(privileged), Some(Path::new("/opt/bin/tool")), None, &[]).unwrap()
}

fn phases(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.phase).collect()
}

fn operations(plan: &Plan) -> Vec<String> {
    let all = plan.steps.iter().flat_map(|step| match &step.action {
        Action::Operations(operations) => operations.iter().map(Operation::to_string).collect(),
        _ => Vec::new(),
    });
    all.collect()
}

fn position(plan: &Plan, operation: &str) -> usize {
    let all = operations(plan);
    all.iter().position(|other| other == operation).unwrap_or_else(|| panic!("{operation:?} in {all:#?}"))
}

#[test]
fn the_steps_of_root_come_in_this_order() {
    assert_eq!(
        phases(&plan(true, &[])),
        [
            "cgroup",
            "cgroup namespace",
            "groups",
            "host name",
            "mounts",
            "root",
            "pivot root",
            "proc",
            "dev",
            "files",
            "old root",
            "no new privileges",
            "seccomp",
            "capabilities"
        ]
    );
}

#[test]
fn a_user_maps_only_itself_and_gives_up_groups_first() {
    let plan = plan(false, &[]);
    assert_ne!(plan.namespaces & libc::CLONE_NEWUSER as u64, 0);
    let deny = position(&plan, "writing \"deny\" to /proc/self/setgroups");
    let groups = position(&plan, "writing \"0 100 1\" to /proc/self/gid_map");
    position(&plan, "writing \"0 1000 1\" to /proc/self/uid_map");
    assert!(deny < groups);
    // Device nodes cannot be made there; those of the host are shown.
    position(&plan, "showing the host's /dev/null at /dev/null");
}

#[test]
fn nothing_of_the_host_is_mounted_on_before_mounts_are_private() {
    for privileged in [true, false] {
        let plan = plan(privileged, &[]);
        let private = position(&plan, "making all mounts private");
        let first = operations(&plan).iter().position(|operation| operation.starts_with("mounting")).unwrap();
        assert!(private < first);
    }
}

#[test]
fn the_program_is_shown_read_only_while_the_old_root_is_still_there() {
    let plan = plan(true, &[]);
    assert_eq!(plan.command, Command::Path(c"/tool".to_owned()));
    let shown = position(&plan, "showing the host's /opt/bin/tool at /tool");
    assert_eq!(position(&plan, "making /tool read-only"), shown + 1);
    assert!(shown < position(&plan, "letting go of the old root"));
    assert!(position(&plan, "making /sys the root") < shown);
}

#[test]
fn each_namespace_can_be_left_out_alone() {
    let all = plan(true, &[]).namespaces;
    for (step, flag) in [
        (Isolation::Pid, libc::CLONE_NEWPID),
        (Isolation::Uts, libc::CLONE_NEWUTS),
        (Isolation::Ipc, libc::CLONE_NEWIPC),
        (Isolation::Net, libc::CLONE_NEWNET),
        (Isolation::Mount, libc::CLONE_NEWNS),
    ] {
        assert_eq!(plan(true, &[step]).namespaces, all & !(flag as u64));
    }
}

#[test]
fn without_a_mount_namespace_the_host_sees_no_mount() {
    for privileged in [true, false] {
        let plan = plan(privileged, &[Isolation::Mount]);
        assert!(!operations(&plan).iter().any(|operation| {
            ["mount", "showing", "root", "folder", "/dev"].iter().any(|word| operation.contains(word))
        }));
        assert_eq!(plan.command, Command::Path(c"/opt/bin/tool".to_owned()));
    }
}

#[test]
fn an_ordinary_user_cannot_do_without_a_user_namespace() {
    let refused = Plan::new(&spec(&[Isolation::User]), &host(false), None, None, &[]).unwrap_err();
    assert!(refused.to_string().contains("needs root"));
    assert_eq!(phases(&plan(true, &[Isolation::User])), phases(&plan(true, &[])));
}

#[test]
fn a_lower_root_is_overlaid_with_its_name_escaped() {
    let lower = Path::new("/images/a:b,c");
    let plan = Plan::new(&spec(&[]), &host(false), None, Some(lower), &[]).unwrap();
    let options = plan.steps.iter().find_map(|step| match &step.action {
        Action::Operations(operations) => operations.iter().find_map(|operation| match operation {
            Operation::Mount { kind, options, .. } if *kind == c"overlay" => Some(options.clone()),
            _ => None,
        }),
        _ => None,
    });
    assert_eq!(
        options.unwrap().to_str().unwrap(),
        "lowerdir=/images/a\\:b\\,c,upperdir=/sys/upper,workdir=/sys/work,userxattr"
    );
}

#[test]
fn where_there_is_no_overlay_the_root_is_a_copy_and_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("etc")).expect("made");
    std::fs::write(folder.path().join("etc/motd"), "hello").expect("written");
    let host = Host { overlay: false, ..host(true) };
    let plan = Plan::new(&spec(&[]), &host, None, Some(folder.path()), &[]).unwrap();
    let copied = position(&plan, &format!("copying {}/etc/motd", folder.path().display()));
    assert!(position(&plan, "making the folder /sys/etc") < copied);
    assert!(copied < position(&plan, "making /sys the root"));
    assert!(plan.notes[0].contains("copy"));
    // In a build, the copy stays.
    let spec = LaunchSpec { writes: Some("/store/step".into()), ..spec(&[]) };
    let plan = Plan::new(&spec, &host, None, Some(folder.path()), &[]).unwrap();
    let copied = position(&plan, "making the folder /store/step/copy/etc");
    assert!(copied < position(&plan, "showing the host's //store/step/copy at /sys"));
}

#[test]
fn in_a_build_what_is_written_goes_to_the_host() {
    let spec = LaunchSpec { writes: Some("/store/step".into()), ..spec(&[]) };
    let plan = Plan::new(&spec, &host(true), None, Some(Path::new("/store/root")), &[]).unwrap();
    let step = plan.steps.iter().find(|step| step.phase == OVERLAY).expect("there");
    let Action::Operations(operations) = &step.action else { panic!("operations") };
    let [Operation::Mount { options, .. }] = &operations[..] else { panic!("one mount") };
    assert_eq!(
        options.to_str().unwrap(),
        "lowerdir=/store/root,upperdir=/store/step/upper,workdir=/store/step/work,redirect_dir=off,metacopy=off"
    );
}

#[test]
fn another_user_runs_the_program_and_no_capability_is_left_to_him() {
    let user = Identity { uid: 7, gid: 8, groups: vec![9], home: None };
    let spec = LaunchSpec { user: Some(user), ..spec(&[]) };
    let of = |privileged| {
        Plan::new(&spec, &host(privileged), Some(Path::new("/opt/bin/tool")), None, &[]).unwrap()
    };
    let plan = of(true);
    let became = position(&plan, "becoming user 7 of group 8");
    assert!(position(&plan, "giving up capabilities for good") < became);
    assert!(became < position(&plan, "dropping all capabilities"));
    assert!(plan.changes_user);
    // Without root, he is the one user there is.
    let plan = of(false);
    position(&plan, "writing \"7 1000 1\" to /proc/self/uid_map");
    position(&plan, "writing \"8 100 1\" to /proc/self/gid_map");
    assert!(plan.notes.iter().any(|note| note.contains("groups")));
}

#[test]
fn files_may_not_cover_what_is_the_container_s_own() {
    for (guest, fine) in [
        ("/data/x", true),
        ("/proc/x", false),
        ("/dev/null", false),
        ("relative", false),
        ("/a/../b", false),
        ("/", false),
    ] {
        let shown = Shown { host: "/etc/hostname".into(), guest: guest.into(), folder: false };
        let plan = Plan::new(&spec(&[]), &host(true), None, None, &[shown]);
        assert_eq!(plan.is_ok(), fine, "{guest}");
    }
}

#[test]
fn a_working_directory_is_made_and_entered_once_the_host_is_out_of_reach() {
    let spec = LaunchSpec { working_dir: Some("/srv/app".into()), ..spec(&[]) };
    let plan = Plan::new(&spec, &host(true), Some(Path::new("/opt/bin/tool")), None, &[]).unwrap();
    let entered = position(&plan, "entering /srv/app");
    assert!(position(&plan, "letting go of the old root") < entered);
    let relative = LaunchSpec { working_dir: Some("srv".into()), ..spec };
    assert!(Plan::new(&relative, &host(true), Some(Path::new("/opt/bin/tool")), None, &[]).is_err());
}
