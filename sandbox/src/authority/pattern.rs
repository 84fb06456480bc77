//! Patterns of policies: `*` and `?`, ARNs, and variables.

use super::Context;

/// Characters no ARN has, for what a pattern must not take as its own.
const LITERAL_STAR: char = '\u{1}';
const LITERAL_QUESTION: char = '\u{2}';
const NEVER: char = '\u{3}';

/// A pattern with its variables replaced. A variable without a value or default makes a pattern that nothing matches.
pub(super) fn filled(pattern: &str, context: &Context) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((variable, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        match variable {
            // These stand for the characters themselves, and not for wildcards.
            "*" => out.push(LITERAL_STAR),
            "?" => out.push(LITERAL_QUESTION),
            "$" => out.push('$'),
            variable => match value_of(variable, context) {
                Some(value) => out.push_str(&value.replace('*', &LITERAL_STAR.to_string()).replace('?', &LITERAL_QUESTION.to_string())),
                None => out.push(NEVER),
            },
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// The value of `key` or `key, 'default'`; a key with several values has none.
fn value_of(variable: &str, context: &Context) -> Option<String> {
    let (key, default) = match variable.split_once(',') {
        Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\'').to_owned())),
        None => (variable, None),
    };
    match context.get(&key.to_lowercase()).map(Vec::as_slice) {
        Some([value]) => Some(value.clone()),
        _ => default,
    }
}

/// Matches an ARN against a pattern part by part: a wildcard stays within its part, but for the last part of the pattern, which may
/// reach beyond colons.
pub(super) fn matches_arn(pattern: &str, arn: &str) -> bool {
    const PARTS: usize = 6;
    if !pattern.starts_with("arn:") {
        return matches(pattern, arn);
    }
    let patterns: Vec<&str> = pattern.splitn(PARTS, ':').collect();
    let parts: Vec<&str> = arn.splitn(patterns.len(), ':').collect();
    patterns.len() == parts.len() && patterns.iter().zip(parts).all(|(pattern, part)| matches(pattern, part))
}

/// Matches a text against a pattern with `*` and `?`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let here = pattern.get(p).copied();
        let same = match here {
            Some('?') => true,
            Some(LITERAL_STAR) => text[t] == '*',
            Some(LITERAL_QUESTION) => text[t] == '?',
            Some('*') => false,
            Some(c) => c == text[t],
            None => false,
        };
        if same {
            p += 1;
            t += 1;
        } else if here == Some('*') {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            // The last star takes one character more.
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// A text compared as it is, after its variables were replaced.
pub(super) fn equals(wanted: &str, text: &str) -> bool {
    let plain: String = wanted
        .chars()
        .map(|c| match c {
            LITERAL_STAR => '*',
            LITERAL_QUESTION => '?',
            c => c,
        })
        .collect();
    plain == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a*b*c", "aXbYbZc", true),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/x/y", true),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn arns_are_matched_part_by_part() {
        for (pattern, arn, expected) in [
            ("*", "arn:aws:iam::1:role/a", true),
            ("arn:aws:*", "arn:aws:iam::1:role/a", true),
            ("arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b", true),
            ("arn:aws:iam::*:role/a", "arn:aws:iam::1:role/a", true),
            ("arn:aws:iam:*:role/a", "arn:aws:iam::1:role/a", false),
            ("arn:aws:logs:*:1:log-group:g:*", "arn:aws:logs:r:1:log-group:g:log-stream:s", true),
            ("arn:aws:logs:*:1:log-group:g:*", "arn:aws:logs:r:1:log-group:g2:log-stream:s", false),
            ("arn:aws:ec2:*:*:instance/*", "arn:aws:ec2:r:1:instance/*", true),
            ("arn:aws:ec2:*:*:instance/i-1", "arn:aws:ec2:r:1:instance/*", false),
            ("arn:aws:ec2:*:*:instance/*", "*", false),
        ] {
            assert_eq!(matches_arn(pattern, arn), expected, "{pattern} on {arn}");
        }
    }

    #[test]
    fn variables_have_values_defaults_or_none() {
        let context = Context::from([("aws:username".to_owned(), vec!["ada".to_owned()]), ("many".to_owned(), vec![String::new(); 2])]);
        for (pattern, text, expected) in [
            ("home/${aws:username}/*", "home/ada/x", true),
            ("home/${AWS:UserName}", "home/ada", true),
            ("${aws:PrincipalTag/team, 'none'}", "none", true),
            ("${aws:PrincipalTag/team}", "", false),
            ("${many}", "", false),
            ("${*}", "*", true),
            ("${*}", "x", false),
            ("${$}{aws:username}", "${aws:username}", true),
        ] {
            assert_eq!(matches(&filled(pattern, &context), text), expected, "{pattern} on {text}");
        }
    }
}
