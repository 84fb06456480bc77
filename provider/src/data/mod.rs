//! Every data source: one file each, and one line in this table.

mod ami;
mod estimate;
mod fleet;
mod fleets;
mod instance_types;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use spawn_model::field::{Field, Presence};
use spawn_model::problem::Problem;
use spawn_model::read::default_value;
use spawn_model::value::Value;

use crate::provider::Session;
use crate::resources::{json, problem};
use crate::wire::{DataSource, Diagnostic};

/// The table.
pub(crate) fn all(session: &Arc<Session>) -> Vec<Box<dyn DataSource>> {
    vec![
        Box::new(ami::source(session)),
        Box::new(estimate::source(session)),
        Box::new(fleet::source(session)),
        Box::new(fleets::source(session)),
        Box::new(instance_types::source(session)),
    ]
}

/// A block with what was asked, defaults included, and what is answered.
fn answered(fields: &'static [Field], config: &Value, answers: impl IntoIterator<Item = BTreeMap<String, Value>>) -> Value {
    let asked = |field: &Field| {
        let value = match (config.get(field.name), field.presence) {
            (Value::Null, Presence::Default(default)) => default_value(default),
            (value, _) => value.clone(),
        };
        (field.name.to_owned(), value)
    };
    let mut entries: BTreeMap<String, Value> = fields.iter().map(asked).collect();
    answers.into_iter().for_each(|answer| entries.extend(answer));
    Value::Map(entries)
}

/// What is wrong with a block.
fn problems(found: &[Problem]) -> Vec<Diagnostic> {
    found.iter().map(problem).collect()
}

/// What is told, as HCL has it.
fn told(fields: &'static [Field], told: &impl Serialize) -> BTreeMap<String, Value> {
    let told = json(told);
    fields.iter().map(|field| (field.name.to_owned(), field.kind.written(told.get(field.name).clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::describe;

    #[test]
    fn every_field_of_every_data_source_is_explained() {
        for source in all(&Arc::new(Session::default())) {
            let mut text = format!("{}\n{}\n", source.type_name(), source.doc());
            describe(source.fields(), 0, &mut text);
            insta::assert_snapshot!(source.type_name(), text);
        }
    }
}
