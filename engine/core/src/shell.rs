//! What people do on a fleet's instances: run a command, or open a terminal.
//!
//! Both go through Systems Manager, whose agent the images bring: no port is open for it, and IAM says who may. The commands are words;
//! Systems Manager knows lines of shell only, so they become one in which every word is quoted.

mod listener;
mod written;

use std::collections::BTreeMap;

use futures::future::{join_all, try_join_all};
use jiff::SignedDuration;
use spawn_model::duration::Seconds;
use spawn_model::error::{Class, Error};
use spawn_model::ids::InstanceId;
use spawn_model::spec::Member;

pub use written::{Stream, Told};

use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::operation::Operation;
use crate::ports::{COMMAND_INSTANCES_MAX, CommandResult, Kept, Result, ShellCommand, Terminal};
use crate::tags;
use listener::{Ending, Listener, unheard};

/// An agent of Systems Manager answers some time after its instance has booted.
const ANSWERS_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// Between two looks. Systems Manager's reads are throttled at some tens a second in an account.
const PAUSE_MS: u64 = 1_000;
/// After so many looks at the commands, one at the instances.
const LOOKS_PER_SIGHT: u32 = 10;
/// Systems Manager ends every command by itself; what it does not end in this time more, it never will.
const OVERTIME: SignedDuration = SignedDuration::from_mins(2);

/// What is heard of a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Heard {
    /// It wrote this on a rank: whole lines, or the last that it wrote at all.
    Wrote {
        /// The rank.
        rank: u32,
        /// Where to.
        stream: Stream,
        /// What.
        text: String,
    },
    /// It has ended on a rank, of which nothing more is heard.
    Ended(Answer),
}

/// How a command ended on a rank.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The rank.
    pub rank: u32,
    /// Its instance.
    pub instance: InstanceId,
    /// Systems Manager's word for it: `Success`, `Failed`, `Execution Timed Out`, …
    pub status: String,
    /// Its exit code, if it ended by itself.
    pub exit_code: Option<i32>,
    /// What was told of its standard output.
    pub stdout: Told,
    /// What was told of its standard error.
    pub stderr: Told,
}

impl Engine {
    /// Runs a command as root on some ranks of a fleet, or on all that live if none is named. `told` hears what it writes as it writes it,
    /// and of each rank as it ends, in any order.
    ///
    /// # Errors
    /// If the fleet lets nobody in, a rank does not exist or does not live, or the agent of Systems Manager does not answer. A command that
    /// ends in whatever way is no error.
    pub async fn exec(
        &self,
        fleet: &Fleet,
        ranks: &[u32],
        argv: &[String],
        timeout: Seconds,
        operation: &Operation,
        mut told: impl FnMut(Heard),
    ) -> Result<()> {
        let line = shell_line(argv)?;
        let targets = targets(fleet, ranks)?;
        let setup = self.found().await?;
        let log_group = setup.as_ref().and_then(|setup| setup.shell_log_group.as_deref());
        self.reachable(fleet, &targets, operation).await?;
        let ids: Vec<InstanceId> = targets.keys().cloned().collect();
        let sends = ids.chunks(COMMAND_INSTANCES_MAX).map(|instances| {
            let timeout_s = u32::try_from(timeout.0).unwrap_or(u32::MAX);
            let comment = format!("spawn exec {}", fleet.record.spec.name);
            let log_group = log_group.map(str::to_owned);
            let command = ShellCommand { instances: instances.to_vec(), line: line.clone(), timeout_s, comment, log_group };
            async move { self.aws().shells.send(&command).await }
        });
        let began = self.now();
        let sent = join_all(sends).await;
        let commands: Vec<String> = sent.iter().filter_map(|command| command.as_ref().ok().cloned()).collect();
        let waited = match sent.into_iter().find_map(Result::err) {
            Some(refused) => Err(refused),
            None => {
                let mut commands_of = BTreeMap::new();
                for (instances, command) in ids.chunks(COMMAND_INSTANCES_MAX).zip(&commands) {
                    commands_of.extend(instances.iter().map(|instance| (instance.clone(), command.clone())));
                }
                let listener = Listener::new(self.aws(), log_group, began, targets, commands_of);
                self.answers(fleet, listener, timeout, operation, &mut told).await
            }
        };
        let Err(error) = waited else { return Ok(()) };
        // What nobody waits for any more must not go on.
        let cancelled = join_all(commands.iter().map(|command| self.aws().shells.cancel(command))).await;
        Err(match cancelled.into_iter().find_map(Result::err) {
            Some(left) => {
                Error { message: format!("{}; and what was sent could not be cancelled: {}", error.message, left.message), ..error }
            }
            None => error,
        })
    }

