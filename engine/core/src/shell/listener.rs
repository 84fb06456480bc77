//! Hearing what commands write while they run.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use spawn_model::error::{Class, Error};
use spawn_model::ids::InstanceId;

use super::written::{Stream, Written};
use super::{Answer, Heard};
use crate::log::Reader;
use crate::ports::{Aws, CommandResult, Result};

/// So far may the clock of an instance, which its events bear, be behind ours.
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);
/// What has been quiet for so many reads says no more. CloudWatch Logs promises no time; seconds are usual.
const QUIET_READS: u32 = 5;
/// So long it is waited for that at most: the log may not be readable at all.
const LAST_WORDS: SignedDuration = SignedDuration::from_mins(2);

/// Hears the streams of commands, where they are sent to CloudWatch Logs.
pub(super) struct Listener<'a> {
    aws: &'a Aws,
    /// Nothing: nobody sends them, or they may not be read.
    group: Option<&'a str>,
    /// Of instances of which not all was told yet.
    ranks: BTreeMap<InstanceId, u32>,
    commands: BTreeMap<InstanceId, String>,
    from: Timestamp,
    readers: BTreeMap<String, Reader>,
    streams: BTreeMap<(InstanceId, Stream), Written>,
    /// Of instances on which it has ended: how often nothing was heard since.
    quiet_reads: BTreeMap<InstanceId, u32>,
}

/// A command that has ended on an instance, and of which more may still be heard.
pub(super) struct Ending {
    pub(super) instance: InstanceId,
    pub(super) result: CommandResult,
    /// When that was seen.
    pub(super) seen_at: Timestamp,
}

impl<'a> Listener<'a> {
    /// Of commands that were sent then, what they write to this group. Each instance has a rank, and one of the commands.
    pub(super) fn new(
        aws: &'a Aws,
        group: Option<&'a str>,
        sent: Timestamp,
        ranks: BTreeMap<InstanceId, u32>,
        commands: BTreeMap<InstanceId, String>,
    ) -> Self {
        Self {
            aws,
            group,
            ranks,
            commands,
            from: sent - CLOCKS,
            readers: BTreeMap::new(),
            streams: BTreeMap::new(),
            quiet_reads: BTreeMap::new(),
        }
    }

    /// The instances of which not all was told yet, with their ranks.
    pub(super) fn ranks(&self) -> &BTreeMap<InstanceId, u32> {
        &self.ranks
    }

    /// The commands that were sent to these instances.
    pub(super) fn commands_of<'i>(&self, instances: impl Iterator<Item = &'i InstanceId>) -> Vec<String> {
        let commands: BTreeSet<&String> = instances.filter_map(|instance| self.commands.get(instance)).collect();
        commands.into_iter().cloned().collect()
    }

    /// The lines that came since the last time.
    ///
    /// # Errors
    /// If they may not be read, or there is no such group; from then on nothing is heard. What only fails this time is no error.
    pub(super) async fn listen(&mut self, command: &str) -> Result<Vec<Heard>> {
        let Some(group) = self.group else { return Ok(Vec::new()) };
        let reader = self.readers.entry(command.to_owned()).or_insert_with(|| Reader::new(self.from));
        let read = self.aws.logs.read(group, &format!("{command}/"), reader.from()).await;
        let events = match read {
            Ok(events) => reader.fresh(events),
            Err(error) if matches!(error.class, Class::Transient | Class::Throttled | Class::Ambiguous) => return Ok(Vec::new()),
            Err(error) => {
                self.group = None;
                return Err(error);
            }
        };
        let of_command = self.quiet_reads.iter_mut().filter(|(instance, _)| self.commands.get(instance).is_some_and(|of| of == command));
        of_command.for_each(|(_, reads)| *reads += 1);
        let mut heard = Vec::new();
        for event in events {
            let Some((instance, stream)) = named(&event.stream) else { continue };
            // Of one that has no rank any more all was kept, and was told before this came.
            let Some(&rank) = self.ranks.get(&instance) else { continue };
            if let Some(reads) = self.quiet_reads.get_mut(&instance) {
                *reads = 0;
            }
            let lines = self.streams.entry((instance, stream)).or_default().hear(&event.message);
            heard.extend(lines.map(|text| Heard::Wrote { rank, stream, text }));
        }
        Ok(heard)
    }

    /// Whether more may still be heard of a command that has ended on an instance: where not all of it was kept, until it is quiet.
    pub(super) fn may_say_more(&mut self, ending: &Ending) -> bool {
        let Ending { instance, result, seen_at } = ending;
        // Of what did not end by itself nothing is kept.
        let is_whole = !result.stdout.is_cut && !result.stderr.is_cut && result.exit_code.is_some();
        if self.group.is_none() || is_whole || self.aws.clock.now() > *seen_at + LAST_WORDS {
            return false;
        }
        *self.quiet_reads.entry(instance.clone()).or_default() < QUIET_READS
    }

    /// What is still to be told of a command that has ended, and how it did.
    pub(super) fn conclude(&mut self, ended: Ending) -> Vec<Heard> {
        let Ending { instance, result, .. } = ended;
        let Some(rank) = self.ranks.remove(&instance) else { return Vec::new() };
        let is_all = self.quiet_reads.get(&instance).is_some_and(|reads| *reads >= QUIET_READS);
        let mut heard = Vec::new();
        let [stdout, stderr] = [(Stream::Output, &result.stdout), (Stream::Errors, &result.stderr)].map(|(stream, kept)| {
            let written = self.streams.remove(&(instance.clone(), stream)).unwrap_or_default();
            let (text, told) = written.close(kept, result.exit_code, is_all);
            heard.extend((!text.is_empty()).then_some(Heard::Wrote { rank, stream, text }));
            told
        });
        heard.push(Heard::Ended(Answer { rank, instance, status: result.status, exit_code: result.exit_code, stdout, stderr }));
        heard
    }
}

/// What to say of streams that cannot be heard.
pub(super) fn unheard(error: &Error) -> String {
    format!("what it writes is shown at its end, and only the beginning of it: {}", error.message)
}

/// Whose stream it is: its name is the command, the instance, the plugin, and which of both.
fn named(stream: &str) -> Option<(InstanceId, Stream)> {
    let (_, of_command) = stream.split_once('/')?;
    let (instance, of_instance) = of_command.split_once('/')?;
    Some((InstanceId(instance.to_owned()), Stream::of(of_instance.rsplit('/').next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_by_their_names() {
        let of = |name| named(name).map(|(instance, stream)| (instance.0, stream));
        assert_eq!(of("3f1c/i-1/aws-runShellScript/stdout"), Some(("i-1".to_owned(), Stream::Output)));
        assert_eq!(of("3f1c/i-1/aws-runShellScript/stderr"), Some(("i-1".to_owned(), Stream::Errors)));
        assert_eq!((of("3f1c/i-1/aws-runShellScript/notes"), of("3f1c")), (None, None));
    }
}
