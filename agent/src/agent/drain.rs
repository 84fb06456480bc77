//! A worker of a queue: where its jobs' commands run, and what is kept of each attempt.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use spawn_model::layout::RunKeys;
use spawn_model::queue::{JobClaim, JobExit, JobSpec, KeptJobs, OnFailure};
use spawn_model::record::{Exit, ResultFile};

use super::end::LAST_MOMENTS;
use super::{After, Agent, Ready};
use crate::claims::{BucketClaims, Claims};
use crate::ending::Ending;
use crate::exec::{self, Cause, Job};
use crate::failure::Failure;
use crate::output::Channel;
use crate::payload;
use crate::queue::{Drained, Ran, Runner, Worker};
use crate::results::{self, Uploaded};
use crate::retry::retry;
use crate::workload::{self, JOB, Workload};

/// How long an input or the output is tried while S3 is in trouble.
const TROUBLE: Duration = Duration::from_secs(120);
/// How long a result is: what was worked for is not given up while the job is this machine's, and its lease ends a wait that nobody ends.
const RESULT_TROUBLE: Duration = Duration::from_secs(24 * 60 * 60);

impl Agent {
    /// Drains the queue, and records that nothing is left to do; or why the machine ends before that.
    pub(super) async fn drain(&self, ready: &Ready) -> After {
        let store = BucketClaims { session: self.session.clone(), bucket: self.bucket.clone(), keys: self.keys.clone() };
        let kept = match ready.payload.resumed {
            true => store.kept(TROUBLE).await,
            false => Ok(KeptJobs::new()),
        };
        let kept = match kept {
            Ok(kept) => kept,
            Err(failure) => return self.unable(failure.to_string()).await,
        };
        let place = Place { agent: self, ready, store: &store, kept: &kept };
        let worker = Worker {
            store: &store,
            runner: &place,
            jobs: &ready.payload.jobs,
            on_failure: ready.payload.on_failure.unwrap_or(OnFailure::Stop),
            kept: &kept,
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
            Drained::Unfit(reason) => self.unable(reason).await,
        }
    }

    /// Ends what an earlier life of this agent has left at work: before anything that takes time, since somebody else may begin it.
    pub(super) async fn end_earlier_job(&self) {
        if workload::was_started(&self.state, JOB) {
            if workload::has_units() {
                workload::clear(JOB).await;
            }
            workload::end(&self.state, JOB).await;
        }
    }
}

/// Where jobs run.
struct Place<'a> {
    agent: &'a Agent,
    ready: &'a Ready,
    store: &'a BucketClaims,
    kept: &'a KeptJobs,
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
    /// It was ended after its timeout.
    Late,
    /// The machine is about to end.
    WithMachine,
    /// The job is another machine's, or nobody's.
    GivenUp,
}

/// What the command of an attempt has left.
struct Left {
    exit: JobExit,
    ended_at: Timestamp,
    directories: Directories,
    /// Where it printed to, if it was begun.
    channel: Option<Channel>,
}

