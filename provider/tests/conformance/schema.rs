//! What GetProviderSchema and GetResourceIdentitySchemas tell, and what Terraform demands of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use spawn_provider::wire::proto::tfplugin6::schema::object::NestingMode;
use spawn_provider::wire::proto::tfplugin6::{self as tf, AttributePath, attribute_path};
use spawn_provider::wire::{Path, Step};

/// What Terraform itself reads in the block of a resource.
const RESERVED: [&str; 8] = ["connection", "count", "depends_on", "for_each", "lifecycle", "locals", "provider", "provisioner"];

/// A type as Terraform knows it.
#[derive(Clone, Debug)]
pub(crate) enum Type {
    Bool,
    Number,
    Text,
    List(Box<Self>),
    Map(Box<Self>),
    Object(Vec<Attribute>),
}

/// An attribute of an object.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) required: bool,
    pub(crate) optional: bool,
    pub(crate) computed: bool,
    pub(crate) write_only: bool,
    /// Whether what is in it is merged, planned and compared attribute by attribute.
    pub(crate) nested: bool,
}

impl Attribute {
    /// Whether a configuration may set it.
    pub(crate) fn is_written(&self) -> bool {
        self.required || self.optional
    }
}

/// A block: of the provider, of a resource or of a data source; or the identity of a resource, of which import needs what is required, and
/// takes what is optional.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) version: i64,
    /// Always an object.
    pub(crate) block: Type,
}

/// What a function takes and gives.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) parameters: Vec<Type>,
    pub(crate) returns: Type,
}

/// All that a provider has.
#[derive(Clone, Debug)]
pub(crate) struct Schemas {
    pub(crate) provider: Schema,
    pub(crate) resources: BTreeMap<String, Schema>,
    pub(crate) data_sources: BTreeMap<String, Schema>,
    pub(crate) functions: BTreeMap<String, Function>,
    pub(crate) identities: BTreeMap<String, Schema>,
}

