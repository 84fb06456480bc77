//! Run Command and Session Manager, for instances whose role lets their agent in.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::model::InstanceState;
use spawn_core::ports::{
    COMMAND_INSTANCES_MAX, CommandResult, FromTerminal, Invocation, Kept, LogEvent, Result, ShellCommand, Shells, Terminal,
};
use spawn_model::ids::InstanceId;

use super::door::Door;
use super::{State, refusal};

/// How long an agent takes from its instance's launch to its first answer.
const AGENT_DELAY: SignedDuration = SignedDuration::from_secs(40);

/// What an agent may not be without.
const RIGHTS: [&str; 2] = ["ssm:UpdateInstanceInformation", "ssmmessages:OpenDataChannel"];
/// What it may not be without to send what commands write.
const RIGHTS_TO_LOG: [&str; 4] = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:PutLogEvents"];
/// How much of what a command writes is kept, in characters.
const KEPT: usize = 24_000;
/// How long what is sent takes to be read.
const LOG_DELAY: SignedDuration = SignedDuration::from_secs(2);

/// A command that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) command: ShellCommand,
    at: Timestamp,
    pub(crate) cancelled: Option<Timestamp>,
}

impl State {
    fn policy_of(&self, id: &InstanceId) -> String {
        let arn = self.cloud.machine(&id.0).and_then(|machine| machine.iam_instance_profile_arn);
        let profile = arn.and_then(|arn| self.profiles.get(arn.rsplit('/').next()?));
        let role = profile.and_then(|profile| self.roles.get(profile.role.as_ref()?));
        role.and_then(|role| role.policy.clone()).unwrap_or_default()
    }

    /// Whether an instance's agent answers.
    fn is_managed(&self, id: &InstanceId, now: Timestamp) -> bool {
        let Some(machine) = self.cloud.machine(&id.0) else { return false };
        let answers = machine.state == InstanceState::Running && now >= machine.launch_time + AGENT_DELAY;
        let policy = self.policy_of(id);
        answers && RIGHTS.iter().all(|right| policy.contains(right))
    }

    /// What the agents have sent of what commands write, as it can be read by now.
    pub(super) fn shell_log(&self, group: &str, now: Timestamp) -> Vec<LogEvent> {
        let mut events = Vec::new();
        for (id, sent) in self.commands.iter().filter(|(_, sent)| sent.command.log_group.as_deref() == Some(group)) {
            for instance in &sent.command.instances {
                let policy = self.policy_of(instance);
                if !RIGHTS_TO_LOG.iter().all(|right| policy.contains(right)) {
                    continue;
                }
                let written = written(sent, now - LOG_DELAY);
                events.extend(written.into_iter().enumerate().map(|(number, (at, message))| LogEvent {
                    at,
                    stream: format!("{id}/{}/aws-runShellScript/stdout", instance.0),
                    id: format!("{id}-{}-{number}", instance.0),
                    message,
                }));
            }
        }
        events
    }
}

/// What a line has written until then: one that counts says a number each second.
fn written(sent: &Sent, until: Timestamp) -> Vec<(Timestamp, String)> {
    match sent.command.line.split_once(' ').unwrap_or((&sent.command.line, "")) {
        ("echo", text) if sent.at <= until => vec![(sent.at, text.to_owned())],
        ("count", numbers) => {
            let numbers: i64 = numbers.parse().expect("a number");
            let at = |number: &i64| sent.at + SignedDuration::from_secs(*number);
            let killed = sent.at + SignedDuration::from_secs(i64::from(sent.command.timeout_s));
            let ends = sent.cancelled.unwrap_or(killed).min(until);
            // The agent leaves out the line break of the last line.
            let line = |number: i64| if number == numbers { format!("{number}") } else { format!("{number}\n") };
            (1..=numbers).filter(|number| at(number) <= ends).map(|number| (at(&number), line(number))).collect()
        }
        ("write", characters) if sent.at <= until => {
            let line = "x".repeat(99);
            let lines = characters.parse::<usize>().expect("a number") / 100;
            vec![(sent.at, vec![line; lines].join("\n"))]
        }
        _ => Vec::new(),
    }
}

