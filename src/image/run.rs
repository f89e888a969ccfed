//! What the configuration of an image says about running it.

use std::ffi::OsString;
use std::path::PathBuf;

use super::store::Image;

/// What the user says instead of the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Words that replace the image's `CMD`.
    pub words: Vec<OsString>,
    /// The program that replaces the image's `ENTRYPOINT`; an empty one takes it away.
    pub entrypoint: Option<OsString>,
    /// `USER[:GROUP]`.
    pub user: Option<String>,
    /// Working directory; relative to the image's own.
    pub working_dir: Option<PathBuf>,
}

/// A command to run, put together from what the image and the user say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; nothing where neither the image nor the user names one.
    pub words: Vec<OsString>,
    /// Environment, as `NAME=value`.
    pub env: Vec<String>,
    /// Working directory.
    pub working_dir: PathBuf,
    /// The user that is asked for, if any.
    pub user: Option<String>,
}

impl Command {
    /// As Docker does: the words of the user replace the image's `CMD`, and both come after its `ENTRYPOINT`.
    /// Whoever replaces that has no use for the image's `CMD`, which is meant for it.
    pub fn new(image: &Image, overrides: &Overrides) -> Command {
        let config = image.config.config().clone().unwrap_or_default();
        let of_image = |list: &Option<Vec<String>>| -> Vec<OsString> {
            list.iter().flatten().map(OsString::from).collect()
        };
        let mut words = match &overrides.entrypoint {
            None => of_image(config.entrypoint()),
            Some(program) => {
                Some(program.clone()).filter(|program| !program.is_empty()).into_iter().collect()
            }
        };
        match (&overrides.words[..], &overrides.entrypoint) {
            ([], None) => words.extend(of_image(config.cmd())),
            (given, _) => words.extend_from_slice(given),
        }
        let working_dir = PathBuf::from("/").join(config.working_dir().clone().unwrap_or_default());
        let working_dir = match &overrides.working_dir {
            Some(folder) => working_dir.join(folder),
            None => working_dir,
        };
        let user = overrides.user.clone().or_else(|| config.user().clone());
        Command {
            words,
            env: config.env().clone().unwrap_or_default(),
            working_dir,
            user: user.filter(|user| !user.is_empty()),
        }
    }
}
