//! Every error code of spawn's own: what it means, what it leaves behind, and the way out. The pages in `docs/errors` are made of this.
//!
//! AWS's codes keep their own names; `spawn_core::classes` says what class each has.

mod a_to_m;
mod n_to_z;

use crate::error::Class;

/// A stable code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// As it is shown, in brackets after a message and as `code` in JSON.
    pub name: &'static str,
    /// The classes it can have: they decide about retry and exit code.
    pub classes: &'static [Class],
    /// What has happened.
    pub meaning: &'static str,
    /// What is left in the account.
    pub left: Left,
    /// What to do.
    pub way_out: &'static str,
}

/// What an operation that failed with a code has left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Left {
    /// It failed before anything was made.
    Nothing,
    /// What was made was undone; the message says so if that failed too.
    Undone,
    /// What was there before is as it was.
    Unchanged,
    /// The message names what is left; its lease ends it.
    Named,
}

impl Left {
    /// In a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Nothing => "Nothing: it is found before anything is made.",
            Self::Undone => {
                "Nothing: what had been made is undone before the error is shown. If undoing fails too, the message names what is left, and its lease ends it."
            }
            Self::Unchanged => "What was there before, unchanged.",
            Self::Named => "What the message names. It has a lease, which ends it.",
        }
    }
}

const fn code(name: &'static str, classes: &'static [Class], left: Left, meaning: &'static str, way_out: &'static str) -> Code {
    Code { name, classes, meaning, left, way_out }
}

const BUG: &str = "This is a fault in spawn. Report it with the output of the same command under `TF_LOG=debug` or `SPAWN_LOG=debug`; what it was about to do can be tried again.";

/// All of them, by name.
pub fn all() -> impl Iterator<Item = &'static Code> {
    a_to_m::CODES.iter().chain(n_to_z::CODES)
}

/// The code of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Code> {
    all().find(|code| code.name == name)
}

impl Code {
    /// Its page, in Markdown.
    #[must_use]
    pub fn page(&self) -> String {
        let classes: Vec<String> =
            self.classes.iter().map(|class| format!("| `{class:?}` | {} | {} |", class.exit_code(), class.retry())).collect();
        format!(
            "# {}\n\n{}\n\n**What to do.** {}\n\n**What is left.** {}\n\n| class | exit code of `spawn` | asked again by itself |\n|---|---|---|\n{}\n",
            self.name,
            self.meaning,
            self.way_out,
            self.left.sentence(),
            classes.join("\n")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_each_is_there_once() {
        let codes: Vec<&Code> = all().collect();
        for pair in codes.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
        }
    }

    #[test]
    fn a_page_reads_well() {
        insta::assert_snapshot!(find("NoCapacity").map(Code::page).unwrap_or_default());
    }
}
