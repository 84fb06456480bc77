//! The command and its hooks: what they are told, how they run, and what is kept of them.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use spawn_model::hook::{AFTER_HOOK, HookSpec};
use spawn_model::layout::log_stream;
use spawn_model::record::Exit;
use tokio::time::{sleep, timeout};

use super::end::LAST_MOMENTS;
use super::{ATTEMPT, After, Agent, Ready};
use crate::aws::logs::Stream;
use crate::ending::Ending;
use crate::environment::{self, Facts};
use crate::exec::Job;
use crate::hook::{Hook, Hooks, Reason};
use crate::notices;
use crate::output::Channel;
use crate::peers;
use crate::results::{self, Uploaded};
use crate::spot;
use crate::workload::{self, WORKLOAD, Workload};

/// A command that was told to end by the system may be gone a moment before the agent is told.
pub(super) const SHUTDOWN_FOLLOWS_WITHIN: Duration = Duration::from_millis(500);
/// Under this name ranks are told which others go.
const NOTICES: &str = "notices.jsonl";
/// Where programs are found, if the agent is not told.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a run of the command came to its end.
pub(super) enum Ran {
    /// By itself.
    Ended(Exit),
    /// With the machine, which has run its hook.
    EndedWithMachine(Exit),
    /// The system went down while it ran, with this to be recorded.
    Cut(Option<Exit>),
    /// The machine ends, and another one goes on with the rank: nothing is to be recorded.
    GivenUp,
}

impl Agent {
    /// Runs the command, keeps what it leaves, records how it ended.
    pub(super) async fn work(&self, ready: &Ready) -> After {
        let attempt = self.state.recall(ATTEMPT).unwrap_or(0_u32) + 1;
        if let Err(error) = self.state.keep(ATTEMPT, &attempt) {
            return self.unable(format!("the attempt cannot be kept: {error}")).await;
        }
        let has_units = workload::has_units();
        let hooks = match self.hooks(ready, attempt) {
            Ok(hooks) => hooks,
            Err(error) => return self.unable(format!("the workload's files cannot be made: {error}")).await,
        };
        self.watch_for(&hooks);
        if ready.payload.command.is_empty() && !self.config.kind.ends_with_command() {
            let ending = self.endings.any().await;
            let uploaded = self.run_last_hook(&hooks, ending).await;
            return self.ended_early(ending, uploaded.unwrap_or_default()).await;
        }
        if has_units && attempt > 1 {
            workload::clear(WORKLOAD).await;
        }
        let (exit, uploaded, after) = match self.run(ready, &hooks, attempt, has_units).await {
            Ok((Ran::Ended(exit), uploaded)) => (exit, uploaded, None),
            Ok((Ran::EndedWithMachine(exit), uploaded)) => (exit, uploaded, Some(After::PowerOff)),
            Ok((Ran::Cut(Some(exit)), uploaded)) => (exit, uploaded, Some(After::Leave)),
            Ok((Ran::Cut(None) | Ran::GivenUp, _)) => return After::Leave,
            Err(reason) => (Exit::NotStarted { reason }, Uploaded::default(), None),
        };
        self.record(exit, uploaded).await;
        match after {
            Some(after) => after,
            None => self.stay(&hooks).await,
        }
    }

    /// Runs the command, in a unit if the machine has any. An error says why it could not be run.
    pub(super) async fn run(&self, ready: &Ready, hooks: &Hooks, attempt: u32, has_units: bool) -> Result<(Ran, Uploaded), String> {
        let ran = self.run_once(ready, hooks, attempt, has_units).await;
        if let (true, Err(reason)) = (has_units, &ran) {
            eprintln!("spored: the workload runs without a unit: {reason}");
            return self.run_once(ready, hooks, attempt, false).await;
        }
        ran
    }

