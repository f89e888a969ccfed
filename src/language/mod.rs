//! Everything that a reader sees, in the reader's language.
//!
//! Texts stand in `locales/LANGUAGE/AREA.ftl` (Project Fluent), embedded in the program, and are asked
//! for by key: `text!(language, "page-title")`, with what is put in by name:
//! `text!(language, "page-rows", count = 5)`. Numbers and durations are formatted by the caller, the
//! same in every language. How to add a text: `docs/languages.md`.
//!
//! A key that is missing shows as itself: a flaw in a text is never a panic. `cargo test language` finds
//! such keys, unused ones, and translations older than their source.

mod catalogue;
pub mod source;

use clap::ValueEnum;
use serde::Serialize;

pub use catalogue::{AREAS, message, optional};

/// A language that isobench speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, ValueEnum)]
pub enum Language {
    /// English, in which every text is written first.
    #[default]
    #[value(name = "en")]
    #[serde(rename = "en")]
    English,
    /// Korean.
    #[value(name = "ko")]
    #[serde(rename = "ko")]
    Korean,
}

impl Language {
    /// Every language, the first one the source of all others.
    pub const ALL: [Language; 2] = [Language::English, Language::Korean];

    /// Its tag (BCP 47), as in `lang="ko"` and `locales/ko/`.
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Korean => "ko",
        }
    }

    /// Its own name for itself.
    pub fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Korean => "한국어",
        }
    }

    /// What the environment asks for: the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set and not
    /// empty decides (locale(7)). English for any language that isobench does not speak.
    pub fn of_environment() -> Language {
        Language::of_locales(["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| std::env::var(name).ok()))
    }

    fn of_locales(locales: impl IntoIterator<Item = Option<String>>) -> Language {
        let locale = locales.into_iter().flatten().find(|locale| !locale.is_empty()).unwrap_or_default();
        let tag = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
        Language::ALL.into_iter().find(|language| language.tag() == tag).unwrap_or_default()
    }
}

/// The text of a key: `text!(language, "key")`, or with arguments `text!(language, "key", name = value)`.
/// A value is a number, by which a plural is chosen, or text.
macro_rules! text {
    ($language:expr, $key:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::language::message($language, $key, &[$((stringify!($name), ($value).into())),*])
    };
}
pub(crate) use text;

#[cfg(test)]
mod checks;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses() {
        let of = |locales: [&str; 3]| {
            Language::of_locales(locales.map(|locale| (locale != "-").then(|| locale.to_owned())))
        };
        assert_eq!(of(["-", "-", "ko_KR.UTF-8"]), Language::Korean);
        assert_eq!(of(["", "-", "ko"]), Language::Korean);
        assert_eq!(of(["C.UTF-8", "-", "ko_KR.UTF-8"]), Language::English);
        assert_eq!(of(["-", "fr_FR", "ko_KR.UTF-8"]), Language::English);
        assert_eq!(of(["-", "-", "-"]), Language::English);
        assert_eq!(of(["kok_IN", "-", "-"]), Language::English);
    }

    #[test]
    fn a_missing_key_is_seen_and_kills_nothing() {
        assert_eq!(message(Language::Korean, "no-such-key", &[]), "no-such-key");
        assert_eq!(optional(Language::English, "no-such-key", None, &[]), None);
        // An argument that is not given shows as its name.
        assert!(message(Language::English, "page-as-table", &[]).contains("$title"));
    }
}
