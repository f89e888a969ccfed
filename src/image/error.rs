//! What can be wrong with an image, or with the store.

use std::io;
use std::path::{Path, PathBuf};

/// Why an image was refused, or a step on the store failed: one line for the user. After any of them
/// the store is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// What was given holds no image in a format that is known.
    #[error("{place}: {problem}")]
    NotAnImage {
        /// The file or folder.
        place: String,
        /// What is missing or cannot be read there.
        problem: String,
    },
    /// A blob, or what it decompresses to, is not what its digest promises.
    #[error("{what}: its content has the digest {found}, but {expected} was promised; fetch the image again")]
    DigestMismatch {
        /// The blob.
        what: String,
        /// The digest promised.
        expected: String,
        /// The digest found.
        found: String,
    },
    /// The image is for other machines.
    #[error("the image is for {found}, but this host is {host}; get the image for {host}")]
    WrongPlatform {
        /// What the image offers.
        found: String,
        /// This host.
        host: String,
    },
    /// A layer holds what no honest layer holds.
    #[error("layer {layer}: {problem}")]
    BadLayer {
        /// Short digest of the layer.
        layer: String,
        /// The entry and what is wrong with it.
        problem: String,
    },
    /// A layer, unpacked, would be larger than allowed: a decompression bomb, or a limit set too low.
    #[error("layer {layer}: larger than {limit} bytes when unpacked; if it is meant to be, raise --limit")]
    TooLarge {
        /// Short digest of the layer.
        layer: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// No image of this name or identifier.
    #[error("no such image: {0}; `isobench image ls` lists those in the store")]
    NoSuchImage(String),
    /// Not a name that an image can have.
    #[error("{0}: not an image name; write NAME or NAME:TAG in lower case, such as busybox:1.36")]
    BadName(String),
    /// An image that a running sandbox uses cannot be removed.
    #[error("image {0} is in use by a running sandbox; stop that first")]
    InUse(String),
    /// A step of a Containerfile cannot be done.
    #[error("{place}:{line}: {problem}")]
    Build {
        /// The Containerfile.
        place: String,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A file operation failed.
    #[error("{step}: {source}")]
    Io {
        /// What was being done, and to what.
        step: String,
        /// The operating system's reason.
        source: io::Error,
    },
}

/// Text of an image made safe for a terminal, and for one line.
pub(super) fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut line, letter| {
        if letter.is_control() {
            line.extend(letter.escape_default())
        } else {
            line.push(letter)
        }
        line
    })
}

impl ImageError {
    /// For `map_err` on a file operation.
    pub(super) fn io<E: Into<io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> ImageError {
        let step = step.into();
        move |error| ImageError::Io { step, source: error.into() }
    }

    /// The same, where the step is a verb and a path.
    pub(super) fn at<E: Into<io::Error>>(verb: &str, path: &Path) -> impl FnOnce(E) -> ImageError {
        let step = (verb.to_owned(), PathBuf::from(path));
        move |error| ImageError::Io { step: format!("{} {}", step.0, step.1.display()), source: error.into() }
    }
}