    async fn answers(
        &self,
        fleet: &Fleet,
        mut listener: Listener<'_>,
        timeout: Seconds,
        operation: &Operation,
        told: &mut impl FnMut(Heard),
    ) -> Result<()> {
        let allowed = SignedDuration::from(timeout);
        // Once for the command to reach its instance, once for it to run.
        let give_up = self.now() + allowed.saturating_mul(2).saturating_add(OVERTIME);
        let mut waiting = listener.ranks().clone();
        let mut ending: Vec<Ending> = Vec::new();
        let mut looks = 0_u32;
        loop {
            let commands = listener.commands_of(waiting.keys().chain(ending.iter().map(|ending| &ending.instance)));
            for command in &commands {
                for ran in self.aws().shells.invocations(command).await?.into_iter().filter(|ran| ran.is_over) {
                    if waiting.remove(&ran.instance).is_some() {
                        let result = self.aws().shells.result(command, &ran.instance).await?;
                        ending.push(Ending { instance: ran.instance, result, seen_at: self.now() });
                    }
                }
            }
            // One of them at a time: `FilterLogEvents` allows five a second in an account.
            let turn = (looks as usize).checked_rem(commands.len()).and_then(|turn| commands.get(turn));
            if let Some(command) = turn.filter(|_| looks > 0) {
                let heard = tokio::select! {
                    heard = listener.listen(command) => heard,
                    // There may be much to read.
                    () = operation.cancel.cancelled() => Ok(Vec::new()),
                };
                let heard = heard.unwrap_or_else(|error| {
                    operation.say(&unheard(&error));
                    Vec::new()
                });
                heard.into_iter().for_each(&mut *told);
            }
            let over: Vec<Ending> = ending.extract_if(.., |ending| !listener.may_say_more(ending)).collect();
            over.into_iter().flat_map(|over| listener.conclude(over)).for_each(&mut *told);
            looks += 1;
            if looks.is_multiple_of(LOOKS_PER_SIGHT) {
                // Of an instance that is gone Systems Manager says nothing for a long time.
                for instance in self.gone(fleet, &waiting).await?.into_keys() {
                    waiting.remove(&instance);
                    ending.push(Ending { instance, result: vanished(), seen_at: self.now() });
                }
            }
            if waiting.is_empty() && ending.is_empty() {
                return Ok(());
            }
            operation.go_on()?;
            if self.now() > give_up && !waiting.is_empty() {
                let message = format!("Systems Manager tells no end of the command on {}", ranks_of(waiting.values()));
                return Err(Error::new(Class::Transient, "CommandLost", message, "See `aws ssm list-command-invocations --details`"));
            }
            self.aws().clock.sleep(PAUSE_MS).await;
        }
    }

    /// Those that do not live any more.
    async fn gone(&self, fleet: &Fleet, targets: &BTreeMap<InstanceId, u32>) -> Result<BTreeMap<InstanceId, u32>> {
        let found = self.aws().instances.describe(&tags::of_fleet(&fleet.record.fleet)).await?;
        let lives = |id: &InstanceId| found.iter().any(|instance| instance.alive && instance.launched.instance_id == *id);
        Ok(targets.iter().filter(|(id, _)| !lives(id)).map(|(id, rank)| (id.clone(), *rank)).collect())
    }

