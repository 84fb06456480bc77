//! Help of a flag from the declaration of the field it sets.

use spawn_model::field::{Field, Kind};
use spawn_model::spec::FleetSpec;

/// The declaration of a field such as `size` or `lease.ttl`.
///
/// # Panics
/// If there is none; a test names every flag.
fn field(path: &str) -> &'static Field {
    let mut fields = FleetSpec::FIELDS;
    let mut found = None;
    for name in path.split('.') {
        let field = fields.iter().find(|field| field.name == name).expect("flags name declared fields");
        if let Kind::Object(inner) = field.kind {
            fields = inner;
        }
        found = Some(field);
    }
    found.expect("a path has a first step")
}

/// The documentation of a field as one line.
pub(super) fn doc(path: &str) -> String {
    field(path).doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first sentence of it, without its full stop, as help has it.
pub(super) fn first_sentence(path: &str) -> String {
    let doc = doc(path);
    let end = doc.find(". ").unwrap_or_else(|| doc.trim_end_matches('.').len());
    doc[..end].to_owned()
}
