#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::value::Value;

use super::*;

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, doc: "", kind, presence: Presence::Optional, change: Change::InPlace, sensitive: false }
}

const INNER: &[Field] = &[field("a", Kind::String), field("b", Kind::Bool)];

/// Every kind once, and the nestings that schemas use.
const FIELDS: &[Field] = &[
    field("bool", Kind::Bool),
    field("int", Kind::Int),
    field("float", Kind::Float),
    field("string", Kind::String),
    field("list", Kind::List(&Kind::Int)),
    field("map", Kind::Map(&Kind::String)),
    field("object", Kind::Object(INNER)),
    field("objects", Kind::List(&Kind::Object(INNER))),
    field("named", Kind::Map(&Kind::Object(INNER))),
    field("deep", Kind::Map(&Kind::List(&Kind::List(&Kind::Float)))),
];

const ONE_INT: &[Field] = &[field("n", Kind::Int)];
const ONE_TEXT: &[Field] = &[field("s", Kind::String)];

fn any_value(kind: &'static Kind) -> BoxedStrategy<Value> {
    let known = match kind {
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Int => any::<i64>().prop_map(Value::Int).boxed(),
        // Whole floats have another form; see `numbers_have_one_form`.
        Kind::Float => {
            prop_oneof![any::<i64>().prop_map(Value::Int), any::<f64>().prop_filter_map("finite", |float| number_from_f64(float).ok()),]
                .boxed()
        }
        Kind::String | Kind::Duration => any::<String>().prop_map(Value::String).boxed(),
        Kind::List(inner) => prop::collection::vec(any_value(inner), 0..4).prop_map(Value::List).boxed(),
        Kind::Map(inner) => prop::collection::btree_map(any::<String>(), any_value(inner), 0..4).prop_map(Value::Map).boxed(),
        Kind::Object(fields) => any_object(fields),
    };
    prop_oneof![1 => Just(Value::Null), 1 => Just(Value::Unknown), 6 => known].boxed()
}

fn any_object(fields: &'static [Field]) -> BoxedStrategy<Value> {
    let values: Vec<_> = fields.iter().map(|field| any_value(&field.kind).prop_map(|value| (field.name.to_owned(), value))).collect();
    values.prop_map(|entries| Value::Map(entries.into_iter().collect())).boxed()
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in any_object(FIELDS)) {
        let written = encode(FIELDS, &value).unwrap();
        prop_assert_eq!(decode(FIELDS, Some(&written)), Ok(value));
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode_msgpack(FIELDS, &bytes);
        let _ = decode_json(FIELDS, &bytes, Strangers::Ignore);
    }

    #[test]
    fn a_damaged_value_is_a_value_or_an_error(
        value in any_object(FIELDS), cut in any::<prop::sample::Index>(), position in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = encode(FIELDS, &value).unwrap().msgpack;
        prop_assert!(decode_msgpack(FIELDS, &bytes[..cut.index(bytes.len())]).is_err(), "cut off");
        let position = position.index(bytes.len());
        bytes[position] = byte;
        let _ = decode_msgpack(FIELDS, &bytes);
    }
}

