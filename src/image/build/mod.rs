//! `image build`: from a Containerfile and a context to an image, without a network, and to the same digest
//! for the same input.
//!
//! Each step that changes files makes a layer, stored at once and remembered under a key of all that it
//! depends on: a step whose key is known does no work.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

mod containerfile;
mod context;
mod copy;
pub(crate) mod entries;
mod run;
mod snapshot;
mod stage;
mod words;

pub use containerfile::Containerfile;
use containerfile::{Action, Copy, Step};
use context::Origin;
use copy::{Destination, Look, Sources};
use entries::{Entries, digest_of, write_layer};
use run::{Command, Runner};
use stage::State;

use super::digest::Digest;
use super::error::{ImageError, printable};
use super::name::ImageName;
use super::store::{ImageLayer, Store, Workshop};
use super::user;
use crate::runtime::launcher::Launcher;

/// Names of the file that are tried, in order.
const FILES: [&str; 2] = ["Containerfile", "Dockerfile"];

/// A longer Containerfile is refused.
const LONGEST_FILE: u64 = 1 << 20;

/// What `PATH` is for `RUN` where the image says nothing, as Docker has it.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The Containerfile; by default that of the context.
    pub file: Option<PathBuf>,
    /// The folder that `COPY` copies from.
    pub context: PathBuf,
    /// What to call the image.
    pub names: Vec<ImageName>,
    /// Seconds since 1970: the image's time, and the latest time of any file in it (`SOURCE_DATE_EPOCH`,
    /// reproducible-builds.org).
    pub time: u64,
    /// Do every step, known or not.
    pub no_cache: bool,
    /// Bytes that a layer may have when unpacked.
    pub limit: u64,
    /// Bytes of memory that a `RUN` may use.
    pub memory: u64,
}

/// What is told while an image is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A step begins.
    Step {
        /// From 1, over all stages.
        number: usize,
        /// Of all stages.
        of: usize,
        /// As written.
        text: String,
    },
    /// The step was done before.
    Cached(ImageLayer),
    /// The step made this layer.
    Made(ImageLayer),
    /// What could not be done as asked.
    Note(String),
}

/// An image that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its identifier.
    pub id: Digest,
    /// Steps that made a layer.
    pub made: usize,
    /// Steps whose layer was there.
    pub cached: usize,
}

/// Builds the image. `stop` is asked when a signal interrupts a `RUN`; `true` ends the build.
///
/// # Errors
/// The first thing that is wrong, with its line in the Containerfile. Layers of the steps before stay, for
/// the next build to use.
pub fn build(
    store: &Store,
    launcher: &Launcher,
    options: &BuildOptions,
    stop: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(Progress),
) -> Result<Built, ImageError> {
    let file = containerfile(options)?;
    let shown = file.display().to_string();
    let problem = |line: usize, what: String| ImageError::Build {
        place: shown.clone(),
        line,
        problem: printable(&what),
    };
    let text = read(&file)?;
    let parsed = Containerfile::parse(&text).map_err(|found| problem(found.line, found.what))?;
    let context = Origin::context(&options.context)
        .map_err(|what| ImageError::NotAnImage { place: "the build context".into(), problem: what })?;
    let since = UNIX_EPOCH + Duration::from_secs(options.time.min(LATEST_TIME));
    let mut builder = Builder {
        store,
        workshop: store.workshop()?,
        runner: Runner { launcher, memory: options.memory, stop },
        context,
        options,
        escape: parsed.escape,
        created: humantime::format_rfc3339_seconds(since).to_string(),
        finished: Vec::new(),
        others: HashMap::new(),
        built: Built { id: Digest::of(b""), made: 0, cached: 0 },
        tell,
    };
    let of = parsed.stages.iter().map(|stage| 1 + stage.steps.len()).sum();
    let mut number = 0;
    let mut step = |builder: &mut Builder<'_>, text: &str| {
        number += 1;
        (builder.tell)(Progress::Step { number, of, text: printable(text) });
    };
    for stage in &parsed.stages {
        let name = stage.name.as_ref().map(|name| format!(" AS {name}")).unwrap_or_default();
        step(&mut builder, &format!("FROM {}{name}", stage.base));
        let mut state = builder.base(&stage.base).map_err(|what| problem(stage.line, what))?;
        for one in &stage.steps {
            step(&mut builder, &one.text);
            builder.step(&mut state, one).map_err(|what| problem(one.line, what))?;
        }
        builder.finished.push((stage.name.clone(), state));
    }
    builder.finish()
}

/// The last second of the year 9999, which RFC 3339 can still write.
const LATEST_TIME: u64 = 253_402_300_799;

fn containerfile(options: &BuildOptions) -> Result<PathBuf, ImageError> {
    if let Some(file) = &options.file {
        return Ok(file.clone());
    }
    let found = FILES.iter().map(|name| options.context.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| ImageError::NotAnImage {
        place: options.context.display().to_string(),
        problem: "no Containerfile or Dockerfile in it; name one with --file".into(),
    })
}

