//! The catalogues and the code that uses them agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{Written, messages};
use super::{AREAS, Language};

/// Keys that are made from names, such as those of phases; whoever makes them tests that they are there.
const MADE: &[&str] = &["check-", "phase-", "reference-clock-", "workload-"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn catalogue(language: Language) -> BTreeMap<String, Written> {
    let mut all = BTreeMap::new();
    for (area, sources) in AREAS {
        let file = format!("locales/{}/{area}.ftl", language.tag());
        let written =
            messages(sources[language as usize]).unwrap_or_else(|errors| panic!("{file}: {errors:?}"));
        for message in written {
            let key = message.key.clone();
            assert!(all.insert(key.clone(), message).is_none(), "{file}: {key} is there twice");
        }
    }
    all
}

/// `$name` in a message's body.
fn arguments(body: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    body.split('$').skip(1).map(|rest| rest.chars().take_while(|c| word(*c)).collect()).collect()
}

/// `.name =` at the start of a line of a message's body.
fn attributes(body: &str) -> BTreeSet<&str> {
    body.lines()
        .filter_map(|line| line.trim_start().strip_prefix('.')?.split_once('='))
        .map(|(name, _)| name.trim())
        .collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let is_source =
            path.extension().is_some_and(|kind| ["rs", "html"].iter().any(|known| kind == *known));
        if path.is_dir() {
            files(&path, found);
        } else if is_source && !path.starts_with(root().join("src/language")) {
            found.push(path);
        }
    }
}

/// A place in the code that asks for a text.
struct Use {
    file: String,
    key: String,
    /// Names of the arguments given.
    arguments: BTreeSet<String>,
}

fn uses() -> Vec<Use> {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    let mut uses = Vec::new();
    for path in paths {
        let code = fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        for call in ["text!(", "t(\""] {
            let is_template = call == "t(\"";
            if is_template != file.ends_with(".html") {
                continue;
            }
            for (at, _) in code.match_indices(call) {
                if is_template && code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
                    continue;
                }
                let call = inside(&code[at + call.len() - usize::from(is_template)..]);
                let mut quoted = call.splitn(3, '"');
                let (Some(_), Some(key), Some(rest)) = (quoted.next(), quoted.next(), quoted.next()) else {
                    panic!("{file}: no key in {call:?}");
                };
                uses.push(Use { file: file.clone(), key: key.to_owned(), arguments: named(rest) });
            }
        }
    }
    uses
}

/// Up to the bracket that closes the call.
fn inside(code: &str) -> &str {
    let (mut depth, mut quoted, mut before) = (0, false, ' ');
    for (at, c) in code.char_indices() {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted && depth == 0 => return &code[..at],
            ')' | ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        before = c;
    }
    code
}

/// The names in `, name = value, other = value`, those in inner brackets left out.
fn named(rest: &str) -> BTreeSet<String> {
    let (mut depth, mut quoted) = (0, false);
    let mut outer = String::new();
    for c in rest.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            _ if depth == 0 && !quoted => outer.push(c),
            _ => {}
        }
    }
    let names = outer.split(',').filter_map(|argument| argument.split_once('=')).map(|(name, _)| name.trim());
    names.filter(|name| !name.is_empty() && !name.contains(' ')).map(str::to_owned).collect()
}

#[test]
fn every_file_of_the_catalogue_is_embedded() {
    for language in Language::ALL {
        let folder = root().join("locales").join(language.tag());
        let mut on_disk: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| entry.path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        on_disk.sort();
        let mut embedded: Vec<String> = AREAS.iter().map(|(area, _)| (*area).to_owned()).collect();
        embedded.sort();
        assert_eq!(on_disk, embedded, "locales/{}: list it in src/language/catalogue.rs", language.tag());
    }
}

#[test]
fn every_key_that_is_used_is_there_with_its_arguments() {
    let english = catalogue(Language::English);
    let uses = uses();
    assert!(uses.len() > 20, "the code asks for texts: {}", uses.len());
    for Use { file, key, arguments: given } in uses {
        let message = english.get(&key).unwrap_or_else(|| panic!("{file}: no text for {key} in locales/en"));
        let wanted = arguments(&message.body);
        assert_eq!(given, wanted, "{file}: arguments of {key}, as given and as in locales/en");
    }
}

#[test]
fn every_key_that_is_there_is_used() {
    let used: BTreeSet<String> = uses().into_iter().map(|one| one.key).collect();
    let is_made = |key: &str| MADE.iter().any(|prefix| key.starts_with(prefix));
    let unused: Vec<String> =
        catalogue(Language::English).into_keys().filter(|key| !is_made(key) && !used.contains(key)).collect();
    assert!(unused.is_empty(), "no code asks for {unused:?}: remove them from locales/");
}

#[test]
fn every_translation_is_of_the_present_source() {
    let english = catalogue(Language::English);
    for language in Language::ALL.into_iter().filter(|language| *language != Language::English) {
        let tag = language.tag();
        let translated = catalogue(language);
        for (key, source) in &english {
            let own = translated.get(key).unwrap_or_else(|| panic!("locales/{tag} lacks {key}"));
            assert_eq!(arguments(&own.body), arguments(&source.body), "locales/{tag}: arguments of {key}");
            assert_eq!(attributes(&own.body), attributes(&source.body), "locales/{tag}: attributes of {key}");
            assert_eq!(
                own.translates.as_deref(),
                Some(source.revision().as_str()),
                "locales/{tag}: {key} is older than its source; translate it again, then run \
                 `cargo run --example stamp-translation {key}`"
            );
        }
        let extra: Vec<&String> = translated.keys().filter(|key| !english.contains_key(*key)).collect();
        assert!(extra.is_empty(), "locales/{tag} has keys that locales/en lacks: {extra:?}");
    }
}

/// `NAME.ko.md` names the revision of `NAME.md` that it translates, in its first line.
#[test]
fn every_translated_document_is_of_the_present_source() {
    let mut folders = vec![root().to_owned(), root().join("docs")];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && path.starts_with(root().join("docs")) {
                folders.push(path);
                continue;
            }
            let Some(name) = path.to_str().and_then(|path| path.strip_suffix(".ko.md")) else { continue };
            let source = fs::read_to_string(format!("{name}.md")).unwrap();
            let own = fs::read_to_string(&path).unwrap();
            let wanted = format!("<!-- source: {} -->", super::source::revision(&source));
            assert_eq!(
                own.lines().next(),
                Some(wanted.as_str()),
                "{}: older than its English; translate what changed, then write the line at the right at its top",
                path.display()
            );
            found += 1;
        }
    }
    assert!(found > 0, "README.ko.md at least");
}
