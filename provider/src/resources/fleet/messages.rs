//! The engine's errors and problems as Terraform shows them.

use spawn_core::ledger::is_unreadable;
use spawn_model::error::{Error, Leftover};
use spawn_model::problem::{self, Problem};

use crate::wire::{Diagnostic, Path, Severity, Step};

/// A broken rule, at the attribute that breaks it.
pub(crate) fn problem(problem: &Problem) -> Diagnostic {
    // "is empty": what is, is told beside it elsewhere, and a headline has to say it.
    let told_of_it = ["is ", "names ", "contains "].iter().any(|verb| problem.message.starts_with(verb));
    let message = if told_of_it { format!("`{}` {}", problem.path, problem.message) } else { problem.message.clone() };
    Diagnostic::error(sentence(&message), format!("{}.", problem.help)).at(path(&problem.path))
}

/// A failure, with what to do and what is left.
pub(crate) fn error(error: &Error) -> Diagnostic {
    let mut detail = Vec::new();
    if !error.help.is_empty() {
        detail.push(format!("{}.", error.help));
    }
    match &error.left {
        Leftover::Clear => {}
        Leftover::Remaining(ids) => {
            let ids: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
            detail.push(format!("These instances are left, and their lease ends them: {}.", ids.join(", ")));
        }
        Leftover::Unknown => detail.push("What is left, if anything, ends with its lease.".to_owned()),
    }
    detail.push(format!("({})", error.code));
    Diagnostic::error(sentence(&error.message), detail.join(" ")).at(path(&error.path))
}

/// A failure to look at a fleet. That a record is damaged is a warning: Terraform looks before it destroys, and an error would keep
/// it from ending the machines.
pub(in crate::resources) fn not_refreshed(error: &Error) -> Diagnostic {
    let told = self::error(error);
    if !is_unreadable(error) {
        return told;
    }
    let detail = format!("{} The state stays as it was; `terraform destroy` ends the fleet all the same.", told.detail);
    Diagnostic { severity: Severity::Warning, detail, ..told }
}

/// Terraform prints a summary as a headline: it begins with a capital letter, unless its first word is a name such as `c7i.large`.
pub(in crate::resources) fn sentence(message: &str) -> String {
    let first = message.split(' ').next().unwrap_or_default();
    if !first.chars().all(|c| c.is_alphabetic() || c == '\'') {
        return message.to_owned();
    }
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The engine knows keys and indices; Terraform wants to know attributes from map keys. Only these are maps.
/// An attribute within an attribute is left out: Terraform shows the line of `lease`, and could not find one of `lease.ttl`.
fn path(path: &problem::Path) -> Path {
    let mut found = Path::root();
    let mut in_map = false;
    for step in &path.0 {
        match step {
            problem::Step::Key(key) if in_map => {
                found = found.with(Step::Key(key.clone()));
                in_map = false;
            }
            problem::Step::Key(_) if !found.is_root() => break,
            problem::Step::Key(key) => {
                in_map = matches!(key.as_str(), "files" | "env" | "tags" | "triggers" | "volumes");
                found = found.then(key);
            }
            problem::Step::Index(index) => found = found.with(Step::Index(*index)),
        }
    }
    found
}
