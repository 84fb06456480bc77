//! `spawn exec`.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::RangeInclusive;

use clap::Args;
use serde::Serialize;
use spawn_core::shell::{Answer, Heard, Stream, Told};
use spawn_model::duration::Seconds;
use spawn_model::problem::{Path, Problem};

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::{Failure, Output, of_rank, print};
use crate::session::{Session, operation};

/// Run a command on instances of a fleet
///
/// As root, through Systems Manager: no port is open, and IAM says who may (`spawn policy operator`). Whoever may do this may do on an
/// instance whatever its fleet's `policies` allow, and read and write the fleet's records. The fleet has to let people in:
/// see `connect`. No shell reads the command; write `sh -c '...'` for one.
///
/// On one instance: what the command writes is written here, and its exit code is this one's. On several: each line stands behind its
/// rank, and the exit code is 1 if the command failed anywhere.
///
/// What it writes comes through CloudWatch Logs, some seconds after it is written; the log group `/spawn/exec` keeps it for 30 days. Where that
/// group may not be read, or was not there when the fleet was launched, it is shown at the end: 24,000 characters of what the command
/// writes, and 8,000 of its errors, which is what Systems Manager keeps.
///
/// Whoever stops reading (`| head`) ends the command, on every rank.
///
/// As JSON, a line for each rank as it ends: `{"rank": 3, "instance_id": "i-...", "status": "Success", "exit_code": 0, "stdout": "...",
/// "stdout_cut": false, "stderr": "...", "stderr_cut": false}`.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// The fleet's name or id
    name: String,
    /// Only on this rank; repeat it, or use commas. Left out: on all that live
    #[arg(long, value_name = "RANK", value_delimiter = ',')]
    rank: Vec<u32>,
    /// How long it may run: from 5s to 2d
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    timeout: String,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// What Systems Manager lets a command run: it takes less for the default, which is an hour.
const TIMEOUT: RangeInclusive<Seconds> = Seconds(5)..=Seconds(172_800);
/// The exit code when a command failed on one of several instances, or has none of its own.
const FAILED: u8 = 1;

/// How it went on a rank, as programs read it.
#[derive(Serialize)]
struct Ended<'a> {
    rank: u32,
    instance_id: &'a str,
    status: &'a str,
    exit_code: Option<i32>,
    stdout: &'a str,
    stdout_cut: bool,
    stderr: &'a str,
    stderr_cut: bool,
}

impl Exec {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let timeout = self.timeout()?;
        let Session { engine } = Session::connect(global).await?;
        let operation = operation(output)?;
        let fleet = engine.inspect(&self.name).await?;
        let is_one = self.rank.len() == 1 || (self.rank.is_empty() && fleet.alive.len() == 1);
        let mut shown = Show { of_several: (!is_one).then_some(fleet.size), output, said: BTreeMap::new() };
        let (mut code, mut result) = (DONE, Ok(()));
        let told = |heard: Heard| {
            if let Heard::Ended(answer) = &heard {
                code = code.max(exit_code(answer, is_one));
            }
            if result.is_ok() {
                result = shown.hear(heard);
            }
            // Nobody reads it any more: the command ends as if somebody had had enough of it.
            if result.is_err() {
                operation.cancel.cancel();
            }
        };
        let ran = engine.exec(&fleet, &self.rank, &self.command, timeout, &operation, told).await;
        result?;
        ran?;
        Ok(code)
    }

    fn timeout(&self) -> Result<Seconds, Failure> {
        Seconds::parse(&self.timeout).filter(|timeout| TIMEOUT.contains(timeout)).ok_or_else(|| {
            let message = format!("{:?} is not a duration from {} to {}", self.timeout, TIMEOUT.start(), TIMEOUT.end());
            vec![Problem::new(&Path::field("--timeout"), message, "Write it like \"90s\", \"20m\" or \"1h\"")].into()
        })
    }
}

