//! Configurations and states: a block that is taken, and what is put into it, spoiled in it or not known of it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use spawn_provider::wire::{Path, Step};

use crate::dictionary::{DECIDED, blocks, odd, place, sensible};
use crate::schema::{Attribute, Schema, Type};
use crate::value::{Number, Value};

/// A place in a configuration, and which of the values that could be there.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    at: Index,
    pick: u64,
}

/// How a configuration comes about, and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// With which block it begins.
    block: u64,
    /// What sensible people write beside it.
    more: Vec<Edit>,
    /// What others do.
    spoiled: Vec<Edit>,
    /// What is not known before the apply.
    unknown: Vec<Index>,
    /// What is written later instead.
    change: Edit,
    /// What the provider computes.
    pub(crate) computed: u64,
}

pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    (any::<Index>(), any::<u64>()).prop_map(|(at, pick)| Edit { at, pick })
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let more = prop::collection::vec(edit(), 0..6);
    let spoiled = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(edit(), 1..4)];
    let unknown = prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(any::<Index>(), 1..5)];
    let parts = (any::<u64>(), more, spoiled, unknown, edit(), any::<u64>());
    parts.prop_map(|(block, more, spoiled, unknown, change, computed)| Case { block, more, spoiled, unknown, change, computed })
}

impl Case {
    /// A configuration of which all is known, and the same before it was.
    pub(crate) fn configurations(&self, name: &str, schema: &Schema) -> (Value, Value) {
        let mut known = begin(name, schema, self.block);
        for Edit { at, pick } in &self.more {
            let found = places(schema.attributes(), &known);
            let free: Vec<&Place> = found.iter().filter(|place| place.is_free(&known)).collect();
            if !free.is_empty() {
                let place = at.get(&free);
                known.set(place.path.steps(), sensible(&place.name, &place.kind, *pick));
            }
        }
        for Edit { at, pick } in &self.spoiled {
            let found = places(schema.attributes(), &known);
            let place = at.get(&found);
            // What is not known comes below, for which it has to be known first.
            known.set(place.path.steps(), known_of(odd(&place.kind, *pick)));
        }
        let mut config = known.clone();
        for at in &self.unknown {
            let found = places(schema.attributes(), &config);
            config.set(at.get(&found).path.steps(), Value::Unknown);
        }
        (known, config)
    }

    /// The configuration with something else in one place, and which place that is.
    pub(crate) fn changed(&self, schema: &Schema, known: &Value) -> (Value, Path) {
        let found = places(schema.attributes(), known);
        let place = self.change.at.get(&found);
        let value = match self.change.pick % 8 {
            0 => Value::Null,
            1 => Value::Unknown,
            2 => odd(&place.kind, self.change.pick / 8),
            _ => sensible(&place.name, &place.kind, self.change.pick / 8),
        };
        let mut changed = known.clone();
        changed.set(place.path.steps(), value);
        (changed, place.path.clone())
    }
}

/// The blocks to begin with, and one with every attribute of everything, whatever it says beside the others.
pub(crate) fn bases(name: &str, schema: &Schema) -> Vec<Value> {
    let begun = (0..).take(blocks(name).len()).map(|pick| begin(name, schema, pick));
    begun.chain([everything(name, schema)]).collect()
}

fn everything(name: &str, schema: &Schema) -> Value {
    let mut all = begin(name, schema, 0);
    // What is put in has places of its own.
    for _ in 0..4 {
        for place in places(schema.attributes(), &all) {
            if all.at(place.path.steps()).is_some_and(Value::is_null) {
                all.set(place.path.steps(), sensible(&place.name, &place.kind, 1));
            }
        }
    }
    all
}

/// One of the blocks that are taken, with all that is required.
fn begin(name: &str, schema: &Schema, pick: u64) -> Value {
    let blocks = blocks(name);
    let mut block = Value::written(&schema.block, &blocks[place(pick, blocks.len())]);
    for place in places(schema.attributes(), &block) {
        if place.required && block.at(place.path.steps()).is_some_and(Value::is_null) {
            block.set(place.path.steps(), sensible(&place.name, &place.kind, pick));
        }
    }
    block
}

/// A place where something may be written.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: Path,
    pub(crate) kind: Type,
    /// The attribute that it is; nothing if it is an element of one.
    name: String,
    required: bool,
}

impl Place {
    /// Whether sensible people would still write something here.
    fn is_free(&self, block: &Value) -> bool {
        let is_decided = self.required || DECIDED.contains(&self.name.as_str());
        !self.name.is_empty() && !is_decided && block.at(self.path.steps()).is_some_and(Value::is_null)
    }
}