fn read(file: &Path) -> Result<String, ImageError> {
    let length = fs::metadata(file).map_err(ImageError::at("reading", file))?.len();
    if length > LONGEST_FILE {
        let problem = format!("{length} bytes, more than any honest Containerfile");
        return Err(ImageError::NotAnImage { place: file.display().to_string(), problem });
    }
    fs::read_to_string(file).map_err(ImageError::at("reading", file))
}

struct Builder<'a> {
    store: &'a Store,
    workshop: Workshop,
    runner: Runner<'a>,
    context: Origin,
    options: &'a BuildOptions,
    escape: char,
    created: String,
    /// Stages before, with their names.
    finished: Vec<(Option<String>, State)>,
    /// Images that files were copied from, by name.
    others: HashMap<String, State>,
    built: Built,
    tell: &'a mut dyn FnMut(Progress),
}

impl Builder<'_> {
    fn base(&self, name: &str) -> Result<State, String> {
        if name == "scratch" {
            return Ok(State::scratch(self.created.clone()));
        }
        match self.stage(name) {
            Some(index) => self
                .finished
                .get(index)
                .map(|(_, state)| State::of_stage(state))
                .ok_or_else(|| no_stage(name)),
            None => self.image(name),
        }
    }

    fn image(&self, name: &str) -> Result<State, String> {
        let image =
            self.store.find(name).map_err(|error| format!("{error} (nothing is fetched from a network)"))?;
        State::of_image(self.store, &image, self.created.clone()).map_err(|error| error.to_string())
    }

    /// The number of a stage before, by its name.
    fn stage(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.finished.iter().position(|(known, _)| known.as_ref() == Some(&name))
    }

    fn step(&mut self, state: &mut State, step: &Step) -> Result<(), String> {
        let layer = match &step.action {
            Action::Copy(copy) => Some(self.copy(state, copy)?),
            Action::Run(words) => Some(self.run(state, words)?),
            Action::Env(pairs) => {
                // All of them see the values from before the step.
                let values = pairs.iter().map(|(name, value)| Ok((name, self.expand(state, value)?)));
                for (name, value) in values.collect::<Result<Vec<_>, String>>()? {
                    state.set_variable(name, &value);
                }
                None
            }
            Action::Label(pairs) => {
                for (name, value) in pairs {
                    let (name, value) = (self.expand(state, name)?, self.expand(state, value)?);
                    state.label(&name, &value);
                }
                None
            }
            Action::Workdir(folder) => {
                let folder = self.expand(state, folder)?;
                state.enter(&folder);
                None
            }
            Action::User(user) => {
                let user = self.expand(state, user)?;
                state.set_user(&user);
                None
            }
            Action::Entrypoint(words) => {
                state.set_entrypoint(words);
                None
            }
            Action::Cmd(words) => {
                state.set_cmd(words);
                None
            }
        };
        state.done(&step.text, layer);
        Ok(())
    }

    fn expand(&self, state: &State, text: &str) -> Result<String, String> {
        words::expand(text, self.escape, &|name| state.variable(name))
    }

    fn copy(&mut self, state: &mut State, copy: &Copy) -> Result<ImageLayer, String> {
        let expanded = |text: &String| self.expand(state, text);
        let copy = Copy {
            sources: copy.sources.iter().map(expanded).collect::<Result<_, _>>()?,
            destination: expanded(&copy.destination)?,
            owner: copy.owner.as_ref().map(expanded).transpose()?,
            ..copy.clone()
        };
        let from = copy.from.as_deref().map(|name| self.origin(name)).transpose()?;
        // Owners of another image's files stay; those of the context's files mean nothing in the image.
        let mut look = Look {
            owner: copy.from.is_none().then_some((0, 0)),
            mode: copy.mode,
            modified: self.options.time,
        };
        let mut key = self.key("copy", state);
        key.update(format!("{:?}", (&copy, state.working_dir())).as_bytes());
        let sources = match &from {
            // The layers say it all: nothing is read before it is needed.
            Some((chain, _)) => {
                key.update(chain.hex());
                None
            }
            None => {
                let sources = Sources::find(&self.context, &copy, look)?;
                sources.fingerprint(&mut key)?;
                Some(sources)
            }
        };
        let key = digest_of(key);
        if let Some(layer) = self.known(&key) {
            return Ok(layer);
        }
        let root = state.tree(self.store, self.workshop.path()).map_err(|error| error.to_string())?;
        if let Some(owner) = &copy.owner {
            let identity = user::identity(Some(&root), owner)?;
            // As Docker: a number alone is that of the group, too.
            let gid = if owner.parse::<u32>().is_ok() { identity.uid } else { identity.gid };
            look.owner = Some((identity.uid, gid));
        }
        let sources = match (sources, from) {
            (Some(sources), _) if copy.owner.is_none() => sources,
            (_, Some((_, name))) => {
                let (store, folder) = (self.store, self.workshop.path().to_owned());
                let tree = self.other(&name)?.tree(store, &folder);
                let tree = tree.map_err(|error| error.to_string())?;
                Sources::find(&Origin::tree(&tree), &copy, look)?
            }
            (_, None) => Sources::find(&self.context, &copy, look)?,
        };
        let destination =
            Destination { root: &root, working_dir: &state.working_dir(), path: &copy.destination };
        let scratch = self.scratch()?;
        let (entries, notes) = sources.place(&destination, &scratch, self.options.limit, look)?;
        self.make(&key, &entries, notes, &scratch)
    }

    /// What `--from` names: what stands for its files, and its name.
    fn origin(&mut self, name: &str) -> Result<(Digest, String), String> {
        Ok((self.other(name)?.chain(), name.to_owned()))
    }

    fn other(&mut self, name: &str) -> Result<&mut State, String> {
        // A stage by its name or its number, else an image.
        let number = name.parse().ok().filter(|number| *number < self.finished.len());
        if let Some(index) = self.stage(name).or(number) {
            return self.finished.get_mut(index).map(|(_, state)| state).ok_or_else(|| no_stage(name));
        }
        if !self.others.contains_key(name) {
            let image = self.image(name)?;
            self.others.insert(name.to_owned(), image);
        }
        self.others.get_mut(name).ok_or_else(|| no_stage(name))
    }

    fn run(&mut self, state: &mut State, words: &[String]) -> Result<ImageLayer, String> {
        let mut env = state.env();
        if state.variable("PATH").is_none() {
            env.push(PATH.to_owned());
        }
        let (working_dir, user) = (state.working_dir(), state.user());
        let mut key = self.key("run", state);
        key.update(format!("{:?}", (words, &env, &working_dir, &user)).as_bytes());
        let key = digest_of(key);
        if let Some(layer) = self.known(&key) {
            return Ok(layer);
        }
        let root = state.tree(self.store, self.workshop.path()).map_err(|error| error.to_string())?;
        let scratch = self.scratch()?;
        run::scratch(&scratch).map_err(|error| error.to_string())?;
        let command = Command { words, env: &env, working_dir: &working_dir, user: &user };
        let (entries, notes) = self.runner.run(&command, &root, &scratch, self.options.time)?;
        self.make(&key, &entries, notes, &scratch)
    }

    /// The start of a step's key: whatever every step depends on.
    fn key(&self, kind: &str, state: &State) -> Sha256 {
        let mut key = Sha256::new();
        let rootless = !nix::unistd::Uid::effective().is_root();
        key.update(format!("{KEY_VERSION} {kind} {} {} {rootless}\n", state.chain(), self.options.time));
        key
    }

    fn known(&mut self, key: &Digest) -> Option<ImageLayer> {
        let layer = self.store.remembered(key).filter(|_| !self.options.no_cache)?;
        self.built.cached += 1;
        (self.tell)(Progress::Cached(layer.clone()));
        Some(layer)
    }

    fn scratch(&self) -> Result<PathBuf, String> {
        let folder = tempfile::Builder::new().prefix("step-").tempdir_in(self.workshop.path());
        Ok(folder.map_err(|error| error.to_string())?.keep())
    }

    /// Writes the layer, stores it, remembers it.
    fn make(
        &mut self,
        key: &Digest,
        entries: &Entries,
        notes: Vec<String>,
        scratch: &Path,
    ) -> Result<ImageLayer, String> {
        let layer = write_layer(entries, &self.workshop.blobs()).map_err(|error| error.to_string())?;
        super::flatten::remove_tree(scratch).map_err(|error| error.to_string())?;
        let told = self.store.add_layer(&self.workshop, &layer, self.options.limit);
        let told = told.and_then(|told| self.store.remember(key, &layer).map(|()| told));
        for note in notes.into_iter().chain(told.map_err(|error| error.to_string())?) {
            (self.tell)(Progress::Note(note));
        }
        self.built.made += 1;
        (self.tell)(Progress::Made(layer.clone()));
        Ok(layer)
    }

    fn finish(mut self) -> Result<Built, ImageError> {
        let Some((_, state)) = self.finished.pop() else { return Ok(self.built) };
        let layers = state.layers.clone();
        let config = state.finish().map_err(|error| ImageError::io("writing the configuration")(error))?;
        self.built.id = self.store.add_image(&self.workshop, config, &layers, &self.options.names)?;
        Ok(self.built)
    }
}

/// Of what is in a key: other versions of isobench may make other layers of the same step.
const KEY_VERSION: u32 = 1;

fn no_stage(name: &str) -> String {
    format!("no stage or image {name}")
}
