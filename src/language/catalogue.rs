//! The embedded catalogues, parsed when the first text is asked for.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use super::Language;

/// The files of one area, in the order of [`Language::ALL`].
macro_rules! areas {
    ($($name:literal),* $(,)?) => {
        /// The areas of the catalogue: name, and the source of each language in the order of [`Language::ALL`].
        pub const AREAS: &[(&str, [&str; 2])] = &[$((
            $name,
            [
                include_str!(concat!("../../locales/en/", $name, ".ftl")),
                include_str!(concat!("../../locales/ko/", $name, ".ftl")),
            ],
        )),*];
    };
}

areas![
    "charts",
    "density",
    "maintenance",
    "minute",
    "page",
    "phases",
    "quality",
    "reference",
    "tables",
    "timeline",
    "words",
    "workloads"
];

type Bundle = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::English));
static KOREAN: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::Korean));

/// What does not parse is left out, and so missing; a test finds it.
fn bundle(language: Language) -> Bundle {
    let mut bundle = Bundle::new_concurrent(vec![language.tag().parse().unwrap_or_default()]);
    // Marks around what is put in would show up in terminals and files.
    bundle.set_use_isolating(false);
    for (_, sources) in AREAS {
        let resource =
            FluentResource::try_new(sources[language as usize].to_owned()).unwrap_or_else(|(kept, _)| kept);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

/// The text of `key` in `language`; where that lacks it, in English; where that does too, the key itself.
/// `text!` is the short way to write it.
pub fn message<'a>(language: Language, key: &str, arguments: &[(&'a str, FluentValue<'a>)]) -> String {
    optional(language, key, None, arguments).unwrap_or_else(|| key.to_owned())
}

/// The text of `key`, or of one of its attributes; `None` where no language has it. For keys made from
/// names that may be unknown, such as those of phases.
pub fn optional<'a>(
    language: Language,
    key: &str,
    attribute: Option<&str>,
    arguments: &[(&'a str, FluentValue<'a>)],
) -> Option<String> {
    let arguments: FluentArgs = arguments.iter().cloned().collect();
    [language, Language::English].into_iter().find_map(|language| {
        let bundle = match language {
            Language::English => &ENGLISH,
            Language::Korean => &KOREAN,
        };
        let message = bundle.get_message(key)?;
        let pattern = match attribute {
            Some(name) => message.get_attribute(name)?.value(),
            None => message.value()?,
        };
        // An argument that is not there shows as `{$name}`.
        Some(bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned())
    })
}
