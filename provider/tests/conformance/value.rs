//! Values as Terraform has them, and their forms: read to the letter, where the provider's own reader lets much pass.

use std::collections::BTreeMap;
use std::fmt;

use rmp::{Marker, decode, encode};
use serde_json::Value as Json;
use spawn_provider::wire::Step;
use spawn_provider::wire::proto::tfplugin6::DynamicValue;

use crate::schema::{Attribute, Type};

/// An unknown value without refinements.
const UNKNOWN: [u8; 3] = [0xd4, 0x00, 0x00];

/// A value of the configuration, of a plan or of a state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Value {
    Null,
    Unknown,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

impl Value {
    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// True if this, or anything in it, is not known.
    pub(crate) fn has_unknown(&self) -> bool {
        self.any(&|value| *value == Self::Unknown)
    }

    /// True if there is a number in it that no double keeps.
    pub(crate) fn has_long_number(&self) -> bool {
        self.any(&|value| matches!(value, Self::Number(number) if number.digits() > 17))
    }

    fn any(&self, is: &impl Fn(&Self) -> bool) -> bool {
        is(self)
            || match self {
                Self::List(items) => items.iter().any(|item| item.any(is)),
                Self::Map(entries) => entries.values().any(|entry| entry.any(is)),
                _ => false,
            }
    }

    /// An attribute of an object or an entry of a map: null where there is none, and unknown where the whole is.
    pub(crate) fn get(&self, name: &str) -> &Self {
        match self {
            Self::Map(entries) => entries.get(name).unwrap_or(&Self::Null),
            Self::Unknown => &Self::Unknown,
            _ => &Self::Null,
        }
    }

    /// The same of an element of a list.
    pub(crate) fn element(&self, index: usize) -> &Self {
        match self {
            Self::List(items) => items.get(index).unwrap_or(&Self::Null),
            Self::Unknown => &Self::Unknown,
            _ => &Self::Null,
        }
    }

    /// What is at the end of some steps; nothing if there is no such place.
    pub(crate) fn at(&self, steps: &[Step]) -> Option<&Self> {
        let Some((step, rest)) = steps.split_first() else { return Some(self) };
        let inner = match (step, self) {
            (Step::Attribute(name) | Step::Key(name), Self::Map(entries)) => entries.get(name)?,
            (Step::Index(index), Self::List(items)) => items.get(*index)?,
            _ => return None,
        };
        inner.at(rest)
    }

    /// Puts a value into a place, if there is one.
    pub(crate) fn set(&mut self, steps: &[Step], value: Self) {
        let Some((step, rest)) = steps.split_first() else {
            *self = value;
            return;
        };
        let inner = match (step, self) {
            (Step::Attribute(name) | Step::Key(name), Self::Map(entries)) => entries.get_mut(name),
            (Step::Index(index), Self::List(items)) => items.get_mut(*index),
            _ => None,
        };
        if let Some(inner) = inner {
            inner.set(rest, value);
        }
    }

    /// Reads what a person would write: attributes that are left out are null.
    pub(crate) fn written(kind: &Type, json: &Json) -> Self {
        match (kind, json) {
            (_, Json::Null) => Self::Null,
            (Type::Bool, Json::Bool(truth)) => Self::Bool(*truth),
            (Type::Number, Json::Number(number)) => Self::Number(Number::of(&number.to_string())),
            (Type::Text, Json::String(text)) => Self::Text(text.clone()),
            (Type::List(inner), Json::Array(items)) => Self::List(items.iter().map(|item| Self::written(inner, item)).collect()),
            (Type::Map(inner), Json::Object(entries)) => {
                Self::Map(entries.iter().map(|(key, entry)| (key.clone(), Self::written(inner, entry))).collect())
            }
            (Type::Object(attributes), Json::Object(entries)) => {
                let strange = entries.keys().find(|key| attributes.iter().all(|attribute| attribute.name != **key));
                assert_eq!(strange, None, "an object has no such attribute");
                let entry = |attribute: &Attribute| {
                    let json = entries.get(&attribute.name).unwrap_or(&Json::Null);
                    (attribute.name.clone(), Self::written(&attribute.kind, json))
                };
                Self::Map(attributes.iter().map(entry).collect())
            }
            _ => panic!("{json} is no {kind:?}"),
        }
    }

