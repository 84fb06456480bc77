//! Placeholders: `{{ Parameter }}` and `{{ step.Output }}`.

use std::collections::BTreeMap;

use serde_json::Value;

/// What placeholders may name: parameters by name, outputs as `step.Output`, and `automation:` and `global:` values.
pub(super) type Scope = BTreeMap<String, Value>;

/// Why a placeholder cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TemplateError {
    /// Nothing has that name.
    Unknown(String),
    /// A list inside a text.
    ListInText(String),
}

/// Fills the placeholders of a value and everything in it.
pub(super) fn fill(value: &Value, scope: &Scope) -> Result<Value, TemplateError> {
    Ok(match value {
        Value::String(text) => fill_text(text, scope)?,
        Value::Array(list) => Value::Array(list.iter().map(|item| fill(item, scope)).collect::<Result<_, _>>()?),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, item)| Ok((key.clone(), fill(item, scope)?))).collect::<Result<_, TemplateError>>()?)
        }
        other => other.clone(),
    })
}

fn fill_text(text: &str, scope: &Scope) -> Result<Value, TemplateError> {
    let whole = text.trim();
    if let Some(name) = whole.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"))
        && !name.contains("{{")
    {
        return look_up(name, scope).cloned();
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        filled.push_str(before);
        match look_up(name, scope)? {
            Value::Array(_) | Value::Object(_) => return Err(TemplateError::ListInText(name.trim().to_owned())),
            scalar => filled.push_str(&super::parse::as_text(scalar)),
        }
        rest = behind;
    }
    filled.push_str(rest);
    Ok(Value::String(filled))
}

fn look_up<'a>(name: &str, scope: &'a Scope) -> Result<&'a Value, TemplateError> {
    let name = name.trim();
    scope.get(name).ok_or_else(|| TemplateError::Unknown(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn placeholders_keep_the_type_of_a_whole_value() {
        let scope: Scope =
            [("Run".to_owned(), json!("r-1")), ("find.Ids".to_owned(), json!(["i-1", "i-2"])), ("Count".to_owned(), json!(3))].into();
        for (template, expected) in [
            (json!("{{ Run }}"), Ok(json!("r-1"))),
            (json!("{{Run}}"), Ok(json!("r-1"))),
            (json!("tag:{{ Run }}/{{ Count }}"), Ok(json!("tag:r-1/3"))),
            (json!({"Ids": "{{ find.Ids }}"}), Ok(json!({"Ids": ["i-1", "i-2"]}))),
            (json!(["{{ Run }}", 1, true]), Ok(json!(["r-1", 1, true]))),
            (json!("{{ Count }}"), Ok(json!(3))),
            (json!("{{ Nobody }}"), Err(TemplateError::Unknown("Nobody".into()))),
            (json!("x {{ find.Ids }}"), Err(TemplateError::ListInText("find.Ids".into()))),
            (json!("{{ unclosed"), Ok(json!("{{ unclosed"))),
        ] {
            assert_eq!(fill(&template, &scope), expected, "{template}");
        }
    }
}
