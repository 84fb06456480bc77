//! The provider is what Terraform's core holds every provider to, whatever is written: a client of the protocol makes configurations from
//! the schema that it is told, and checks the answers by the rules of `rules.rs` and `identity.rs`. There is no AWS, so that nothing can be
//! applied; what becomes of an identity by that, the toy provider shows.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "conformance/client.rs"]
mod client;
#[path = "conformance/dictionary.rs"]
mod dictionary;
#[path = "conformance/generate.rs"]
mod generate;
#[path = "conformance/identity.rs"]
mod identity;
#[allow(dead_code, reason = "tests of the process itself use more of it")]
#[path = "wire/process.rs"]
mod process;
#[path = "conformance/rules.rs"]
mod rules;
#[path = "conformance/schema.rs"]
mod schema;
#[path = "conformance/value.rs"]
mod value;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

use client::{Block, Terraform};
use generate::{Case, case};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use schema::{Attribute, Schemas, Type};
use serde_json::{Value as Json, json};
use spawn_provider::wire::Path;
use value::Value;

/// How many configurations of each resource are made.
const RESOURCE_CASES: u32 = 48;
/// How many of each other block.
const BLOCK_CASES: u32 = 48;
/// Of so many values that a place could have in a sweep it has one; its neighbours have the others.
const SWEEP_STRIDE: u64 = 7;
/// How many calls of each function.
const CALL_CASES: u32 = 128;

