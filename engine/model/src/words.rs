//! Fields that take one of a few words.

/// Declares an enum whose values a user writes as words: its name in messages, and the word of each value.
macro_rules! words {
    (
        $(#[doc = $enum_doc:literal])*
        pub enum $name:ident, $what:literal {
            $( $(#[doc = $doc:literal])* $value:ident = $word:literal, )+
        }
    ) => {
        $(#[doc = $enum_doc])*
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $( $(#[doc = $doc])* #[serde(rename = $word)] $value, )+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];
            /// Every word.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// As it is written.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $( Self::$value => $word, )+ }
            }
        }

        impl $crate::read::FieldType for $name {
            const KIND: $crate::field::Kind = $crate::field::Kind::String;

            fn read(
                value: &$crate::value::Value,
                path: &$crate::problem::Path,
                problems: &mut Vec<$crate::problem::Problem>,
            ) -> Option<Self> {
                match value {
                    $crate::value::Value::Unknown => return None,
                    $( $crate::value::Value::String(text) if text == $word => return Some(Self::$value), )+
                    _ => {}
                }
                problems.push($crate::words::refused(value, $what, Self::WORDS, path));
                None
            }
        }
    };
}
pub(crate) use words;

use crate::problem::{Path, Problem};
use crate::value::Value;

/// That something is none of the words.
pub(crate) fn refused(value: &Value, what: &str, words: &[&str], path: &Path) -> Problem {
    let shown = value.as_str().map_or_else(|| "this".to_owned(), |text| format!("{text:?}"));
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    let (last, others) = quoted.split_last().expect("an enum has values");
    let help = if others.is_empty() { format!("Write {last}") } else { format!("Write {} or {last}", others.join(", ")) };
    Problem::new(path, format!("{shown} is {what}"), help)
}
