//! `spawn sandbox env`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::{DONE, Outcome, Place};
use crate::output::Output;

/// Print what points spawn, terraform, the aws command and SDKs at the sandbox
///
/// For a shell: eval "$(spawn sandbox env)". As JSON, an object from name to value.
#[derive(Debug, Args)]
pub(super) struct Env {}

/// What a shell may carry from another AWS, and would be mixed with the sandbox's keys.
const UNSET: &str = "unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_SECURITY_TOKEN\n";

/// The names of agents that the account set-up looks for.
const AGENTS: [&str; 3] = ["spored", "spored-x86_64", "spored-aarch64"];

impl Env {
    pub(super) async fn run(self, place: &Place, output: &Output) -> Outcome {
        let client = place.client().await?;
        let mut variables: BTreeMap<String, String> = client.credentials().environment().into_iter().collect();
        variables.insert("SPAWN_SANDBOX_DIR".to_owned(), place.dir.display().to_string());
        if let Some(directory) = artifacts() {
            variables.insert("SPAWN_ARTIFACTS".to_owned(), directory.display().to_string());
        }
        output.result(&variables, text)?;
        Ok(DONE)
    }
}

fn text(variables: &BTreeMap<String, String>) -> String {
    let exports = variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value)));
    std::iter::once(UNSET.to_owned()).chain(exports).collect()
}

/// Where this program's agents are, so that other programs use the same: nothing if that is said already, or none is there.
fn artifacts() -> Option<PathBuf> {
    if std::env::var_os("SPAWN_ARTIFACTS").is_some() {
        return None;
    }
    let directory = std::env::current_exe().ok()?.parent()?.to_owned();
    AGENTS.iter().any(|agent| directory.join(agent).is_file()).then_some(directory)
}

/// A value as every POSIX shell reads it back: nothing is special between single quotes but the quote itself.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let values = ["http://127.0.0.1:4566", "it's", "a b", "$(false)", "`x`", "", "back\\slash", "new\nline", "\"q\""];
        let variables: BTreeMap<String, String> = values.iter().enumerate().map(|(i, v)| (format!("V{i}"), (*v).to_owned())).collect();
        let names: Vec<String> = (0..values.len()).map(|i| format!("\"$V{i}\"")).collect();
        let script = format!("{}printf '%s\\0' {}", text(&variables), names.join(" "));
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().expect("a shell");
        let read: Vec<String> = output.stdout.split(|b| *b == 0).map(|v| String::from_utf8_lossy(v).into_owned()).collect();
        assert_eq!(read[..values.len()], values);
    }
}
