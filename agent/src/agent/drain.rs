//! A worker of a queue: where its jobs' commands run, and what is kept of each attempt.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use spawn_model::queue::{JobExit, JobSpec, OnFailure};
use spawn_model::record::{Exit, ResultFile};
use tokio::time::Instant;

use super::end::LAST_WORK;
use super::{After, Agent, Ready};
use crate::aws::logs::Stream;
use crate::claims::{BucketClaims, Claims};
use crate::ending::Ending;
use crate::exec::Job;
use crate::output::Channel;
use crate::payload;
use crate::queue::{Drained, Ran, Runner, Worker};
use crate::results::{self, Uploaded};
use crate::retry::retry;
use crate::workload::{self, Workload};

/// A job's command, among what is run.
const JOB: &str = "job";
/// How long an input or the output is tried while S3 is in trouble.
const TROUBLE: Duration = Duration::from_secs(120);

impl Agent {
    /// Drains the queue, and records that nothing is left to do; or why the machine ends before that.
    pub(super) async fn drain(&self, ready: &Ready) -> After {
        // An earlier life of this agent may have left a job at work, which it begins anew.
        workload::end(&self.state, JOB).await;
        let store = BucketClaims { session: self.session.clone(), bucket: self.bucket.clone(), keys: self.keys.clone() };
        let place = Place { agent: self, ready, store: &store };
        let worker = Worker {
            store: &store,
            runner: &place,
            jobs: &ready.payload.jobs,
            on_failure: ready.payload.on_failure.unwrap_or(OnFailure::Stop),
            instance_id: &ready.identity.instance_id,
            rank: self.rank.get().copied().unwrap_or_default(),
            size: ready.payload.size,
            interval: self.intervals.claim,
        };
        match worker.drain().await {
            Drained::Over => {
                self.record(Exit::Code { code: 0 }, Uploaded::default()).await;
                After::PowerOff
            }
            Drained::MachineEnds => self.ended_early(self.endings.any().await, Uploaded::default()).await,
        }
    }
}

/// Where jobs run.
struct Place<'a> {
    agent: &'a Agent,
    ready: &'a Ready,
    store: &'a BucketClaims,
}

/// The directories of an attempt.
struct Directories {
    all: PathBuf,
    work: PathBuf,
    results: PathBuf,
    inputs: PathBuf,
}

/// How the command of an attempt came to its end.
enum Ended {
    ByItself(Exit),
    /// The machine is about to end.
    WithMachine,
    /// The job is another machine's, or nobody's.
    GivenUp,
}

impl Runner for Place<'_> {
    async fn run(&self, job: &str, attempt: u32, given_up: impl Future<Output = ()>) -> Ran {
        let mut ran = Ran { exit: JobExit::Interrupted, ended_at: Timestamp::now(), results: Vec::new(), notes: Vec::new() };
        let directories = Directories::new(&self.agent.state.path("jobs").join(format!("{job}.{attempt}")));
        let tried = match self.ready.payload.jobs.get(job) {
            Some(spec) => self.attempt(job, spec, attempt, &directories, given_up, &mut ran).await,
            None => Err("the queue has no such job".to_owned()),
        };
        if let Err(reason) = tried {
            eprintln!("spored: job {job}: {reason}");
            ran.exit = JobExit::NotStarted { reason };
        }
        if let Err(error) = tokio::fs::remove_dir_all(&directories.all).await {
            eprintln!("spored: {}: {error}", directories.all.display());
        }
        ran
    }

    async fn ending(&self) {
        self.agent.endings.any().await;
    }
}