    /// Runs the command, in a unit or directly. An error if it could not be run in this way.
    async fn run_once(&self, ready: &Ready, hooks: &Hooks, attempt: u32, in_unit: bool) -> Result<(Ran, Uploaded), String> {
        if !in_unit {
            workload::keep_from_credentials(ready.account.as_ref(), ready.payload.uses_aws).await;
        }
        let made = |error| format!("the workload's files cannot be made: {error}");
        let job = self.job(ready, &ready.payload.command, attempt).map_err(made)?;
        let started = |error| format!("the workload cannot be started: {error}");
        let output = self.channel("output.log").map_err(started)?;
        let writer = output.writer().map_err(started)?;
        let mut command = Workload::start(&self.state, WORKLOAD, &job, ready.account.as_ref(), in_unit, writer).map_err(started)?;
        let ran = self.ended(&mut command, hooks, ready, &output).await?;
        let uploaded = if matches!(ran, Ran::Cut(_)) { Uploaded::default() } else { self.keep(output).await };
        Ok((ran, uploaded))
    }

    /// Waits for the command to end, or ends it when the machine does.
    async fn ended(&self, command: &mut Workload, hooks: &Hooks, ready: &Ready, output: &Channel) -> Result<Ran, String> {
        let mut saving = pin!(self.checkpoint(hooks, ready.identity.spot, output));
        let mut heeding = pin!(self.heed_notices(hooks, ready, output));
        let mut is_saved = false;
        let (by_itself, ending) = loop {
            tokio::select! {
                biased;
                exit = command.ended() => {
                    let exit = exit?;
                    // A command that was killed may have been so because the machine ends.
                    // One that ends well when it is asked to has not done its work, if it is to begin anew.
                    let ending = match exit {
                        Exit::Code { code: 0 } if !self.begins_anew() => None,
                        Exit::NotStarted { .. } => None,
                        _ => self.endings.within(SHUTDOWN_FOLLOWS_WITHIN).await,
                    };
                    match ending {
                        None => {
                            if self.saving.get() == Some(Reason::Peer) {
                                // It may have ended because the other rank did, and this saves what is left of it.
                                tokio::select! { () = &mut heeding => {}, _turn = self.turn.lock() => {}, _ = self.endings.any() => {} }
                            }
                            self.stop_saving(hooks).await;
                            return Ok(Ran::Ended(exit));
                        }
                        Some(ending) => break (true, ending),
                    }
                }
                ending = self.endings.any() => break (false, ending),
                () = &mut saving, if !is_saved => is_saved = true,
                () = &mut heeding => {}
            }
        };
        let exit = self.exit_by(ending);
        let (Some(exit), Some(reason)) = (exit.clone(), Reason::of(ending)) else {
            if self.is_service() && exit.is_none() {
                self.stop_saving(hooks).await;
                // Before another machine begins with the rank, this one has to have ended.
                command.stop().await;
                return Ok(Ran::GivenUp);
            }
            return Ok(Ran::Cut(exit));
        };
        if by_itself {
            self.stop_saving(hooks).await;
            return Ok(Ran::EndedWithMachine(exit));
        }
        // What is being saved is what would be saved now.
        let is_enough = reason == Reason::Spot && self.is_enough(hooks);
        if is_enough {
            let no_time = self.until_before_end(AFTER_HOOK.into());
            tokio::select! {
                () = &mut saving, if !is_saved => {}
                () = &mut heeding => {}
                _turn = self.turn.lock() => {}
                () = no_time => {}
                () = self.endings.shutdown() => {}
            }
        }
        self.stop_saving(hooks).await;
        if let Some(hook) = hooks.at_the_end(reason).filter(|_| !is_enough) {
            tokio::select! { () = self.run_hook(hook, reason, output) => {}, () = self.endings.shutdown() => {} }
            // The hook may have had it end, and it may have ended well.
            match timeout(SHUTDOWN_FOLLOWS_WITHIN, command.ended()).await {
                Ok(Ok(done @ Exit::Code { code: 0 })) if !self.begins_anew() => return Ok(Ran::EndedWithMachine(done)),
                Ok(_) => return Ok(Ran::EndedWithMachine(exit)),
                Err(_) => {}
            }
        }
        tokio::select! { () = command.stop() => {}, () = self.endings.shutdown() => {} }
        Ok(Ran::EndedWithMachine(exit))
    }