/// Checks so many cases, and shows the least that fails.
fn hold<S>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Result<(), String>)
where
    S: Strategy,
    S::Value: Debug,
{
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(strategy, |case| test(case).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// The same for something that is said where it fails.
fn said(what: impl Display, config: &Value) -> impl Fn(String) -> String {
    move |error| format!("{what}: {error}\nwritten: {config}")
}

/// What is taken once it is known must not be refused before.
fn too_soon(known: &Value, config: &Value) -> String {
    format!("refused while it is not all known: {config}\ntaken when it is: {known}")
}

fn none(faults: Vec<String>) -> Result<(), String> {
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

#[test]
fn schemas_are_what_terraform_accepts() {
    let terraform = Terraform::start();
    let schemas = &terraform.schemas;
    assert!(schemas.resources.len() >= 6 && schemas.data_sources.len() >= 5 && schemas.functions.len() >= 3);
    for (name, schema) in schemas.resources.iter().chain(&schemas.data_sources) {
        assert_eq!(schema.faults(), [""; 0], "{name}");
        assert!(name.starts_with("spawn_"), "{name}");
    }
    assert_eq!(schemas.provider.faults(), [""; 0]);
    assert!(schemas.provider.attributes().iter().all(|attribute| !attribute.computed), "a provider's block computes nothing");
}

/// What is written is planned as it is written, twice, and then there is nothing to do until something else is written.
#[test]
fn plans_follow_what_is_written() {
    let terraform = Terraform::start();
    for name in terraform.schemas.resources.keys() {
        let planned = Cell::new(0);
        hold(RESOURCE_CASES, &case(), |case| {
            let is_planned = life(&terraform, name, &case)?;
            planned.set(planned.get() + u32::from(is_planned));
            Ok(())
        });
        assert!(planned.get() * 3 >= RESOURCE_CASES, "{name}: only {} of {RESOURCE_CASES} were planned", planned.get());
    }
}

/// The life of a resource, but for its applies; whether it came to a state.
fn life(terraform: &Terraform, name: &str, case: &Case) -> Result<bool, String> {
    let schema = &terraform.schemas.resources[name];
    let (known, config) = case.configurations(name, schema);
    let shown = create(terraform, name, &config).map_err(said("a creation", &config))?;
    let last = create(terraform, name, &known).map_err(said("a creation of which all is known", &known))?;
    let (shown, last) = match (shown, last) {
        (Some(shown), Some(last)) => (shown, last),
        (None, Some(_)) => return Err(too_soon(&known, &config)),
        (shown, None) => return Ok(shown.is_some()),
    };
    none(rules::final_faults(&shown, &last)).map_err(said("the final plan", &config))?;

    let state = generate::applied(&schema.block, "", &last, case.computed);
    let told = |what: &str| said(format!("{what} of {state}"), &known);
    stored(terraform, name, &state, case.computed).map_err(told("the state file's form"))?;
    terraform.read(name, &state).map_err(told("a refresh"))?;
    let same = terraform.plan(name, &state, &known).map_err(told("a plan without changes"))?;
    if same.refused || same.planned != state || !same.replaces.is_empty() {
        return Err(told("a plan without changes")(format!("it is {same:?}")));
    }
    let gone = terraform.plan(name, &state, &Value::Null).map_err(told("a deletion"))?;
    if gone.refused || !gone.planned.is_null() || !gone.replaces.is_empty() {
        return Err(told("a deletion")(format!("it is {gone:?}")));
    }
    change(terraform, name, case, &known, &state)?;
    Ok(true)
}

/// Plans a creation, and again what is planned when a change makes a creation of it; nothing where it is refused.
fn create(terraform: &Terraform, name: &str, config: &Value) -> Result<Option<Value>, String> {
    let schema = &terraform.schemas.resources[name];
    let is_refused = terraform.refuses(Block::Resource(name), config)?;
    // Terraform plans nothing that was refused. It is asked for all the same: it must not fail.
    let plan = terraform.plan(name, &Value::Null, config)?;
    if is_refused || plan.refused {
        return Ok(None);
    }
    none(rules::plan_faults(schema.attributes(), &Value::Null, config, &plan.planned))?;
    if !plan.replaces.is_empty() {
        return Err(format!("a creation replaces {:?}", plan.replaces));
    }
    Ok(Some(plan.planned))
}

/// Plans what follows when something else is written in one place.
fn change(terraform: &Terraform, name: &str, case: &Case, known: &Value, state: &Value) -> Result<(), String> {
    let schema = &terraform.schemas.resources[name];
    let (changed, place) = case.changed(schema, known);
    let told = said(format!("a change of {place} in {known}"), &changed);
    if terraform.refuses(Block::Resource(name), &changed).map_err(&told)? {
        return Ok(());
    }
    let plan = terraform.plan(name, state, &changed).map_err(&told)?;
    if plan.refused {
        return Ok(());
    }
    if changed == *known && plan.planned != *state {
        return Err(told(format!("{} is planned, and nothing was changed", plan.planned)));
    }
    none(rules::plan_faults(schema.attributes(), state, &changed, &plan.planned)).map_err(&told)?;
    none(rules::replacement_faults(&schema.block, &plan.replaces, state, &plan.planned, &place)).map_err(&told)?;
    if !plan.replaces.is_empty() {
        // The second half of a replacement is planned as a creation.
        create(terraform, name, &changed).map_err(&told)?;
    }
    Ok(())
}

/// A state comes back as it was: as it is stored, with what a newer version has put beside it, and without what an older one did not know.
fn stored(terraform: &Terraform, name: &str, state: &Value, pick: u64) -> Result<(), String> {
    let schema = &terraform.schemas.resources[name];
    let read = |json: &Json| {
        let read = terraform.upgrade(name, schema.version, json.to_string().into_bytes())?;
        read.ok_or_else(|| format!("{json} is refused"))
    };
    let json = state.stored();
    let mut newer = json.clone();
    put_beside(&schema.block, &mut newer);
    for (what, json) in [("it", &json), ("what is newer", &newer)] {
        let read = read(json)?;
        if read != *state {
            return Err(format!("{what} is read as {read}"));
        }
    }
    let attributes = schema.attributes();
    let gone = &attributes[dictionary::place(pick, attributes.len())].name;
    let (mut older, mut expected) = (json, state.clone());
    older.as_object_mut().unwrap().remove(gone);
    expected.set(Path::attribute(gone).steps(), Value::Null);
    let read = read(&older)?;
    if read == expected { Ok(()) } else { Err(format!("without {gone} it is read as {read}")) }
}

/// Puts an attribute into every object that no version has yet.
fn put_beside(kind: &Type, json: &mut Json) {
    match (kind, json) {
        (Type::Object(attributes), Json::Object(entries)) => {
            for attribute in attributes {
                if let Some(entry) = entries.get_mut(&attribute.name) {
                    put_beside(&attribute.kind, entry);
                }
            }
            entries.insert("of_tomorrow".to_owned(), json!([{"a": 1.5}]));
        }
        (Type::List(inner), Json::Array(items)) => items.iter_mut().for_each(|item| put_beside(inner, item)),
        (Type::Map(inner), Json::Object(entries)) => entries.values_mut().for_each(|entry| put_beside(inner, entry)),
        _ => {}
    }
}

#[test]
fn no_state_file_is_too_strange_to_be_answered() {
    let terraform = Terraform::start();
    for (name, schema) in &terraform.schemas.resources {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for text in ["", "{", "null", "[]", "7", "{\"name\": {}}", "{\"id\": 1e999}", "{\"tags\": {\"a\": null}}", &deep] {
            for version in [schema.version, schema.version + 1, -1, i64::MAX, i64::MIN] {
                terraform.upgrade(name, version, text.as_bytes().to_vec()).unwrap_or_else(|error| panic!("{name}: {text}: {error}"));
            }
        }
        let newer = terraform.upgrade(name, schema.version + 1, b"{}".to_vec()).unwrap();
        assert_eq!(newer, None, "{name}: a state of a newer version is refused");
    }
}

#[test]
fn whatever_a_block_says_is_judged() {
    let terraform = Terraform::start();
    let schemas = &terraform.schemas;
    let data = schemas.data_sources.keys().map(|name| Block::DataSource(name));
    for block in data.chain([Block::Provider]) {
        let name = if let Block::DataSource(name) = block { name } else { "" };
        let taken = Cell::new(0);
        hold(BLOCK_CASES, &case(), |case| {
            let (known, config) = case.configurations(name, terraform.schema(block));
            let is_taken = !terraform.refuses(block, &config).map_err(said("a block", &config))?;
            let is_refused = terraform.refuses(block, &known).map_err(said("a block of which all is known", &known))?;
            if !is_taken && !is_refused {
                return Err(too_soon(&known, &config));
            }
            taken.set(taken.get() + u32::from(is_taken));
            if let Block::DataSource(name) = block {
                terraform.ask(name, &known).map_err(said("a question", &known))?;
            }
            Ok(())
        });
        assert!(taken.get() * 3 >= BLOCK_CASES, "{block:?}: only {} of {BLOCK_CASES} were taken", taken.get());
    }
}

/// The blocks of resources and data sources.
fn blocks(schemas: &Schemas) -> impl Iterator<Item = (Block<'_>, &str)> {
    let resources = schemas.resources.keys().map(|name| (Block::Resource(name), name.as_str()));
    resources.chain(schemas.data_sources.keys().map(|name| (Block::DataSource(name), name.as_str())))
}

/// One place after another says what nobody should say: in every block to begin with, and in one that says everything.
#[test]
fn no_place_of_a_block_is_left_unjudged() {
    let terraform = Terraform::start();
    // Each with the first place that has it: many have the same.
    let mut faults = BTreeMap::new();
    for (block, name) in blocks(&terraform.schemas) {
        let schema = terraform.schema(block);
        for base in generate::bases(name, schema) {
            for (number, place) in (0..).zip(generate::places(schema.attributes(), &base)) {
                for pick in (number % SWEEP_STRIDE..dictionary::ODD).step_by(SWEEP_STRIDE.try_into().unwrap()) {
                    let mut config = base.clone();
                    config.set(place.path.steps(), dictionary::odd(&place.kind, pick + number * dictionary::ODD));
                    if let Err(error) = terraform.refuses(block, &config) {
                        let written = config.at(place.path.steps()).unwrap_or(&Value::Null);
                        // What is quoted is what was written.
                        let shape: String = error.split('"').step_by(2).collect();
                        faults.entry(shape).or_insert_with(|| format!("{name}: {} = {written}: {error}", place.path));
                    }
                }
            }
        }
    }
    let shown: Vec<String> = faults.into_values().collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

/// Whatever is not known yet may turn out to be what is written now.
#[test]
fn nothing_is_refused_for_not_being_known() {
    let terraform = Terraform::start();
    let mut faults = Vec::new();
    for (block, name) in blocks(&terraform.schemas) {
        let schema = terraform.schema(block);
        let taken = generate::bases(name, schema).into_iter().filter(|base| !terraform.refuses(block, base).unwrap());
        for base in taken {
            for place in generate::places(schema.attributes(), &base) {
                let mut config = base.clone();
                config.set(place.path.steps(), Value::Unknown);
                match terraform.refuses(block, &config) {
                    Ok(false) => {}
                    Ok(true) => faults.push(format!("{name}: {} is not known in {base}", place.path)),
                    Err(error) => faults.push(format!("{name}: {} is not known in {base}: {error}", place.path)),
                }
            }
        }
    }
    assert_eq!(faults, [""; 0]);
}

#[test]
fn nothing_is_found_by_an_id_without_an_aws() {
    let terraform = Terraform::start();
    let ids = ["", " ", "tiles", "fleet-abababababababab", "alert-abababababababab", "fleet-", "../..", "a/b:c", "ü😀", "\0", "${x}", "%s"];
    for name in terraform.schemas.resources.keys() {
        for id in ids.into_iter().map(str::to_owned).chain(["x".repeat(100_000)]) {
            let found = terraform.import(name, &id, None).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(found.is_err(), "{name}: {id:?} was found without an AWS");
        }
    }
}

#[test]
fn functions_give_what_they_declare() {
    let terraform = Terraform::start();
    for (name, function) in &terraform.schemas.functions {
        let given = Cell::new(0);
        let call = (any::<u64>(), prop::option::of((any::<prop::sample::Index>(), any::<u64>(), any::<String>())));
        hold(CALL_CASES, &call, |(pick, spoiled)| {
            let calls = dictionary::calls(name);
            let call = &calls[dictionary::place(pick, calls.len())];
            let mut arguments: Vec<Value> = function.parameters.iter().zip(call).map(|(kind, json)| Value::written(kind, json)).collect();
            if let Some((at, pick, text)) = spoiled {
                let at = at.index(arguments.len());
                // Terraform calls no function that has not all of its arguments, and knows them.
                arguments[at] = match dictionary::odd(&function.parameters[at], pick) {
                    Value::Null | Value::Unknown if matches!(function.parameters[at], Type::Text) => Value::Text(text),
                    Value::Null | Value::Unknown => return Ok(()),
                    odd => odd,
                };
            }
            let is_given = terraform.call_function(name, function, &arguments).map_err(|error| format!("{arguments:?}: {error}"))?;
            given.set(given.get() + u32::from(is_given));
            Ok(())
        });
        assert!(given.get() * 3 >= CALL_CASES, "{name}: only {} of {CALL_CASES} had a result", given.get());
        for count in 0..function.parameters.len() {
            let few = vec![Value::Text("1h".to_owned()); count];
            let is_given = terraform.call_function(name, function, &few).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!is_given, "{name} had a result of {count} arguments");
        }
    }
}

/// What the plans of `plans_follow_what_is_written` are never asked for: an object that is lost is made again.
#[test]
fn what_is_lost_is_planned_again() {
    let terraform = Terraform::start();
    let is_kept = |attributes: &[Attribute]| attributes.iter().any(|attribute| attribute.name == "run_id");
    let mut again = Vec::new();
    for (name, schema) in terraform.schemas.resources.iter().filter(|(_, schema)| is_kept(schema.attributes())) {
        let known = Value::written(&schema.block, &dictionary::blocks(name)[0]);
        let planned = create(&terraform, name, &known).unwrap().expect("it is taken");
        let mut state = generate::applied(&schema.block, "", &planned, 1);
        let status = Path::attribute("status");
        state.set(status.steps(), Value::Text("lost".to_owned()));
        let plan = terraform.plan(name, &state, &known).unwrap();
        assert!(!plan.refused, "{name}");
        none(rules::plan_faults(schema.attributes(), &state, &known, &plan.planned)).unwrap();
        none(rules::replacement_faults(&schema.block, &plan.replaces, &state, &plan.planned, &status)).unwrap();
        if !plan.replaces.is_empty() {
            again.push(name.as_str());
        }
    }
    assert_eq!(again, ["spawn_instance", "spawn_service"]);
}
