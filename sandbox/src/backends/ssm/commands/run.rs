//! Carrying commands out: which invocation begins when, and what happens on its instance.

use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use sandbox_hypervisor::{Errand, Execution, Signal};
use tokio_util::sync::CancellationToken;

use super::super::agents::Agent;
use super::Commands;
use super::asked::Script;
use super::logs::{self, Stream, To};
use super::state::{Invocation, Status};

/// What of each stream is reported, in characters.
const MOST_OUTPUT: usize = 24_000;
const MOST_ERRORS: usize = 8_000;
/// What a script that was killed exits with, as shells count.
const EXIT_KILLED: i32 = 137;
/// How often an instance is tried that does not hear, in AWS's time.
const RETRY: SignedDuration = SignedDuration::from_secs(5);

/// One invocation at work.
struct Work {
    agent: Agent,
    script: Script,
    /// The group its output goes to, if it goes to one.
    log_group: Option<String>,
    cancel: CancellationToken,
}

/// What has become of a script.
struct Done {
    status: Status,
    code: i32,
    output: String,
    errors: String,
}

/// Why a script did not run to its end.
enum Trouble {
    /// Its instance does not hear, now.
    Deaf,
    /// Its instance went away under it.
    Lost,
    /// The sandbox ends.
    Stopped,
}

impl Commands {
    /// Begins what of a command may begin now.
    pub(super) fn begin(self: &Arc<Self>, id: &str) {
        let now = self.agents.now();
        let taken = self.lock().commands.get_mut(id).map(|command| command.take(now)).unwrap_or_default();
        for number in taken {
            self.agents.tasks.spawn(Arc::clone(self).carry_out(id.to_owned(), number));
        }
    }

    async fn carry_out(self: Arc<Self>, id: String, number: usize) {
        let done = match self.work(&id, number) {
            Some(work) => self.run(&id, number, &work).await,
            None => Err(Trouble::Deaf),
        };
        let now = self.agents.now();
        self.change(&id, number, |invocation| match done {
            Ok(done) => {
                invocation.code = done.code;
                // Of what was ended nothing is reported.
                if matches!(done.status, Status::Success | Status::Failed) {
                    (invocation.output, invocation.errors) = (done.output, done.errors);
                }
                invocation.end(done.status, now);
            }
            Err(Trouble::Deaf) if !invocation.status.is_over() => {
                (invocation.status, invocation.taken, invocation.started) = (Status::Pending, false, None);
                invocation.retry = now.saturating_add(RETRY).unwrap_or(now);
            }
            Err(Trouble::Lost) => invocation.lost = true,
            Err(_) => {}
        });
        self.begin(&id);
        self.agents.around.wake.notify_one();
    }

    /// Everything an invocation needs, if its instance hears.
    fn work(&self, id: &str, number: usize) -> Option<Work> {
        let (region, instance, script, output, cancel) = {
            let state = self.lock();
            let command = state.commands.get(id)?;
            let invocation = command.invocations.get(number)?;
            (command.region.clone(), invocation.instance.clone(), command.script.clone(), command.output.clone(), invocation.cancel.clone())
        };
        let agent = self.agents.find(&region, &instance).filter(|agent| self.agents.hears_commands(agent))?;
        let named = Some(output.cloud_watch_log_group_name).filter(|name| !name.is_empty());
        let group = || named.unwrap_or_else(|| format!("/aws/ssm/{}", super::asked::SHELL_SCRIPT));
        Some(Work { agent, script, log_group: output.cloud_watch_output_enabled.then(group), cancel })
    }

    async fn run(&self, id: &str, number: usize, work: &Work) -> Result<Done, Trouble> {
        let now = self.agents.now();
        let mut over = true;
        self.change(id, number, |invocation| {
            over = invocation.status.is_over();
            if !over {
                (invocation.status, invocation.started) = (Status::InProgress, Some(now));
            }
        });
        if over {
            return Err(Trouble::Stopped);
        }
        let group = match &work.log_group {
            Some(group) if logs::open(&self.agents, &work.agent, group).await => Some(group),
            _ => None,
        };
        let to = |name| {
            group.map(|group| To {
                agents: &self.agents,
                agent: &work.agent,
                group: group.clone(),
                stream: format!("{id}/{}/aws-runShellScript/{name}", work.agent.machine.id),
                is_made: false,
            })
        };
        let (mut output, mut errors) = (Stream::new(MOST_OUTPUT, to("stdout")), Stream::new(MOST_ERRORS, to("stderr")));
        let (status, code) = match self.start(id, work).await {
            Ok(execution) => self.attend(work, execution, &mut output, &mut errors).await?,
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Err(Trouble::Deaf),
            Err(error) => {
                errors.add(&format!("failed to run commands: {error}"));
                (Status::Failed, 1)
            }
        };
        // It says how it went when all is sent. The agent itself gives up after a minute.
        tokio::join!(output.send(true), errors.send(true));
        Ok(Done { status, code, output: output.text(), errors: errors.text() })
    }