    /// As a state file has it.
    pub(crate) fn stored(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Unknown => panic!("no state has an unknown value"),
            Self::Bool(truth) => Json::Bool(*truth),
            Self::Number(number) => serde_json::from_str(&number.0).unwrap(),
            Self::Text(text) => Json::String(text.clone()),
            Self::List(items) => Json::Array(items.iter().map(Self::stored).collect()),
            Self::Map(entries) => Json::Object(entries.iter().map(|(key, entry)| (key.clone(), entry.stored())).collect()),
        }
    }

    /// As msgpack.
    pub(crate) fn encode(&self, kind: &Type) -> DynamicValue {
        let mut msgpack = Vec::new();
        self.write(kind, &mut msgpack);
        DynamicValue { msgpack, json: Vec::new() }
    }

    fn write(&self, kind: &Type, out: &mut Vec<u8>) {
        let length = |length: usize| u32::try_from(length).unwrap();
        match (kind, self) {
            (_, Self::Null) => encode::write_nil(out).unwrap(),
            (_, Self::Unknown) => out.extend_from_slice(&UNKNOWN),
            (Type::Bool, Self::Bool(truth)) => encode::write_bool(out, *truth).unwrap(),
            (Type::Number, Self::Number(number)) => number.write(out),
            (Type::Text, Self::Text(text)) => encode::write_str(out, text).unwrap(),
            (Type::List(inner), Self::List(items)) => {
                encode::write_array_len(out, length(items.len())).unwrap();
                items.iter().for_each(|item| item.write(inner, out));
            }
            (Type::Map(inner), Self::Map(entries)) => {
                encode::write_map_len(out, length(entries.len())).unwrap();
                for (key, entry) in entries {
                    encode::write_str(out, key).unwrap();
                    entry.write(inner, out);
                }
            }
            (Type::Object(attributes), Self::Map(entries)) => {
                assert_eq!(attributes.len(), entries.len(), "an object has all of its attributes");
                encode::write_map_len(out, length(entries.len())).unwrap();
                for attribute in attributes {
                    encode::write_str(out, &attribute.name).unwrap();
                    entries[&attribute.name].write(&attribute.kind, out);
                }
            }
            _ => panic!("{self} is no {kind:?}"),
        }
    }

    /// Reads a value that has exactly this type.
    pub(crate) fn decode(kind: &Type, dynamic: &DynamicValue) -> Result<Self, String> {
        let mut rest = dynamic.msgpack.as_slice();
        let value = Self::read(kind, &mut rest)?;
        if !rest.is_empty() || !dynamic.json.is_empty() {
            return Err("more than one value".to_owned());
        }
        Ok(value)
    }

    fn read(kind: &Type, rest: &mut &[u8]) -> Result<Self, String> {
        let marker = rest.first().map(|byte| Marker::from_u8(*byte)).ok_or("the value is cut off")?;
        match (marker, kind) {
            (Marker::Null, _) => decode::read_nil(rest).map(|()| Self::Null).map_err(|error| error.to_string()),
            (Marker::FixExt1 | Marker::FixExt2 | Marker::FixExt4 | Marker::Ext8 | Marker::Ext16, _) => {
                let meta = decode::read_ext_meta(rest).map_err(|error| error.to_string())?;
                take(rest, meta.size as usize)?;
                Ok(Self::Unknown)
            }
            (_, Type::Bool) => decode::read_bool(rest).map(Self::Bool).map_err(|error| error.to_string()),
            (Marker::F64, Type::Number) => {
                let number = decode::read_f64(rest).map_err(|error| error.to_string())?;
                Number::parse(&format!("{number:.1074}")).map(Self::Number).ok_or_else(|| format!("{number} is no number"))
            }
            (Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32, Type::Number) => {
                let text = read_text(rest)?;
                Number::parse(&text).map(Self::Number).ok_or_else(|| format!("{text:?} is no number"))
            }
            (_, Type::Number) => {
                let number: i128 = decode::read_int(rest).map_err(|error| error.to_string())?;
                Ok(Self::Number(Number::of(&number.to_string())))
            }
            (_, Type::Text) => read_text(rest).map(Self::Text),
            (_, Type::List(inner)) => {
                let length = decode::read_array_len(rest).map_err(|error| error.to_string())?;
                let items: Result<_, String> = (0..length).map(|_| Self::read(inner, rest)).collect();
                items.map(Self::List)
            }
            (_, Type::Map(inner)) => {
                let length = decode::read_map_len(rest).map_err(|error| error.to_string())?;
                let mut entries = BTreeMap::new();
                for _ in 0..length {
                    let key = read_text(rest)?;
                    let entry = Self::read(inner, rest).map_err(|error| format!("[{key:?}]: {error}"))?;
                    if entries.insert(key.clone(), entry).is_some() {
                        return Err(format!("{key:?} is there twice"));
                    }
                }
                Ok(Self::Map(entries))
            }
            (_, Type::Object(attributes)) => Self::read_object(attributes, rest),
        }
    }

    fn read_object(attributes: &[Attribute], rest: &mut &[u8]) -> Result<Self, String> {
        let length = decode::read_map_len(rest).map_err(|error| error.to_string())?;
        let mut entries = BTreeMap::new();
        for _ in 0..length {
            let name = read_text(rest)?;
            let attribute = attributes.iter().find(|attribute| attribute.name == name);
            let attribute = attribute.ok_or_else(|| format!("there is no attribute {name:?}"))?;
            let value = Self::read(&attribute.kind, rest).map_err(|error| format!("{name}: {error}"))?;
            if entries.insert(name.clone(), value).is_some() {
                return Err(format!("{name:?} is there twice"));
            }
        }
        match attributes.iter().find(|attribute| !entries.contains_key(&attribute.name)) {
            Some(missing) => Err(format!("{:?} is missing", missing.name)),
            None => Ok(Self::Map(entries)),
        }
    }
}

