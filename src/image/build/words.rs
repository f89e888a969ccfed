//! Words of a Containerfile: quotes, escapes, and variables, as Docker's reference ("Environment
//! replacement") tells.

use std::iter::Peekable;
use std::str::Chars;

/// A value longer than this is refused: doubling a variable in each of some lines would else fill the memory.
const LONGEST_VALUE: usize = 64 << 10;

/// `${A:-${B:-…}}` deeper than this is refused.
const DEEPEST: u32 = 16;

/// What a variable's value is; none where it is not set.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `text` without its quotes and escapes, and with values in place of variables.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn expand(text: &str, escape: char, lookup: Lookup<'_>) -> Result<String, String> {
    let mut expander = Expander { letters: text.chars().peekable(), escape, lookup };
    expander.until(None, 0)
}

/// The words of `text`, which white space separates; quotes and escapes stay in them.
///
/// # Errors
/// For a quote that is not closed.
pub(super) fn split(text: &str, escape: char) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == escape && quote != Some('\'') {
            word.push(letter);
            word.extend(letters.next());
            continue;
        }
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
        if quote.is_none() && letter.is_whitespace() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        } else {
            word.push(letter);
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} is not closed"));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// `A=1 B="two words"`, or the old `A two words`, as pairs; the values keep quotes and escapes.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn pairs(text: &str, escape: char) -> Result<Vec<(String, String)>, String> {
    let words = split(text, escape)?;
    let Some(first) = words.first() else { return Err("a name and a value are needed".into()) };
    if !first.contains('=') {
        let value = text.trim_start().strip_prefix(first.as_str()).unwrap_or_default().trim();
        if value.is_empty() {
            return Err(format!("{first} has no value; write {first}=VALUE"));
        }
        return Ok(vec![(first.clone(), value.to_owned())]);
    }
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(format!("{word:?} is no NAME=VALUE")),
        })
        .collect()
}

struct Expander<'a> {
    letters: Peekable<Chars<'a>>,
    escape: char,
    lookup: Lookup<'a>,
}

