//! The places that errors name.

/// Whether a text has a place, line and column counted from 1, and columns in characters. Behind the last character of a line is one too.
pub(crate) fn is_in(text: &str, line: usize, column: usize) -> bool {
    has(text, line, column, |line| line.chars().count())
}

/// The same, with columns in bytes, as the reader of JSON counts them.
pub(crate) fn is_in_by_bytes(text: &str, line: usize, column: usize) -> bool {
    has(text, line, column, str::len)
}

fn has(text: &str, line: usize, column: usize, length: impl Fn(&str) -> usize) -> bool {
    let found = line.checked_sub(1).and_then(|above| text.split('\n').nth(above));
    found.is_some_and(|found| (1..=length(found) + 1).contains(&column))
}