/// What becomes of a line: the simulated machines know how to print, to fail, and to take their time.
fn run(sent: &Sent, now: Timestamp) -> Option<CommandResult> {
    let done = |status: &str, exit_code, stdout: &str| {
        let stdout = Kept { text: stdout.chars().take(KEPT).collect(), is_cut: stdout.chars().count() > KEPT };
        Some(CommandResult { status: status.to_owned(), exit_code, stdout, stderr: Kept::default() })
    };
    let ran_s = now.duration_since(sent.at).as_secs();
    match sent.command.line.split_once(' ').unwrap_or((&sent.command.line, "")) {
        _ if sent.cancelled.is_some() => done("Cancelled", None, ""),
        ("echo", text) => done("Success", Some(0), &format!("{text}\n")),
        ("exit", code) => done("Failed", code.parse().ok(), ""),
        ("count", numbers) if numbers.parse().is_ok_and(|numbers: i64| ran_s >= numbers) => done("Success", Some(0), &all(sent)),
        ("write", _) => done("Success", Some(0), &all(sent)),
        ("count", _) if ran_s >= i64::from(sent.command.timeout_s) => done("Execution Timed Out", None, ""),
        ("count", _) => None,
        ("sleep", seconds) if seconds.parse().is_ok_and(|seconds: i64| ran_s >= seconds) => done("Success", Some(0), ""),
        ("sleep", _) if ran_s >= i64::from(sent.command.timeout_s) => done("Execution Timed Out", None, ""),
        ("sleep", _) => None,
        (line, _) => panic!("the simulated machines do not know {line:?}"),
    }
}

/// All that a line writes.
fn all(sent: &Sent) -> String {
    written(sent, Timestamp::MAX).into_iter().map(|(_, text)| text).collect::<String>() + "\n"
}

#[async_trait]
impl Shells for Door {
    async fn reachable(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>> {
        assert!(instances.len() <= COMMAND_INSTANCES_MAX, "one filter takes no more");
        self.call("ssm:DescribeInstanceInformation", |s, now| Ok(instances.iter().filter(|id| s.is_managed(id, now)).cloned().collect()))
            .await
    }

    async fn send(&self, command: &ShellCommand) -> Result<String> {
        self.call("ssm:SendCommand", |s, now| {
            if command.instances.len() > COMMAND_INSTANCES_MAX || command.instances.iter().any(|id| !s.is_managed(id, now)) {
                return Err(refusal("InvalidInstanceId", 400, "Instances [[i-]] not in a valid state for account"));
            }
            let id = format!("command-{}", s.commands.len());
            s.commands.insert(id.clone(), Sent { command: command.clone(), at: now, cancelled: None });
            Ok(id)
        })
        .await
    }

    async fn invocations(&self, command: &str) -> Result<Vec<Invocation>> {
        self.call("ssm:ListCommandInvocations", |s, now| {
            let Some(sent) = s.commands.get(command) else { return Ok(Vec::new()) };
            let is_over = run(sent, now).is_some();
            Ok(sent.command.instances.iter().map(|instance| Invocation { instance: instance.clone(), is_over }).collect())
        })
        .await
    }

    async fn result(&self, command: &str, instance: &InstanceId) -> Result<CommandResult> {
        self.call("ssm:GetCommandInvocation", |s, now| {
            let sent = s.commands.get(command).filter(|sent| sent.command.instances.contains(instance));
            sent.and_then(|sent| run(sent, now)).ok_or_else(|| refusal("InvocationDoesNotExist", 400, ""))
        })
        .await
    }

    async fn cancel(&self, command: &str) -> Result<()> {
        self.call("ssm:CancelCommand", |s, now| {
            if let Some(sent) = s.commands.get_mut(command) {
                sent.cancelled.get_or_insert(now);
            }
            Ok(())
        })
        .await
    }

    async fn open(&self, instance: &InstanceId) -> Result<Box<dyn Terminal>> {
        self.call("ssm:StartSession", |s, now| {
            if !s.is_managed(instance, now) {
                return Err(refusal("TargetNotConnected", 400, format!("{} is not connected.", instance.0)));
            }
            Ok(Box::new(Echo { typed: Vec::new(), closed: false }) as Box<dyn Terminal>)
        })
        .await
    }
}

/// A terminal that shows what is typed.
struct Echo {
    typed: Vec<u8>,
    closed: bool,
}

#[async_trait]
impl Terminal for Echo {
    async fn send(&mut self, typed: &[u8]) -> Result<()> {
        self.typed.extend_from_slice(typed);
        Ok(())
    }

    async fn resize(&mut self, _columns: u16, _rows: u16) -> Result<()> {
        Ok(())
    }

    async fn receive(&mut self) -> Result<FromTerminal> {
        if self.closed {
            return Ok(FromTerminal::Closed("closed".to_owned()));
        }
        Ok(FromTerminal::Output(std::mem::take(&mut self.typed)))
    }

    async fn close(&mut self) -> Result<()> {
        self.closed = true;
        Ok(())
    }
}
