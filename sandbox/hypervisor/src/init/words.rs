//! systemd's way of splitting a line into words, and of putting variables into them.

use super::failure::Failure;

/// Splits a value at white space, obeying quotes and backslashes, after replacing the specifiers that have a meaning here.
pub(crate) fn split(text: &str, unit: &str) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', _) => word.get_or_insert_default().push(unescape(&mut characters, text)?),
            ('%', _) => word.get_or_insert_default().push_str(&specifier(characters.next(), unit, text)?),
            (_, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, None) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err(Failure::error(1, format!("unbalanced quotes: {text}")));
    }
    words.extend(word);
    Ok(words)
}

fn unescape(characters: &mut std::str::Chars<'_>, text: &str) -> Result<char, Failure> {
    Ok(match characters.next() {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('s') => ' ',
        Some(plain @ ('\\' | '"' | '\'')) => plain,
        other => return Err(Failure::gap(format!("escape sequence {other:?} in: {text}"))),
    })
}

fn specifier(letter: Option<char>, unit: &str, text: &str) -> Result<String, Failure> {
    match letter {
        Some('%') => Ok("%".to_owned()),
        Some('n') => Ok(unit.to_owned()),
        Some('N' | 'p') => Ok(unit.rsplit_once('.').map_or(unit, |(name, _)| name).to_owned()),
        other => Err(Failure::gap(format!("specifier %{} in: {text}", other.unwrap_or(' ')))),
    }
}

/// Puts variables into the arguments of a service the way the service manager does: `$NAME` as a whole word becomes the words of its value
/// (none, if it is not set), `${NAME}` anywhere becomes its value, `$$` becomes `$`.
pub(crate) fn expand(words: &[String], environment: &[(String, String)]) -> Vec<String> {
    // The last assignment counts, as in any environment that is put together from several.
    let value = |name: &str| environment.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let mut expanded = Vec::new();
    for word in words {
        match word.strip_prefix('$') {
            Some(name) if !name.starts_with(['{', '$']) => {
                expanded.extend(value(name).unwrap_or_default().split_whitespace().map(str::to_owned));
            }
            _ => expanded.push(expand_within(word, value)),
        }
    }
    expanded
}

fn expand_within<'a>(word: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut expanded = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix('$') {
            expanded.push('$');
            rest = escaped;
        } else if let Some((name, remainder)) = after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            expanded.push_str(value(name).unwrap_or_default());
            rest = remainder;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_systemd_splits_them() {
        let table: [(&str, &[&str]); 6] = [
            ("/bin/true", &["/bin/true"]),
            ("a  b\tc", &["a", "b", "c"]),
            (r#""two words" 'and three more'"#, &["two words", "and three more"]),
            (r#""A=b c" D=\"e"#, &["A=b c", "D=\"e"]),
            ("100%% %n %N", &["100%", "x.service", "x"]),
            ("''", &[""]),
        ];
        for (text, expected) in table {
            assert_eq!(split(text, "x.service").unwrap(), expected, "{text}");
        }
        assert_eq!(split("%h", "x.service"), Err(Failure::gap("specifier %h in: %h")));
        assert!(split("\"open", "x.service").is_err());
    }

    #[test]
    fn variables_are_put_in_as_systemd_puts_them() {
        let environment = [("A".to_owned(), "one two".to_owned()), ("B".to_owned(), "b".to_owned())];
        let table: [(&str, &[&str]); 7] = [
            ("$A", &["one", "two"]),
            ("${A}", &["one two"]),
            ("x${B}y", &["xby"]),
            ("$NONE", &[]),
            ("${NONE}", &[""]),
            ("$$A", &["$A"]),
            ("a$B", &["a$B"]),
        ];
        for (word, expected) in table {
            assert_eq!(expand(&[word.to_owned()], &environment), expected, "{word}");
        }
    }
}
