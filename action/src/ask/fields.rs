//! Inputs as the fields of a fleet, over those of its file.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use spawn_core::written::{self, Fields};
use spawn_model::problem::{Path, Problem};
use spawn_model::value::Value;

use super::script;
use crate::given::{self, Given};
use crate::inputs::{FIELDS, Form};

/// Writes what the inputs say over `fields`. What files are named is in `workspace`.
pub(crate) fn apply(given: &Given, workspace: &FilePath, fields: &mut Fields, problems: &mut Vec<Problem>) {
    for (name, path) in FIELDS {
        let Some(text) = given.text(name) else { continue };
        let value = value(Form::of(path), text, workspace, &Path::field(name), problems);
        set(fields, path, value);
    }
    if let Some(text) = given.text("files") {
        add(fields, "files", files(text, workspace, problems));
    }
}

/// Takes along what a script names, if it is a file of the workspace.
pub(crate) fn take_along(run: &str, workspace: &FilePath, fields: &mut Fields, problems: &mut Vec<Problem>) {
    for word in script::programs(run) {
        let (file, Some(name)) = (workspace.join(word), written::name_of(FilePath::new(word))) else { continue };
        let is_there = matches!(fields.get("files"), Some(Value::Map(files)) if files.contains_key(&name));
        if is_there || !file.is_file() {
            continue;
        }
        if let Some(text) = written::read_text(&file, &Path::field("run"), problems) {
            add(fields, "files", BTreeMap::from([(name, Value::String(text))]));
        }
    }
}

/// Writes a field such as `lease.ttl`. A map is added to.
fn set(fields: &mut Fields, path: &str, value: Value) {
    match (path.split_once('.'), value) {
        (Some((first, rest)), value) => {
            let within = fields.entry(first.to_owned()).or_default();
            if !matches!(within, Value::Map(_)) {
                *within = Value::Map(Fields::new());
            }
            if let Value::Map(within) = within {
                set(within, rest, value);
            }
        }
        (None, Value::Map(entries)) => add(fields, path, entries),
        (None, value) => {
            fields.insert(path.to_owned(), value);
        }
    }
}

/// Adds entries to a map, over those of the same key.
pub(crate) fn add(fields: &mut Fields, name: &str, entries: Fields) {
    let field = fields.entry(name.to_owned()).or_default();
    if field.is_null() {
        *field = Value::Map(Fields::new());
    }
    // What is no map is left for the rules to refuse.
    if let Value::Map(map) = field {
        map.extend(entries);
    }
}

/// A value as an input has it. A problem leaves `Unknown`, about which the rules say nothing more.
fn value(form: Form, text: &str, workspace: &FilePath, path: &Path, problems: &mut Vec<Problem>) -> Value {
    let strings = |parts: Vec<&str>| Value::List(parts.into_iter().map(Value::from).collect());
    match form {
        Form::Text => Value::from(text),
        Form::Word => Value::String(text.replace('-', "_")),
        Form::Flag => given::flag(text, path, problems).map_or(Value::Unknown, Value::Bool),
        Form::Count => number(text.parse().ok().map(Value::Int), text, "a whole number", path, problems),
        Form::Number => number(text.parse().ok().map(Value::Float), text, "a number", path, problems),
        Form::Parts => strings(given::parts(text).collect()),
        Form::Lines => {
            Value::List(given::lines(text).enumerate().map(|(at, line)| document(line, workspace, &path.index(at), problems)).collect())
        }
        Form::Pairs => pairs(text, path, problems),
    }
}

fn number(read: Option<Value>, text: &str, what: &str, path: &Path, problems: &mut Vec<Problem>) -> Value {
    read.unwrap_or_else(|| {
        problems.push(Problem::new(path, format!("{text:?} is not {what}"), format!("Write {what}")));
        Value::Unknown
    })
}

/// A line, or what is in the file that it names.
fn document(line: &str, workspace: &FilePath, path: &Path, problems: &mut Vec<Problem>) -> Value {
    let Some(file) = line.strip_prefix('@') else { return Value::from(line) };
    written::read_text(&workspace.join(file), path, problems).map_or(Value::Unknown, Value::String)
}

/// Lines of `KEY=value`; else YAML, for values of several lines.
fn pairs(text: &str, path: &Path, problems: &mut Vec<Problem>) -> Value {
    let pair = |line| {
        let (key, value) = str::split_once(line, '=')?;
        (!key.contains(char::is_whitespace)).then(|| (key.to_owned(), Value::from(value)))
    };
    if let Some(pairs) = given::lines(text).map(pair).collect::<Option<Fields>>() {
        return Value::Map(pairs);
    }
    match serde_yaml_ng::from_str::<serde_json::Value>(text) {
        Ok(yaml @ serde_json::Value::Object(_)) => Value::from(yaml),
        _ => {
            let message = "is neither lines of KEY=value nor YAML of `KEY: value`";
            problems.push(Problem::new(path, message, "Write a KEY=value line each"));
            Value::Unknown
        }
    }
}

/// The files that lines name: paths, paths with a name of their own, and patterns.
fn files(text: &str, workspace: &FilePath, problems: &mut Vec<Problem>) -> Fields {
    let mut files = Fields::new();
    for (at, line) in given::lines(text).enumerate() {
        let path = Path::field("files").index(at);
        match line.split_once('=') {
            Some((file, name)) => read(workspace.join(file), Some(name.to_owned()), &path, &mut files, problems),
            None if line.contains(['*', '?', '[']) => matching(line, workspace, &path, &mut files, problems),
            None => read(workspace.join(line), written::name_of(FilePath::new(line)), &path, &mut files, problems),
        }
    }
    files
}

