//! Names of domains as Route 53 keeps them ("DNS domain name format" of its Developer Guide): in lower case, and with escapes for all that
//! is no letter, digit, hyphen or underscore.

use std::fmt;

/// Bytes of a label.
const LABEL_MAX: usize = 63;

/// Bytes of a name, dots included.
const NAME_MAX: usize = 255;

/// A label that is a star.
const STAR: &str = "\\052";

/// The name of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// From left to right, escaped.
    labels: Vec<String>,
}

impl Name {
    /// Reads a name, with or without a dot at its end.
    ///
    /// # Errors
    /// What is wrong with it, in Route 53's words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut labels = Vec::new();
        let mut length = 0;
        for part in text.strip_suffix('.').unwrap_or(text).split('.') {
            let bytes = decoded(part)?;
            match bytes.len() {
                0 => return Err(fatal("DomainLabelEmpty", "Domain label is empty", text)),
                long if long > LABEL_MAX => return Err(fatal("DomainLabelTooLong", "Domain label is too long", part)),
                fitting => length += fitting + 1,
            }
            labels.push(bytes.into_iter().map(escaped).collect());
        }
        if length > NAME_MAX { Err(fatal("DomainNameTooLong", "Domain name is too long", text)) } else { Ok(Self { labels }) }
    }

    /// As the condition keys of policies have it: without a dot at its end.
    pub(super) fn normalized(&self) -> String {
        self.labels.join(".")
    }

    /// What lists are sorted by, byte by byte: the labels from right to left, with a dot behind each.
    pub(super) fn order(&self) -> String {
        self.labels.iter().rev().map(|label| format!("{label}.")).collect()
    }

    /// Whether it is a zone's own name, or lies under it.
    pub(super) fn is_within(&self, zone: &Self) -> bool {
        self.labels.ends_with(&zone.labels)
    }

    /// Whether it stands for every name that is not there.
    pub(super) fn is_wildcard(&self) -> bool {
        self.labels.first().is_some_and(|label| label == STAR)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.normalized())
    }
}

/// A name as the condition keys of policies have it. What is no name is refused later, by Route 53 itself.
pub(crate) fn normalized(text: &str) -> String {
    Name::parse(text).map_or_else(|_| text.to_lowercase(), |name| name.normalized())
}

/// What is wrong with a text, in Route 53's words.
pub(super) fn fatal(code: &str, description: &str, text: &str) -> String {
    format!("FATAL problem: {code} ({description}) encountered with '{text}'")
}

/// A character that must be escaped, or an escape that is none.
pub(super) fn unsupported(c: char) -> String {
    fatal("UnsupportedCharacter", "Value contains unsupported characters", &c.to_string())
}

/// The bytes of a label, in which `\` and three octal digits stand for one.
fn decoded(label: &str) -> Result<Vec<u8>, String> {
    if let Some(c) = label.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(unsupported(c));
    }
    let mut bytes = Vec::new();
    let mut rest = label.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, behind) = if first == b'\\' { escape(behind).ok_or_else(|| unsupported('\\'))? } else { (first, behind) };
        bytes.push(byte);
        rest = behind;
    }
    Ok(bytes)
}

/// The byte that three octal digits mean, and what comes behind them.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, behind) = text.split_at_checked(3)?;
    let byte = digits.iter().try_fold(0_u8, |sum, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        sum.checked_mul(8)?.checked_add(digit)
    })?;
    Some((byte, behind))
}

fn escaped(byte: u8) -> String {
    let lower = byte.to_ascii_lowercase();
    if lower.is_ascii_alphanumeric() || matches!(lower, b'-' | b'_') { char::from(lower).to_string() } else { format!("\\{lower:03o}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised() {
        for (text, expected) in [
            ("example.com", "example.com."),
            ("Example.COM.", "example.com."),
            ("*.example.com", "\\052.example.com."),
            ("\\052.example.com", "\\052.example.com."),
            ("_sip._tcp.x-1", "_sip._tcp.x-1."),
            ("a/b.example", "a\\057b.example."),
            ("ex\\344mple.com", "ex\\344mple.com."),
            // An escape of a capital letter is the letter, and one of a dot parts no labels.
            ("\\101\\056b.c", "a\\056b.c."),
        ] {
            let name = Name::parse(text).unwrap();
            assert_eq!(name.to_string(), expected, "{text}");
            assert_eq!(format!("{}.", normalized(text)), expected, "{text}");
            assert_eq!(Name::parse(expected).unwrap(), name, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "x".repeat(64);
        let longer = ["x".repeat(63).as_str(); 4].join(".");
        for (text, code) in [
            ("", "DomainLabelEmpty"),
            (".", "DomainLabelEmpty"),
            ("a..b", "DomainLabelEmpty"),
            (".a", "DomainLabelEmpty"),
            (long.as_str(), "DomainLabelTooLong"),
            (longer.as_str(), "DomainNameTooLong"),
            ("a b", "UnsupportedCharacter"),
            ("exämple.com", "UnsupportedCharacter"),
            ("a\\9", "UnsupportedCharacter"),
            ("a\\400", "UnsupportedCharacter"),
            ("a\\05", "UnsupportedCharacter"),
        ] {
            let problem = Name::parse(text).unwrap_err();
            assert!(problem.starts_with(&format!("FATAL problem: {code} (")), "{text}: {problem}");
        }
        assert!(Name::parse(&["x".repeat(62).as_str(); 4].join(".")).is_ok());
    }

    #[test]
    fn names_are_sorted_by_their_labels_from_the_right() {
        let sorted = [
            "com",
            "\\052.com",
            "example-a.com",
            "example.com",
            "\\052.example.com",
            "a.example.com",
            "z.a.example.com",
            "b.example.com",
            "net",
        ];
        let orders: Vec<String> = sorted.iter().map(|text| Name::parse(text).unwrap().order()).collect();
        assert!(orders.is_sorted(), "{orders:?}");
        assert_eq!(orders[6], "com.example.a.z.");
    }

    #[test]
    fn a_zone_holds_itself_and_what_is_under_it() {
        let zone = Name::parse("example.com").unwrap();
        for (text, within, wildcard) in [
            ("example.com.", true, false),
            ("A.b.Example.com", true, false),
            ("*.example.com", true, true),
            ("a.*.example.com", true, false),
            ("myexample.com", false, false),
            ("com", false, false),
            ("example.com.net", false, false),
        ] {
            let name = Name::parse(text).unwrap();
            assert_eq!((name.is_within(&zone), name.is_wildcard()), (within, wildcard), "{text}");
        }
    }
}