    /// Waits until the agents of Systems Manager answer.
    async fn reachable(&self, fleet: &Fleet, targets: &BTreeMap<InstanceId, u32>, operation: &Operation) -> Result<()> {
        let aws = self.aws();
        let give_up = aws.clock.now() + ANSWERS_WITHIN;
        let mut missing: Vec<InstanceId> = targets.keys().cloned().collect();
        let mut told = 0;
        loop {
            let answers = try_join_all(missing.chunks(COMMAND_INSTANCES_MAX).map(|ids| aws.shells.reachable(ids))).await?.concat();
            missing.retain(|id| !answers.contains(id));
            if missing.is_empty() {
                return Ok(());
            }
            let ranks = ranks_of(missing.iter().filter_map(|id| targets.get(id)));
            if aws.clock.now() > give_up {
                let message = format!("the agent of Systems Manager does not answer on {ranks}");
                let help = "The image has to bring it, as Amazon Linux and Ubuntu do; the subnet needs a way to ssm and ssmmessages; and a set-up of an \
                            earlier version has to be made again with `spawn setup`. Where `connect` was turned on a moment ago, the agent may notice \
                            only after minutes";
                return Err(Error::new(Class::Transient, "NotConnected", message, help));
            }
            let gone = self.gone(fleet, targets).await?;
            if let Some(rank) = missing.iter().find_map(|id| gone.get(id)) {
                let help = "Ask again: what lives now is found anew";
                return Err(Error::new(Class::Conflict, "RankOver", format!("the instance of rank {rank} has ended meanwhile"), help));
            }
            if told != missing.len() {
                told = missing.len();
                operation.say(&format!("waiting for the agent of Systems Manager on {ranks}"));
            }
            operation.go_on()?;
            aws.clock.sleep(PAUSE_MS).await;
        }
    }

    /// Opens a terminal on a rank of a fleet; left out, on the only one that lives.
    ///
    /// # Errors
    /// As [`Engine::exec`], and `WhichRank` if there are several.
    pub async fn connect(&self, fleet: &Fleet, rank: Option<u32>, operation: &Operation) -> Result<Box<dyn Terminal>> {
        let targets = targets(fleet, rank.as_slice())?;
        if targets.len() > 1 {
            let message = format!("{} has {} instances", fleet.record.spec.name, targets.len());
            return Err(Error::new(Class::Invalid, "WhichRank", message, "Choose one with --rank"));
        }
        self.reachable(fleet, &targets, operation).await?;
        let Some(instance) = targets.keys().next() else { return Err(over(fleet)) };
        self.aws().shells.open(instance).await
    }
}

/// What is told of an instance that ended before its command did.
fn vanished() -> CommandResult {
    CommandResult { status: "the instance is gone".to_owned(), exit_code: None, stdout: Kept::default(), stderr: Kept::default() }
}

/// A line that a POSIX shell reads as exactly these words, and in which Systems Manager finds nothing to replace.
fn shell_line(argv: &[String]) -> Result<String> {
    let refused = |message: &str| Error::new(Class::Invalid, "BadCommand", message, "Write the program and its arguments after `--`");
    if argv.is_empty() {
        return Err(refused("there is no command"));
    }
    if argv.iter().any(|word| word.contains('\0')) {
        return Err(refused("a word of the command contains a NUL byte"));
    }
    Ok(argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
}

/// A word in quotes. Between two braces they are closed and opened again: what stands in double ones is a parameter to Systems Manager.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./,:=@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let mut text = String::from("'");
    let mut before = ' ';
    for c in word.chars() {
        match c {
            '\'' => text.push_str("'\\''"),
            '{' if before == '{' => text.push_str("''{"),
            c => text.push(c),
        }
        before = c;
    }
    text + "'"
}

