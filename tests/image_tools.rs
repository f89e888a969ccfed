//! Images of other tools load here, and ours load there: Docker, Podman and Buildah. (Umoci and skopeo are in
//! `image.rs`.) Each tool gets a store of its own, which is removed with everything that the tool started.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Snapshot, busybox, isobench, need};

/// A folder for everything of one test, with an image of ours in its store.
struct Place(tempfile::TempDir);

const APP: &str = "\
FROM scratch
COPY busybox /bin/busybox
RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]
RUN mkdir -p /etc /srv/old && echo 'web:x:101:102::/srv:/bin/sh' > /etc/passwd && echo 'web:x:102:' > /etc/group
RUN rm -r /srv/old && echo kept > /srv/file && ln /srv/file /srv/link && chown web /srv/file
ENV GREETING=hello
WORKDIR /srv
USER web
ENTRYPOINT [\"sh\", \"-c\"]
CMD [\"echo $GREETING; id -u; id -g; pwd; ls -d old; stat -c '%u %n' file link; stat -c %i file link | uniq | wc -l; cat link\"]
";

/// What it says.
const SAYS: &str = "hello\n101\n102\n/srv\n101 file\n101 link\n1\nkept\n";

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a folder"));
        fs::create_dir(place.0.path().join("context")).expect("made");
        fs::copy(busybox(), place.0.path().join("context/busybox")).expect("copied");
        fs::write(place.0.path().join("context/Containerfile"), APP).expect("written");
        place.ok(&["image", "build", "-t", "app:1", &place.at("context")]);
        assert_eq!(place.says("app:1"), SAYS);
        place.ok(&["image", "save", "app:1", "-o", &place.at("ours.tar")]);
        place
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("text").to_owned()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let mut command = isobench();
        let output = command.args(arguments).env("XDG_DATA_HOME", self.0.path()).output().expect("started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// What the image says when it runs here. (`ls -d old` fails, as it should.)
    fn says(&self, image: &str) -> String {
        self.ok(&["run", "--image", image])
    }

    /// Loads the file into an empty store of its own and runs the image.
    fn loads_and_says(&self, file: &str, image: &str) -> String {
        let empty = tempfile::tempdir_in(self.0.path()).expect("a folder");
        let run = |arguments: &[&str]| {
            let mut command = isobench();
            let output =
                command.args(arguments).env("XDG_DATA_HOME", empty.path()).output().expect("started");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{arguments:?}: {errors}");
            String::from_utf8(output.stdout).expect("text")
        };
        run(&["image", "load", &self.at(file)]);
        run(&["run", "--image", image])
    }
}

/// Runs a tool; what it prints.
fn tool(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output =
        Command::new(program).args(arguments).envs(environment.iter().copied()).output().expect("started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// A Docker daemon with a folder and a socket of its own.
struct Daemon {
    process: Child,
    socket: String,
    log: PathBuf,
}

impl Daemon {
    fn start(place: &Place) -> Daemon {
        let log = place.0.path().join("dockerd.log");
        let socket = format!("unix://{}", place.at("docker.sock"));
        let file = fs::File::create(&log).expect("made");
        let process = Command::new("dockerd")
            .args(["--data-root", &place.at("docker"), "--exec-root", &place.at("exec")])
            .args(["--pidfile", &place.at("docker.pid"), "--host", &socket])
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none"])
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("started");
        Daemon { process, socket, log }
    }

    fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline && self.process.try_wait().expect("ours").is_none() {
            let asked = Command::new("docker").args(["--host", &self.socket, "version"]).output();
            if asked.expect("started").status.success() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        eprintln!("SKIPPED: dockerd does not start here: {}", log.lines().last().unwrap_or_default());
        false
    }

    fn docker(&self, arguments: &[&str]) -> String {
        tool("docker", &[&["--host", &self.socket][..], arguments].concat(), &[])
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.process.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

#[test]
fn docker_loads_ours_and_we_load_docker_s() {
    if !["busybox", "root", "dockerd", "docker"].iter().all(|name| need(name)) {
        return;
    }
    let snapshot = Snapshot::take();
    let place = Place::new();
    let mut daemon = Daemon::start(&place);
    if daemon.is_ready() {
        let loaded = daemon.docker(&["load", "--input", &place.at("ours.tar")]);
        assert_eq!(loaded, "Loaded image: app:1\n");
        assert_eq!(daemon.docker(&["run", "--rm", "--network", "none", "app:1"]), SAYS);
        daemon.docker(&["save", "--output", &place.at("docker.tar"), "app:1"]);
        assert_eq!(place.loads_and_says("docker.tar", "app:1"), SAYS);
        // Nothing of it is new to our own store, and it is the same image.
        let loaded = place.ok(&["image", "load", &place.at("docker.tar"), "--name", "back"]);
        assert!(loaded.contains("0 layers unpacked"), "{loaded}");
        let listed = place.ok(&["image", "ls", "--json"]);
        let images: Vec<serde_json::Value> = serde_json::from_str(&listed).expect("JSON");
        assert_eq!(images.len(), 1, "{listed}");
        // One that Docker itself has put together.
        let id = daemon.docker(&["create", "--network", "none", "app:1", "x"]);
        daemon.docker(&["cp", &place.at("context/Containerfile"), &format!("{}:/srv/added", id.trim())]);
        daemon.docker(&["commit", "--change", "CMD [\"wc -l < added\"]", id.trim(), "docker:2"]);
        daemon.docker(&["save", "--output", &place.at("docker2.tar"), "docker:2"]);
        assert_eq!(place.loads_and_says("docker2.tar", "docker:2"), format!("{}\n", APP.lines().count()));
        daemon.docker(&["rm", id.trim()]);
    }
    drop(daemon);
    drop(place);
    snapshot.assert_same();
}

#[test]
fn podman_loads_ours_and_we_load_podman_s() {
    if !["busybox", "root", "podman"].iter().all(|name| need(name)) {
        return;
    }
    let snapshot = Snapshot::take();
    let place = Place::new();
    let (root, run) = (place.at("podman"), place.at("podman-run"));
    let store = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
    let environment = [("XDG_RUNTIME_DIR", run.as_str())];
    fs::create_dir(&run).expect("made");
    let podman = |arguments: &[&str]| tool("podman", &[&store[..], arguments].concat(), &environment);
    podman(&["load", "--quiet", "--input", &place.at("ours.tar")]);
    let listed = podman(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert_eq!(listed, "docker.io/library/app:1\n");
    let inspected = podman(&[
        "inspect",
        "--type",
        "image",
        "--format",
        "{{.Config.User}} {{.Config.WorkingDir}}",
        "app:1",
    ]);
    assert_eq!(inspected, "web /srv\n");
    for format in ["oci-archive", "docker-archive"] {
        let file = format!("{format}.tar");
        podman(&["save", "--quiet", "--format", format, "--output", &place.at(&file), "app:1"]);
        assert_eq!(place.loads_and_says(&file, "app:1"), SAYS, "{format}");
    }
    drop(place);
    snapshot.assert_same();
}

#[test]
fn buildah_starts_from_ours_and_we_load_what_it_commits() {
    if !["busybox", "root", "buildah"].iter().all(|name| need(name)) {
        return;
    }
    let snapshot = Snapshot::take();
    let place = Place::new();
    let (root, run) = (place.at("buildah"), place.at("buildah-run"));
    let store = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
    fs::create_dir(&run).expect("made");
    let environment = [("XDG_RUNTIME_DIR", run.as_str())];
    let buildah = |arguments: &[&str]| tool("buildah", &[&store[..], arguments].concat(), &environment);
    buildah(&["from", "--quiet", "--name", "work", &format!("oci-archive:{}", place.at("ours.tar"))]);
    let mounted = PathBuf::from(buildah(&["mount", "work"]).trim());
    assert_eq!(fs::read(mounted.join("srv/file")).expect("there"), b"kept\n");
    assert!(!mounted.join("srv/old").exists());
    fs::remove_file(mounted.join("srv/link")).expect("removed");
    fs::write(mounted.join("srv/new"), "from buildah\n").expect("written");
    buildah(&["umount", "work"]);
    buildah(&["config", "--cmd", "[\"cat new; ls -d link\"]", "work"]);
    for (format, tag) in [("oci-archive", "1"), ("docker-archive", "2")] {
        let target = format!("{format}:{}:built:{tag}", place.at(&format!("{format}.tar")));
        buildah(&["commit", "--quiet", "work", &target]);
        let file = format!("{format}.tar");
        let empty = place.ok(&["image", "load", &place.at(&file)]);
        assert!(empty.contains(&format!("loaded: built:{tag} ")), "{empty}");
        let output = isobench()
            .args(["run", "--image", &format!("built:{tag}")])
            .env("XDG_DATA_HOME", place.0.path())
            .output()
            .expect("started");
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"from buildah\n"[..], Some(1)));
    }
    buildah(&["rm", "--all"]);
    drop(place);
    snapshot.assert_same();
}
