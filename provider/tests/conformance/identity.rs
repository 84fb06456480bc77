//! The rules of Terraform's core and its development kits about identities, and the lives of objects that have some.

use std::collections::BTreeMap;

use serde_json::json;
use spawn_provider::wire::Path;
use spawn_provider::wire::proto::tfplugin6::Diagnostic;

use crate::client::Terraform;
use crate::dictionary;
use crate::generate;
use crate::schema::{Schemas, Type};
use crate::value::Value;

/// The toy provider's only resource.
const THING: &str = "toy_thing";

/// What a rule says is broken.
pub(crate) fn fault(found: Option<String>) -> Result<(), String> {
    found.map_or(Ok(()), Err)
}

/// The identity that an object could have; nothing if there is no object.
pub(crate) fn made_up(schemas: &Schemas, name: &str, state: &Value) -> Option<Value> {
    let Value::Map(_) = state else { return None };
    let attributes = schemas.identities.get(name)?.attributes().iter();
    let value = |name: &str| match state.get(name) {
        text @ Value::Text(_) => text.clone(),
        _ => Value::Text(format!("some {name}")),
    };
    Some(Value::Map(attributes.map(|attribute| (attribute.name.clone(), value(&attribute.name))).collect()))
}

/// What is wrong with what is planned of an identity; `before` is what the object has been known by. Ids are made by applies: a creation
/// that has one already has that of another object.
pub(crate) fn planned_fault(prior: &Value, before: Option<&Value>, planned: &Value, identity: Option<&Value>) -> Option<String> {
    match (prior.is_null(), planned.is_null(), identity) {
        (_, true, Some(identity)) => Some(format!("a deletion keeps the identity {identity}")),
        (true, false, Some(identity)) if !identity.has_unknown() => Some(format!("a creation has the identity {identity} already")),
        (_, true, None) | (true, false, _) => None,
        (false, false, identity) if identity == before => None,
        (false, false, identity) => Some(format!("{} is planned for the identity {}", shown(identity), shown(before))),
    }
}

/// What is wrong with what an apply, a refresh or an import has left of an identity.
pub(crate) fn object_fault(before: Option<&Value>, state: &Value, identity: Option<&Value>) -> Option<String> {
    let known = before.filter(|before| !before.has_unknown());
    match (state.is_null(), identity) {
        (true, None) => None,
        (true, Some(identity)) => Some(format!("nothing is there, and it has the identity {identity}")),
        (false, None) => Some("something is there, and it has no identity".to_owned()),
        (false, Some(identity)) if identity.has_unknown() => Some(format!("the identity {identity} is not known")),
        (false, Some(Value::Map(entries))) if entries.values().all(Value::is_null) => Some("the identity says nothing".to_owned()),
        (false, Some(identity)) if known.is_some_and(|known| known != identity) => {
            Some(format!("the identity was {}, and is {identity}", shown(known)))
        }
        (false, Some(_)) => None,
    }
}

