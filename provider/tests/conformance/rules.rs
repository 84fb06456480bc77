//! The rules of Terraform's core: what it proposes to a provider, and what it refuses of what a provider answers.
//!
//! "Provider produced invalid plan" and "inconsistent final plan" are what people see where one of them is broken.

use std::collections::BTreeMap;

use spawn_provider::wire::{Path, Step};

use crate::schema::{Attribute, Type};
use crate::value::Value;

/// What a provider is proposed: the configuration, and what was computed before where it says nothing.
pub(crate) fn proposed(attributes: &[Attribute], prior: &Value, config: &Value) -> Value {
    let Value::Map(_) = config else { return config.clone() };
    let attribute = |attribute: &Attribute| {
        let name = &attribute.name;
        (name.clone(), proposed_attribute(attribute, prior.get(name), config.get(name)))
    };
    Value::Map(attributes.iter().map(attribute).collect())
}

fn proposed_attribute(attribute: &Attribute, prior: &Value, config: &Value) -> Value {
    match (attribute, config) {
        (Attribute { write_only: true, .. }, _) => Value::Null,
        (Attribute { computed: true, .. }, Value::Null) => {
            // What only a configuration can have set was there because of one, and this one has left it out.
            let was_written = attribute.optional && attribute.nested && holds_written(&attribute.kind, prior);
            if was_written { Value::Null } else { prior.clone() }
        }
        (Attribute { nested: true, .. }, _) => proposed_nested(&attribute.kind, prior, config),
        _ => config.clone(),
    }
}

fn proposed_nested(kind: &Type, prior: &Value, config: &Value) -> Value {
    match (kind, config) {
        (Type::Object(attributes), _) => proposed(attributes, prior, config),
        (Type::List(inner), Value::List(items)) => {
            let items = items.iter().enumerate();
            Value::List(items.map(|(index, item)| proposed_nested(inner, prior.element(index), item)).collect())
        }
        (Type::Map(inner), Value::Map(entries)) => {
            let entry = |(key, entry): (&String, &Value)| (key.clone(), proposed_nested(inner, prior.get(key), entry));
            Value::Map(entries.iter().map(entry).collect())
        }
        _ => config.clone(),
    }
}

fn holds_written(kind: &Type, value: &Value) -> bool {
    match (kind, value) {
        (Type::Object(attributes), Value::Map(_)) => attributes.iter().any(|attribute| {
            let value = value.get(&attribute.name);
            if attribute.nested { holds_written(&attribute.kind, value) } else { !attribute.computed && !value.is_null() }
        }),
        (Type::List(inner), Value::List(items)) => items.iter().any(|item| holds_written(inner, item)),
        (Type::Map(inner), Value::Map(entries)) => entries.values().any(|entry| holds_written(inner, entry)),
        _ => false,
    }
}

/// Everything in which a plan is not one that the configuration allows. The plan has the schema's shape: it was read by it.
pub(crate) fn plan_faults(attributes: &[Attribute], prior: &Value, config: &Value, planned: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if planned.is_null() != config.is_null() || *planned == Value::Unknown {
        faults.push(format!("{planned} is planned for {config}"));
    } else {
        object_faults(attributes, prior, config, planned, &Path::root(), &mut faults);
    }
    faults
}

fn object_faults(attributes: &[Attribute], prior: &Value, config: &Value, planned: &Value, path: &Path, faults: &mut Vec<String>) {
    for attribute in attributes {
        let [prior, config, planned] = [prior, config, planned].map(|value| value.get(&attribute.name));
        attribute_faults(attribute, prior, config, planned, &path.then(&attribute.name), faults);
    }
}

fn attribute_faults(attribute: &Attribute, prior: &Value, config: &Value, planned: &Value, path: &Path, faults: &mut Vec<String>) {
    if attribute.write_only {
        if !planned.is_null() {
            faults.push(format!("{path} is write-only, and {planned} is planned"));
        }
        return;
    }
    // A provider may say that what is written means what is there.
    let is_kept = planned == prior && !prior.is_null() && !config.is_null();
    let is_providers = attribute.computed && (config.is_null() || !attribute.optional);
    if planned == config || is_kept || is_providers {
        return;
    }
    if config.is_null() {
        faults.push(format!("{path} is not computed, and {planned} is planned"));
    } else if attribute.nested {
        nested_faults(&attribute.kind, prior, config, planned, path, faults);
    } else {
        faults.push(format!("{path} is {config}, and {planned} is planned (it was {prior})"));
    }
}

