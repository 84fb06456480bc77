//! What a command writes on an instance: line by line while it runs, and the rest at its end.
//!
//! Systems Manager tells at the end how a command began: 24,000 characters of its output, 8,000 of its errors. Its agent sends all of it to
//! CloudWatch Logs, about once a second: whole lines, many in one event, whose last line break may be left out; a line that is longer than an
//! event comes in several. The very last word may be the agent's own.

use crate::ports::Kept;

/// The most bytes of an event (amazon-ssm-agent, `cloudwatchlogspublisher`). One that has fewer ends where a line does.
const EVENT_BYTES: usize = 200_000;

/// One of the two streams of a command.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

impl Stream {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Output, Self::Errors];

    /// What the last part of its name in CloudWatch Logs says it is.
    pub(super) fn of(part: &str) -> Option<Self> {
        match part {
            "stdout" => Some(Self::Output),
            "stderr" => Some(Self::Errors),
            _ => None,
        }
    }
}

/// What was told of a stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Told {
    /// How many characters.
    pub characters: usize,
    /// Whether there was more.
    pub is_cut: bool,
}

/// A stream of a command on one instance.
#[derive(Debug, Default)]
pub(super) struct Written {
    lines: usize,
    characters: usize,
    /// What was heard behind the last whole line.
    behind: String,
    /// Whether that may go on in the next event.
    goes_on: bool,
}

impl Written {
    /// Takes what an event says, and gives the whole lines that there are now.
    pub(super) fn hear(&mut self, event: &str) -> Option<String> {
        if !self.behind.is_empty() && !self.goes_on {
            self.behind.push('\n');
        }
        self.goes_on = event.len() >= EVENT_BYTES;
        self.behind.push_str(event);
        let behind = self.behind.split_off(self.behind.rfind('\n')? + 1);
        let lines = std::mem::replace(&mut self.behind, behind);
        self.lines += lines.matches('\n').count();
        self.characters += lines.chars().count();
        Some(lines)
    }

    /// What is still to be told when the command has ended and Systems Manager has kept this of it; `is_all`: more will not be heard.
    pub(super) fn close(mut self, kept: &Kept, exit_code: Option<i32>, is_all: bool) -> (String, Told) {
        // The agent sends no other line breaks.
        let kept_characters = kept.text.replace("\r\n", "\n").chars().count();
        let heard_more = self.characters + self.behind.chars().count() > kept_characters;
        let rest = if heard_more {
            let behind = own_words(&self.behind, exit_code);
            // Which of both had no line break, the command or the agent, nobody knows.
            behind.to_owned() + if behind.is_empty() || behind.ends_with('\n') { "" } else { "\n" }
        } else {
            let text = own_words(&kept.text, exit_code);
            text.split_inclusive('\n').skip(self.lines).collect()
        };
        self.characters += rest.chars().count();
        (rest, Told { characters: self.characters, is_cut: kept.is_cut && !(heard_more && is_all) })
    }
}

/// What a command itself wrote: of one that fails the agent says the exit code once more, behind its errors.
fn own_words(text: &str, exit_code: Option<i32>) -> &str {
    let Some(code) = exit_code.filter(|code| *code != 0) else { return text };
    text.trim_end().strip_suffix(&format!("failed to run commands: exit status {code}")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a stream of which these events are heard, and this is kept: while it runs, at its end, and whether that was all.
    fn told(events: &[&str], (text, is_cut): (&str, bool), exit_code: Option<i32>) -> (String, String, bool) {
        let mut written = Written::default();
        let lines: String = events.iter().filter_map(|event| written.hear(event)).collect();
        let (rest, told) = written.close(&Kept { text: text.to_owned(), is_cut }, exit_code, true);
        assert_eq!(told.characters, lines.chars().count() + rest.chars().count());
        (lines, rest, told.is_cut)
    }

    #[test]
    fn all_that_was_written_is_told_once() {
        const ENDED: &str = "failed to run commands: exit status 7";
        let both = |text: &str| format!("{text}{ENDED}");
        // What happens; what is heard; what is kept, and whether that is cut; the exit code; what is told at once, at the end, and whether cut.
        type Case<'a> = (&'a str, &'a [&'a str], (&'a str, bool), Option<i32>, (&'a str, &'a str, bool));
        let cases: [Case<'_>; 13] = [
            ("nothing", &[], ("", false), Some(0), ("", "", false)),
            ("nothing was heard", &[], ("a\nb\n", false), Some(0), ("", "a\nb\n", false)),
            ("nor delivered", &[], ("a\nb", true), Some(0), ("", "a\nb", true)),
            ("the last line break is left out", &["a\n", "b"], ("a\nb\n", false), Some(0), ("a\n", "b\n", false)),
            ("there was none", &["a\n", "b"], ("a\nb", false), Some(0), ("a\n", "b", false)),
            ("it is left out in between", &["a", "b", "c\n"], ("a\nb\nc\n", false), Some(0), ("a\nb\nc\n", "", false)),
            ("empty lines", &["\n\na\n", "\nb"], ("\n\na\n\nb\n", false), Some(0), ("\n\na\n\n", "b\n", false)),
            ("line breaks of another kind", &["a\n", "b"], ("a\r\nb\r\n", false), Some(0), ("a\n", "b\r\n", false)),
            ("more than is kept", &["a\nb\n", "c"], ("a\n", true), Some(0), ("a\nb\n", "c\n", false)),
            ("more, with line breaks of another kind", &["a\nb\n", "c"], ("a\r\nb\r", true), Some(0), ("a\nb\n", "c\n", false)),
            ("of what was ended nothing is kept", &["a\nb"], ("", false), None, ("a\n", "b\n", false)),
            ("the agent has the last word", &["err\n", ENDED], (&both("err\n"), false), Some(7), ("err\n", "", false)),
            ("in what is not kept, too", &["a\nb\n", &both("c")], ("a\n", true), Some(7), ("a\nb\n", "c\n", false)),
        ];
        for (case, events, kept, exit_code, (lines, rest, is_cut)) in cases {
            assert_eq!(told(events, kept, exit_code), (lines.to_owned(), rest.to_owned(), is_cut), "{case}");
        }
    }

    #[test]
    fn a_line_that_is_longer_than_an_event_stays_one() {
        let mut written = Written::default();
        assert_eq!(written.hear(&"x".repeat(EVENT_BYTES)), None);
        assert_eq!(written.hear("y\nz").map(|line| line.len()), Some(EVENT_BYTES + 2));
        assert_eq!(written.hear("\n").as_deref(), Some("z\n\n"));
    }

    #[test]
    fn what_may_not_be_all_is_said_to_be_cut() {
        let kept = Kept { text: "a\n".to_owned(), is_cut: true };
        for is_all in [true, false] {
            let mut written = Written::default();
            written.hear("a\nb\nc\n");
            assert_eq!(written.close(&kept, Some(0), is_all).1, Told { characters: 6, is_cut: !is_all });
        }
    }

    #[test]
    fn only_what_the_agent_adds_is_taken_away() {
        for (stderr, code, expected) in [
            ("err\nfailed to run commands: exit status 7", Some(7), "err\n"),
            ("failed to run commands: exit status 7\n", Some(7), ""),
            ("failed to run commands: exit status 7", Some(0), "failed to run commands: exit status 7"),
            ("failed to run commands: exit status 7", Some(8), "failed to run commands: exit status 7"),
            ("err\n", Some(7), "err\n"),
            ("err\n", None, "err\n"),
        ] {
            assert_eq!(own_words(stderr, code), expected);
        }
    }
}