/// (bytes as Terraform sends them, the value of the attribute `n`)
#[test]
fn numbers_have_one_form() {
    let cases: [(&[u8], Value); 12] = [
        (&[0x05], Value::Int(5)),
        (&[0xff], Value::Int(-1)),
        (&[0xcc, 0xff], Value::Int(255)),
        (&[0xcd, 0x01, 0x00], Value::Int(256)),
        (&[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], Value::Int(i64::MIN)),
        (&[0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Value::Int(i64::MAX)),
        (&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Value::Float(18_446_744_073_709_551_615.0)),
        (&[0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0], Value::Float(0.5)),
        (&[0xcb, 0x40, 0x14, 0, 0, 0, 0, 0, 0], Value::Int(5)),
        (&[0xca, 0x3f, 0, 0, 0], Value::Float(0.5)),
        (&[0xa3, b'0', b'.', b'1'], Value::Float(0.1)),
        (&[0xa3, b'1', b'e', b'3'], Value::Int(1000)),
    ];
    for (number, expected) in cases {
        let bytes = [&[0x81, 0xa1, b'n'], number].concat();
        let read = decode_msgpack(ONE_INT, &bytes).unwrap();
        assert_eq!(*read.get("n"), expected, "{number:02x?}");
    }
}

/// (value of the attribute `n`, bytes as Terraform reads them)
#[test]
fn values_have_golden_bytes() {
    let cases: [(Value, &[u8]); 7] = [
        (Value::Null, &[0xc0]),
        (Value::Unknown, &[0xd4, 0x00, 0x00]),
        (Value::Int(1), &[0x01]),
        (Value::Int(-33), &[0xd0, 0xdf]),
        (Value::Int(70_000), &[0xce, 0x00, 0x01, 0x11, 0x70]),
        // In decimal, as the user wrote it.
        (Value::Float(0.1), &[0xa3, b'0', b'.', b'1']),
        (Value::Float(3.0), &[0x03]),
    ];
    for (value, expected) in cases {
        let object = Value::Map([("n".to_owned(), value.clone())].into());
        let written = encode(ONE_INT, &object).unwrap().msgpack;
        assert_eq!(written, [&[0x81, 0xa1, b'n'], expected].concat(), "{value:?}");
    }
}

/// (a number as Terraform writes it, what is read; nothing where a plan could not have all of its digits)
#[test]
fn a_number_is_kept_to_its_last_digit_or_refused() {
    let text = |text: &str| [&[0xd9, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let double = |number: f64| [&[0xcb][..], &number.to_be_bytes()].concat();
    for (number, float, int) in [
        (text("0.1"), Some(Value::Float(0.1)), Some(Value::Float(0.1))),
        (text("0.30000000000000004"), Some(Value::Float(0.300_000_000_000_000_04)), Some(Value::Float(0.300_000_000_000_000_04))),
        (text("3.33333333333333333333"), None, Some(Value::Float(3.333_333_333_333_333_5))),
        (text("22.00000000000000000001"), None, None),
        (text("18446744073709551615"), None, Some(Value::Float(18_446_744_073_709_551_615.0))),
        (double(0.5), Some(Value::Float(0.5)), Some(Value::Float(0.5))),
        (double(1e21), Some(Value::Float(1e21)), Some(Value::Float(1e21))),
        (double(0.1), None, Some(Value::Float(0.1))),
        (double(-4.0), Some(Value::Int(-4)), Some(Value::Int(-4))),
    ] {
        for (kind, expected) in [(Kind::Float, float), (Kind::Int, int)] {
            let read = decode_kind(&kind, &DynamicValue { msgpack: number.clone(), json: vec![] });
            assert_eq!(read.ok(), expected, "{number:02x?} as {kind:?}");
        }
    }
}

#[test]
fn an_object_has_every_attribute() {
    let object = Value::Map([("b".to_owned(), Value::Bool(true))].into());
    let written = encode(INNER, &object).unwrap();
    assert_eq!(written.msgpack, [0x82, 0xa1, b'a', 0xc0, 0xa1, b'b', 0xc3]);
    let read = decode(INNER, Some(&written)).unwrap();
    assert_eq!(read, Value::Map([("a".to_owned(), Value::Null), ("b".to_owned(), Value::Bool(true))].into()));
}

#[test]
fn no_object_is_null() {
    assert_eq!(encode(INNER, &Value::Null).unwrap().msgpack, [0xc0]);
    for absent in [None, Some(DynamicValue::default()), Some(DynamicValue { msgpack: vec![0xc0], json: vec![] })] {
        assert_eq!(decode(INNER, absent.as_ref()), Ok(Value::Null), "{absent:?}");
    }
}

/// Refined unknowns, which newer versions of Terraform send, are unknowns.
#[test]
fn any_extension_is_unknown() {
    let cases: [&[u8]; 4] =
        [&[0xd4, 0x00, 0x00], &[0xd5, 0x0c, 0x81, 0x01], &[0xc7, 0x03, 0x0c, 0x81, 0x01, 0xc2], &[0xc8, 0x00, 0x02, 0x0c, 0x80, 0x80]];
    for unknown in cases {
        let bytes = [&[0x81, 0xa1, b's'], unknown].concat();
        assert_eq!(*decode_msgpack(ONE_TEXT, &bytes).unwrap().get("s"), Value::Unknown, "{unknown:02x?}");
    }
}

#[test]
fn json_is_read_as_well() {
    let tree = serde_json::json!({
        "bool": true, "int": 5, "float": 0.1, "string": "ü", "list": [1, null], "map": {"k": "v"},
        "object": {"a": "x"}, "objects": [{"b": false}], "named": {}, "deep": {"d": [[1.5]]},
    });
    let dynamic = DynamicValue { msgpack: vec![], json: tree.to_string().into_bytes() };
    let value = decode(FIELDS, Some(&dynamic)).unwrap();
    assert_eq!(*value.get("float"), Value::Float(0.1));
    assert_eq!(*value.get("list"), Value::List(vec![Value::Int(1), Value::Null]));
    assert_eq!(*value.get("object").get("b"), Value::Null);
    // What came as JSON goes out as msgpack, and means the same.
    assert_eq!(decode(FIELDS, Some(&encode(FIELDS, &value).unwrap())), Ok(value));
}

#[test]
fn an_old_state_may_have_attributes_that_are_gone() {
    let text = br#"{"a": "x", "gone": [1]}"#;
    assert_eq!(*decode_json(INNER, text, Strangers::Ignore).unwrap().get("a"), "x".into());
    let refused = decode_json(INNER, text, Strangers::Refuse).unwrap_err();
    assert_eq!(refused.to_string(), r#"there is no attribute "gone""#);
}

/// (bytes, what is wrong with them)
#[test]
fn errors_say_where_and_what() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "the value is cut off"),
        (&[0x81], "the value is cut off"),
        (&[0xa1, b'x'], "expected an object"),
        (&[0x81, 0xa1, b'x', 0xc0], "there is no attribute \"x\""),
        (&[0xc0, 0xc0], "bytes follow the value"),
        (&[0x81, 0xa3, b'i', b'n', b't', 0xa1, b'x'], "int: \"x\" is not a number"),
        (&[0x81, 0xa3, b'i', b'n', b't', 0xa3, b'n', b'a', b'n'], "int: the number is not finite"),
        (&[0x81, 0xa4, b'l', b'i', b's', b't', 0x92, 0x01, 0xc3], "list[1]: expected a number"),
        (&[0x81, 0xa3, b'm', b'a', b'p', 0x81, 0xa1, b'k', 0x01], "map[\"k\"]: expected a string"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(decode_msgpack(FIELDS, bytes).unwrap_err().to_string(), expected, "{bytes:02x?}");
    }
}

#[test]
fn an_announced_length_allocates_nothing() {
    // A list of four thousand million elements, of which none follows.
    let bytes = [0x81, 0xa4, b'l', b'i', b's', b't', 0xdd, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(decode_msgpack(FIELDS, &bytes).unwrap_err().to_string(), "list[0]: the value is cut off");
}

#[test]
fn a_value_of_the_wrong_type_is_not_written() {
    let object = Value::Map([("object".to_owned(), Value::Map([("b".to_owned(), "x".into())].into()))].into());
    assert_eq!(encode(FIELDS, &object).unwrap_err().to_string(), "object.b: expected a bool");
    let stranger = Value::Map([("x".to_owned(), Value::Null)].into());
    assert_eq!(encode(FIELDS, &stranger).unwrap_err().to_string(), "there is no attribute \"x\"");
}
