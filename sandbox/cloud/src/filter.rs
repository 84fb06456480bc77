//! What a describe call is about: ids and filters.

use std::collections::BTreeSet;

use crate::error::ApiError;
use crate::identity::is_well_formed;
use crate::model::Tags;
use crate::request::Filter;

/// Whether a text fits an EC2 filter value: `*` is any text, `?` any one character, a backslash takes the next one as it is.
pub fn wildcard_matches(pattern: &str, text: &str) -> bool {
    #[derive(PartialEq)]
    enum Part {
        Any,
        One,
        Just(char),
    }
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Just(chars.next().unwrap_or('\\')),
            c => Part::Just(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    // Greedy with one step back: after a mismatch only the latest `*` needs to take one more character.
    let (mut at, mut part, mut retry) = (0, 0, None);
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                retry = Some((part, at));
                part += 1;
            }
            Some(Part::One) => {
                at += 1;
                part += 1;
            }
            Some(Part::Just(c)) if *c == text[at] => {
                at += 1;
                part += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    at = from + 1;
                    part = star + 1;
                }
                None => return false,
            },
        }
    }
    parts[part..].iter().all(|p| *p == Part::Any)
}

/// What an item has under a filter's name: any number of values, or no such filter.
pub(crate) type Values = Option<Vec<String>>;

/// Checks that every filter is known and carries values. `known` says whether a name is one of this operation's.
pub(crate) fn check(filters: &[Filter], known: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    for filter in filters {
        if !known(&filter.name) {
            return Err(ApiError::gap("InvalidParameterValue", format!("The filter '{}' is invalid", filter.name)));
        }
        if filter.values.is_empty() {
            return Err(ApiError::value("The filter 'null' is invalid"));
        }
        if filter.values.len() > 200 {
            return Err(ApiError::new("FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200"));
        }
    }
    Ok(())
}

/// Whether a filter's name is about tags.
pub(crate) fn is_tag_filter(name: &str) -> bool {
    name == "tag-key" || name.strip_prefix("tag:").is_some_and(|key| !key.is_empty())
}

/// What a resource's tags have under a tag filter's name.
pub(crate) fn tag_values(tags: &Tags, name: &str) -> Vec<String> {
    if name == "tag-key" {
        return tags.keys().cloned().collect();
    }
    name.strip_prefix("tag:").and_then(|key| tags.get(key)).into_iter().cloned().collect()
}

/// Whether an item passes every filter. `values` gives what it has under a name.
pub(crate) fn passes(filters: &[Filter], values: impl Fn(&str) -> Vec<String>) -> bool {
    filters.iter().all(|filter| {
        let has = values(&filter.name);
        filter.values.iter().any(|wanted| has.iter().any(|value| wildcard_matches(wanted, value)))
    })
}

/// A filter's name, and how to read what an item has under it.
pub(crate) type Column<T> = (&'static str, fn(&T) -> Vec<String>);

/// The names of an operation's filters and how to read them, kept in one table so that neither can be forgotten.
pub(crate) struct Table<T: 'static> {
    pub(crate) columns: &'static [Column<T>],
    /// The tags, where the operation filters by them.
    pub(crate) tags: Option<fn(&T) -> &Tags>,
}

impl<T> Table<T> {
    pub(crate) fn check(&self, filters: &[Filter]) -> Result<(), ApiError> {
        check(filters, |name| self.columns.iter().any(|(n, _)| *n == name) || self.tags.is_some() && is_tag_filter(name))
    }

    pub(crate) fn values(&self, item: &T, name: &str) -> Values {
        if let Some((_, read)) = self.columns.iter().find(|(n, _)| *n == name) {
            return Some(read(item));
        }
        self.tags.filter(|_| is_tag_filter(name)).map(|tags| tag_values(tags(item), name))
    }

    pub(crate) fn passes(&self, filters: &[Filter], item: &T) -> bool {
        passes(filters, |name| self.values(item, name).unwrap_or_default())
    }
}

/// One value.
pub(crate) fn one(value: impl ToString) -> Vec<String> {
    vec![value.to_string()]
}

/// One value or none.
pub(crate) fn maybe(value: Option<impl ToString>) -> Vec<String> {
    value.into_iter().map(|v| v.to_string()).collect()
}

/// Keeps the items with the wanted ids, all if none is wanted; an id that is not there is an error.
pub(crate) fn by_id<T>(
    items: Vec<T>,
    wanted: &[String],
    id: impl Fn(&T) -> String,
    prefix: &str,
    unknown: impl Fn(&[&str]) -> ApiError,
) -> Result<Vec<T>, ApiError> {
    if wanted.is_empty() {
        return Ok(items);
    }
    if let Some(malformed) = wanted.iter().find(|w| !prefix.is_empty() && !is_well_formed(w, prefix)) {
        return Err(unknown(&[malformed]));
    }
    let there: BTreeSet<String> = items.iter().map(&id).collect();
    let missing: Vec<&str> = wanted.iter().filter(|w| !there.contains(*w)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(unknown(&missing));
    }
    let wanted: BTreeSet<&String> = wanted.iter().collect();
    Ok(items.into_iter().filter(|item| wanted.contains(&id(item))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        let cases = [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*", "a", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            (r"a\*c", "a*c", true),
            (r"a\*c", "abc", false),
            ("*a*a*", "banana", true),
            ("*aa*", "banana", false),
            ("al2023-ami-2*-x86_64", "al2023-ami-2023.9-kernel-x86_64", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(wildcard_matches(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