fn nested_faults(kind: &Type, prior: &Value, config: &Value, planned: &Value, path: &Path, faults: &mut Vec<String>) {
    match (kind, config, planned) {
        _ if config == planned => {}
        (Type::Object(attributes), Value::Map(_), Value::Map(_)) => object_faults(attributes, prior, config, planned, path, faults),
        (Type::List(inner), Value::List(written), Value::List(items)) if written.len() == items.len() => {
            for (index, (config, planned)) in written.iter().zip(items).enumerate() {
                nested_faults(inner, prior.element(index), config, planned, &path.with(Step::Index(index)), faults);
            }
        }
        (Type::Map(inner), Value::Map(written), Value::Map(entries)) if written.keys().eq(entries.keys()) => {
            for (key, config) in written {
                nested_faults(inner, prior.get(key), config, &entries[key], &path.with(Step::Key(key.clone())), faults);
            }
        }
        _ => faults.push(format!("{path} is {config}, and {planned} is planned")),
    }
}

/// Everything in which the plan that is made when all is known contradicts the one that was shown.
pub(crate) fn final_faults(shown: &Value, now: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    contradictions(shown, now, &Path::root(), &mut faults);
    faults
}

fn contradictions(shown: &Value, now: &Value, path: &Path, faults: &mut Vec<String>) {
    match (shown, now) {
        (Value::Unknown, _) => {}
        (Value::List(before), Value::List(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                contradictions(before, after, &path.with(Step::Index(index)), faults);
            }
        }
        (Value::Map(before), Value::Map(after)) if before.keys().eq(after.keys()) => {
            for (key, before) in before {
                contradictions(before, &after[key], &path.then(key), faults);
            }
        }
        _ if shown == now => {}
        _ => faults.push(format!("{path} was planned as {shown}, and is {now} when all is known")),
    }
}

/// Everything that is wrong with what a provider says cannot change in place. `changed` is what the configuration changed.
pub(crate) fn replacement_faults(block: &Type, replaces: &[Path], prior: &Value, planned: &Value, changed: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for path in replaces {
        let (before, after) = (prior.at(path.steps()), planned.at(path.steps()));
        if block.at(path.steps()).is_none() || (before.is_none() && after.is_none()) {
            faults.push(format!("{path} replaces, and there is no such place"));
        } else if before == after {
            faults.push(format!("{path} replaces, and does not change"));
        } else if !path.steps().iter().zip(changed.steps()).all(|(one, other)| one == other) {
            faults.push(format!("{path} replaces, and only {changed} was changed"));
        }
    }
    faults
}

#[test]
fn a_plan_may_fill_in_what_is_computed_and_nothing_else() {
    let attribute = |name: &str, kind: Type, computed: bool| Attribute {
        name: name.to_owned(),
        nested: !matches!(kind, Type::Text),
        kind,
        required: false,
        optional: true,
        computed,
        write_only: false,
    };
    let inner = vec![attribute("plain", Type::Text, false), attribute("filled", Type::Text, true)];
    let attributes = [attribute("plain", Type::Text, false), attribute("inner", Type::Map(Box::new(Type::Object(inner))), false)];
    let object = |plain: Value, inner: Value| Value::Map(BTreeMap::from([("plain".to_owned(), plain), ("inner".to_owned(), inner)]));
    let element = |plain: Value, filled: Value| {
        let entries = BTreeMap::from([("plain".to_owned(), plain), ("filled".to_owned(), filled)]);
        Value::Map(BTreeMap::from([("a".to_owned(), Value::Map(entries))]))
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let none = Value::Map(BTreeMap::new());
    for (config, planned, expected) in [
        (object(text("x"), Value::Null), object(text("x"), Value::Null), vec![]),
        (object(text("x"), Value::Null), object(text("y"), Value::Null), vec![r#"plain is "x", and "y" is planned (it was null)"#]),
        (object(Value::Null, Value::Null), object(Value::Unknown, Value::Null), vec!["plain is not computed, and (unknown) is planned"]),
        (object(Value::Null, none.clone()), object(Value::Null, Value::Null), vec!["inner is { }, and null is planned"]),
        (object(Value::Null, Value::Null), object(Value::Null, none), vec!["inner is not computed, and { } is planned"]),
        (object(Value::Null, element(text("x"), Value::Null)), object(Value::Null, element(text("x"), text("filled"))), vec![]),
        (
            object(Value::Null, element(Value::Null, text("set"))),
            object(Value::Null, element(text("x"), Value::Unknown)),
            vec![
                r#"inner["a"].plain is not computed, and "x" is planned"#,
                r#"inner["a"].filled is "set", and (unknown) is planned (it was null)"#,
            ],
        ),
    ] {
        assert_eq!(plan_faults(&attributes, &Value::Null, &config, &planned), expected, "{planned} for {config}");
    }
}