    /// Puts the script where the agent keeps it, and runs it as the agent does.
    async fn start(&self, id: &str, work: &Work) -> io::Result<Execution> {
        let instance = &work.agent.machine.id;
        let (hypervisor, machine) = self.agents.place(instance).ok_or(io::ErrorKind::NotConnected)?;
        let directory =
            machine.join(format!("var/lib/amazon/ssm/{instance}/document/orchestration/{id}/awsrunShellScript/0.awsrunShellScript"));
        let file = write_script(directory, work.script.text.clone()).await?;
        let errand = Errand {
            argv: argv(&work.script.text, &file),
            environment: vec![
                ("AWS_SSM_INSTANCE_ID".to_owned(), instance.clone()),
                ("AWS_SSM_REGION_NAME".to_owned(), work.agent.machine.region.clone()),
            ],
            directory: work.script.directory.clone().map(PathBuf::from),
            user: None,
        };
        hypervisor.execute(instance, errand).await
    }

    /// Waits until a script and everything that holds its output have ended, or are to be ended: how it went, and its exit code.
    async fn attend(
        &self,
        work: &Work,
        mut execution: Execution,
        output: &mut Stream<'_>,
        errors: &mut Stream<'_>,
    ) -> Result<(Status, i32), Trouble> {
        let (mut out, mut err) = (execution.take_output(), execution.take_errors());
        let (stop, closed) = (CancellationToken::new(), CancellationToken::new());
        let read = async {
            tokio::join!(output.read(&mut out, &stop), errors.read(&mut err, &stop));
            closed.cancel();
        };
        let ended = async {
            let ended = async {
                let status = execution.ended().await;
                closed.cancelled().await;
                status
            };
            let ended = tokio::select! {
                biased;
                () = self.agents.around.stop.cancelled() => Err(None),
                status = ended => Ok(status),
                () = work.cancel.cancelled() => Err(Some(Status::Cancelled)),
                () = tokio::time::sleep(Duration::from_secs(work.script.timeout_s)) => Err(Some(Status::ExecutionTimedOut)),
            };
            stop.cancel();
            ended
        };
        let ((), ended) = tokio::join!(read, ended);
        match ended {
            Err(None) => Err(Trouble::Stopped),
            _ if execution.is_machine_off() => Err(Trouble::Lost),
            Ok(Ok(status)) if status.success() => Ok((Status::Success, 0)),
            Ok(status) => {
                let (code, how) = status.map_or_else(|error| (1, error.to_string()), |status| (code_of(status), said_of(status)));
                errors.add(&format!("failed to run commands: {how}"));
                Ok((Status::Failed, code))
            }
            Err(Some(status)) => {
                execution.signal(Signal::KILL);
                execution.ended().await.ok();
                Ok((status, EXIT_KILLED))
            }
        }
    }

    /// Changes an invocation.
    fn change(&self, id: &str, number: usize, change: impl FnOnce(&mut Invocation)) {
        let mut state = self.lock();
        if let Some(invocation) = state.commands.get_mut(id).and_then(|command| command.invocations.get_mut(number)) {
            change(invocation);
        }
    }
}

async fn write_script(directory: PathBuf, text: String) -> io::Result<PathBuf> {
    let write = move || {
        std::fs::create_dir_all(&directory)?;
        let path = directory.join("_script.sh");
        let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o700).open(&path)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        Ok(path)
    };
    tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
}

/// How a script is run: by the interpreter it names, or by the shell. Executing the file itself would fail whenever somebody else begins a
/// process while it is written.
fn argv(text: &str, file: &Path) -> Vec<String> {
    let named = text.strip_prefix("#!").and_then(|rest| rest.lines().next()).map(str::trim).filter(|line| !line.is_empty());
    // The kernel takes everything after the first word for one argument.
    let words = named.map_or_else(|| vec!["sh"], |line| line.splitn(2, char::is_whitespace).map(str::trim).collect());
    words.into_iter().map(str::to_owned).chain([file.display().to_string()]).collect()
}

/// A script's exit code; a signal has none.
fn code_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

/// How the agent says it.
fn said_of(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal: {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_chooses_its_interpreter() {
        let of = |text| argv(text, Path::new("/x/_script.sh"));
        assert_eq!(of("true\n"), ["sh", "/x/_script.sh"]);
        assert_eq!(of("#!/bin/bash\ntrue\n"), ["/bin/bash", "/x/_script.sh"]);
        assert_eq!(of("#! /usr/bin/env  python3 -u\n"), ["/usr/bin/env", "python3 -u", "/x/_script.sh"]);
    }
}
