//! From untyped [`Value`]s to typed specs, collecting every [`Problem`] on the way.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::field::{Field, Kind, Presence};
use crate::problem::{Path, Problem};
use crate::value::Value;

/// A type that a field can have.
pub trait FieldType: Sized {
    /// How the faces describe it.
    const KIND: Kind;

    /// Reads a value; on a problem says it and returns nothing. An unknown value is no problem and nothing.
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self>;

    /// What a field of this type is when nothing was written and it has no default.
    fn absent() -> Option<Self> {
        None
    }
}

fn wrong_type<T>(value: &Value, expected: &str, path: &Path, problems: &mut Vec<Problem>) -> Option<T> {
    let found = match value {
        Value::Unknown => return None,
        Value::Null => "nothing".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        Value::String(s) => format!("{s:?}"),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "an object".to_owned(),
    };
    problems.push(Problem::new(path, format!("{found} is not {expected}"), format!("Write {expected}")));
    None
}

impl FieldType for bool {
    const KIND: Kind = Kind::Bool;
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        match value {
            Value::Bool(b) => Some(*b),
            other => wrong_type(other, "true or false", path, problems),
        }
    }
}

impl FieldType for u32 {
    const KIND: Kind = Kind::Int;
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        match value {
            Value::Int(n) if Self::try_from(*n).is_ok() => Self::try_from(*n).ok(),
            other => wrong_type(other, "a whole number of 0 or more", path, problems),
        }
    }
}

impl FieldType for i64 {
    const KIND: Kind = Kind::Int;
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        match value {
            Value::Int(n) => Some(*n),
            other => wrong_type(other, "a whole number", path, problems),
        }
    }
}

impl FieldType for f64 {
    const KIND: Kind = Kind::Float;
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        match value {
            #[expect(clippy::cast_precision_loss, reason = "a number that a user wrote, far below 2^53")]
            Value::Int(n) => Some(*n as Self),
            Value::Float(n) => Some(*n),
            other => wrong_type(other, "a number", path, problems),
        }
    }
}

impl FieldType for String {
    const KIND: Kind = Kind::String;
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        match value {
            Value::String(s) => Some(s.clone()),
            other => wrong_type(other, "text", path, problems),
        }
    }
}

impl<T: FieldType + 'static> FieldType for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        match value {
            Value::List(items) => {
                let read: Vec<Option<T>> = items.iter().enumerate().map(|(i, v)| T::read(v, &path.index(i), problems)).collect();
                read.into_iter().collect()
            }
            other => wrong_type(other, "a list", path, problems),
        }
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: FieldType + 'static> FieldType for BTreeMap<String, T> {
    const KIND: Kind = Kind::Map(&T::KIND);
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        match value {
            Value::Map(entries) => {
                let read: Vec<Option<(String, T)>> =
                    entries.iter().map(|(k, v)| T::read(v, &path.key(k), problems).map(|v| (k.clone(), v))).collect();
                read.into_iter().collect()
            }
            other => wrong_type(other, "a map", path, problems),
        }
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: FieldType> FieldType for Option<T> {
    const KIND: Kind = T::KIND;
    fn read(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::read(other, path, problems).map(Some),
        }
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// The entries of an object, after refusing keys that no field has.
pub(crate) fn object_entries<'v>(
    value: &'v Value,
    fields: &[Field],
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Option<&'v BTreeMap<String, Value>> {
    let entries = match value {
        Value::Map(entries) => entries,
        // What should stand within it may be a secret.
        Value::String(_) => {
            problems.push(Problem::new(path, "a text is not an object", "Write an object"));
            return None;
        }
        _ => return wrong_type(value, "an object", path, problems),
    };
    for key in entries.keys() {
        if !fields.iter().any(|field| field.name == key) {
            let help = match nearest(key, fields) {
                Some(name) => format!("Did you mean {name:?}?"),
                None => format!("The fields here are {}", names(fields)),
            };
            problems.push(Problem::new(&path.key(key), format!("there is no field {key:?}"), help));
        }
    }
    Some(entries)
}