fn shown(identity: Option<&Value>) -> String {
    identity.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn object(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn texts(diagnostics: &[Diagnostic]) -> String {
    let texts: Vec<String> = diagnostics.iter().map(|told| format!("{}\n{}", told.summary, told.detail)).collect();
    texts.join("\n\n")
}

#[test]
fn rules_about_identities_can_be_broken() {
    let id = |id: Value| object(&[("id", id)]);
    let (null, there, one, other) = (Value::Null, object(&[]), id(text("1")), id(text("2")));
    let unknown = id(Value::Unknown);
    for (title, prior, before, planned, identity, is_broken) in [
        ("a creation", &null, None, &there, Some(&Value::Unknown), false),
        ("a creation of which a part is not known", &null, None, &there, Some(&unknown), false),
        ("a creation of which nothing is said", &null, None, &there, None, false),
        ("a creation of which all is known", &null, None, &there, Some(&one), true),
        ("a change", &there, Some(&one), &there, Some(&one), false),
        ("a change of what has none yet", &there, None, &there, None, false),
        ("a change to another one", &there, Some(&one), &there, Some(&other), true),
        ("a change to none", &there, Some(&one), &there, None, true),
        ("a change to one that is not known", &there, Some(&one), &there, Some(&unknown), true),
        ("a deletion", &there, Some(&one), &null, None, false),
        ("a deletion that keeps it", &there, Some(&one), &null, Some(&one), true),
    ] {
        assert_eq!(planned_fault(prior, before, planned, identity).is_some(), is_broken, "{title}");
    }
    let empty = id(Value::Null);
    for (title, before, state, identity, is_broken) in [
        ("made", Some(&unknown), &there, Some(&one), false),
        ("made, and not known", Some(&unknown), &there, Some(&unknown), true),
        ("made, and nothing said", Some(&Value::Unknown), &there, Some(&empty), true),
        ("made without one", Some(&Value::Unknown), &there, None, true),
        ("as it was", Some(&one), &there, Some(&one), false),
        ("found at last", None, &there, Some(&one), false),
        ("another one", Some(&one), &there, Some(&other), true),
        ("gone", Some(&one), &null, None, false),
        ("gone, and it stays", Some(&one), &null, Some(&one), true),
    ] {
        assert_eq!(object_fault(before, state, identity).is_some(), is_broken, "{title}");
    }
}

#[test]
fn identities_are_what_terraform_accepts() {
    let terraform = Terraform::start();
    let schemas = &terraform.schemas;
    assert!(schemas.identities.keys().eq(schemas.resources.keys()), "every resource has an identity, and nothing else has");
    for (name, schema) in &schemas.identities {
        assert_eq!(schema.faults(), [""; 0], "{name}");
        assert!(schema.version >= 0, "{name}");
        assert!(schema.attributes().iter().any(|attribute| attribute.required), "{name} is imported by nothing");
        for attribute in schema.attributes() {
            let kind = match &attribute.kind {
                Type::List(inner) => inner.as_ref(),
                kind => kind,
            };
            assert!(matches!(kind, Type::Bool | Type::Number | Type::Text), "{name}: {} is {kind:?}", attribute.name);
        }
    }
}

/// A thing of the toy provider, from its creation to its end, and found again in between by all that there is of it.
#[test]
fn an_identity_is_as_old_as_its_object() {
    let directory = tempfile::tempdir().unwrap();
    let toy = Terraform::toy(directory.path());
    let kind = &toy.schemas.resources[THING].block;
    let config = |note: &str| Value::written(kind, &json!({"name": "alpha", "note": note}));
    let expected = object(&[("id", text("thing-alpha"))]);

    let plan = toy.plan_of(THING, (&Value::Null, None), &config("new")).unwrap();
    let made = toy.apply(THING, &Value::Null, &config("new"), &plan).unwrap();
    assert!(!plan.refused && !made.refused);
    fault(object_fault(plan.identity.as_ref(), &made.state, made.identity.as_ref())).unwrap();
    assert_eq!(made.identity, Some(expected.clone()));

    // What an earlier version has stored without one is found to have it, and so is what nobody has stored.
    for before in [Some(&expected), None] {
        let read = toy.refresh(THING, (&made.state, before)).unwrap();
        assert_eq!((&read.state, &read.identity, read.refused), (&made.state, &made.identity, false));
        fault(object_fault(before, &read.state, read.identity.as_ref())).unwrap();
    }
    for (id, asked) in [("thing-alpha", None), ("", Some(&expected))] {
        let found = toy.import(THING, id, asked).unwrap().unwrap_or_else(|told| panic!("{id:?}: {}", texts(&told)));
        fault(object_fault(asked, &found.state, found.identity.as_ref())).unwrap();
        let read = toy.refresh(THING, (&found.state, found.identity.as_ref())).unwrap();
        assert_eq!((&read.state, &read.identity), (&made.state, &made.identity), "{id:?}");
    }

    for before in [Some(&expected), None] {
        let plan = toy.plan_of(THING, (&made.state, before), &config("changed")).unwrap();
        let changed = toy.apply(THING, &made.state, &config("changed"), &plan).unwrap();
        assert!(!plan.refused && !changed.refused && changed.state != made.state);
        fault(object_fault(before, &changed.state, changed.identity.as_ref())).unwrap();
        assert_eq!(changed.identity, Some(expected.clone()));
    }

    // Another name is another thing, which Terraform plans as a creation.
    let other = Value::written(kind, &json!({"name": "beta"}));
    let plan = toy.plan_of(THING, (&made.state, Some(&expected)), &other).unwrap();
    assert!(!plan.replaces.is_empty());
    let plan = toy.plan_of(THING, (&Value::Null, Some(&expected)), &other).unwrap();
    assert!(plan.identity.is_none_or(|identity| identity.has_unknown()), "the other thing has one of its own");

    let plan = toy.plan_of(THING, (&made.state, Some(&expected)), &Value::Null).unwrap();
    let gone = toy.apply(THING, &made.state, &Value::Null, &plan).unwrap();
    assert!(!plan.refused && !gone.refused);
    fault(object_fault(Some(&expected), &gone.state, gone.identity.as_ref())).unwrap();
    let read = toy.refresh(THING, (&made.state, Some(&expected))).unwrap();
    assert!(read.state.is_null());
    fault(object_fault(Some(&expected), &read.state, read.identity.as_ref())).unwrap();
}

/// Without an AWS nothing is made, changed or ended: what was there stays as it was known.
#[test]
fn an_apply_that_fails_makes_up_no_identity_and_loses_none() {
    let terraform = Terraform::start();
    for (name, schema) in &terraform.schemas.resources {
        let config = Value::written(&schema.block, &dictionary::blocks(name)[0]);
        let plan = terraform.plan_of(name, (&Value::Null, None), &config).unwrap();
        let made = terraform.apply(name, &Value::Null, &config, &plan).unwrap();
        assert!(made.refused && made.state.is_null(), "{name}: {made:?}");
        fault(object_fault(plan.identity.as_ref(), &made.state, made.identity.as_ref())).unwrap_or_else(|error| panic!("{name}: {error}"));

        let state = generate::applied(&schema.block, "", &plan.planned, 1);
        let before = made_up(&terraform.schemas, name, &state);
        let plan = terraform.plan_of(name, (&state, before.as_ref()), &config).unwrap();
        let changed = terraform.apply(name, &state, &config, &plan).unwrap();
        assert!(changed.refused && changed.state == state, "{name}: {changed:?}");
        fault(object_fault(before.as_ref(), &state, changed.identity.as_ref())).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// An identity comes back as it was stored, and without what no version knows.
#[test]
fn a_stored_identity_comes_back_as_it_was() {
    let terraform = Terraform::start();
    for (name, schema) in &terraform.schemas.identities {
        let whole = object(&[]);
        let identity = made_up(&terraform.schemas, name, &whole).expect("it has one");
        let stored = identity.stored();
        let mut beside = stored.clone();
        beside.as_object_mut().unwrap().insert("of_tomorrow".to_owned(), json!([{"a": 1.5}]));
        for json in [&stored, &beside] {
            let read = terraform.upgrade_identity(name, schema.version, json.to_string().into_bytes()).unwrap();
            assert_eq!(read, Some(Some(identity.clone())), "{name}: {json}");
        }
        for attribute in schema.attributes() {
            let (mut less, mut expected) = (stored.clone(), identity.clone());
            less.as_object_mut().unwrap().remove(&attribute.name);
            expected.set(Path::attribute(&attribute.name).steps(), Value::Null);
            let read = terraform.upgrade_identity(name, schema.version, less.to_string().into_bytes()).unwrap();
            assert_eq!(read, Some(Some(expected)), "{name}: {less}");
        }
        for version in [schema.version + 1, -1, i64::MAX, i64::MIN] {
            let read = terraform.upgrade_identity(name, version, stored.to_string().into_bytes()).unwrap();
            assert_eq!(read, None, "{name}: version {version} is refused");
        }
        for strange in ["", "{", "[]", "7", "{\"id\": 7}", "{\"id\": 1e999}", "{\"id\": {}}"] {
            let read = terraform.upgrade_identity(name, schema.version, strange.as_bytes().to_vec()).unwrap();
            assert_eq!(read, None, "{name}: {strange} is refused");
        }
    }
}

/// Whatever an import is asked for by identity, it is answered: what is asked for has to be here, and to be whole.
#[test]
fn nothing_is_found_by_an_identity_that_is_of_elsewhere_or_not_whole() {
    let unknown = Terraform::start();
    let here = Terraform::configured(&[("region", text("us-east-1"))]);
    let mut told = BTreeMap::<String, Vec<String>>::new();
    for (terraform, place) in [(&unknown, "nowhere"), (&here, "us-east-1")] {
        terraform.configure().unwrap();
        for (name, schema) in &terraform.schemas.identities {
            for (title, asked) in [
                ("nothing is said", json!({})),
                ("no id", json!({"region": "us-east-1"})),
                ("an empty id", json!({"id": ""})),
                ("another region", json!({"id": "fleet-abababababababab", "region": "eu-west-1"})),
            ] {
                let asked = Value::written(&schema.block, &asked);
                let refused = terraform.import(name, "", Some(&asked)).unwrap().expect_err("there is no AWS");
                told.entry(format!("{place}: {title}")).or_default().push(texts(&refused).replace(name.as_str(), "TYPE"));
            }
        }
    }
    let shown = told.into_iter().map(|(title, mut texts)| {
        texts.dedup();
        format!("{title}\n{}", texts.join("\n"))
    });
    insta::assert_snapshot!("refused_imports", shown.collect::<Vec<_>>().join("\n\n"));
}