impl Schemas {
    pub(crate) fn decode(told: &tf::get_provider_schema::Response, identities: &tf::get_resource_identity_schemas::Response) -> Self {
        let blocks = |schemas: &std::collections::HashMap<String, tf::Schema>| {
            schemas.iter().map(|(name, schema)| (name.clone(), Schema::decode(schema))).collect()
        };
        let function = |function: &tf::Function| Function {
            parameters: function.parameters.iter().map(|parameter| Type::decode(&parameter.r#type)).collect(),
            returns: Type::decode(&function.r#return.as_ref().expect("a function returns something").r#type),
        };
        Self {
            provider: Schema::decode(told.provider.as_ref().expect("a provider has a schema")),
            resources: blocks(&told.resource_schemas),
            data_sources: blocks(&told.data_source_schemas),
            functions: told.functions.iter().map(|(name, told)| (name.clone(), function(told))).collect(),
            identities: identities.identity_schemas.iter().map(|(name, told)| (name.clone(), Schema::of_identity(told))).collect(),
        }
    }
}

impl Schema {
    fn decode(schema: &tf::Schema) -> Self {
        let block = schema.block.as_ref().expect("a schema has a block");
        assert!(block.block_types.is_empty(), "these tests know attributes only");
        Self { version: schema.version, block: Type::Object(block.attributes.iter().map(Attribute::decode).collect()) }
    }

    fn of_identity(schema: &tf::ResourceIdentitySchema) -> Self {
        let attribute = |told: &tf::resource_identity_schema::IdentityAttribute| {
            assert!(!told.description.is_empty(), "{} is not explained", told.name);
            let kind = Type::decode(&told.r#type);
            let (required, optional) = (told.required_for_import, told.optional_for_import);
            Attribute { name: told.name.clone(), kind, required, optional, computed: false, write_only: false, nested: false }
        };
        Self { version: schema.version, block: Type::Object(schema.identity_attributes.iter().map(attribute).collect()) }
    }

    pub(crate) fn attributes(&self) -> &[Attribute] {
        self.block.attributes()
    }

    /// Everything for which Terraform, or who uses it, would refuse the schema.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for attribute in self.attributes().iter().filter(|attribute| RESERVED.contains(&attribute.name.as_str())) {
            faults.push(format!("{} is a word of Terraform's own", attribute.name));
        }
        attribute_faults(self.attributes(), &Path::root(), &mut faults);
        faults
    }
}

fn attribute_faults(attributes: &[Attribute], path: &Path, faults: &mut Vec<String>) {
    let mut names = BTreeSet::new();
    for attribute in attributes {
        let (path, name) = (path.then(&attribute.name), attribute.name.as_str());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let mut fault = |what: &str| faults.push(format!("{path} {what}"));
        if !name.bytes().all(plain) || !name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase()) {
            fault("has a name that nobody can write");
        }
        if !names.insert(name) {
            fault("is there twice");
        }
        let Attribute { required, optional, computed, write_only, .. } = *attribute;
        if required == (optional || computed) {
            fault("has to be either required, or optional or computed");
        }
        if write_only && computed {
            fault("is write-only, and would be computed");
        }
        if attribute.nested {
            attribute_faults(attribute.kind.objects(), &path, faults);
        }
    }
}

impl Attribute {
    fn decode(attribute: &tf::schema::Attribute) -> Self {
        let nested = attribute.nested_type.as_ref();
        assert_eq!(nested.is_some(), attribute.r#type.is_empty(), "{}: a type or a nested type", attribute.name);
        let kind = nested.map_or_else(|| Type::decode(&attribute.r#type), Type::nested);
        Self {
            name: attribute.name.clone(),
            kind,
            required: attribute.required,
            optional: attribute.optional,
            computed: attribute.computed,
            write_only: attribute.write_only,
            nested: nested.is_some(),
        }
    }
}

impl Type {
    fn decode(bytes: &[u8]) -> Self {
        Self::told(&serde_json::from_slice(bytes).expect("a type is JSON"))
    }

    fn told(json: &Json) -> Self {
        match (json.as_str(), json.get(0).and_then(Json::as_str), json.get(1)) {
            (Some("bool"), ..) => Self::Bool,
            (Some("number"), ..) => Self::Number,
            (Some("string"), ..) => Self::Text,
            (None, Some("list"), Some(inner)) => Self::List(Box::new(Self::told(inner))),
            (None, Some("map"), Some(inner)) => Self::Map(Box::new(Self::told(inner))),
            (None, Some("object"), Some(Json::Object(attributes))) => Self::Object(attributes.iter().map(Self::part).collect()),
            _ => panic!("these tests know no type {json}"),
        }
    }

    fn part((name, kind): (&String, &Json)) -> Attribute {
        let kind = Self::told(kind);
        Attribute { name: name.clone(), kind, required: true, optional: false, computed: false, write_only: false, nested: false }
    }

    fn nested(object: &tf::schema::Object) -> Self {
        let inner = Self::Object(object.attributes.iter().map(Attribute::decode).collect());
        match object.nesting() {
            NestingMode::Single => inner,
            NestingMode::List => Self::List(Box::new(inner)),
            NestingMode::Map => Self::Map(Box::new(inner)),
            other => panic!("these tests know no nesting {other:?}"),
        }
    }

    /// The attributes of an object.
    pub(crate) fn attributes(&self) -> &[Attribute] {
        match self {
            Self::Object(attributes) => attributes,
            _ => &[],
        }
    }

    /// The attributes of the objects that it is of, or is a collection of.
    pub(crate) fn objects(&self) -> &[Attribute] {
        match self {
            Self::List(inner) | Self::Map(inner) => inner.attributes(),
            other => other.attributes(),
        }
    }

    /// The type at the end of some steps; nothing if there is no such place.
    pub(crate) fn at(&self, steps: &[Step]) -> Option<&Self> {
        let Some((step, rest)) = steps.split_first() else { return Some(self) };
        let inner = match (step, self) {
            (Step::Attribute(name), Self::Object(attributes)) => &attributes.iter().find(|attribute| attribute.name == *name)?.kind,
            (Step::Key(_), Self::Map(inner)) | (Step::Index(_), Self::List(inner)) => inner,
            _ => return None,
        };
        inner.at(rest)
    }
}

/// A path of the protocol; nothing if it has a step without a meaning.
pub(crate) fn path(told: &AttributePath) -> Option<Path> {
    use attribute_path::step::Selector;
    let mut path = Path::root();
    for step in &told.steps {
        path = path.with(match step.selector.clone()? {
            Selector::AttributeName(name) => Step::Attribute(name),
            Selector::ElementKeyString(key) => Step::Key(key),
            Selector::ElementKeyInt(index) => Step::Index(usize::try_from(index).ok()?),
        });
    }
    Some(path)
}