fn read(file: impl AsRef<FilePath>, name: Option<String>, path: &Path, files: &mut Fields, problems: &mut Vec<Problem>) {
    let Some(name) = name else {
        let message = format!("{} is no file", file.as_ref().display());
        problems.push(Problem::new(path, message, "Write a path below the workspace, PATH=NAME, or a pattern"));
        return;
    };
    let text = written::read_text(file.as_ref(), path, problems);
    files.insert(name, text.map_or(Value::Unknown, Value::String));
}

/// Reads every file of the workspace that a pattern means.
fn matching(pattern: &str, workspace: &FilePath, path: &Path, files: &mut Fields, problems: &mut Vec<Problem>) {
    let whole = format!("{}/{pattern}", glob::Pattern::escape(&workspace.display().to_string()));
    let found = match glob::glob(&whole) {
        Ok(found) => found,
        Err(error) => {
            problems.push(Problem::new(path, format!("{pattern:?} is no pattern: {}", error.msg), "Write one like tests/**/*.py"));
            return;
        }
    };
    let before = files.len();
    for file in found.flatten().filter(|file| file.is_file()) {
        let name = file.strip_prefix(workspace).ok().and_then(written::name_of);
        read(&file, name, path, files, problems);
    }
    if files.len() == before {
        problems.push(Problem::new(
            path,
            format!("{pattern:?} means no file"),
            "Check out the repository before, or write another pattern",
        ));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(given: Given, before: serde_json::Value, workspace: &FilePath) -> (Value, Vec<String>) {
        let (Value::Map(mut fields), mut problems) = (Value::from(before), Vec::new()) else { panic!("no fields") };
        apply(&given, workspace, &mut fields, &mut problems);
        (Value::Map(fields), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn inputs_become_fields_of_their_kind() {
        let given = Given::from([
            ("size", "4"),
            ("instance-types", "c7i.large, c7a.large"),
            ("market", "spot"),
            ("fallback", "on-demand"),
            ("ttl", "20m"),
            ("budget", "2.00"),
            ("gang", "true"),
            ("idle-after", "10m"),
            ("env", "A=1\nB=x=y z\n"),
            ("policies", "s3:ReadOnly:arn:aws:s3:::a/*\narn:aws:iam::aws:policy/B"),
            ("tags", "team: maths\nnote: |\n  two\n  lines\n"),
        ]);
        let (fields, problems) =
            applied(given, json!({"env": {"B": "before", "C": "c"}, "lease": {"ttl": "1h", "retain": null}}), FilePath::new("/work"));
        let expected = json!({
            "size": 4, "instance_types": ["c7i.large", "c7a.large"], "market": {"type": "spot", "fallback": "on_demand"},
            "lease": {"ttl": "20m", "retain": null, "budget": 2.0, "idle": {"after": "10m"}}, "gang": true,
            "env": {"A": "1", "B": "x=y z", "C": "c"}, "policies": ["s3:ReadOnly:arn:aws:s3:::a/*", "arn:aws:iam::aws:policy/B"],
            "tags": {"team": "maths", "note": "two\nlines\n"},
        });
        assert_eq!((fields, problems), (Value::from(expected), vec![]));
    }

    #[test]
    fn what_is_no_value_is_said_at_its_input() {
        let given = Given::from([("size", "four"), ("budget", "$2"), ("gang", "yes"), ("env", "A"), ("max-price", "")]);
        let (_, problems) = applied(given, json!({}), FilePath::new("/work"));
        assert_eq!(
            problems,
            [
                "size: \"four\" is not a whole number. Write a whole number",
                "max-price: \"\" is not a number. Write a number",
                "budget: \"$2\" is not a number. Write a number",
                "env: is neither lines of KEY=value nor YAML of `KEY: value`. Write a KEY=value line each",
                "gang: \"yes\" is neither true nor false. Write true or false",
            ]
        );
    }

    #[test]
    fn files_of_the_workspace_go_along() {
        let place = tempfile::tempdir().unwrap();
        let workspace = place.path().join("work[1]");
        for file in ["run.sh", "tests/a.py", "tests/deep/b.py", "tests/c.txt"] {
            let file = workspace.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, file.file_name().unwrap().to_str().unwrap()).unwrap();
        }
        std::fs::write(workspace.join("binary"), b"\x7fELF\0").unwrap();
        let given = Given::from([("files", "tests/**/*.py\ntests/c.txt=data/in.txt\n")]);
        let (fields, problems) = applied(given, json!({"files": {"x": "y"}}), &workspace);
        let expected = json!({"x": "y", "tests/a.py": "a.py", "tests/deep/b.py": "b.py", "data/in.txt": "c.txt"});
        assert_eq!((fields.get("files"), problems), (&Value::from(expected), vec![]));

        let given = Given::from([("files", "nowhere\n*.rs\n[\n..\nbinary")]);
        let (_, problems) = applied(given, json!({}), &workspace);
        let told: Vec<&str> = problems.iter().map(|problem| problem.split([':', ' ']).next().unwrap()).collect();
        assert_eq!(told, ["files[0]", "files[1]", "files[2]", "files[3]", "files[4]"], "{problems:#?}");

        let (mut fields, mut problems) = (Fields::new(), Vec::new());
        take_along("./run.sh --in ./nowhere ./tests\n./run.sh", &workspace, &mut fields, &mut problems);
        assert_eq!((Value::Map(fields), problems), (Value::from(json!({"files": {"run.sh": "run.sh"}})), vec![]));
        let (mut fields, mut problems) = (Fields::new(), Vec::new());
        take_along("./binary", &workspace, &mut fields, &mut problems);
        assert!(fields.is_empty() && problems[0].message.contains("is binary"), "{problems:?}");
    }
}
