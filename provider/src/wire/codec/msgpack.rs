//! msgpack as Terraform writes and reads it.

use std::collections::BTreeMap;

use rmp::Marker;
use rmp::decode;
use rmp::encode;
use spawn_model::field::{Field, Kind};
use spawn_model::value::Value;

use super::super::path::Step;
use super::{CodecError, kind_name, number_from_f64, number_from_text};

/// An unknown value without refinements: extension type 0 with one zero byte.
const UNKNOWN: [u8; 3] = [0xd4, 0x00, 0x00];

/// Reads one value of type `kind`, which must be all of `bytes`.
pub(super) fn read(kind: &Kind, bytes: &[u8]) -> Result<Value, CodecError> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(kind)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(CodecError::new("bytes follow the value")) }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, kind: &Kind) -> Result<Value, CodecError> {
        match self.peek()? {
            Marker::Null => {
                self.take(1)?;
                Ok(Value::Null)
            }
            // Any extension is an unknown value; what it may say about the value (a refinement) is not used.
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32 => {
                let meta = decode::read_ext_meta(&mut self.rest).map_err(|_| truncated())?;
                self.take(meta.size as usize)?;
                Ok(Value::Unknown)
            }
            _ => self.known(kind),
        }
    }

    fn known(&mut self, kind: &Kind) -> Result<Value, CodecError> {
        match kind {
            Kind::Bool => decode::read_bool(&mut self.rest).map(Value::Bool).map_err(|_| wrong(kind)),
            Kind::Int | Kind::Float => self.number(kind),
            Kind::String | Kind::Duration => self.text(kind).map(|text| Value::String(text.to_owned())),
            Kind::List(inner) => self.list(kind, inner),
            Kind::Map(inner) => self.map(kind, inner),
            Kind::Object(fields) => self.object(kind, fields),
        }
    }

    fn number(&mut self, kind: &Kind) -> Result<Value, CodecError> {
        let short = |_| truncated();
        match self.peek()? {
            Marker::F32 => decode::read_f32(&mut self.rest).map_err(short).and_then(|n| number_from_f64(f64::from(n))),
            Marker::F64 => {
                let number = decode::read_f64(&mut self.rest).map_err(short)?;
                // A double has no more digits than this behind the point.
                kept(kind, number_from_f64(number)?, &format!("{number:.1074}"))
            }
            Marker::U64 => {
                let number = decode::read_u64(&mut self.rest).map_err(short)?;
                #[expect(clippy::cast_precision_loss, reason = "beyond i64, Value has only floats")]
                Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Int))
            }
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                let text = self.text(&Kind::String)?;
                kept(kind, number_from_text(text)?, text)
            }
            _ => decode::read_int(&mut self.rest).map(Value::Int).map_err(|_| wrong(&Kind::Float)),
        }
    }

    fn text(&mut self, kind: &Kind) -> Result<&'a str, CodecError> {
        self.peek()?;
        let length = decode::read_str_len(&mut self.rest).map_err(|_| wrong(kind))?;
        let bytes = self.take(length as usize)?;
        std::str::from_utf8(bytes).map_err(|_| CodecError::new("the text is not UTF-8"))
    }

    fn list(&mut self, kind: &Kind, inner: &Kind) -> Result<Value, CodecError> {
        let length = decode::read_array_len(&mut self.rest).map_err(|_| wrong(kind))?;
        let mut items = Vec::new();
        for index in 0..length as usize {
            items.push(self.value(inner).map_err(|error| error.within(Step::Index(index)))?);
        }
        Ok(Value::List(items))
    }

    fn map(&mut self, kind: &Kind, inner: &Kind) -> Result<Value, CodecError> {
        let length = decode::read_map_len(&mut self.rest).map_err(|_| wrong(kind))?;
        let mut entries = BTreeMap::new();
        for _ in 0..length {
            let key = self.text(&Kind::String)?.to_owned();
            let value = self.value(inner).map_err(|error| error.within(Step::Key(key.clone())))?;
            entries.insert(key, value);
        }
        Ok(Value::Map(entries))
    }

    fn object(&mut self, kind: &Kind, fields: &[Field]) -> Result<Value, CodecError> {
        let length = decode::read_map_len(&mut self.rest).map_err(|_| wrong(kind))?;
        let mut entries: BTreeMap<String, Value> = fields.iter().map(|field| (field.name.to_owned(), Value::Null)).collect();
        for _ in 0..length {
            let name = self.text(&Kind::String)?;
            let field =
                fields.iter().find(|field| field.name == name).ok_or_else(|| CodecError::new(format!("there is no attribute {name:?}")))?;
            let value = self.value(&field.kind).map_err(|error| error.within(Step::Attribute(name.to_owned())))?;
            entries.insert(name.to_owned(), value);
        }
        Ok(Value::Map(entries))
    }

    fn peek(&self) -> Result<Marker, CodecError> {
        self.rest.first().map(|byte| Marker::from_u8(*byte)).ok_or_else(truncated)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// A number, unless it is not what was written: Terraform has more digits than a double, such as those of `10 / 3`, and refuses a plan that
/// has others. What is not whole and should be is told where fields are checked.
fn kept(kind: &Kind, number: Value, written: &str) -> Result<Value, CodecError> {
    let again = match &number {
        Value::Int(number) => number.to_string(),
        Value::Float(number) if *kind == Kind::Float => number.to_string(),
        _ => return Ok(number),
    };
    let is_plain = written.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
    let digits = if written.contains('.') { written.trim_end_matches('0').trim_end_matches('.') } else { written };
    if is_plain && digits != again {
        return Err(CodecError::new("a number of so many digits cannot be kept; round it, such as by `format(\"%.2f\", 10 / 3)`"));
    }
    Ok(number)
}

fn truncated() -> CodecError {
    CodecError::new("the value is cut off")
}

fn wrong(kind: &Kind) -> CodecError {
    CodecError::new(format!("expected {}", kind_name(kind)))
}

/// Appends `value`, which must be of type `kind`.
pub(super) fn write(out: &mut Vec<u8>, kind: &Kind, value: &Value) -> Result<(), CodecError> {
    match (kind, value) {
        (_, Value::Null) => finish(encode::write_nil(out)),
        (_, Value::Unknown) => {
            out.extend_from_slice(&UNKNOWN);
            Ok(())
        }
        (Kind::Bool, Value::Bool(truth)) => finish(encode::write_bool(out, *truth)),
        (Kind::Int | Kind::Float, Value::Int(number)) => finish(encode::write_sint(out, *number)),
        (Kind::Int | Kind::Float, Value::Float(number)) => write_float(out, *number),
        (Kind::String | Kind::Duration, Value::String(text)) => finish(encode::write_str(out, text)),
        (Kind::List(inner), Value::List(items)) => {
            finish(encode::write_array_len(out, length(items.len())?))?;
            for (index, item) in items.iter().enumerate() {
                write(out, inner, item).map_err(|error| error.within(Step::Index(index)))?;
            }
            Ok(())
        }
        (Kind::Map(inner), Value::Map(entries)) => {
            finish(encode::write_map_len(out, length(entries.len())?))?;
            for (key, entry) in entries {
                finish(encode::write_str(out, key))?;
                write(out, inner, entry).map_err(|error| error.within(Step::Key(key.clone())))?;
            }
            Ok(())
        }
        (Kind::Object(fields), Value::Map(entries)) => write_object(out, fields, entries),
        _ => Err(wrong(kind)),
    }
}

/// An object has every attribute of its schema, null where nothing is set.
fn write_object(out: &mut Vec<u8>, fields: &[Field], entries: &BTreeMap<String, Value>) -> Result<(), CodecError> {
    if let Some(stranger) = entries.keys().find(|key| fields.iter().all(|field| field.name != key.as_str())) {
        return Err(CodecError::new(format!("there is no attribute {stranger:?}")));
    }
    finish(encode::write_map_len(out, length(fields.len())?))?;
    for field in fields {
        finish(encode::write_str(out, field.name))?;
        let value = entries.get(field.name).unwrap_or(&Value::Null);
        write(out, &field.kind, value).map_err(|error| error.within(Step::Attribute(field.name.to_owned())))?;
    }
    Ok(())
}

/// A fraction is written as decimal text: Terraform keeps numbers in decimal with 512 bits, where the binary float
/// nearest to 0.1 is not the 0.1 that the user wrote.
fn write_float(out: &mut Vec<u8>, number: f64) -> Result<(), CodecError> {
    match number_from_f64(number)? {
        Value::Int(whole) => finish(encode::write_sint(out, whole)),
        _ => finish(encode::write_str(out, &number.to_string())),
    }
}

fn length(length: usize) -> Result<u32, CodecError> {
    u32::try_from(length).map_err(|_| CodecError::new("too many elements"))
}

/// Writing into memory cannot fail; the error types of the writer cannot say so.
fn finish<T, E: std::fmt::Display>(written: Result<T, E>) -> Result<(), CodecError> {
    written.map(drop).map_err(|error| CodecError::new(error.to_string()))
}
