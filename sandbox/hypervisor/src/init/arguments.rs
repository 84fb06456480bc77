//! The arguments of a command, against what the command is known to take.

use super::failure::Failure;

/// An option a command takes: its long name, its short letter, and whether a value follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known(pub(crate) &'static str, pub(crate) Option<char>, pub(crate) Value);

/// Whether an option is followed by a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    No,
    Yes,
}

/// Where options may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Anywhere.
    Free,
    /// Before the first operand; what follows belongs to another command.
    First,
}

/// Arguments, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Options by their long name, in the order given.
    pub(crate) options: Vec<(&'static str, String)>,
    /// All else.
    pub(crate) operands: Vec<String>,
}

impl Arguments {
    /// Sorts arguments. An option that is not known is a gap.
    pub(crate) fn parse(given: &[String], known: &[Known], order: Order) -> Result<Self, Failure> {
        let mut parsed = Self::default();
        let mut given = given.iter();
        while let Some(argument) = given.next() {
            if argument == "--" {
                parsed.operands.extend(given.by_ref().cloned());
            } else if let Some(long) = argument.strip_prefix("--") {
                parsed.take_long(long, &mut given, known)?;
            } else if argument.len() > 1 && argument.starts_with('-') {
                parsed.take_short(&argument[1..], &mut given, known)?;
            } else {
                parsed.operands.push(argument.clone());
                if order == Order::First {
                    parsed.operands.extend(given.by_ref().cloned());
                }
            }
        }
        Ok(parsed)
    }

    fn take_long<'a>(&mut self, text: &str, rest: &mut impl Iterator<Item = &'a String>, known: &[Known]) -> Result<(), Failure> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
        let option = known.iter().find(|option| option.0 == name).ok_or_else(|| Failure::gap(format!("unknown option --{name}")))?;
        let value = match (option.2, value) {
            (Value::No, None) => String::new(),
            (Value::No, Some(value)) => return Err(Failure::error(1, format!("option --{name} takes no value, given {value}"))),
            (Value::Yes, Some(value)) => value,
            (Value::Yes, None) => {
                rest.next().cloned().ok_or_else(|| Failure::error(1, format!("option '--{name}' requires an argument")))?
            }
        };
        self.options.push((option.0, value));
        Ok(())
    }

    fn take_short<'a>(&mut self, letters: &str, rest: &mut impl Iterator<Item = &'a String>, known: &[Known]) -> Result<(), Failure> {
        for (at, letter) in letters.char_indices() {
            let option = known.iter().find(|option| option.1 == Some(letter));
            let option = option.ok_or_else(|| Failure::gap(format!("unknown option -{letter}")))?;
            if option.2 == Value::No {
                self.options.push((option.0, String::new()));
                continue;
            }
            let attached = &letters[at + letter.len_utf8()..];
            let value = if attached.is_empty() { rest.next().cloned() } else { Some(attached.to_owned()) };
            let value = value.ok_or_else(|| Failure::error(1, format!("option requires an argument -- '{letter}'")))?;
            self.options.push((option.0, value));
            return Ok(());
        }
        Ok(())
    }

    /// Whether an option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| *option == name)
    }

    /// The last value of an option.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(option, _)| *option == name).map(|(_, value)| value.as_str())
    }

    /// All values of an option.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.options.iter().filter(move |(option, _)| *option == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Known; 3] =
        [Known("now", None, Value::No), Known("quiet", Some('q'), Value::No), Known("property", Some('p'), Value::Yes)];

    fn parse(given: &[&str], order: Order) -> Result<Arguments, Failure> {
        Arguments::parse(&given.iter().map(ToString::to_string).collect::<Vec<_>>(), &KNOWN, order)
    }

    #[test]
    fn options_and_operands_are_told_apart() {
        let parsed = parse(&["show", "-qp", "A", "--property=B=c", "unit", "-pD", "--", "--now"], Order::Free).unwrap();
        assert_eq!(parsed.values("property").collect::<Vec<_>>(), ["A", "B=c", "D"]);
        assert!(parsed.has("quiet") && !parsed.has("now"));
        assert_eq!(parsed.operands, ["show", "unit", "--now"]);
        let command = parse(&["--now", "ls", "-l"], Order::First).unwrap();
        assert_eq!(command.operands, ["ls", "-l"]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert_eq!(parse(&["--later"], Order::Free), Err(Failure::gap("unknown option --later")));
        assert_eq!(parse(&["-x"], Order::Free), Err(Failure::gap("unknown option -x")));
        assert_eq!(parse(&["--property"], Order::Free), Err(Failure::error(1, "option '--property' requires an argument")));
        assert_eq!(parse(&["--now=yes"], Order::Free), Err(Failure::error(1, "option --now takes no value, given yes")));
    }
}