    /// Whether what is being saved is all that would be saved when EC2 takes the machine back.
    fn is_enough(&self, hooks: &Hooks) -> bool {
        match self.saving.get() {
            Some(Reason::Peer) => hooks.at_the_end(Reason::Spot).is_none(),
            Some(_) => hooks.pre_stop.is_none(),
            None => false,
        }
    }

    /// Whether the command runs again, however it ends.
    fn begins_anew(&self) -> bool {
        self.config.ends.stops() || self.is_service()
    }

    /// Saves what there is when EC2 says that it is likely to take the machine back, while the command goes on. Comes back when that is done.
    async fn checkpoint(&self, hooks: &Hooks, is_spot: bool, output: &Channel) {
        let (true, Some(hook)) = (is_spot, &hooks.checkpoint) else { return std::future::pending().await };
        spot::recommendation(&self.metadata).await;
        self.save(hook, Reason::Rebalance, output).await;
    }

    /// Saves what there is whenever EC2 has said that it takes the machine of another rank back, while the command goes on. Never comes back.
    async fn heed_notices(&self, hooks: &Hooks, ready: &Ready, output: &Channel) {
        let Some(hook) = hooks.peer_notice.as_ref().filter(|_| ready.payload.size > 1) else { return std::future::pending().await };
        let mut seen = notices::Seen::default();
        loop {
            sleep(notices::INTERVAL).await;
            if !seen.look(&self.bucket, &self.keys, &ready.identity.instance_id).await {
                continue;
            }
            match seen.write(&self.state.path(NOTICES)) {
                Ok(()) => self.save(hook, Reason::Peer, output).await,
                Err(error) => self.notes.borrow_mut().push(format!("a notice to another rank cannot be kept: {error}")),
            }
        }
    }

    /// Runs a hook beside the command, and keeps what it leaves in the results: one at a time, as they may write the same files.
    async fn save(&self, hook: &Hook, reason: Reason, output: &Channel) {
        let _turn = self.turn.lock().await;
        self.saving.set(Some(reason));
        self.run_hook(hook, reason, output).await;
        let uploaded = self.upload().await;
        self.notes.borrow_mut().extend(uploaded.notes);
        self.saving.set(None);
    }

    /// Ends what is being saved and nobody waits for any more: two may not write the same files.
    async fn stop_saving(&self, hooks: &Hooks) {
        if let Some(hook) = self.saving.take().and_then(|reason| hooks.beside_the_command(reason)) {
            hook.stop(&self.state).await;
        }
    }

    /// Runs a hook on a machine whose command does not run, and keeps what it leaves. Nothing if there is none.
    pub(super) async fn run_last_hook(&self, hooks: &Hooks, ending: Ending) -> Option<Uploaded> {
        let reason = Reason::of(ending)?;
        let hook = hooks.at_the_end(reason)?;
        match self.channel("hooks.log") {
            Ok(output) => {
                tokio::select! { () = self.run_hook(hook, reason, &output) => {}, () = self.endings.shutdown() => {} }
                Some(self.keep(output).await)
            }
            Err(error) => {
                self.notes.borrow_mut().push(format!("no hook could be run: {error}"));
                None
            }
        }
    }

    /// Runs a hook in the time that there is for it.
    async fn run_hook(&self, hook: &Hook, reason: Reason, output: &Channel) {
        let over = self.until_before_end(AFTER_HOOK.into());
        let (told, pid) = ((reason, *self.deadline.borrow()), workload::pid(&self.state, WORKLOAD));
        if let Some(note) = hook.run(&self.state, output, told, pid, over).await {
            eprintln!("spored: {note}");
            self.notes.borrow_mut().push(note);
        }
    }