/// Every place of a block where something may be written, as far as there is something around it.
pub(crate) fn places(attributes: &[Attribute], block: &Value) -> Vec<Place> {
    let mut found = Vec::new();
    places_within(attributes, block, &Path::root(), &mut found);
    found
}

fn places_within(attributes: &[Attribute], block: &Value, path: &Path, found: &mut Vec<Place>) {
    let Value::Map(entries) = block else { return };
    for attribute in attributes.iter().filter(|attribute| attribute.is_written()) {
        let (path, name, kind) = (path.then(&attribute.name), attribute.name.clone(), attribute.kind.clone());
        found.push(Place { path: path.clone(), kind, name, required: attribute.required });
        elements(&attribute.kind, &entries[&attribute.name], &path, found);
    }
}

fn elements(kind: &Type, value: &Value, path: &Path, found: &mut Vec<Place>) {
    let mut element = |kind: &Type, step: Step, value: &Value| {
        let path = path.with(step);
        found.push(Place { path: path.clone(), kind: kind.clone(), name: String::new(), required: false });
        elements(kind, value, &path, found);
    };
    match (kind, value) {
        (Type::Object(attributes), _) => places_within(attributes, value, path, found),
        (Type::List(inner), Value::List(items)) => {
            items.iter().enumerate().for_each(|(index, item)| element(inner, Step::Index(index), item));
        }
        (Type::Map(inner), Value::Map(entries)) => {
            entries.iter().for_each(|(key, entry)| element(inner, Step::Key(key.clone()), entry));
        }
        _ => {}
    }
}

fn known_of(value: Value) -> Value {
    match value {
        Value::Unknown => Value::Null,
        Value::List(items) => Value::List(items.into_iter().map(known_of).collect()),
        Value::Map(entries) => Value::Map(entries.into_iter().map(|(key, entry)| (key, known_of(entry))).collect()),
        known => known,
    }
}

/// What an apply could have made of a plan.
pub(crate) fn applied(kind: &Type, name: &str, planned: &Value, pick: u64) -> Value {
    match (kind, planned) {
        (_, Value::Unknown) => computed(kind, name, pick),
        (Type::Object(attributes), Value::Map(_)) => {
            let entry = |(number, attribute): (u64, &Attribute)| {
                let planned = planned.get(&attribute.name);
                (attribute.name.clone(), applied(&attribute.kind, &attribute.name, planned, pick.wrapping_mul(31).wrapping_add(number)))
            };
            Value::Map((0..).zip(attributes).map(entry).collect())
        }
        (Type::List(inner), Value::List(items)) => Value::List(items.iter().map(|item| applied(inner, name, item, pick)).collect()),
        (Type::Map(inner), Value::Map(entries)) => {
            Value::Map(entries.iter().map(|(key, entry)| (key.clone(), applied(inner, name, entry, pick))).collect())
        }
        _ => planned.clone(),
    }
}

/// Something that a provider could have computed. What is `lost` is planned to be made again, whatever is written: it is not here.
fn computed(kind: &Type, name: &str, pick: u64) -> Value {
    const STATUSES: [&str; 7] = ["launching", "running", "succeeded", "failed", "stopped", "expired", "interrupted"];
    let choice = pick % 5;
    match (kind, name) {
        (Type::Text, "id") => Value::Text("fleet-abababababababab".to_owned()),
        (Type::Text, "run_id") => Value::Text("run-abababababababab".to_owned()),
        (Type::Text, "status" | "state") => Value::Text(STATUSES[place(pick, STATUSES.len())].to_owned()),
        (_, _) if choice == 0 => Value::Null,
        (Type::Bool, _) => Value::Bool(choice == 1),
        (Type::Number, _) => Value::Number(Number::of(["1", "0", "0.0892", "12345678.9"][place(choice, 4)])),
        (Type::Text, _) => Value::Text(["2031-01-05T08:00:00Z", "", "ü😀", "i-0123456789abcdef0"][place(choice, 4)].to_owned()),
        (Type::List(inner), _) => Value::List((2..choice).map(|number| computed(inner, "", number)).collect()),
        (Type::Map(inner), _) => Value::Map((2..choice).map(|number| (format!("{number}"), computed(inner, "", number))).collect()),
        (Type::Object(attributes), _) => {
            let entry = |attribute: &Attribute| (attribute.name.clone(), computed(&attribute.kind, &attribute.name, pick / 5));
            Value::Map(attributes.iter().map(entry).collect::<BTreeMap<_, _>>())
        }
    }
}