impl Expander<'_> {
    /// Up to the letter `end`, or, without one, to the end of the text.
    fn until(&mut self, end: Option<char>, depth: u32) -> Result<String, String> {
        if depth > DEEPEST {
            return Err(format!("variables inside each other more than {DEEPEST} deep"));
        }
        let mut value = String::new();
        while let Some(letter) = self.letters.next() {
            match letter {
                _ if Some(letter) == end => return Ok(value),
                '\'' => self.single_quoted(&mut value)?,
                '"' => self.double_quoted(&mut value, depth)?,
                '$' => value.push_str(&self.variable(depth)?),
                _ if letter == self.escape => value.extend(self.letters.next()),
                _ => value.push(letter),
            }
            if value.len() > LONGEST_VALUE {
                return Err(format!("a value of more than {LONGEST_VALUE} bytes"));
            }
        }
        match end {
            None => Ok(value),
            Some(end) => Err(format!("a {end} is missing")),
        }
    }

    fn single_quoted(&mut self, value: &mut String) -> Result<(), String> {
        for letter in self.letters.by_ref() {
            if letter == '\'' {
                return Ok(());
            }
            value.push(letter);
        }
        Err("the quote ' is not closed".into())
    }

    fn double_quoted(&mut self, value: &mut String, depth: u32) -> Result<(), String> {
        while let Some(letter) = self.letters.next() {
            match letter {
                '"' => return Ok(()),
                '$' => value.push_str(&self.variable(depth)?),
                _ if letter == self.escape => match self.letters.next() {
                    Some(next) if next == '"' || next == '$' || next == self.escape => value.push(next),
                    // Any other letter is not special, and the escape before it neither.
                    next => value.extend([letter].into_iter().chain(next)),
                },
                _ => value.push(letter),
            }
            if value.len() > LONGEST_VALUE {
                return Err(format!("a value of more than {LONGEST_VALUE} bytes"));
            }
        }
        Err("the quote \" is not closed".into())
    }

    /// After a `$`.
    fn variable(&mut self, depth: u32) -> Result<String, String> {
        if self.letters.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(if name.is_empty() { "$".into() } else { (self.lookup)(&name).unwrap_or_default() });
        }
        let name = self.name();
        if name.is_empty() {
            return Err("${ without a variable's name after it".into());
        }
        let value = (self.lookup)(&name);
        let also_empty = self.letters.next_if_eq(&':').is_some();
        let is_set = value.as_ref().is_some_and(|value| !also_empty || !value.is_empty());
        match self.letters.next() {
            Some('}') if !also_empty => Ok(value.unwrap_or_default()),
            Some('-') => {
                let other = self.until(Some('}'), depth + 1)?;
                Ok(if is_set { value.unwrap_or_default() } else { other })
            }
            Some('+') => {
                let other = self.until(Some('}'), depth + 1)?;
                Ok(if is_set { other } else { String::new() })
            }
            Some(other) => {
                Err(format!("${{{name}{other}…}} is not supported; ${{{name}:-…}} and ${{{name}:+…}} are"))
            }
            None => Err("a } is missing".into()),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(letter) = self.letters.next_if(|letter| {
            *letter == '_' || letter.is_ascii_alphabetic() || (!name.is_empty() && letter.is_ascii_digit())
        }) {
            name.push(letter);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn expanded(text: &str) -> Result<String, String> {
        expand(text, '\\', &lookup)
    }

    /// The examples are those of Docker's reference.
    #[test]
    fn variables_are_replaced_as_the_reference_says() {
        for (text, value) in [
            ("plain", "plain"),
            ("$A/${A}x$A", "one/onexone"),
            (r"\$A", "$A"),
            ("'$A'", "$A"),
            ("\"$A b\"", "one b"),
            (r#""\"q\" \n \\""#, r#""q" \n \"#),
            ("${NONE:-two}", "two"),
            ("${NONE-two}${EMPTY-x}", "two"),
            ("${EMPTY:-two}", "two"),
            ("${A:+set}${EMPTY:+x}${EMPTY+y}", "sety"),
            ("${NONE:-${A}s}", "ones"),
            ("$NONE.$", ".$"),
            ("$", "$"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(value), "{text}");
        }
        for bad in ["${A", "${}", "${A%x}", "'open", "\"open", "${A:}", "${A:-x"] {
            assert!(expanded(bad).is_err(), "{bad}");
        }
        assert!(expanded(&"${NONE:-".repeat(40)).is_err());
        assert_eq!(expand("`$A \\x", '`', &lookup).as_deref(), Ok("$A \\x"));
    }

    #[test]
    fn pairs_are_read_in_both_forms() {
        let read = |text| pairs(text, '\\');
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("A=1  B='x y' C=a\\ b"),
            Ok(vec![pair("A", "1"), pair("B", "'x y'"), pair("C", "a\\ b")])
        );
        assert_eq!(read("A two  words "), Ok(vec![pair("A", "two  words")]));
        assert_eq!(read("A="), Ok(vec![pair("A", "")]));
        assert!(read("A").is_err() && read("").is_err() && read("A=1 B").is_err() && read("A='").is_err());
    }

    proptest! {
        /// A value in single quotes comes out as it went in, whatever it is.
        #[test]
        fn single_quotes_keep_everything(value in "[^']{0,40}") {
            prop_assert_eq!(expanded(&format!("'{value}'")), Ok(value));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = expanded(&text);
            let _ = pairs(&text, '\\');
        }

        /// Words that need no quotes come back as they are.
        #[test]
        fn words_are_split_where_there_is_space(words in proptest::collection::vec("[a-z/.$]{1,8}", 0..8)) {
            prop_assert_eq!(split(&words.join("  "), '\\'), Ok(words));
        }
    }
}
