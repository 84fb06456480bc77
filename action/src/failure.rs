//! Why a step failed, and where in which file its author has to look.

use spawn_core::written;
use spawn_model::error::{Class, Error};
use spawn_model::problem::{Path, Problem, Step};

use crate::ask::{line_of, only_line_of};
use crate::console::{Console, Level, Mark};
use crate::given::Given;
use crate::inputs;
use crate::runner::Job;

/// One error or several, such as every problem of a spec.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) errors: Vec<Error>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { errors: vec![error] }
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self { errors: problems.into_iter().map(Error::from).collect() }
    }
}

impl Failure {
    /// The exit code of the step: never that of success.
    pub(crate) fn exit_code(&self) -> u8 {
        self.errors.first().map_or(1, |error| error.class.exit_code())
    }

    /// Shows each error, where it is to blame on something in a file there.
    pub(crate) fn tell(&self, console: &Console, sources: &Sources) {
        for error in &self.errors {
            let (mark, message) = told(error, sources);
            console.annotate(Level::Error, &mark, &message);
        }
    }
}

/// The text of an error, and what it is about.
fn told(error: &Error, sources: &Sources) -> (Mark, String) {
    let place = sources.place(error);
    let shown = Error { path: place.shown, ..error.clone() };
    let title = format!("spawn: {}", error.code);
    (Mark { title, file: place.file, line: place.line }, shown.to_string())
}

/// What an author has written, and where.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    given: Given,
    workflow: Option<Source>,
    fleet: Option<Source>,
}

/// A file of the workspace, if it is there.
#[derive(Debug)]
struct Source {
    name: String,
    text: String,
}

/// Where something is wrong.
#[derive(Debug, Default)]
struct Place {
    /// By its input, if it was written there.
    shown: Path,
    file: Option<String>,
    line: Option<usize>,
}

impl Sources {
    /// The inputs of a job, its workflow, and the file of a fleet that it names.
    pub(crate) fn of(given: &Given, job: &Job) -> Self {
        let source = |name: &str| Some(Source { name: name.to_owned(), text: written::text(&job.workspace.join(name)).ok()? });
        Self { given: given.clone(), workflow: job.workflow.as_deref().and_then(source), fleet: given.text("fleet").and_then(source) }
    }

    fn place(&self, error: &Error) -> Place {
        if let Some(fleet) = self.fleet.as_ref().filter(|_| error.code == "NotYaml") {
            return Place { line: line_of_fault(&fleet.text), file: Some(fleet.name.clone()), ..Place::default() };
        }
        if error.path.0.is_empty() {
            return Place::default();
        }
        if let Some((input, shown)) = self.input(&error.path) {
            let workflow = self.workflow.as_ref();
            let line = workflow.and_then(|workflow| only_line_of(&workflow.text, input));
            let file = workflow.filter(|_| line.is_some()).map(|workflow| workflow.name.clone());
            return Place { shown, file, line };
        }
        match self.fleet.as_ref().filter(|_| error.class == Class::Invalid) {
            Some(fleet) => {
                Place { line: Some(line_of(&fleet.text, &error.path)), file: Some(fleet.name.clone()), shown: error.path.clone() }
            }
            None => Place { shown: error.path.clone(), ..Place::default() },
        }
    }

    /// The input that has written what is at a path, or should have, and the path by that name.
    fn input(&self, path: &Path) -> Option<(&'static str, Path)> {
        let named = |name: &str| inputs::all().into_iter().map(|input| input.name).find(|input| *input == name);
        let keys: Vec<&str> = path.0.iter().map_while(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None }).collect();
        for count in (1..=keys.len()).rev() {
            let field = keys[..count].join(".");
            let Some(input) = inputs::of_field(&field).or_else(|| named(&field)) else { continue };
            if self.given.text(input).is_some() || self.fleet.is_none() {
                let rest = path.0[count..].iter().cloned();
                return Some((input, Path(std::iter::once(Step::Key(input.to_owned())).chain(rest).collect())));
            }
        }
        None
    }
}

/// The line on which a text stops being YAML.
fn line_of_fault(text: &str) -> Option<usize> {
    let error = serde_yaml_ng::from_str::<serde_yaml_ng::Value>(text).err()?;
    error.location().map(|location| location.line())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::Said;
    use crate::runner::tests::job;

    const WORKFLOW: &str = "jobs:\n  one:\n    steps:\n      - uses: spawn\n        with:\n          ttl: 5 parsecs\n          size: 1\n      - with:\n          size: 2\n";

    /// What is told of errors, by a step with these inputs.
    fn told(given: Given, fleet: &str, errors: Vec<Error>) -> String {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join(".github/workflows")).unwrap();
        std::fs::write(place.path().join(".github/workflows/ci.yml"), WORKFLOW).unwrap();
        std::fs::write(place.path().join("fleet.yaml"), fleet).unwrap();
        let said = Said::default();
        let sources = Sources::of(&given, &job(&place.path().display().to_string()));
        Failure { errors }.tell(&said.console(), &sources);
        said.text()
    }

    #[test]
    fn errors_are_shown_where_they_were_written() {
        let at = |path: Path| Error::from(Problem::new(&path, "is wrong", "Write another"));
        let (ttl, size) = (|| Path::field("lease").key("ttl"), || Path::field("size"));
        let inputs = Given::from([("ttl", "5 parsecs"), ("size", "1"), ("env", "SPAWN_A=1")]);
        let here = told(
            inputs,
            "",
            vec![
                at(ttl()),
                at(size()),
                at(Path::field("env").key("SPAWN_A")),
                at(Path::field("instance_types").index(1)),
                at(Path::default()),
            ],
        );
        let both = Given::from([("ttl", "5 parsecs"), ("fleet", "fleet.yaml")]);
        let fleet = "name: a\nsize: 0\nlease:\n  ttl: 1s\n";
        let there = told(both, fleet, vec![at(ttl()), at(size()), at(Path::field("market").key("type"))]);
        let torn = Error::new(Class::Invalid, "NotYaml", "fleet.yaml is not YAML", "Write YAML");
        let unread = told(Given::from([("fleet", "fleet.yaml")]), "name: a\nsize: [1\nx: y\n", vec![torn]);
        let denied = Error::new(Class::Denied, "UnauthorizedOperation", "it is missing", "Allow it");
        let elsewhere = told(Given::from([("fleet", "fleet.yaml")]), fleet, vec![denied]);
        insta::assert_snapshot!("told", [here, there, unread, elsewhere].join("---\n"));
    }

    #[test]
    fn a_step_that_fails_never_ends_well() {
        for class in [Class::Invalid, Class::Denied, Class::Cancelled, Class::Bug] {
            assert_ne!(Failure::from(Error::new(class, "Code", "", "")).exit_code(), 0);
        }
        assert_ne!(Failure { errors: Vec::new() }.exit_code(), 0);
    }
}
