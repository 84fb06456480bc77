//! The program of a command goes along by itself if it is a script beside the user.

use std::collections::BTreeMap;
use std::path::{Component, Path as FilePath};

use spawn_model::problem::{Path, Problem};
use spawn_model::value::Value;

use super::{Fields, read_text};

/// Adds the program to `files` if it was written as a relative path, such as `./render`, and is not among them already. `path` is the field that names it. The
/// directory it starts in holds nothing but those files, so a program that is nowhere is a problem now and not on the machine.
pub(super) fn take_along(program: &str, path: &Path, fields: &mut Fields, problems: &mut Vec<Problem>) {
    let file = FilePath::new(program);
    if file.is_absolute() || !program.contains('/') {
        return;
    }
    let below = file.components().all(|component| matches!(component, Component::CurDir | Component::Normal(_)));
    if !below {
        let help = format!("Go there first, or write --file {program}=NAME and ./NAME");
        problems.push(Problem::new(
            path,
            format!("{program} is not below this directory, so it cannot be below the one it starts in"),
            help,
        ));
        return;
    }
    let Some(name) = super::name_of(file) else { return };
    let files = fields.entry("files".to_owned()).or_default();
    if files.is_null() {
        *files = Value::Map(BTreeMap::new());
    }
    let Value::Map(files) = files else { return };
    if files.contains_key(&name) {
        return;
    }
    if !file.is_file() {
        let message = format!("{program} is not here, and no --file brings it");
        problems.push(Problem::new(path, message, "Write the path of a script, or the name of a program that the image has"));
        return;
    }
    if let Some(text) = read_text(file, path, problems) {
        files.insert(name, Value::String(text));
    }
}
