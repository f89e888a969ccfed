//! `--lang`, for every command that speaks to a reader.

use clap::Args;

use crate::language::Language;

/// The language of what is printed and written.
#[derive(Debug, Args)]
pub struct LanguageArgument {
    /// The language of tables and reports; that of the environment (LANG) unless given
    #[arg(long, value_name = "LANG", value_enum)]
    lang: Option<Language>,
}

impl LanguageArgument {
    /// The one asked for, or the environment's.
    pub fn get(&self) -> Language {
        self.lang.unwrap_or_else(Language::of_environment)
    }
}
