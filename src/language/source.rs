//! Catalogues as their translators see them: each translated message names the revision of the message that
//! it translates, in a comment above it: `# source: 1a2b3c4d`. So a translation older than its source is found.

use fluent_syntax::ast::{Entry, Message, Resource};
use fluent_syntax::{parser, serializer};
use sha2::{Digest, Sha256};

/// One message as it is written in a catalogue file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its key.
    pub key: String,
    /// Its text and its attributes', as Fluent source in a normal form.
    pub body: String,
    /// The revision that the comment above it names, in a translation.
    pub translates: Option<String>,
}

impl Written {
    /// The revision of this message: it changes with any word of it.
    pub fn revision(&self) -> String {
        revision(&self.body)
    }
}

/// The first 8 hexadecimal digits of the SHA-256 of a text.
pub fn revision(text: &str) -> String {
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The messages of a catalogue file, in their order.
///
/// # Errors
/// What does not parse, one line each.
pub fn messages(source: &str) -> Result<Vec<Written>, Vec<String>> {
    let resource = parser::parse(source)
        .map_err(|(_, errors)| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let written = resource.body.into_iter().filter_map(|entry| match entry {
        Entry::Message(message) => Some(written(message)),
        _ => None,
    });
    Ok(written.collect())
}

fn written(mut message: Message<&str>) -> Written {
    let comment = message.comment.take();
    let translates = comment
        .and_then(|comment| {
            comment.content.iter().find_map(|line| line.trim().strip_prefix(MARK)).map(str::trim)
        })
        .map(str::to_owned);
    let key = message.id.name.to_owned();
    let body = serializer::serialize(&Resource { body: vec![Entry::Message(message)] });
    Written { key, body, translates }
}

/// What the comment above a translation begins with.
pub const MARK: &str = "source:";
