//! Says that translations are of the present source: writes `# source: REVISION` above them.
//!
//!     cargo run --example stamp-translation KEY...     these keys, just translated again
//!     cargo run --example stamp-translation            every translation that bears no revision yet
//!
//! For a document, `NAME.ko.md`, the test prints the line to write at its top.

use std::collections::HashMap;
use std::path::Path;
use std::{env, fs, io};

use isobench::language::source::{MARK, messages};
use isobench::language::{AREAS, Language};

fn main() -> io::Result<()> {
    let keys: Vec<String> = env::args().skip(1).collect();
    let locales = Path::new(env!("CARGO_MANIFEST_DIR")).join("locales");
    for (area, _) in AREAS {
        let read = |language: Language| {
            let path = locales.join(language.tag()).join(format!("{area}.ftl"));
            Ok::<_, io::Error>((fs::read_to_string(&path)?, path))
        };
        let parsed = |text: &str| messages(text).map_err(|errors| io::Error::other(errors.join("; ")));
        let revisions: HashMap<String, String> = parsed(&read(Language::English)?.0)?
            .into_iter()
            .map(|message| (message.key.clone(), message.revision()))
            .collect();
        for language in Language::ALL.into_iter().skip(1) {
            let (text, path) = read(language)?;
            let stamps: HashMap<String, &String> = parsed(&text)?
                .into_iter()
                .filter(|message| match keys.as_slice() {
                    [] => message.translates.is_none(),
                    keys => keys.contains(&message.key),
                })
                .filter_map(|message| Some((message.key.clone(), revisions.get(&message.key)?)))
                .collect();
            if !stamps.is_empty() {
                fs::write(&path, stamped(&text, &stamps))?;
                println!("{}: {} stamped", path.display(), stamps.len());
            }
        }
    }
    Ok(())
}

/// The file with the lines of revisions above the messages of `stamps`, in place of what stood there.
fn stamped(text: &str, stamps: &HashMap<String, &String>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let key = line.split([' ', '=']).next().unwrap_or_default();
        if let Some(revision) = stamps.get(key) {
            if lines.last().is_some_and(|above| above.starts_with(&format!("# {MARK}"))) {
                lines.pop();
            }
            lines.push(format!("# {MARK} {revision}"));
        }
        lines.push(line.to_owned());
    }
    lines.join("\n") + "\n"
}
