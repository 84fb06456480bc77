//! A fleet from YAML.

use std::path::Path as FilePath;

use serde_yaml_ng::Value as Yaml;
use spawn_model::error::{Class, Error};
use spawn_model::problem::{Path, Problem};
use spawn_model::value::Value;

use super::{Fields, read_text};
use crate::output::Failure;

/// The largest file that is read: what a fleet can carry, four times over for quotes and comments.
const BYTES_MAX: u64 = 4 * (spawn_model::rules::FILES_BYTES_MAX as u64);

/// The fields in a file. What is wrong with a single field is a problem; a file that is no YAML is a failure.
pub(super) fn read(file: &FilePath, problems: &mut Vec<Problem>) -> Result<Fields, Failure> {
    fields(file, &text(file)?, problems)
}

/// The text of a file.
pub(super) fn text(file: &FilePath) -> Result<String, Failure> {
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

/// The fields in the text of a file.
pub(super) fn fields(file: &FilePath, text: &str, problems: &mut Vec<Problem>) -> Result<Fields, Failure> {
    let shown = file.display();
    let yaml: Yaml = serde_yaml_ng::from_str(text)
        .map_err(|error| fail("NotYaml", format!("{shown} is not YAML: {error}"), "Write one document of `field: value` lines"))?;
    let beside = file.parent().unwrap_or(FilePath::new("."));
    match value(yaml, beside, &Path::default(), problems) {
        Value::Map(fields) => Ok(fields),
        _ => Err(fail("NoFields", format!("{shown} holds no fields"), "Write `field: value` lines, such as `size: 8`")),
    }
}

fn fail(code: &str, message: String, help: &str) -> Failure {
    Error::new(Class::Invalid, code, message, help).into()
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
