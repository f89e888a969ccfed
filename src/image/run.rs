//! What the configuration of an image says about running it.

use std::ffi::OsString;
use std::path::PathBuf;

use super::store::Image;

/// A command to run, put together from what the image and the user say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; nothing where neither the image nor the user names one.
    pub words: Vec<OsString>,
    /// Environment, as `NAME=value`.
    pub env: Vec<String>,
    /// Working directory.
    pub working_dir: PathBuf,
    /// The user that the image asks for, if it is not root.
    pub user: Option<String>,
}

impl Command {
    /// As Docker does: the words of the user replace the image's `CMD`, and both come after its `ENTRYPOINT`.
    pub fn new(image: &Image, words: &[OsString]) -> Command {
        let config = image.config.config().clone().unwrap_or_default();
        let of_image = |list: &Option<Vec<String>>| -> Vec<OsString> {
            list.iter().flatten().map(OsString::from).collect()
        };
        let mut all = of_image(config.entrypoint());
        all.extend(if words.is_empty() { of_image(config.cmd()) } else { words.to_vec() });
        let working_dir = config.working_dir().clone().filter(|folder| !folder.is_empty());
        let user = config.user().clone();
        Command {
            words: all,
            env: config.env().clone().unwrap_or_default(),
            working_dir: PathBuf::from("/").join(working_dir.unwrap_or_default()),
            user: user.filter(|user| !["", "0", "root", "0:0", "root:root"].contains(&user.as_str())),
        }
    }
}
