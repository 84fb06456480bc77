//! Selectors: the part of JSON path that outputs of steps use.

use serde_json::Value;

/// What a selector finds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// The path names one place, and this is there.
    One(Value),
    /// The path may name many places, and these are there.
    Many(Vec<Value>),
    /// The path names one place, and nothing is there.
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Child(String),
    Descendant(String),
    Index(i64),
    All,
}

/// Applies a selector; `None` for syntax the sandbox does not know.
pub(crate) fn select(root: &Value, selector: &str) -> Option<Found> {
    let parts = parse(selector)?;
    let definite = parts.iter().all(|part| matches!(part, Part::Child(_) | Part::Index(_)));
    let mut current: Vec<&Value> = vec![root];
    for part in &parts {
        let mut next = Vec::new();
        for value in current {
            step(value, part, &mut next);
        }
        current = next;
    }
    Some(match (definite, current.first()) {
        (true, Some(value)) => Found::One((*value).clone()),
        (true, None) => Found::Nothing,
        (false, _) => Found::Many(current.into_iter().cloned().collect()),
    })
}

fn step<'a>(value: &'a Value, part: &Part, next: &mut Vec<&'a Value>) {
    match part {
        Part::Child(name) => next.extend(value.get(name)),
        Part::Descendant(name) => descend(value, name, next),
        Part::Index(index) => {
            if let Some(list) = value.as_array() {
                let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
                let position = if *index < 0 { length + index } else { *index };
                next.extend(usize::try_from(position).ok().and_then(|position| list.get(position)));
            }
        }
        Part::All => match value {
            Value::Array(list) => next.extend(list),
            Value::Object(map) => next.extend(map.values()),
            _ => {}
        },
    }
}

fn descend<'a>(value: &'a Value, name: &str, next: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            next.extend(map.get(name));
            map.values().for_each(|child| descend(child, name, next));
        }
        Value::Array(list) => list.iter().for_each(|child| descend(child, name, next)),
        _ => {}
    }
}

fn parse(selector: &str) -> Option<Vec<Part>> {
    let mut rest = selector.strip_prefix('$')?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            let (name, after) = word(after)?;
            parts.push(Part::Descendant(name));
            rest = after;
        } else if let Some(after) = rest.strip_prefix(".*") {
            parts.push(Part::All);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let (name, after) = word(after)?;
            parts.push(Part::Child(name));
            rest = after;
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            parts.push(match inside {
                "*" => Part::All,
                quoted if quoted.starts_with('\'') => Part::Child(quoted.strip_prefix('\'')?.strip_suffix('\'')?.to_owned()),
                index => Part::Index(index.parse().ok()?),
            });
            rest = after;
        }
    }
    Some(parts)
}

fn word(text: &str) -> Option<(String, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(text.len());
    if end == 0 { None } else { Some((text[..end].to_owned(), &text[end..])) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_find_what_json_path_finds() {
        let root = json!({
            "Reservations": [
                {"Instances": [{"InstanceId": "i-1", "State": {"Name": "running"}}, {"InstanceId": "i-2"}]},
                {"Instances": [{"InstanceId": "i-3"}]},
            ],
            "NextToken": "t",
        });
        let many = |list: Value| Some(Found::Many(list.as_array().unwrap().clone()));
        for (selector, expected) in [
            ("$.Reservations..Instances..InstanceId", many(json!(["i-1", "i-2", "i-3"]))),
            ("$.Reservations[*].Instances[*].InstanceId", many(json!(["i-1", "i-2", "i-3"]))),
            ("$..InstanceId", many(json!(["i-1", "i-2", "i-3"]))),
            ("$.Reservations[0].Instances[1].InstanceId", Some(Found::One(json!("i-2")))),
            ("$.Reservations[-1].Instances[0].InstanceId", Some(Found::One(json!("i-3")))),
            ("$.Reservations[0].Instances[0]['State'].Name", Some(Found::One(json!("running")))),
            ("$.Reservations[5].Instances[0].InstanceId", Some(Found::Nothing)),
            ("$.NextToken", Some(Found::One(json!("t")))),
            ("$.Absent", Some(Found::Nothing)),
            ("$..Absent", many(json!([]))),
            ("$", Some(Found::One(root.clone()))),
            ("$.Reservations[?(@.x)]", None),
            ("Reservations", None),
            ("$.a[0:2]", None),
            ("$.", None),
        ] {
            assert_eq!(select(&root, selector), expected, "{selector}");
        }
    }
}