fn read_text(rest: &mut &[u8]) -> Result<String, String> {
    let length = decode::read_str_len(rest).map_err(|error| error.to_string())?;
    String::from_utf8(take(rest, length as usize)?.to_vec()).map_err(|error| error.to_string())
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (taken, left) = rest.split_at_checked(length).ok_or("the value is cut off")?;
    *rest = left;
    Ok(taken)
}

/// What a person would write, without what is null.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Unknown => f.write_str("(unknown)"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Number(number) => f.write_str(&number.0),
            Self::Text(text) if text.len() > 200 => write!(f, "({} bytes of text)", text.len()),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => {
                f.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if place == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (key, entry) in entries.iter().filter(|(_, entry)| !entry.is_null()) {
                    write!(f, " {key:?} = {entry}")?;
                }
                f.write_str(" }")
            }
        }
    }
}

/// A number to its last digit, as Terraform keeps it: decimal, without an exponent, and in one form only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Number(String);

impl Number {
    /// Of text that is a number.
    pub(crate) fn of(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| panic!("{text:?} is no number"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (text, exponent) = match text.split_once(['e', 'E']) {
            Some((text, exponent)) => (text, exponent.parse().ok()?),
            None => (text, 0),
        };
        let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // Where the point is: zeros are put before and behind until it is between digits.
        let point: isize = isize::try_from(whole.len()).ok()? + exponent;
        let before = usize::try_from(1 - point).unwrap_or(0);
        let behind = usize::try_from(point).unwrap_or(0).saturating_sub(digits.len());
        let digits = format!("{}{digits}{}", "0".repeat(before), "0".repeat(behind));
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0).max(1));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let whole = if whole.is_empty() { "0" } else { whole };
        Some(Self(match (whole, fraction) {
            ("0", "") => "0".to_owned(),
            (whole, "") => format!("{sign}{whole}"),
            (whole, fraction) => format!("{sign}{whole}.{fraction}"),
        }))
    }

    /// How many digits it takes to write it down.
    fn digits(&self) -> usize {
        let digits: String = self.0.chars().filter(char::is_ascii_digit).collect();
        digits.trim_start_matches('0').trim_end_matches('0').len()
    }

    /// As Terraform does: whole where it fits, binary where that is the same, and else as text.
    fn write(&self, out: &mut Vec<u8>) {
        if let Ok(number) = self.0.parse() {
            encode::write_sint(out, number).map(drop).unwrap();
            return;
        }
        let number: f64 = self.0.parse().unwrap();
        if Self::parse(&format!("{number:.1074}")).as_ref() == Some(self) {
            encode::write_f64(out, number).unwrap();
        } else {
            encode::write_str(out, &self.0).unwrap();
        }
    }
}

#[test]
fn a_number_has_one_form() {
    for (written, expected) in [
        ("0", "0"),
        ("-0.0", "0"),
        ("007", "7"),
        ("1.50", "1.5"),
        ("-0.25", "-0.25"),
        ("1e3", "1000"),
        ("1.25e1", "12.5"),
        ("12e-1", "1.2"),
        ("5e-3", "0.005"),
        ("120e-4", "0.012"),
        ("1e21", "1000000000000000000000"),
    ] {
        assert_eq!(Number::of(written).0, expected, "{written}");
    }
    for text in ["", ".", "-", "1.2.3", "nan", "inf", "1e", "0x1"] {
        assert_eq!(Number::parse(text), None, "{text:?}");
    }
}
