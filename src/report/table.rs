//! A table as text in cells, which the editions only lay out.

use serde::Serialize;

use super::format::MISSING;

/// One cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The number or name itself.
    pub text: String,
    /// What stands under it in smaller type, one line each: ratio, verdict, interval.
    pub details: Vec<String>,
}

impl Entry {
    pub(super) fn new(text: impl Into<String>) -> Entry {
        Entry { text: text.into(), details: Vec::new() }
    }

    pub(super) fn with(text: impl Into<String>, detail: impl Into<String>) -> Entry {
        Entry { text: text.into(), details: vec![detail.into()] }
    }

    pub(super) fn missing() -> Entry {
        Entry::new(MISSING)
    }
}

/// One column's heading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// Numbers stand at the right.
    pub numeric: bool,
}

/// For a table without a column of numbers.
pub(super) const NO_NUMBERS: &[&str] = &[];

/// A table; the first column names the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Heading.
    pub title: String,
    /// What the columns mean; may be empty.
    pub note: String,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Entry>>,
}

impl Table {
    /// `text` and `numbers` are headings, in that order.
    pub(super) fn new(
        title: impl Into<String>,
        note: impl Into<String>,
        text: &[impl AsRef<str>],
        numbers: &[impl AsRef<str>],
    ) -> Table {
        let column = |name: &str, numeric| Column { name: name.to_owned(), numeric };
        let text = text.iter().map(|name| column(name.as_ref(), false));
        let numbers = numbers.iter().map(|name| column(name.as_ref(), true));
        Table {
            title: title.into(),
            note: note.into(),
            columns: text.chain(numbers).collect(),
            rows: Vec::new(),
        }
    }
}