impl Runner for Place<'_> {
    type Left = Left;

    async fn run(&self, job: &str, attempt: u32, given_up: impl Future<Output = ()>) -> Option<Left> {
        let directories = Directories::new(&self.agent.state.path("jobs").join(format!("{job}.{attempt}")));
        let mut given_up = std::pin::pin!(given_up);
        let made = async {
            let spec = self.spec(job)?;
            self.make(&directories)?;
            self.fetch_inputs(spec, &directories).await?;
            self.told(job, spec, attempt, &directories).map_err(|error| format!("its files cannot be made: {error}"))
        };
        let told = tokio::select! {
            biased;
            () = &mut given_up => Err(Ended::GivenUp),
            _ending = self.agent.endings.any() => Err(Ended::WithMachine),
            told = made => Ok(told),
        };
        let (ended, channel) = match told {
            Err(ended) => (Ok(ended), None),
            Ok(Err(reason)) => (Err(reason), None),
            Ok(Ok(told)) => match self.begun(job, attempt, &directories) {
                Err(error) => (Err(format!("it cannot be started: {error}")), None),
                Ok(channel) => (self.command(&told, &channel, given_up).await, Some(channel)),
            },
        };
        let exit = match ended {
            Ok(Ended::GivenUp) => {
                directories.remove().await;
                return None;
            }
            Ok(Ended::WithMachine) => JobExit::Interrupted,
            Ok(Ended::Late) => JobExit::TimedOut,
            Ok(Ended::ByItself(exit)) => exit.into(),
            Err(reason) => JobExit::WorkerFailed { reason },
        };
        Some(Left { exit, ended_at: Timestamp::now(), directories, channel })
    }

    async fn keep(&self, job: &str, attempt: u32, left: Left) -> Ran {
        let Left { exit, ended_at, directories, channel } = left;
        let mut ran = Ran { exit, ended_at, results: Vec::new(), notes: Vec::new() };
        if let Some(channel) = channel {
            let kept = tokio::select! {
                kept = self.kept(job, attempt, &ran.exit, &directories, channel) => kept,
                () = self.agent.out_of_time(LAST_MOMENTS.0) => Err(JobExit::Interrupted),
            };
            match kept {
                Ok((results, notes)) => (ran.results, ran.notes) = (results, notes),
                // It has not done what others wait for.
                Err(exit) if ran.exit == (JobExit::Code { code: 0 }) => ran.exit = exit,
                Err(_) => ran.notes.push("not all output and results were kept".to_owned()),
            }
        }
        directories.remove().await;
        ran
    }

    async fn ending(&self) {
        self.agent.endings.any().await;
    }

    async fn no_time_at_all(&self) {
        self.agent.out_of_time(LAST_MOMENTS.1).await;
    }
}

