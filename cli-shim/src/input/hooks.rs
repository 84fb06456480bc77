//! The flags for what runs before a machine ends.

use clap::Args;
use spawn_model::problem::{Path, Problem};
use spawn_model::value::Value;

use super::declared::{doc, first_sentence};
use super::flags::add;
use super::{Fields, program};

/// The hooks, from flags.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct HookArgs {
    #[arg(long, help = first_sentence("pre_stop") + "; repeat it for its arguments", long_help = doc("pre_stop") + " Repeat it for its arguments.", value_name = "WORD", allow_hyphen_values = true)]
    pre_stop: Vec<String>,
    #[arg(long, help = first_sentence("pre_stop.timeout"), value_name = "DURATION")]
    pre_stop_timeout: Option<String>,
    #[arg(long, help = first_sentence("checkpoint") + "; repeat it for its arguments", long_help = doc("checkpoint") + " Repeat it for its arguments.", value_name = "WORD", allow_hyphen_values = true)]
    checkpoint: Vec<String>,
    #[arg(long, help = first_sentence("checkpoint.timeout"), value_name = "DURATION")]
    checkpoint_timeout: Option<String>,
    #[arg(long, help = first_sentence("peer_notice") + "; repeat it for its arguments", long_help = doc("peer_notice") + " Repeat it for its arguments.", value_name = "WORD", allow_hyphen_values = true)]
    peer_notice: Vec<String>,
    #[arg(long, help = first_sentence("peer_notice.timeout"), value_name = "DURATION")]
    peer_notice_timeout: Option<String>,
}

impl HookArgs {
    /// Writes what the flags say over `fields`.
    pub(super) fn apply(&self, fields: &mut Fields, problems: &mut Vec<Problem>) {
        for (name, command, timeout) in [
            ("pre_stop", &self.pre_stop, &self.pre_stop_timeout),
            ("checkpoint", &self.checkpoint, &self.checkpoint_timeout),
            ("peer_notice", &self.peer_notice, &self.peer_notice_timeout),
        ] {
            let text = |text: &String| Value::String(text.clone());
            let words = (!command.is_empty()).then(|| Value::List(command.iter().map(text).collect()));
            let written = [("command", words), ("timeout", timeout.as_ref().map(text))];
            add(fields, name, written.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect());
            if let Some(program) = command.first() {
                program::take_along(program, &Path::field(name).key("command").index(0), fields, problems);
            }
        }
    }
}