/// The exit code of a command, where it is the only one; else whether it failed.
fn exit_code(answer: &Answer, is_one: bool) -> u8 {
    match answer.exit_code {
        Some(0) => DONE,
        Some(code) if is_one => u8::try_from(code).unwrap_or(FAILED),
        _ => FAILED,
    }
}

/// Shows what is heard.
struct Show<'a> {
    /// How many ranks there are, if there are several.
    of_several: Option<u32>,
    output: &'a Output,
    /// What programs read, until the command has ended.
    said: BTreeMap<(u32, Stream), String>,
}

impl Show<'_> {
    fn hear(&mut self, heard: Heard) -> Result<(), Failure> {
        match heard {
            Heard::Wrote { rank, stream, text } if self.output.is_json() => {
                self.said.entry((rank, stream)).or_default().push_str(&text);
                Ok(())
            }
            Heard::Wrote { rank, stream, text } => self.show(rank, stream, text),
            Heard::Ended(answer) => self.end(&answer),
        }
    }

    fn show(&self, rank: u32, stream: Stream, text: String) -> Result<(), Failure> {
        let text = match self.of_several {
            Some(size) => lines(&text, rank, size),
            None => text,
        };
        match stream {
            Stream::Output => print(&text),
            // The command's own standard error is no message of ours: it is written as it is, quiet or not. Nobody may be reading it.
            Stream::Errors => {
                std::io::stderr().lock().write_all(text.as_bytes()).ok();
                Ok(())
            }
        }
    }

    fn end(&mut self, answer: &Answer) -> Result<(), Failure> {
        for (stream, told) in [("standard output", answer.stdout), ("standard error", answer.stderr)] {
            if told.is_cut {
                let Told { characters, .. } = told;
                self.output.warn(&format!(
                    "rank {}: {stream} was cut after {characters} characters; write to a file, or show only the end of it",
                    answer.rank
                ));
            }
        }
        if self.output.is_json() {
            let [stdout, stderr] = Stream::ALL.map(|stream| self.said.remove(&(answer.rank, stream)).unwrap_or_default());
            let ended = Ended {
                rank: answer.rank,
                instance_id: &answer.instance.0,
                status: &answer.status,
                exit_code: answer.exit_code,
                stdout: &stdout,
                stdout_cut: answer.stdout.is_cut,
                stderr: &stderr,
                stderr_cut: answer.stderr.is_cut,
            };
            return self.output.line(&ended, "");
        }
        if let Some(said) = said(answer, self.of_several.is_some()) {
            self.output.warn(&said);
        }
        Ok(())
    }
}

/// What its exit code alone does not say.
fn said(answer: &Answer, is_one_of_several: bool) -> Option<String> {
    let Answer { rank, status, exit_code, .. } = answer;
    match exit_code {
        Some(0) => None,
        Some(code) if is_one_of_several => Some(format!("rank {rank}: exit code {code}")),
        Some(_) => None,
        None => Some(format!("rank {rank}: {status}")),
    }
}

/// Each line behind its rank.
fn lines(text: &str, rank: u32, size: u32) -> String {
    text.lines().map(|line| of_rank(rank, size, line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use spawn_model::ids::InstanceId;

    use super::*;

    #[test]
    fn the_exit_code_is_the_commands_own_or_says_that_one_failed() {
        let answer = |exit_code| Answer {
            rank: 3,
            instance: InstanceId("i-1".to_owned()),
            status: "Failed".to_owned(),
            exit_code,
            stdout: Told::default(),
            stderr: Told::default(),
        };
        for (code, alone, among) in [(Some(0), 0, 0), (Some(7), 7, 1), (Some(300), 1, 1), (None, 1, 1)] {
            assert_eq!((exit_code(&answer(code), true), exit_code(&answer(code), false)), (alone, among), "{code:?}");
        }
        assert_eq!(said(&answer(Some(7)), true).as_deref(), Some("rank 3: exit code 7"));
        assert_eq!((said(&answer(Some(7)), false), said(&answer(None), false).as_deref()), (None, Some("rank 3: Failed")));
        assert_eq!(lines("one\ntwo\n", 3, 11), " 3 | one\n 3 | two\n");
    }
}
