//! The files in which a step answers its runner.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};
use uuid::Uuid;

use super::Environment;

/// Where outputs, state, summary and further directories of programs go. Whoever gives no such file is not answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    output: Option<PathBuf>,
    state: Option<PathBuf>,
    summary: Option<PathBuf>,
    path: Option<PathBuf>,
}

impl Files {
    /// Those that the environment names.
    pub(crate) fn of(environment: &Environment) -> Self {
        let file = |name: &str| environment.get(name).map(PathBuf::from);
        Self { output: file("GITHUB_OUTPUT"), state: file("GITHUB_STATE"), summary: file("GITHUB_STEP_SUMMARY"), path: file("GITHUB_PATH") }
    }

    /// Hands something to the steps that follow.
    pub(crate) fn output(&self, name: &str, value: &str) -> Result<()> {
        append(self.output.as_deref(), &entry(name, value))
    }

    /// Hands something to this step's own post, under a name without `-`: it becomes a variable's.
    pub(crate) fn state(&self, name: &str, value: &str) -> Result<()> {
        append(self.state.as_deref(), &entry(name, value))
    }

    /// Shows something on the page of the run.
    pub(crate) fn summary(&self, markdown: &str) -> Result<()> {
        append(self.summary.as_deref(), markdown)
    }

    /// Lets the steps that follow find the programs in a directory.
    pub(crate) fn path(&self, directory: &Path) -> Result<()> {
        append(self.path.as_deref(), &format!("{}\n", directory.display()))
    }
}

/// A value of any lines, which end at a word that nobody can know before.
fn entry(name: &str, value: &str) -> String {
    let word = Uuid::new_v4().simple();
    format!("{name}<<{word}\n{value}\n{word}\n")
}

fn append(file: Option<&Path>, text: &str) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let written = OpenOptions::new().create(true).append(true).open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let message = format!("{}, in which the runner expects an answer, cannot be written: {error}", file.display());
        Error::new(Class::Invalid, "NotWritten", message, "Give the runner's user the right to, and room on the disk")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_lines_end_at_a_random_word() {
        let values = ["", "one", "two\nlines", "a<<b\nc\nb", "x=y\n"];
        let mut words = Vec::new();
        for value in values {
            let text = entry("members", value);
            let (word, rest) = text.strip_prefix("members<<").unwrap().split_once('\n').unwrap();
            assert_eq!(rest, format!("{value}\n{word}\n"));
            assert!(word.len() == 32 && !value.contains(word));
            words.push(word.to_owned());
        }
        words.sort();
        words.dedup();
        assert_eq!(words.len(), values.len());
    }

    #[test]
    fn what_is_answered_is_added_to_the_files_that_there_are() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("path");
        let files = Files { path: Some(file.clone()), ..Files::default() };
        for place in ["/opt/one", "/opt/two"] {
            files.path(Path::new(place)).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "/opt/one\n/opt/two\n");
        assert_eq!(files.output("a", "b"), Ok(()));
        let nowhere = Files { state: Some(directory.path().join("none/state")), ..Files::default() };
        assert_eq!(nowhere.state("a", "b").unwrap_err().code, "NotWritten");
    }
}