impl Place<'_> {
    async fn attempt(
        &self,
        job: &str,
        spec: &JobSpec,
        attempt: u32,
        directories: &Directories,
        given_up: impl Future<Output = ()>,
        ran: &mut Ran,
    ) -> Result<(), String> {
        self.make(directories)?;
        self.fetch_inputs(spec, directories).await?;
        let told = self.told(job, spec, attempt, directories).map_err(|error| format!("its files cannot be made: {error}"))?;
        let output = directories.all.join("output.log");
        let channel = self.channel(&output).map_err(|error| format!("it cannot be started: {error}"))?;
        let begun = channel.writer().and_then(|mut writer| writeln!(writer, "spawn: job {job}, attempt {attempt}"));
        begun.map_err(|error| format!("it cannot be started: {error}"))?;
        let began = Instant::now();
        let ended = self.command(&told, &channel, given_up).await;
        ran.ended_at = Timestamp::now();
        let is_late = spec.timeout.is_some_and(|timeout| began.elapsed() >= Duration::from_secs(timeout.0));
        ran.exit = match ended? {
            Ended::GivenUp => return Ok(()),
            Ended::WithMachine => JobExit::Interrupted,
            Ended::ByItself(Exit::Code { .. } | Exit::Signal { .. }) if is_late => JobExit::TimedOut,
            Ended::ByItself(exit) => exit.into(),
        };
        let kept = self.keep(job, spec, attempt, directories, channel);
        tokio::select! {
            kept = kept => (ran.results, ran.notes) = kept,
            () = self.out_of_time() => ran.notes.push("the machine ended before all output and results were kept".to_owned()),
        }
        Ok(())
    }

    /// The machine ends, and what is left of its time is for the record.
    async fn out_of_time(&self) {
        self.agent.endings.pressing().await;
        tokio::select! { () = tokio::time::sleep(LAST_WORK) => {}, () = self.agent.endings.shutdown() => {} }
    }

    fn make(&self, directories: &Directories) -> Result<(), String> {
        let account = self.ready.account.as_ref();
        let _ = std::fs::create_dir(self.agent.state.path("jobs"));
        // What an earlier life of this agent left of the same attempt.
        let _ = std::fs::remove_dir_all(&directories.all);
        for directory in [&directories.all, &directories.results, &directories.inputs] {
            payload::make_directory(directory, account).map_err(|error| format!("{} cannot be made: {error}", directory.display()))?;
        }
        payload::unpack(&self.ready.payload, &directories.work, account)
    }

    /// Fetches what the jobs that this one depends on have left.
    async fn fetch_inputs(&self, spec: &JobSpec, directories: &Directories) -> Result<(), String> {
        for needed in &spec.depends_on {
            let claim = self.store.read(needed.as_str()).await.map_err(|failure| failure.to_string())?.claim;
            let directory = directories.inputs.join(needed);
            self.make_input_directory(&directory)?;
            let Some(last) = claim.last() else { continue };
            for file in &last.results {
                let path = self.input_path(&directory, &file.path)?;
                let key = self.agent.keys.job_result(needed, last.number, &file.path);
                retry(self.agent.session.patience(TROUBLE), async || self.agent.bucket.get_file(&key, &path).await)
                    .await
                    .map_err(|failure| format!("the result {} of {needed} could not be fetched: {failure}", file.path))?;
                payload::give(&path, self.ready.account.as_ref()).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    fn make_input_directory(&self, directory: &Path) -> Result<(), String> {
        payload::make_directory(directory, self.ready.account.as_ref())
            .map_err(|error| format!("{} cannot be made: {error}", directory.display()))
    }

    /// Where an input is put, once the directories above it are there.
    fn input_path(&self, directory: &Path, relative: &str) -> Result<PathBuf, String> {
        let relative = Path::new(relative);
        let mut parent = directory.to_owned();
        for part in relative.parent().into_iter().flat_map(Path::components) {
            if !matches!(part, std::path::Component::Normal(_)) {
                return Err(format!("the result {} leads out of its directory", relative.display()));
            }
            parent.push(part);
            self.make_input_directory(&parent)?;
        }
        Ok(parent.join(relative.file_name().unwrap_or_default()))
    }

    /// What to run, with everything it is told.
    fn told(&self, name: &str, spec: &JobSpec, attempt: u32, directories: &Directories) -> io::Result<Job> {
        let run = self.agent.config.run.to_string();
        let mut job = self.agent.job_in(self.ready, &spec.command, attempt, (&directories.work, &directories.results))?;
        job.limit = spec.timeout.map(|timeout| Duration::from_secs(timeout.0));
        job.env.retain(|variable, _| !variable.starts_with("JOB_ARRAY_"));
        let users = spec.env.iter().filter(|(variable, _)| !variable.starts_with("SPAWN_"));
        job.env.extend(users.map(|(variable, value)| (variable.clone(), value.clone())));
        let ours = [
            ("JOB_ATTEMPT", attempt.to_string()),
            ("JOB_ID", name.to_owned()),
            ("QUEUE_ID", run),
            ("SPAWN_INPUTS", directories.inputs.to_string_lossy().into_owned()),
            ("SPAWN_JOB", name.to_owned()),
        ];
        job.env.extend(ours.map(|(variable, value)| (variable.to_owned(), value)));
        job.env.extend(spec.params.iter().map(|(param, value)| (format!("SPAWN_PARAM_{param}"), value.clone())));
        Ok(job)
    }

    fn channel(&self, file: &Path) -> io::Result<Channel> {
        let (agent, rank) = (self.agent, self.agent.rank.get().copied().unwrap_or_default());
        let name = spawn_model::layout::log_stream(&agent.config.fleet, &agent.config.run, rank);
        Channel::open(&agent.session, Stream::new(agent.session.clone(), &agent.config.log_group, name), file.to_owned())
    }

    /// Runs the command, in a unit if the machine has any.
    async fn command(&self, job: &Job, channel: &Channel, given_up: impl Future<Output = ()>) -> Result<Ended, String> {
        let mut given_up = std::pin::pin!(given_up);
        let mut in_unit = workload::has_units();
        loop {
            if !in_unit {
                workload::keep_from_credentials(self.ready.account.as_ref(), job.uses_aws).await;
            }
            let writer = channel.writer().map_err(|error| error.to_string())?;
            let started = Workload::start(&self.agent.state, JOB, job, self.ready.account.as_ref(), in_unit, writer);
            let mut command = started.map_err(|error| error.to_string())?;
            let ended = tokio::select! {
                biased;
                exit = command.ended() => exit,
                _ending = self.agent.endings.any() => {
                    // Before another machine begins with the job, this one has to have ended it.
                    command.stop().await;
                    return Ok(Ended::WithMachine);
                }
                () = &mut given_up => {
                    command.stop().await;
                    return Ok(Ended::GivenUp);
                }
            };
            match ended {
                Ok(exit) => return Ok(self.by_itself(exit).await),
                Err(reason) if in_unit => {
                    eprintln!("spored: the job runs without a unit: {reason}");
                    in_unit = false;
                }
                Err(reason) => return Err(reason),
            }
        }
    }

    /// A command that was killed may have been so because the machine ends.
    async fn by_itself(&self, exit: Exit) -> Ended {
        match exit {
            Exit::Code { code: 0 } | Exit::NotStarted { .. } => Ended::ByItself(exit),
            _ => match self.agent.endings.within(super::work::SHUTDOWN_FOLLOWS_WITHIN).await {
                Some(Ending::Shutdown) => Ended::WithMachine,
                _ => Ended::ByItself(exit),
            },
        }
    }

    /// Keeps output and results of an attempt.
    async fn keep(
        &self,
        job: &str,
        spec: &JobSpec,
        attempt: u32,
        directories: &Directories,
        channel: Channel,
    ) -> (Vec<ResultFile>, Vec<String>) {
        let agent = self.agent;
        let key = |path: &str| agent.keys.job_result(job, attempt, path);
        let mut notes = channel.close().await;
        let of_work = results::upload(&agent.session, &agent.bucket, &directories.work, |path| spec.is_result(path), key).await;
        let left = results::upload(&agent.session, &agent.bucket, &directories.results, |_| true, key).await;
        let mut results = of_work.files;
        // Of two with one path, the one that was put into the results is what is there.
        results.retain(|file| left.files.iter().all(|other| other.path != file.path));
        results.extend(left.files);
        results.sort_by(|a, b| a.path.cmp(&b.path));
        let of_patterns = if spec.results.is_empty() { Vec::new() } else { of_work.notes };
        notes.extend(of_patterns.into_iter().chain(left.notes));
        notes.extend(self.keep_output(job, attempt, &directories.all.join("output.log")).await);
        (results, notes)
    }

    async fn keep_output(&self, job: &str, attempt: u32, file: &Path) -> Option<String> {
        let agent = self.agent;
        let key = agent.keys.job_output(job, attempt);
        let bytes = std::fs::metadata(file).map_or(0, |data| data.len());
        let kept = retry(agent.session.patience(TROUBLE), async || agent.bucket.put_file(&key, file, bytes).await).await;
        kept.err().map(|failure| format!("the output could not be kept: {failure}"))
    }
}

impl Directories {
    fn new(all: &Path) -> Self {
        Self { all: all.to_owned(), work: all.join("work"), results: all.join("results"), inputs: all.join("inputs") }
    }
}
