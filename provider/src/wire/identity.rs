//! What tells an object apart from all others: Terraform keeps it beside the state, and imports by it (protocol 6.9, Terraform 1.12).
//!
//! An object has one identity for as long as it is there. Who knows nothing of identities sends none, and passes over what is answered.

use spawn_model::field::{Field, Presence};
use spawn_model::value::Value;

use super::diagnostic::Diagnostic;
use super::provider::Resource;

/// The declaration of an identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Identity {
    /// The version of its layout, from 0.
    pub version: i64,
    /// What it is made of: primitives, or lists of them. Import needs what is [`Presence::Required`], and may be told what is
    /// [`Presence::Optional`].
    pub fields: &'static [Field],
}

/// An identity that says something. Some providers have stored ones of nothing but nulls, and those count as none.
pub(super) fn said(value: Value) -> Option<Value> {
    let is_empty = match &value {
        Value::Map(entries) => entries.values().all(Value::is_null),
        other => other.is_null(),
    };
    (!is_empty).then_some(value)
}

/// What is planned of an identity: it stays what it is, is not known of what is still to be made, and ends with its object.
pub(super) fn planned(before: Option<Value>, is_made: bool, stays: bool) -> Option<Value> {
    match (stays, is_made) {
        (false, _) => None,
        (true, true) => Some(Value::Unknown),
        (true, false) => before,
    }
}

/// The identity after something was done with an object; `state` is what there is of it now. Another one than `before` is an error, with
/// which it stays as it was.
pub(super) fn after(
    resource: &dyn Resource,
    before: Option<Value>,
    state: Option<&Value>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Value> {
    let state = state?;
    let known = before.filter(|before| !before.has_unknown());
    // Who failed may have looked at nothing: what is in the state need not be there.
    let found = if diagnostics.iter().any(Diagnostic::is_error) { None } else { resource.identity_of(state) };
    let Some(found) = found else { return known };
    let told = known.as_ref().and_then(|known| Difference::find(known, &found)).map(|difference| difference.of_known());
    match told {
        Some(told) => {
            diagnostics.push(told);
            known
        }
        None => Some(found),
    }
}

/// That everything is set by which an import goes.
pub(super) fn whole(identity: &Identity, asked: &Value) -> Result<(), Vec<Diagnostic>> {
    let is_set = |field: &Field| {
        let value = asked.get(field.name);
        value.is_written() && value.as_str() != Some("")
    };
    match identity.fields.iter().find(|field| field.presence == Presence::Required && !is_set(field)) {
        Some(Field { name, .. }) => {
            let detail = format!("`{name}` of the identity is not set, and nothing is found without it. Set it.");
            Err(vec![Diagnostic::error("The identity is not complete", detail)])
        }
        None => Ok(()),
    }
}

/// That what an import has found is what was asked for.
pub(super) fn is_of(asked: &Value, found: &Value) -> Result<(), Vec<Diagnostic>> {
    Difference::find(asked, found).map_or(Ok(()), |difference| Err(vec![difference.of_asked()]))
}

/// That nothing says what to import.
pub(super) fn unsaid(resource: &dyn Resource) -> Diagnostic {
    let name = resource.type_name();
    let detail = match resource.identity() {
        Some(_) => format!("{name} is imported by its id or by its identity, and neither is given. Give one of them."),
        None => format!("{name} is imported by its id, and none is given; it has no identity. Give the id."),
    };
    Diagnostic::error("An id is needed", detail)
}

/// That a state has an identity where there is none in this version.
pub(super) fn unknown(type_name: &str) -> Diagnostic {
    let detail = format!(
        "The state has an identity of a {type_name}, and in this version of the provider that has none. A newer release of the provider \
         wrote it: use that one."
    );
    Diagnostic::error("The identity is not known", detail)
}

/// That an identity has another layout than the one that there is.
pub(super) fn of_version(type_name: &str, version: i64, own: i64) -> Diagnostic {
    let detail = format!(
        "The identity of this {type_name} has version {version}, and this provider knows version {own} alone. Use the release of the \
         provider that wrote it."
    );
    Diagnostic::error("The identity is of another version", detail)
}

/// Where two identities contradict each other.
struct Difference<'a> {
    name: &'a str,
    said: &'a Value,
    found: &'a Value,
}

impl<'a> Difference<'a> {
    /// The first one. What is not said contradicts nothing.
    fn find(said: &'a Value, found: &'a Value) -> Option<Self> {
        let Value::Map(entries) = said else { return None };
        let mut fields = entries.iter().map(move |(name, said)| Self { name, said, found: found.get(name) });
        fields.find(|field| field.said.is_written() && field.said != field.found)
    }

    fn of_known(&self) -> Diagnostic {
        let Self { name, said, found } = self;
        let detail = format!(
            "Terraform knows the object by `{name}` = {}, and what was found has {}. An object keeps its identity for as long as it is \
             there. Configure the provider for where the object is, or take it out of the state (`terraform state rm`) and import what was \
             found.",
            shown(said),
            shown(found),
        );
        Diagnostic::error("The object has another identity", detail)
    }

    fn of_asked(&self) -> Diagnostic {
        let Self { name, said, found } = self;
        let (said, found) = (shown(said), shown(found));
        let detail = format!("The identity says `{name}` = {said}, and what was found by it has {found}. Write {found} if that is meant.");
        Diagnostic::error("The identity is that of something else", detail)
    }
}

/// A value as HCL has it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null | Value::Unknown => "nothing".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
