//! From field tables to the schema that Terraform reads.

use serde_json::json;
use spawn_model::field::{Field, Kind, Presence};

use super::identity::Identity;
use super::proto::tfplugin6::resource_identity_schema::IdentityAttribute;
use super::proto::tfplugin6::schema::{Attribute, Block, Object, object::NestingMode};
use super::proto::tfplugin6::{self as tf, Schema, StringKind};
use super::provider::{Function, Parameter};

/// The schema of a provider or a resource: its fields, the version of its state, and its Markdown description.
#[must_use]
pub fn schema(fields: &[Field], version: i64, doc: &str) -> Schema {
    Schema { version, block: Some(block(fields, version, doc)) }
}

/// The block of a schema. Everything is an attribute: nested blocks cannot be computed.
#[must_use]
pub fn block(fields: &[Field], version: i64, doc: &str) -> Block {
    Block {
        version,
        attributes: attributes(fields),
        block_types: Vec::new(),
        description: doc.to_owned(),
        description_kind: StringKind::Markdown.into(),
        deprecated: false,
    }
}

/// One attribute for each field, in the table's order.
#[must_use]
pub fn attributes(fields: &[Field]) -> Vec<Attribute> {
    fields.iter().map(attribute).collect()
}

fn attribute(field: &Field) -> Attribute {
    let (required, optional, computed) = match field.presence {
        Presence::Required => (true, false, false),
        Presence::Optional | Presence::WriteOnly => (false, true, false),
        // Computed as well: what is planned for it need not be what is written, which is nothing.
        Presence::Default(_) => (false, true, true),
        Presence::Computed => (false, false, true),
    };
    let nested_type = nested_type(&field.kind);
    Attribute {
        name: field.name.to_owned(),
        r#type: if nested_type.is_some() { Vec::new() } else { type_json(&field.kind).to_string().into_bytes() },
        nested_type,
        description: field.doc.to_owned(),
        description_kind: StringKind::Markdown.into(),
        required,
        optional,
        computed,
        sensitive: field.sensitive || field.presence == Presence::WriteOnly,
        deprecated: false,
        write_only: field.presence == Presence::WriteOnly,
    }
}

/// Objects, and lists and maps of them, keep their fields' own documentation and flags.
fn nested_type(kind: &Kind) -> Option<Object> {
    let (fields, nesting) = match kind {
        Kind::Object(fields) => (fields, NestingMode::Single),
        Kind::List(Kind::Object(fields)) => (fields, NestingMode::List),
        Kind::Map(Kind::Object(fields)) => (fields, NestingMode::Map),
        _ => return None,
    };
    Some(Object { attributes: attributes(fields), nesting: nesting.into() })
}

/// An identity as Terraform is told of it.
pub(super) fn identity(identity: &Identity) -> tf::ResourceIdentitySchema {
    let attribute = |field: &Field| IdentityAttribute {
        name: field.name.to_owned(),
        r#type: type_json(&field.kind).to_string().into_bytes(),
        required_for_import: field.presence == Presence::Required,
        optional_for_import: field.presence == Presence::Optional,
        description: field.doc.to_owned(),
    };
    tf::ResourceIdentitySchema { version: identity.version, identity_attributes: identity.fields.iter().map(attribute).collect() }
}

/// A function as Terraform is told of it.
pub(super) fn function(function: &dyn Function) -> tf::Function {
    let parameter = |parameter: &Parameter| tf::function::Parameter {
        name: parameter.name.to_owned(),
        r#type: type_json(&parameter.kind).to_string().into_bytes(),
        allow_null_value: false,
        allow_unknown_values: false,
        description: parameter.doc.to_owned(),
        description_kind: StringKind::Markdown.into(),
    };
    tf::Function {
        parameters: function.parameters().iter().map(parameter).collect(),
        variadic_parameter: None,
        r#return: Some(tf::function::Return { r#type: type_json(&function.returns()).to_string().into_bytes() }),
        summary: function.summary().to_owned(),
        description: function.doc().to_owned(),
        description_kind: StringKind::Markdown.into(),
        deprecation_message: String::new(),
    }
}

/// Terraform's JSON notation of a type, such as `["list","string"]`.
#[must_use]
pub fn type_json(kind: &Kind) -> serde_json::Value {
    match kind {
        Kind::Bool => json!("bool"),
        Kind::Int | Kind::Float => json!("number"),
        Kind::String | Kind::Duration => json!("string"),
        Kind::List(inner) => json!(["list", type_json(inner)]),
        Kind::Map(inner) => json!(["map", type_json(inner)]),
        Kind::Object(fields) => {
            let types: serde_json::Map<_, _> = fields.iter().map(|field| (field.name.to_owned(), type_json(&field.kind))).collect();
            json!(["object", types])
        }
    }
}

#[cfg(test)]
mod tests {
    use spawn_model::field::Change;

    use super::*;

    const INNER: &[Field] = &[
        field("ttl", Kind::String, Presence::Default("\"4h\"")),
        Field { sensitive: true, ..field("token", Kind::String, Presence::Computed) },
    ];

    const fn field(name: &'static str, kind: Kind, presence: Presence) -> Field {
        Field { name, doc: "What it is.", kind, presence, change: Change::InPlace, sensitive: false }
    }

    /// (type of a field, what Terraform reads)
    #[test]
    fn types_are_written_as_terraform_reads_them() {
        let cases = [
            (Kind::Bool, json!("bool")),
            (Kind::Int, json!("number")),
            (Kind::Float, json!("number")),
            (Kind::List(&Kind::String), json!(["list", "string"])),
            (Kind::Map(&Kind::List(&Kind::Bool)), json!(["map", ["list", "bool"]])),
            (Kind::List(&Kind::List(&Kind::Object(INNER))), json!(["list", ["list", ["object", {"ttl": "string", "token": "string"}]]])),
        ];
        for (kind, expected) in cases {
            assert_eq!(type_json(&kind), expected, "{kind:?}");
        }
    }

    /// (presence, required, optional, computed)
    #[test]
    fn presence_becomes_flags() {
        let cases = [
            (Presence::Required, [true, false, false]),
            (Presence::Optional, [false, true, false]),
            (Presence::WriteOnly, [false, true, false]),
            (Presence::Default("1"), [false, true, true]),
            (Presence::Computed, [false, false, true]),
        ];
        for (presence, expected) in cases {
            let attribute = attribute(&field("n", Kind::Int, presence));
            assert_eq!([attribute.required, attribute.optional, attribute.computed], expected, "{presence:?}");
            let is_secret = presence == Presence::WriteOnly;
            assert_eq!((attribute.write_only, attribute.sensitive), (is_secret, is_secret), "{presence:?}");
        }
    }

    #[test]
    fn nested_objects_keep_their_own_fields() {
        let cases = [
            (Kind::Object(INNER), NestingMode::Single),
            (Kind::List(&Kind::Object(INNER)), NestingMode::List),
            (Kind::Map(&Kind::Object(INNER)), NestingMode::Map),
        ];
        for (kind, nesting) in cases {
            let attribute = attribute(&field("o", kind, Presence::Optional));
            assert!(attribute.r#type.is_empty(), "a type and a nested type exclude each other");
            let nested = attribute.nested_type.expect("a nested type");
            assert_eq!(nested.nesting(), nesting);
            assert_eq!(nested.attributes[0].name, "ttl");
            assert_eq!(nested.attributes[0].description, "What it is.");
            assert!(nested.attributes[1].sensitive && nested.attributes[1].computed);
        }
    }
}
