//! The `#SBATCH` lines of a script.

use super::Unconverted;
use super::options::{SHORT, takes_value};

/// One option of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) line: usize,
    pub(super) column: usize,
    /// In its long form, such as `--time`.
    pub(super) option: String,
    pub(super) value: String,
}

impl Directive {
    pub(super) fn refused(&self, message: String) -> Unconverted {
        Unconverted { line: self.line, column: self.column, message }
    }
}

/// The options, and the lines of those that Slurm would not read: they stand after the first command.
pub(super) fn directives(script: &str) -> Result<(Vec<Directive>, Vec<usize>), Unconverted> {
    let (mut found, mut ignored, mut has_begun) = (Vec::new(), Vec::new(), false);
    for (index, line) in script.lines().enumerate() {
        let number = index + 1;
        match line.strip_prefix("#SBATCH") {
            Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t']) => {
                if has_begun {
                    ignored.push(number);
                } else {
                    options_of(number, rest, line.len() - rest.len(), &mut found)?;
                }
            }
            _ => has_begun |= !(line.trim().is_empty() || line.starts_with('#')),
        }
    }
    Ok((found, ignored))
}

/// A word of a line, and where it begins: in characters, from 0.
struct Word {
    at: usize,
    text: String,
}

fn options_of(line: usize, rest: &str, offset: usize, found: &mut Vec<Directive>) -> Result<(), Unconverted> {
    let words = words(rest).map_err(|at| Unconverted {
        line,
        column: offset + at + 1,
        message: "this quote is not closed: write it once more at the end".to_owned(),
    })?;
    let mut words = words.into_iter().peekable();
    while let Some(Word { at, text }) = words.next() {
        let place = |message: String| Unconverted { line, column: offset + at + 1, message };
        let (option, written) = match text.strip_prefix("--") {
            Some(long) => match long.split_once('=') {
                Some((name, value)) => (format!("--{name}"), Some(value.to_owned())),
                None => (text.clone(), None),
            },
            None => {
                let letter = text.strip_prefix('-').and_then(|rest| rest.chars().next());
                let long = letter.and_then(|letter| SHORT.iter().find(|(short, _)| *short == letter));
                let Some((short, long)) = long else {
                    let message = format!("{text:?} is no option of sbatch: options are like --time=30 or -t 30");
                    return Err(place(message));
                };
                let glued = &text[1 + short.len_utf8()..];
                (format!("--{long}"), (!glued.is_empty()).then(|| glued.trim_start_matches('=').to_owned()))
            }
        };
        let value = match (written, takes_value(&option)) {
            (Some(value), _) => value,
            (None, false) => String::new(),
            (None, true) => match words.next_if(|next| !next.text.starts_with('-')) {
                Some(next) => next.text,
                None => return Err(place(format!("{option} has no value: write it like {option}=VALUE"))),
            },
        };
        found.push(Directive { line, column: offset + at + 1, option, value });
    }
    Ok(())
}

/// The words of a line as a shell has them, up to a comment; where a quote begins that is not closed.
fn words(line: &str) -> Result<Vec<Word>, usize> {
    let mut found = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote: Option<(char, usize)> = None;
    for (at, c) in line.chars().enumerate() {
        match (quote, c) {
            (Some((open, _)), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some((c, at));
                word.get_or_insert(Word { at, text: String::new() });
            }
            (None, c) if c.is_whitespace() => found.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (_, c) => word.get_or_insert(Word { at, text: String::new() }).text.push(c),
        }
    }
    match quote {
        Some((_, at)) => Err(at),
        None => {
            found.extend(word);
            Ok(found)
        }
    }
}
