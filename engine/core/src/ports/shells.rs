//! What people do on instances: through the agent of Systems Manager that their images bring, for which no port is open.

use async_trait::async_trait;
use spawn_model::ids::InstanceId;

use super::Result;

/// The most instances that one `SendCommand` takes by their ids.
pub const COMMAND_INSTANCES_MAX: usize = 50;

/// A line of shell for several instances. It runs as root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShellCommand {
    /// Where, at most [`COMMAND_INSTANCES_MAX`].
    pub instances: Vec<InstanceId>,
    /// The line.
    pub line: String,
    /// How long it may run, and before that wait for the instance.
    pub timeout_s: u32,
    /// What is seen of it in the account's list of commands.
    pub comment: String,
    /// The log group that what it writes is sent to, in streams `{command}/{instance}/{plugin}/stdout` and `…/stderr`; nothing: nowhere.
    pub log_group: Option<String>,
}

/// How far a command is on an instance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invocation {
    /// Where.
    pub instance: InstanceId,
    /// Whether nothing of it changes any more.
    pub is_over: bool,
}

/// How a command ended on an instance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommandResult {
    /// Systems Manager's word for it: `Success`, `Failed`, `Execution Timed Out`, `Cancelled`, `Undeliverable`, …
    pub status: String,
    /// Its exit code, if it ended by itself.
    pub exit_code: Option<i32>,
    /// What it wrote.
    pub stdout: Kept,
    /// What it wrote to standard error. Of one that fails the agent says the exit code once more, behind it.
    pub stderr: Kept,
}

/// What Systems Manager has kept of what a command wrote.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Kept {
    /// The beginning of it, or all.
    pub text: String,
    /// Whether there was more.
    pub is_cut: bool,
}

/// What comes from a terminal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FromTerminal {
    /// What is to be shown.
    Output(Vec<u8>),
    /// It has ended, with this to be said.
    Closed(String),
}

/// A terminal on an instance. Whoever is done with it closes it.
#[async_trait]
pub trait Terminal: Send {
    /// Sends what was typed.
    async fn send(&mut self, typed: &[u8]) -> Result<()>;
    /// Says how large the window is.
    async fn resize(&mut self, columns: u16, rows: u16) -> Result<()>;
    /// Waits for what comes next. Nothing is lost if the wait is given up.
    async fn receive(&mut self) -> Result<FromTerminal>;
    /// `TerminateSession`.
    async fn close(&mut self) -> Result<()>;
}

/// Run Command and Session Manager.
#[async_trait]
pub trait Shells: Send + Sync {
    /// `DescribeInstanceInformation`: those among up to [`COMMAND_INSTANCES_MAX`] instances whose agent answers.
    async fn reachable(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>>;
    /// `SendCommand` (AWS-RunShellScript): the command's id.
    async fn send(&self, command: &ShellCommand) -> Result<String>;
    /// `ListCommandInvocations`: how far a command is on each instance, all pages. What was sent a moment ago may be missing.
    async fn invocations(&self, command: &str) -> Result<Vec<Invocation>>;
    /// `GetCommandInvocation`.
    async fn result(&self, command: &str, instance: &InstanceId) -> Result<CommandResult>;
    /// `CancelCommand`. It has ended is as good.
    async fn cancel(&self, command: &str) -> Result<()>;
    /// `StartSession`, and the channel to the instance's agent.
    async fn open(&self, instance: &InstanceId) -> Result<Box<dyn Terminal>>;
}