/// Reads one field of an object, with its default where nothing was written.
pub(crate) fn object_field<T: FieldType>(
    entries: &BTreeMap<String, Value>,
    field: &Field,
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let path = path.key(field.name);
    match entries.get(field.name).unwrap_or(&Value::Null) {
        Value::Null => match field.presence {
            Presence::Default(json) => T::read(&default_value(json), &path, problems),
            Presence::Required => {
                problems.push(Problem::new(&path, "is required", format!("Set {path}")));
                None
            }
            Presence::Optional | Presence::WriteOnly | Presence::Computed => T::absent(),
        },
        value => T::read(value, &path, problems),
    }
}

/// Takes one field out of a stored object. One that is not there was declared after the object was written, and is what it would be had
/// nobody written it.
pub(crate) fn stored_field<T: FieldType + DeserializeOwned, E: serde::de::Error>(
    stored: &mut BTreeMap<String, serde_json::Value>,
    declared: Option<&Field>,
) -> Result<T, E> {
    let Some(field) = declared else { return Err(E::custom("a field without a declaration")) };
    let in_field = |error: serde_json::Error| E::custom(format!("{}: {error}", field.name));
    if let Some(value) = stored.remove(field.name) {
        return serde_json::from_value(value).map_err(in_field);
    }
    let absent = match field.presence {
        Presence::Default(json) => T::read(&default_value(json), &Path::field(field.name), &mut Vec::new()),
        Presence::Optional | Presence::WriteOnly | Presence::Computed => T::absent(),
        Presence::Required => None,
    };
    absent.ok_or_else(|| E::missing_field(field.name))
}

/// The value that a [`Presence::Default`] stands for.
///
/// # Panics
/// If the declaration is not JSON, which a test over all declarations excludes.
#[must_use]
pub fn default_value(json: &str) -> Value {
    let parsed: serde_json::Value = serde_json::from_str(json).expect("a default in a field declaration is JSON");
    parsed.into()
}

fn names(fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().filter(|f| f.presence != Presence::Computed).map(|f| f.name).collect();
    names.join(", ")
}

/// A field's name without the mark of a Rust keyword.
pub(crate) const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// The field a misspelt key most likely meant: at most two edits away.
fn nearest<'f>(key: &str, fields: &'f [Field]) -> Option<&'f str> {
    fields.iter().map(|field| (edits(key, field.name), field.name)).filter(|(edits, _)| *edits <= 2).min().map(|(_, name)| name)
}

fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let substitute = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[to.len()]
}

/// Declares a spec object once: its struct, its [`Field`] table and how it is read from a [`Value`].
///
/// A field is `name: Type => Presence, Change;` under its documentation, which is also the user's.
macro_rules! fields {
    (
        $(#[doc = $struct_doc:literal])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $field:ident : $type:ty => $presence:ident $(($default:literal))?, $change:ident;
            )*
        }
    ) => {
        $(#[doc = $struct_doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $type, )*
        }

        impl $name {
            /// The declaration of each field.
            pub const FIELDS: &'static [$crate::field::Field] = &[
                $( $crate::field::Field {
                    name: $crate::read::plain(stringify!($field)),
                    doc: concat!($($doc, "\n"),*),
                    kind: <$type as $crate::read::FieldType>::KIND,
                    presence: $crate::field::Presence::$presence $(($default))?,
                    change: $crate::field::Change::$change,
                    sensitive: false,
                }, )*
            ];
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut stored = std::collections::BTreeMap::deserialize(deserializer)?;
                let mut declared = Self::FIELDS.iter();
                $( let $field = $crate::read::stored_field::<$type, D::Error>(&mut stored, declared.next())?; )*
                Ok(Self { $($field,)* })
            }
        }

        impl $crate::read::FieldType for $name {
            const KIND: $crate::field::Kind = $crate::field::Kind::Object(Self::FIELDS);

            fn read(
                value: &$crate::value::Value,
                path: &$crate::problem::Path,
                problems: &mut Vec<$crate::problem::Problem>,
            ) -> Option<Self> {
                if matches!(value, $crate::value::Value::Unknown) {
                    return None;
                }
                let entries = $crate::read::object_entries(value, Self::FIELDS, path, problems)?;
                let mut declared = Self::FIELDS.iter();
                $( let $field = $crate::read::object_field::<$type>(entries, declared.next()?, path, problems); )*
                Some(Self { $( $field: $field?, )* })
            }
        }
    };
}
pub(crate) use fields;
