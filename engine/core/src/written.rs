//! What somebody has written into files of his own: the fields of a fleet as YAML, and the files that go along.

use std::collections::BTreeMap;
use std::path::{Component, Path as FilePath, PathBuf};

use serde_yaml_ng::Value as Yaml;
use spawn_model::error::{Class, Error};
use spawn_model::problem::{Path, Problem};
use spawn_model::rules::FILES_BYTES_MAX;
use spawn_model::value::Value;

use crate::ports::Result;

/// The fields of a fleet as they were written, before they are checked.
pub type Fields = BTreeMap<String, Value>;

/// The largest file that is read: what a fleet can carry, four times over for quotes and comments.
const BYTES_MAX: u64 = 4 * (FILES_BYTES_MAX as u64);

/// The fields in a file. What is wrong with a single field is a problem.
///
/// # Errors
/// If the file cannot be read, or is no YAML.
pub fn read(file: &FilePath, problems: &mut Vec<Problem>) -> Result<Fields> {
    fields(file, &text(file)?, problems)
}

/// The text of a file.
///
/// # Errors
/// `FileUnreadable`, or `FileTooLarge`.
pub fn text(file: &FilePath) -> Result<String> {
    let shown = file.display();
    let unreadable = |error: &std::io::Error| {
        fail("FileUnreadable", format!("{shown} cannot be read: {error}"), "Name a file that is there and readable")
    };
    let bytes = std::fs::metadata(file).map_err(|error| unreadable(&error))?.len();
    if bytes > BYTES_MAX {
        let message = format!("{shown} has {bytes} bytes, more than the {BYTES_MAX} that are read");
        return Err(fail("FileTooLarge", message, "Put large inputs into S3 and let the command fetch them"));
    }
    std::fs::read_to_string(file).map_err(|error| unreadable(&error))
}

/// The fields in the text of a file. Files that it names lie beside it.
///
/// # Errors
/// `NotYaml`, or `NoFields`.
pub fn fields(file: &FilePath, text: &str, problems: &mut Vec<Problem>) -> Result<Fields> {
    let shown = file.display();
    let yaml: Yaml = serde_yaml_ng::from_str(text)
        .map_err(|error| fail("NotYaml", format!("{shown} is not YAML: {error}"), "Write one document of `field: value` lines"))?;
    let beside = file.parent().unwrap_or(FilePath::new("."));
    match value(yaml, beside, &Path::default(), problems) {
        Value::Map(fields) => Ok(fields),
        _ => Err(fail("NoFields", format!("{shown} holds no fields"), "Write `field: value` lines, such as `size: 8`")),
    }
}

fn fail(code: &str, message: String, help: &str) -> Error {
    Error::new(Class::Invalid, code, message, help)
}

/// Turns YAML into untyped user data. A problem leaves `Unknown`, about which the rules say nothing more.
fn value(yaml: Yaml, beside: &FilePath, path: &Path, problems: &mut Vec<Problem>) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(b) => Value::Bool(b),
        Yaml::Number(n) => match n.as_i64() {
            Some(int) => Value::Int(int),
            None => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => {
            Value::List(items.into_iter().enumerate().map(|(index, item)| value(item, beside, &path.index(index), problems)).collect())
        }
        Yaml::Mapping(entries) => {
            let mut map = Fields::new();
            for (key, item) in entries {
                let Yaml::String(key) = key else {
                    let shown = serde_yaml_ng::to_string(&key).unwrap_or_default();
                    let message = format!("the key {} is not text", shown.trim());
                    problems.push(Problem::new(path, message, "Put it in quotes"));
                    continue;
                };
                let item = value(item, beside, &path.key(&key), problems);
                map.insert(key, item);
            }
            Value::Map(map)
        }
        Yaml::Tagged(tagged) => {
            let read = match (tagged.tag.to_string().as_str(), &tagged.value) {
                ("!file", Yaml::String(name)) => {
                    return read_text(&beside.join(name), path, problems).map_or(Value::Unknown, Value::String);
                }
                ("!file", _) => Err(("!file names no file".to_owned(), "Write it like `!file render`".to_owned())),
                ("!env", Yaml::String(name)) => std::env::var(name)
                    .map(Value::String)
                    .map_err(|_| (format!("the environment has no text {name}"), format!("Set it: `export {name}=…`"))),
                ("!env", _) => Err(("!env names no variable".to_owned(), "Write it like `!env SLACK_HOOK`".to_owned())),
                (tag, _) => Err((format!("there is no tag {tag}"), "The tags are `!file PATH` and `!env NAME`".to_owned())),
            };
            read.unwrap_or_else(|(message, help)| {
                problems.push(Problem::new(path, message, help));
                Value::Unknown
            })
        }
    }
}

/// Reads a file that becomes part of the fleet. Nothing, and a problem at `path`, if it cannot.
pub fn read_text(file: &FilePath, path: &Path, problems: &mut Vec<Problem>) -> Option<String> {
    let shown = file.display();
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            problems.push(Problem::new(path, format!("{shown} cannot be read: {error}"), "Name a file that is there and readable"));
            return None;
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Some(text),
        _ => {
            let message = format!("{shown} is binary, and a fleet carries its files as UTF-8 text");
            let help = "Put it into S3 and let a script fetch it, or build it into an image (--ami)";
            problems.push(Problem::new(path, message, help));
            None
        }
    }
}

/// The name under which a local file goes along: a relative path below this directory keeps its path, any other gives its
/// file name.
#[must_use]
pub fn name_of(file: &FilePath) -> Option<String> {
    let below: Option<PathBuf> = file
        .components()
        .filter(|component| !matches!(component, Component::CurDir))
        .map(|component| match component {
            Component::Normal(part) => Some(part),
            _ => None,
        })
        .collect();
    let name = below.as_deref().map_or_else(|| file.file_name().map(FilePath::new), Some)?;
    name.to_str().filter(|name| !name.is_empty()).map(str::to_owned)
}
