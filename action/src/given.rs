//! The inputs as a workflow gives them.

use std::collections::BTreeMap;

use spawn_model::problem::{Path, Problem};

use crate::inputs;
use crate::runner::Environment;

/// Every input that was written, by its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given(BTreeMap<&'static str, String>);

impl Given {
    /// Those of the environment.
    pub(crate) fn of(environment: &Environment) -> Self {
        let written = |input: inputs::Input| {
            let text = environment.get(&format!("INPUT_{}", input.name.to_uppercase()))?;
            Some((input.name, text.to_owned()))
        };
        Self(inputs::all().into_iter().filter_map(written).collect())
    }

    /// What was written; nothing if nothing was.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        debug_assert!(inputs::is_one(name), "{name} is no input");
        self.0.get(name).map(String::as_str)
    }

    /// Whether it was written to be true.
    pub(crate) fn flag(&self, name: &str, problems: &mut Vec<Problem>) -> bool {
        self.text(name).is_some_and(|text| flag(text, &Path::field(name), problems).unwrap_or_default())
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&'static str, &str); N]> for Given {
    fn from(pairs: [(&'static str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, text)| (name, text.to_owned())).collect())
    }
}

/// A truth value, as YAML writes it.
pub(crate) fn flag(text: &str, path: &Path, problems: &mut Vec<Problem>) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => {
            problems.push(Problem::new(path, format!("{text:?} is neither true nor false"), "Write true or false"));
            None
        }
    }
}

/// The lines of a text that say something.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// What commas and lines separate.
pub(crate) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_come_as_variables() {
        let environment = Environment::from([
            ("INPUT_INSTANCE-TYPES", " c7i.large,\n c7a.large,, "),
            ("INPUT_MODE", "run"),
            ("INPUT_NAME", "  "),
            ("INPUT_NOTHING", "x"),
            ("INPUT_DRY-RUN", "maybe"),
            ("INPUT_KEEP-ON-FAILURE", "True"),
        ]);
        let given = Given::of(&environment);
        assert_eq!((given.text("mode"), given.text("name")), (Some("run"), None));
        assert_eq!(parts(given.text("instance-types").unwrap()).collect::<Vec<_>>(), ["c7i.large", "c7a.large"]);
        let mut problems = Vec::new();
        assert!(given.flag("keep-on-failure", &mut problems) && problems.is_empty());
        assert!(!given.flag("dry-run", &mut problems) && !given.flag("allow-untrusted-events", &mut problems));
        assert_eq!(problems[0].to_string(), "dry-run: \"maybe\" is neither true nor false. Write true or false");
        assert_eq!(lines("\n a \n\n b,c\n").collect::<Vec<_>>(), ["a", "b,c"]);
    }
}