    /// Keeps output and results, as long as the machine's end leaves time for it.
    async fn keep(&self, output: Channel) -> Uploaded {
        let kept = async {
            let (notes, mut uploaded) = tokio::join!(output.close(), self.upload());
            uploaded.notes.splice(0..0, notes);
            uploaded
        };
        tokio::select! {
            uploaded = kept => uploaded,
            () = self.out_of_time(LAST_MOMENTS.0) => {
                Uploaded {
                    files: vec![],
                    notes: vec!["the machine ended before all output and results were kept".to_owned()],
                    is_incomplete: true,
                }
            }
        }
    }

    async fn upload(&self) -> Uploaded {
        let rank = self.rank.get().copied().unwrap_or_default();
        let key = |path: &str| self.keys.result(rank, path);
        results::upload(&self.session, &self.bucket, &self.state.path("results"), |_| true, key, results::TROUBLE).await
    }

    /// Where what runs prints to: a file of this name, and the rank's stream.
    pub(super) fn channel(&self, file: &str) -> io::Result<Channel> {
        self.channel_by(self.state.path(file))
    }

    /// The same by way of any file.
    pub(super) fn channel_by(&self, file: PathBuf) -> io::Result<Channel> {
        let name = log_stream(&self.config.fleet, &self.config.run, self.rank.get().copied().unwrap_or_default());
        let stream = Stream::new(Rc::clone(&self.session), &self.config.log_group, name);
        Channel::open(&self.session, stream, file)
    }

    /// The hooks, ready to run, and kept for a later boot.
    pub(super) fn hooks(&self, ready: &Ready, attempt: u32) -> io::Result<Hooks> {
        let hook = |name: &str, spec: &Option<HookSpec>| {
            let Some(spec) = spec else { return Ok(None) };
            let job = self.job(ready, &spec.command, attempt)?;
            Ok::<_, io::Error>(Some(Hook::new(name, job, Duration::from_secs(spec.timeout.0))))
        };
        let hooks = Hooks {
            pre_stop: hook("pre_stop", &ready.payload.pre_stop)?,
            checkpoint: hook("checkpoint", &ready.payload.checkpoint)?,
            peer_notice: hook("peer_notice", &ready.payload.peer_notice)?,
        };
        hooks.keep(&self.state)?;
        Ok(hooks)
    }

    /// What to run, with everything it is told.
    fn job(&self, ready: &Ready, argv: &[String], attempt: u32) -> io::Result<Job> {
        self.job_in(ready, argv, attempt, (&self.state.path("work"), &self.state.path("results")))
    }

    /// The same in a directory, with another for its results.
    pub(super) fn job_in(&self, ready: &Ready, argv: &[String], attempt: u32, (directory, results): (&Path, &Path)) -> io::Result<Job> {
        let [peers, hostfile, notice_file] = ["peers.jsonl", "hostfile", NOTICES].map(|file| self.state.path(file));
        std::fs::write(&peers, peers::peers_file(&ready.peers)?)?;
        std::fs::write(&hostfile, peers::host_file(&ready.peers))?;
        // Nobody goes yet, as far as a command that begins now is told.
        notices::Seen::default().write(&notice_file)?;
        let home = ready.account.as_ref().map(|account| account.home.as_path()).filter(|home| home.is_dir());
        let own_user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let facts = Facts {
            config: &self.config,
            payload: &ready.payload,
            rank: self.rank.get().copied().unwrap_or_default(),
            attempt,
            deadline: *self.deadline.borrow(),
            notices: &notice_file,
            peers: &peers,
            hostfile: &hostfile,
            results,
            home: home.unwrap_or(directory),
            user: if ready.account.is_some() { workload::USER } else { &own_user },
            path: &std::env::var("PATH").unwrap_or_else(|_| PATH.to_owned()),
            endpoints: &environment::endpoints(),
        };
        let env = environment::make(&facts);
        Ok(Job {
            argv: argv.to_vec(),
            env,
            directory: directory.to_owned(),
            uses_aws: ready.payload.uses_aws,
            grace: workload::GRACE,
            limit: None,
        })
    }
}
