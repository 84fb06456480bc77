//! Run Command and Session Manager, for instances whose role lets their agent in.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::model::InstanceState;
use spawn_core::ports::{COMMAND_INSTANCES_MAX, CommandResult, FromTerminal, Invocation, Kept, Result, ShellCommand, Shells, Terminal};
use spawn_model::ids::InstanceId;

use super::door::Door;
use super::{State, refusal};

/// How long an agent takes from its instance's launch to its first answer.
const AGENT_DELAY: SignedDuration = SignedDuration::from_secs(40);

/// What an agent may not be without.
const RIGHTS: [&str; 2] = ["ssm:UpdateInstanceInformation", "ssmmessages:OpenDataChannel"];

/// A command that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) command: ShellCommand,
    at: Timestamp,
    pub(crate) cancelled: bool,
}

impl State {
    /// Whether an instance's agent answers.
    fn is_managed(&self, id: &InstanceId, now: Timestamp) -> bool {
        let Some(machine) = self.cloud.machine(&id.0) else { return false };
        let profile = machine.iam_instance_profile_arn.as_deref().and_then(|arn| self.profiles.get(arn.rsplit('/').next()?));
        let role = profile.and_then(|profile| self.roles.get(profile.role.as_ref()?));
        let policy = role.and_then(|role| role.policy.as_deref()).unwrap_or_default();
        let answers = machine.state == InstanceState::Running && now >= machine.launch_time + AGENT_DELAY;
        answers && RIGHTS.iter().all(|right| policy.contains(right))
    }
}

/// What becomes of a line: the simulated machines know how to print, to fail, and to take their time.
fn run(sent: &Sent, now: Timestamp) -> Option<CommandResult> {
    let done = |status: &str, exit_code, stdout: &str| {
        let stdout = Kept { text: stdout.to_owned(), is_cut: false };
        Some(CommandResult { status: status.to_owned(), exit_code, stdout, stderr: Kept::default() })
    };
    let ran_s = now.duration_since(sent.at).as_secs();
    match sent.command.line.split_once(' ').unwrap_or((&sent.command.line, "")) {
        _ if sent.cancelled => done("Cancelled", None, ""),
        ("echo", text) => done("Success", Some(0), &format!("{text}\n")),
        ("exit", code) => done("Failed", code.parse().ok(), ""),
        ("sleep", seconds) if seconds.parse().is_ok_and(|seconds: i64| ran_s >= seconds) => done("Success", Some(0), ""),
        ("sleep", _) if ran_s >= i64::from(sent.command.timeout_s) => done("Execution Timed Out", None, ""),
        ("sleep", _) => None,
        (line, _) => panic!("the simulated machines do not know {line:?}"),
    }
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
            s.commands.insert(id.clone(), Sent { command: command.clone(), at: now, cancelled: false });
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
        self.call("ssm:CancelCommand", |s, _| {
            if let Some(sent) = s.commands.get_mut(command) {
                sent.cancelled = true;
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
