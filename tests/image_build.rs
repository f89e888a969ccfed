//! Images built from Containerfiles, as a user of the command line meets them.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{busybox, isobench, need};

/// A folder for everything of one test, with a store and a build context in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a folder"));
        fs::create_dir_all(place.path("context/app/sub")).expect("made");
        fs::copy(busybox(), place.path("context/busybox")).expect("copied");
        place.write("app/one.txt", "one\n");
        place.write("app/sub/two.txt", "two\n");
        place.write("app/noise.log", "noise\n");
        place.write(".dockerignore", "**/*.log\n");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of the context.
    fn write(&self, name: &str, content: &str) {
        fs::write(self.path("context").join(name), content).expect("written");
    }

    fn run(&self, store: &str, arguments: &[&str]) -> Output {
        let mut command = isobench();
        command.args(arguments).env("XDG_DATA_HOME", self.path(store)).timeout(Duration::from_secs(120));
        command.env_remove("SOURCE_DATE_EPOCH").output().expect("started")
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run("data", arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Builds the context's Containerfile as `app`; identifier, layers made, layers cached.
    fn build(&self, store: &str, file: &str) -> (String, usize, usize) {
        self.write("Containerfile", file);
        let context = self.path("context");
        let output = self.run(store, &["image", "build", "-t", "app", context.to_str().expect("text")]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        let text = String::from_utf8(output.stdout).expect("text");
        // built: app:latest sha256:… (2 layers made, 3 cached)
        let words: Vec<&str> = text.split([' ', '(']).filter(|word| !word.is_empty()).collect();
        let [_, _, id, made, _, _, cached, _] = words[..] else { panic!("{text}") };
        (id.to_owned(), made.parse().expect("a number"), cached.parse().expect("a number"))
    }

    /// Builds what must be refused, with what the one line of error says.
    fn refused(&self, file: &str) -> String {
        self.write("Containerfile", file);
        let context = self.path("context");
        let output = self.run("data", &["image", "build", "-t", "bad", context.to_str().expect("text")]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let said: Vec<&str> = errors.lines().filter(|line| line.starts_with("isobench: ")).collect();
        assert_eq!(said.len(), 1, "{errors}");
        assert!(!self.ok(&["image", "ls"]).contains("bad"));
        let left = fs::read_dir(self.path("data/isobench/builds")).expect("there").count();
        assert_eq!(left, 0, "the build's own folder");
        said[0].to_owned()
    }
}

const APP: &str = "\
FROM scratch AS base
COPY busybox /bin/busybox
RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]
RUN mkdir -p /etc /old/dir && echo moved > /old/dir/file && echo 'web:x:101:102::/srv:/bin/sh' > /etc/passwd && echo kept > /old/kept && echo gone > /old/gone

FROM base
ENV APP=/srv/app GREETING=\"good day\"
WORKDIR $APP
COPY app .
RUN mv /old/dir /old/moved && rm /old/gone && rm -r sub && mkdir sub && echo \"$GREETING\" > sub/new && chown web sub/new
COPY --from=base --chown=web --chmod=640 /etc/passwd /srv/
LABEL b=2 a=1 c=3 d=\"four ${GREETING}\"
USER web
ENTRYPOINT [\"busybox\"]
CMD [\"cat\", \"sub/new\"]
";

#[test]
fn an_image_is_built_and_runs_as_its_containerfile_says() {
    if !need("busybox") {
        return;
    }
    let place = Place::new();
    let (_, made, cached) = place.build("data", APP);
    assert_eq!((made, cached), (6, 0));
    assert_eq!(place.ok(&["run", "--image", "app"]), "good day\n");
    let shell = |script: &str| place.ok(&["run", "--image", "app", "--", "sh", "-c", script]);
    assert_eq!(shell("id -u; id -g; pwd; echo $HOME"), "101\n102\n/srv/app\n/srv\n");
    assert_eq!(shell("find . -type f | sort"), "./one.txt\n./sub/new\n");
    assert_eq!(shell("ls /old; cat /old/moved/file"), "kept\nmoved\nmoved\n");
    assert_eq!(shell("stat -c '%u %a' sub/new /srv/passwd one.txt"), "101 644\n101 640\n0 644\n");
    // What the runs needed is no part of the image.
    assert_eq!(shell("ls / | tr '\\n' ' '"), "bin dev etc old proc srv tmp ");
    let efficiency = place.ok(&["image", "efficiency", "app", "--json"]);
    assert!(!efficiency.contains("\"proc\""));
    // As Docker combines what is written with what is asked for.
    assert_eq!(place.ok(&["run", "--user", "0", "--image", "app", "--", "id", "-u"]), "0\n");
    let words = ["run", "--entrypoint", "/bin/echo", "--image", "app"];
    assert_eq!(place.ok(&words), "\n");
    assert_eq!(place.ok(&[&words[..], &["--", "x"]].concat()), "x\n");
    assert_eq!(place.ok(&["run", "-w", "sub", "--image", "app", "--", "pwd"]), "/srv/app/sub\n");
    let output = place.run("data", &["run", "--user", "nobody", "--image", "app"]);
    assert_eq!(output.status.code(), Some(126));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no user nobody"));
    let history = place.ok(&["image", "history", "app"]);
    assert!(history.contains("COPY --from=base --chown=web --chmod=640 /etc/passwd /srv/"), "{history}");
    if need("kvm") {
        // The guest has no users, and that is said.
        let output = place.run("data", &["run", "--runtime", "microvm", "--image", "app"]);
        assert_eq!(output.stdout, b"good day\n");
        assert!(String::from_utf8_lossy(&output.stderr).contains("knows no users"));
    }
}

#[test]
fn the_same_input_gives_the_same_image() {
    if !need("busybox") {
        return;
    }
    let place = Place::new();
    let (id, ..) = place.build("data", APP);
    assert_eq!(place.build("data", APP), (id.clone(), 0, 6));
    // Another store, files with other times and in another order: nothing of that is in the image.
    let context = place.path("context");
    for name in ["app/one.txt", "app/sub/two.txt", "busybox"] {
        let path = context.join(name);
        let content = fs::read(&path).expect("readable");
        let mode = fs::metadata(&path).expect("readable").permissions();
        fs::remove_file(&path).expect("removed");
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, mode).expect("changed");
    }
    place.write("app/noise.log", "other noise\n");
    assert_eq!(place.build("other", APP), (id.clone(), 6, 0));
    let archives = ["data", "other"].map(|store| {
        let file = place.path(&format!("{store}.tar"));
        let output = place.run(store, &["image", "save", "app", "-o", file.to_str().expect("text")]);
        assert!(output.status.success());
        fs::read(file).expect("written")
    });
    assert!(archives[0] == archives[1], "not the same bytes");
    // A change of a file does the steps from there on, and no other.
    place.write("app/one.txt", "uno\n");
    let (changed, made, cached) = place.build("data", APP);
    assert_eq!((made, cached), (3, 3));
    assert_ne!(changed, id);
    place.write("app/one.txt", "one\n");
    assert_eq!(place.build("data", APP), (id, 0, 6));
}

#[test]
fn the_time_of_an_image_is_what_source_date_epoch_says() {
    if !need("busybox") {
        return;
    }
    let place = Place::new();
    place.write("Containerfile", APP);
    let build = |time: &str| {
        let mut command = isobench();
        let context = place.path("context");
        command.args(["image", "build", "-t", "app", context.to_str().expect("text")]);
        command.env("XDG_DATA_HOME", place.path("data")).env("SOURCE_DATE_EPOCH", time);
        command.output().expect("started")
    };
    assert!(build("1600000000").status.success());
    let inspected = place.ok(&["image", "inspect", "app"]);
    assert!(inspected.contains("2020-09-13T12:26:40Z"), "{inspected}");
    let words = ["run", "--image", "app", "--", "stat", "-c", "%Y", "one.txt", "sub/new"];
    assert_eq!(place.ok(&words), "1600000000\n1600000000\n");
    assert_eq!(build("yesterday").status.code(), Some(2));
}

#[test]
fn archives_are_unpacked_by_add_and_copied_by_copy() {
    if !need("busybox") {
        return;
    }
    let place = Place::new();
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o755);
    archive.append_data(&mut header, "deep/tool", &b"tool\n"[..]).expect("memory");
    let archive = archive.into_inner().and_then(|gzip| gzip.finish()).expect("memory");
    fs::write(place.path("context/files.tar.gz"), archive).expect("written");
    place.build(
        "data",
        "FROM scratch\nCOPY busybox /bin/sh\nADD files.tar.gz /opt/\nADD app/one.txt /opt/\nCOPY files.tar.gz /opt/\n",
    );
    let listing =
        place.ok(&["run", "--image", "app", "--", "/bin/sh", "-c", "cd /opt; echo * deep/*; cat deep/tool"]);
    assert_eq!(listing, "deep files.tar.gz one.txt deep/tool\ntool\n");
}

#[test]
fn links_of_the_image_are_followed_and_lead_nowhere_else() {
    if !need("busybox") {
        return;
    }
    let place = Place::new();
    place.build(
        "data",
        "FROM scratch\nCOPY busybox /bin/sh\nRUN [\"/bin/sh\", \"-c\", \"/bin/sh -c 'true'; mkdir -p /real\"]\n",
    );
    std::os::unix::fs::symlink("../../../../../../tmp", place.path("context/app/up")).expect("linked");
    place.build(
        "data",
        "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"ln\", \"-s\", \"/real\", \"/link\"]\n\
         COPY app/one.txt /link/\nCOPY app /tree\nCOPY app/one.txt /tree/up/\nENTRYPOINT [\"/bin/busybox\"]\n",
    );
    assert_eq!(place.ok(&["run", "--image", "app", "--", "cat", "/real/one.txt"]), "one\n");
    assert_eq!(place.ok(&["run", "--image", "app", "--", "cat", "/tmp/one.txt"]), "one\n");
    assert!(!Path::new("/tmp/one.txt").exists());
}

#[test]
fn what_cannot_be_built_is_refused_with_its_line() {
    if !need("busybox") {
        return;
    }
    let place = Place::new();
    fs::write(place.path("secret"), "secret").expect("written");
    std::os::unix::fs::symlink("../secret", place.path("context/out")).expect("linked");
    let base = "FROM scratch\nCOPY busybox /bin/sh\n";
    for (line, step, reason) in [
        (3, "EXPOSE 80", "EXPOSE is not supported"),
        (3, "COPY ../secret /", "leads out of the build context"),
        (3, "COPY out /", "no such file"),
        (3, "COPY app/noise.log /", "or it is ignored"),
        (3, "COPY none* /", "no such file"),
        (3, "COPY app/one.txt app/sub/two.txt /x", "must end with /"),
        (3, "COPY app /bin/sh", "is not a folder"),
        (3, "COPY app/one.txt /bin/sh/x", "is not a folder"),
        (3, "COPY --from=none /x /", "no such image: none"),
        (3, "COPY --chown=web app /", "no user web"),
        (3, "ADD https://example.com/x /", "nothing is fetched"),
        (3, "RUN exit 3", "status 3"),
        (3, "RUN [\"/none\"]", "no such program"),
        (3, "USER web\nRUN true", "no user web"),
        (3, "ENV A=${B", "missing"),
        (3, "FROM none", "no such image: none"),
    ] {
        let said = place.refused(&format!("{base}{step}\n"));
        let line = line + step.matches('\n').count();
        assert!(said.contains(reason) && said.contains(&format!("Containerfile:{line}: ")), "{step}: {said}");
    }
    // A variable that doubles with every line.
    let bomb: String = (0..40).map(|_| "ENV A=$A$A\n").collect();
    assert!(place.refused(&format!("{base}ENV A=0123456789\n{bomb}")).contains("bytes"));
    fs::remove_file(place.path("context/Containerfile")).expect("removed");
    let output = place.run("data", &["image", "build", place.path("context").to_str().expect("text")]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no Containerfile"));
}

#[test]
fn a_killed_build_leaves_nothing_and_the_next_goes_on_from_its_layers() {
    if !need("busybox") {
        return;
    }
    let place = Place::new();
    let file =
        "FROM scratch\nCOPY busybox /bin/sh\nRUN echo one > /one\nRUN sleep ${WAIT:-0}; echo two > /two\n";
    place.write("Containerfile", &file.replace("${WAIT:-0}", "100"));
    let mut build = Command::new(env!("CARGO_BIN_EXE_isobench"))
        .args(["image", "build", "-t", "app", place.path("context").to_str().expect("text")])
        .env("XDG_DATA_HOME", place.path("data"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut told = std::io::BufReader::new(build.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.starts_with("[4/4]") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut told, &mut line).expect("readable") > 0);
    }
    // While it builds, nothing that it has made is removed.
    place.ok(&["image", "prune"]);
    build.kill().expect("killed");
    build.wait().expect("reaped");
    let (_, made, cached) = place.build("data", file);
    assert_eq!((made, cached), (1, 2));
    assert_eq!(fs::read_dir(place.path("data/isobench/builds")).expect("there").count(), 0);
    place.ok(&["image", "rm", "app"]);
    assert!(place.ok(&["image", "prune"]).ends_with("freed: 0 B\n"));
    for part in ["blobs/sha256", "layers", "roots", "steps"] {
        let left = fs::read_dir(place.path("data/isobench").join(part)).expect("there").count();
        assert_eq!(left, 0, "{part}");
    }
}

/// As an ordinary user: ourselves, or, where we are root, nobody.
#[test]
fn an_ordinary_user_builds_and_runs_as_another() {
    if !need("busybox") || !need("userns") || !need("setpriv") {
        return;
    }
    let place = Place::new();
    let file = APP.replace(" && chown web sub/new", "");
    let (id, ..) = place.build("of_root", &file);
    let root = nix::unistd::geteuid().is_root();
    let program = place.path("program");
    fs::copy(env!("CARGO_BIN_EXE_isobench"), &program).expect("copied");
    fs::create_dir(place.path("data")).expect("made");
    if root {
        fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).expect("ours");
        std::os::unix::fs::chown(place.path("data"), Some(65534), Some(65534)).expect("root may");
    }
    let run = |arguments: &[&str]| {
        let mut command = if root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let output =
            command.args(arguments).env("XDG_DATA_HOME", place.path("data")).output().expect("started");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let context = place.path("context");
    run(&["image", "build", "-t", "app", context.to_str().expect("text")]);
    assert_eq!(run(&["run", "--image", "app"]), "good day\n");
    let script = "id -u; id -g; ls /old; stat -c %u sub/new";
    assert_eq!(run(&["run", "--image", "app", "--", "sh", "-c", script]), "101\n102\nkept\nmoved\n101\n");
    // Whoever builds it, it is the same image.
    assert!(run(&["image", "inspect", "app"]).contains(&id));
    let again = run(&["image", "build", "-t", "app", context.to_str().expect("text")]);
    assert!(again.contains("(0 layers made, 6 cached)"), "{again}");
}

/// Overlayfs refuses to be stacked more than two deep: the store is put on a second overlay, so that neither a third
/// one over it can be had, nor one that writes there.
#[test]
fn where_the_kernel_forbids_an_overlay_a_copy_does_and_that_is_said() {
    if !need("busybox") || !need("unshare") || !need("root") {
        return;
    }
    let place = Place::new();
    let (id, ..) = place.build("plain", APP);
    let script = format!(
        "set -e; cd {place}; mkdir space; mount -t tmpfs none space; cd space; mkdir l1 l2 u1 u2 w1 w2 m1 m2\n\
         mount -t overlay o -o lowerdir=l1,upperdir=u1,workdir=w1 m1\n\
         mount -t overlay o -o lowerdir=m1:l2,upperdir=u2,workdir=w2 m2\n\
         export XDG_DATA_HOME=$PWD/m2; {program} image build -t app {place}context\n\
         {program} run --image app -- sh -c 'cat sub/new; echo x > /tmp/x; echo changed > sub/new; cat sub/new; id -u; exit 5' \
         || echo status $?\n\
         {program} run --user 0 --image app -- sh -c 'echo x > one.txt; echo y > /new; rm /old/kept; cat one.txt; ls /old'\n\
         {program} run --json --image app",
        place = place.path("").display(),
        program = env!("CARGO_BIN_EXE_isobench"),
    );
    let output = Command::new("unshare").args(["--mount", "sh", "-c", &script]).output().expect("started");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // The same image, whichever way the changes of its steps were found.
    let expected = format!(
        "built: app:latest {id} (6 layers made, 0 cached)\ngood day\nchanged\n101\nstatus 5\nx\nmoved\n"
    );
    assert!(text.starts_with(&expected), "{text}{errors}");
    // Nothing of it has changed, and it is said why starting took longer.
    assert!(
        text.contains("\"stdout\": \"good day\\n\"") && text.contains("overlayfs cannot be had here"),
        "{text}"
    );
}