/// The instances of these ranks, or of all that live.
fn targets(fleet: &Fleet, ranks: &[u32]) -> Result<BTreeMap<InstanceId, u32>> {
    let name = &fleet.record.spec.name;
    if !fleet.record.spec.lets_in(fleet.record.kind) {
        let help =
            "In Terraform, `connect = true` lets people in while it runs; what `spawn up` makes needs `--connect` from the beginning";
        return Err(Error::new(Class::Invalid, "ConnectOff", format!("{name} lets nobody onto its instances"), help));
    }
    let instance = |member: &Member| (InstanceId(member.instance_id.clone()), member.rank);
    let lives = |member: &&Member| fleet.alive.iter().any(|id| id.0 == member.instance_id);
    if ranks.is_empty() {
        let all: BTreeMap<InstanceId, u32> = fleet.members.iter().filter(lives).map(instance).collect();
        return if all.is_empty() { Err(over(fleet)) } else { Ok(all) };
    }
    let mut found = BTreeMap::new();
    for rank in ranks {
        let Some(member) = fleet.members.iter().find(|member| member.rank == *rank) else {
            let help = format!("`spawn status {name}` shows its ranks");
            return Err(Error::new(Class::Invalid, "NoSuchRank", format!("{name} has no rank {rank}: it has {}", fleet.size), help));
        };
        if !lives(&member) {
            let help = format!("`spawn logs {name} --rank {rank}` shows what it wrote");
            return Err(Error::new(Class::Conflict, "RankOver", format!("the instance of rank {rank} is gone ({})", member.state), help));
        }
        found.extend([instance(member)]);
    }
    Ok(found)
}

fn over(fleet: &Fleet) -> Error {
    let name = &fleet.record.spec.name;
    let message = format!("no instance of {name} lives ({})", fleet.status);
    Error::new(
        Class::Conflict,
        "FleetOver",
        message,
        format!("`spawn logs {name}` shows what it wrote, `spawn rerun {name}` runs it again"),
    )
}

/// `rank 3`, or `ranks 1, 2, 3 and 7 more`.
fn ranks_of<'a>(ranks: impl Iterator<Item = &'a u32>) -> String {
    const SHOWN: usize = 3;
    let mut ranks: Vec<u32> = ranks.copied().collect();
    ranks.sort_unstable();
    let shown: Vec<String> = ranks.iter().take(SHOWN).map(u32::to_string).collect();
    let more = if ranks.len() > SHOWN { format!(" and {} more", ranks.len() - SHOWN) } else { String::new() };
    format!("rank{} {}{more}", if ranks.len() == 1 { "" } else { "s" }, shown.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shell_reads_the_words_as_they_were(words in proptest::collection::vec("([^\0]|[{}' ]){0,12}", 1..5)) {
            let argv: Vec<String> = ["printf".to_owned(), "%s\\0".to_owned()].into_iter().chain(words.clone()).collect();
            let line = shell_line(&argv).unwrap();
            let output = std::process::Command::new("sh").arg("-c").arg(&line).env("LC_ALL", "C.UTF-8").output().unwrap();
            let expected: String = words.iter().map(|word| format!("{word}\0")).collect();
            prop_assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", line);
        }
    }

    #[test]
    fn systems_manager_finds_no_parameter_in_it() {
        for word in ["{{ssm:/password}}", "{{{a}}}", "'{{'{{", "{", "{ {"] {
            let line = shell_line(&["echo".to_owned(), word.to_owned()]).unwrap();
            assert!(!line.contains("{{"), "{line}");
        }
        assert_eq!(shell_line(&["sh".into(), "-c".into(), "it's".into()]).unwrap(), "sh -c 'it'\\''s'");
    }

    #[test]
    fn what_is_no_command_is_refused() {
        assert_eq!(shell_line(&[]).unwrap_err().code, "BadCommand");
        assert_eq!(shell_line(&["a\0b".to_owned()]).unwrap_err().code, "BadCommand");
    }

    #[test]
    fn many_ranks_are_counted() {
        for (ranks, expected) in [(&[3][..], "rank 3"), (&[2, 1], "ranks 1, 2"), (&[5, 4, 3, 2, 1], "ranks 1, 2, 3 and 2 more")] {
            assert_eq!(ranks_of(ranks.iter()), expected);
        }
    }
}
