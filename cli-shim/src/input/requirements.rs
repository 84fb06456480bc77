//! The flags that say what an instance type must have.

use clap::Args;
use spawn_model::value::Value;

use super::Fields;
use super::declared::{doc, first_sentence};
use super::flags::add;

/// Instance types by what they have.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct RequirementsArgs {
    #[arg(long, help = first_sentence("requirements.vcpu"), long_help = "Instead of --type. ".to_owned() + &doc("requirements.vcpu"), value_name = "RANGE")]
    vcpu: Option<String>,
    #[arg(long, help = first_sentence("requirements.memory_gib"), long_help = "Instead of --type. ".to_owned() + &doc("requirements.memory_gib"), value_name = "RANGE")]
    memory_gib: Option<String>,
    #[arg(long, help = first_sentence("requirements.gpu"), long_help = "Instead of --type. ".to_owned() + &doc("requirements.gpu"), value_name = "RANGE")]
    gpu: Option<String>,
    #[arg(long = "arch", help = first_sentence("requirements.architecture"), value_name = "ARCHITECTURE")]
    architecture: Option<String>,
    #[arg(long, help = first_sentence("requirements.exclude"), long_help = doc("requirements.exclude"), value_name = "PATTERN", value_delimiter = ',')]
    exclude: Vec<String>,
}

impl RequirementsArgs {
    /// Writes what the flags say over `fields`.
    pub(super) fn apply(&self, fields: &mut Fields) {
        let text = |text: &String| Value::String(text.clone());
        let written = [
            ("vcpu", self.vcpu.as_ref().map(text)),
            ("memory_gib", self.memory_gib.as_ref().map(text)),
            ("gpu", self.gpu.as_ref().map(text)),
            ("architecture", self.architecture.as_ref().map(text)),
            ("exclude", (!self.exclude.is_empty()).then(|| Value::List(self.exclude.iter().map(text).collect()))),
        ];
        add(fields, "requirements", written.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect());
    }
}
