//! Types of records, and what their values look like ("Supported DNS record types" of the Developer Guide).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::names::{Name, fatal, unsupported};

/// The types that AWS has.
pub(super) const TYPES: [&str; 17] =
    ["A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "SSHFP", "SVCB", "TLSA", "TXT"];

/// Characters of one string of a text.
const STRING_MAX: usize = 255;

/// Characters of all strings of a text.
const TEXT_MAX: usize = 4_000;

/// Looks at a value; an error is what is wrong with it, in Route 53's words.
pub(super) type Check = fn(&str) -> Result<(), String>;

/// The types whose values are understood here.
const CHECKS: [(&str, Check); 6] = [("A", ipv4), ("AAAA", ipv6), ("CNAME", domain), ("NS", domain), ("PTR", domain), ("TXT", text)];

/// What looks at the values of a type, if it is understood here.
pub(super) fn check_of(kind: &str) -> Option<Check> {
    CHECKS.iter().find(|(known, _)| *known == kind).map(|(_, check)| *check)
}

fn ipv4(value: &str) -> Result<(), String> {
    let problem = |_| fatal("ARRDATAIllegalIPv4Address", "Value is not a valid IPv4 address", value);
    value.parse::<Ipv4Addr>().map(|_| ()).map_err(problem)
}

fn ipv6(value: &str) -> Result<(), String> {
    let problem = |_| fatal("AAAARRDATAIllegalIPv6Address", "Value is not a valid IPv6 address", value);
    value.parse::<Ipv6Addr>().map(|_| ()).map_err(problem)
}

fn domain(value: &str) -> Result<(), String> {
    Name::parse(value).map(|_| ())
}

/// One or more strings in quotation marks.
fn text(value: &str) -> Result<(), String> {
    if let Some(c) = value.chars().find(|c| !matches!(c, ' '..='~')) {
        return Err(unsupported(c));
    }
    let mut rest = value.trim_matches(' ');
    let mut total = 0;
    loop {
        let unquoted = || fatal("InvalidCharacterString", "Value should be enclosed in quotation marks", value);
        let (length, behind) = string(rest).ok_or_else(unquoted)?;
        total += length;
        if length > STRING_MAX || total > TEXT_MAX {
            return Err(fatal("CharacterStringTooLong", "Value is too long", value));
        }
        rest = behind.trim_start_matches(' ');
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// The characters of the string that a text of ASCII begins with, and what comes behind it. An escape is one character.
fn string(text: &str) -> Option<(usize, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut length = 0;
    loop {
        if let Some(behind) = rest.strip_prefix('"') {
            return Some((length, behind));
        }
        rest = behind_character(rest)?;
        length += 1;
    }
}

fn behind_character(text: &str) -> Option<&str> {
    let is_octal = |digit: &u8| (b'0'..=b'7').contains(digit);
    let size = match text.as_bytes() {
        [b'\\', a, b, c, ..] if is_octal(a) && is_octal(b) && is_octal(c) => 4,
        [b'\\', _, ..] => 2,
        [] | [b'\\'] => return None,
        _ => 1,
    };
    text.get(size..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_as_their_types_want_it() {
        let whole = format!("\"{}\"", "x".repeat(255));
        let long = format!("\"{}\"", "x".repeat(256));
        let escapes = format!("\"{}\"", "\\101".repeat(255));
        let many = [whole.as_str(); 16].join(" ");
        for (kind, value, problem) in [
            ("A", "192.0.2.1", ""),
            ("A", "192.0.2", "ARRDATAIllegalIPv4Address"),
            ("A", "192.0.2.256", "ARRDATAIllegalIPv4Address"),
            ("A", "192.0.2.01", "ARRDATAIllegalIPv4Address"),
            ("A", "2001:db8::1", "ARRDATAIllegalIPv4Address"),
            ("AAAA", "2001:db8::1", ""),
            ("AAAA", "192.0.2.1", "AAAARRDATAIllegalIPv6Address"),
            ("CNAME", "www.example.com", ""),
            ("CNAME", "www..example.com", "DomainLabelEmpty"),
            ("NS", "ns-1.example.com.", ""),
            ("PTR", "a b", "UnsupportedCharacter"),
            ("TXT", "\"\"", ""),
            ("TXT", "\"a b\" \"c\"", ""),
            ("TXT", "\"a\"\"b\"", ""),
            ("TXT", "\"a \\\" b \\\\\"", ""),
            ("TXT", whole.as_str(), ""),
            ("TXT", escapes.as_str(), ""),
            ("TXT", long.as_str(), "CharacterStringTooLong"),
            ("TXT", many.as_str(), "CharacterStringTooLong"),
            ("TXT", "", "InvalidCharacterString"),
            ("TXT", "plain", "InvalidCharacterString"),
            ("TXT", "\"a", "InvalidCharacterString"),
            ("TXT", "\"a\\\"", "InvalidCharacterString"),
            ("TXT", "\"a\" b", "InvalidCharacterString"),
            ("TXT", "\"ü\"", "UnsupportedCharacter"),
        ] {
            let found = check_of(kind).unwrap()(value).err().unwrap_or_default();
            let code = found.strip_prefix("FATAL problem: ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
            assert_eq!(code, problem, "{kind} {value}: {found}");
        }
    }

    #[test]
    fn every_type_that_is_understood_is_one_of_aws() {
        for (kind, _) in CHECKS {
            assert!(TYPES.contains(&kind), "{kind}");
        }
        assert!(check_of("MX").is_none() && check_of("SOA").is_none());
    }
}