impl Place<'_> {
    fn spec(&self, job: &str) -> Result<&JobSpec, String> {
        self.ready.payload.jobs.get(job).ok_or_else(|| "the queue has no such job".to_owned())
    }

    /// Where the command prints to, once it is said there which job it is.
    fn begun(&self, job: &str, attempt: u32, directories: &Directories) -> io::Result<Channel> {
        let channel = self.agent.channel_by(directories.output())?;
        writeln!(channel.writer()?, "spawn: job {job}, attempt {attempt}")?;
        Ok(channel)
    }

    fn make(&self, directories: &Directories) -> Result<(), String> {
        let account = self.ready.account.as_ref();
        // What an earlier life of this agent left of the same attempt.
        let _ = std::fs::remove_dir_all(&directories.all);
        let jobs = self.agent.state.path("jobs");
        // The command's own user gets two of these, and cannot put others in their place: what is around them is the agent's.
        for (directory, owner) in [(&jobs, None), (&directories.all, None), (&directories.inputs, None), (&directories.results, account)] {
            payload::make_directory(directory, owner).map_err(|error| format!("{} cannot be made: {error}", directory.display()))?;
        }
        payload::unpack(&self.ready.payload, &directories.work, account)
    }

    /// Fetches what the jobs that this one depends on have left.
    async fn fetch_inputs(&self, spec: &JobSpec, directories: &Directories) -> Result<(), String> {
        for needed in &spec.depends_on {
            let (keys, claim) = self.done(needed).await.map_err(|failure| failure.to_string())?;
            let directory = directories.inputs.join(needed);
            Self::make_input_directory(&directory)?;
            let Some(last) = claim.last() else { continue };
            for file in &last.results {
                let path = Self::input_path(&directory, &file.path)?;
                let key = keys.job_result(needed, last.number, &file.path);
                retry(self.agent.session.patience(TROUBLE), async || self.agent.bucket.get_file(&key, &path).await)
                    .await
                    .map_err(|failure| format!("the result {} of {needed} could not be fetched: {failure}", file.path))?;
            }
        }
        Ok(())
    }

    /// How a job went that this one depends on, and where that run has its keys.
    async fn done(&self, job: &str) -> Result<(RunKeys, JobClaim), Failure> {
        if let Some(kept) = self.kept.get(job) {
            return Ok((RunKeys::new(&self.agent.config.fleet, &kept.run), kept.claim.clone()));
        }
        let read = retry(self.agent.session.patience(TROUBLE), async || self.store.read(job).await).await;
        Ok((self.agent.keys.clone(), read?.claim))
    }

    fn make_input_directory(directory: &Path) -> Result<(), String> {
        payload::make_directory(directory, None).map_err(|error| format!("{} cannot be made: {error}", directory.display()))
    }

    /// Where an input is put, once the directories above it are there.
    fn input_path(directory: &Path, relative: &str) -> Result<PathBuf, String> {
        let relative = Path::new(relative);
        let mut parent = directory.to_owned();
        for part in relative.parent().into_iter().flat_map(Path::components) {
            if !matches!(part, std::path::Component::Normal(_)) {
                return Err(format!("the result {} leads out of its directory", relative.display()));
            }
            parent.push(part);
            Self::make_input_directory(&parent)?;
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

    /// Runs the command, in a unit if the machine has any. An error says why this machine cannot.
    async fn command(&self, job: &Job, channel: &Channel, mut given_up: Pin<&mut impl Future<Output = ()>>) -> Result<Ended, String> {
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
                ended = command.ended_by() => ended,
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
                Ok(ended) => return Ok(self.came_to(ended).await),
                Err(reason) if in_unit => {
                    eprintln!("spored: the job runs without a unit: {reason}");
                    in_unit = false;
                }
                Err(reason) => return Err(reason),
            }
        }
    }

    /// A command that was killed, or asked to end by somebody else than this agent, may have been so because the machine ends; whatever it made of that, it
    /// has not done its work.
    async fn came_to(&self, ended: exec::Ended) -> Ended {
        match (ended.cause, &ended.exit) {
            (Cause::Limit, _) => Ended::Late,
            (Cause::Asked, _) => Ended::WithMachine,
            (Cause::Itself, Exit::Code { code: 0 } | Exit::NotStarted { .. }) => Ended::ByItself(ended.exit),
            (Cause::Itself, _) => match self.agent.endings.within(super::work::SHUTDOWN_FOLLOWS_WITHIN).await {
                Some(Ending::Shutdown) => Ended::WithMachine,
                _ => Ended::ByItself(ended.exit),
            },
        }
    }

    /// Keeps output and results of an attempt, or says what that makes of it.
    async fn kept(
        &self,
        job: &str,
        attempt: u32,
        exit: &JobExit,
        directories: &Directories,
        channel: Channel,
    ) -> Result<(Vec<ResultFile>, Vec<String>), JobExit> {
        let agent = self.agent;
        let key = |path: &str| agent.keys.job_result(job, attempt, path);
        let mut notes = channel.close().await;
        let mut results = Vec::new();
        let mut is_incomplete = false;
        let spec = self.spec(job).map_err(|reason| JobExit::WorkerFailed { reason })?;
        if !spec.results.is_empty() {
            let of_work =
                results::upload(&agent.session, &agent.bucket, &directories.work, spec.result_filter(), key, RESULT_TROUBLE).await;
            if of_work.files.is_empty() && *exit == (JobExit::Code { code: 0 }) {
                notes.push(format!("no file matches its results: {}", spec.results.join(", ")));
            }
            results = of_work.files;
            notes.extend(of_work.notes);
            is_incomplete |= of_work.is_incomplete;
        }
        let left = results::upload(&agent.session, &agent.bucket, &directories.results, |_| true, key, RESULT_TROUBLE).await;
        // Of two with one path, the one that was put into the results is what is there.
        let there: BTreeSet<&str> = left.files.iter().map(|file| file.path.as_str()).collect();
        results.retain(|file| !there.contains(file.path.as_str()));
        results.extend(left.files);
        results.sort_by(|a, b| a.path.cmp(&b.path));
        notes.extend(left.notes);
        notes.extend(self.keep_output(job, attempt, &directories.output()).await);
        match (is_incomplete || left.is_incomplete, notes.first()) {
            (true, Some(reason)) => Err(JobExit::WorkerFailed { reason: reason.clone() }),
            _ => Ok((results, notes)),
        }
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

    /// What the command prints.
    fn output(&self) -> PathBuf {
        self.all.join("output.log")
    }

    async fn remove(&self) {
        match tokio::fs::remove_dir_all(&self.all).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => eprintln!("spored: {}: {error}", self.all.display()),
            _ => {}
        }
    }
}
