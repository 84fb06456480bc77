//! Values as Terraform sends them.

use spawn_model::field::Field;
use spawn_model::value::Value;
use spawn_provider::wire::codec;

use crate::tables;

/// What is read is written as what reads the same; what is not is refused at a place that the schema has.
pub fn target(data: &[u8]) {
    for fields in tables::all() {
        match codec::decode_msgpack(fields, data) {
            Ok(value) => kept(fields, &value),
            Err(error) => assert!(tables::kind_at(fields, &error.path).is_some(), "{error}"),
        }
    }
}

/// A value is written as what reads the same.
pub(crate) fn kept(fields: &'static [Field], value: &Value) {
    let written = codec::encode(fields, value).expect("a value of this type can be written");
    assert_eq!(codec::decode(fields, Some(&written)).as_ref(), Ok(value), "{:02x?}", written.msgpack);
}
