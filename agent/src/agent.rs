//! The order of everything: from the configuration to the end of the machine.

mod end;

use std::cell::OnceCell;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use spawn_model::idle::IdleSpec;
use spawn_model::layout::{RunKeys, log_stream};
use spawn_model::record::{AgentConfig, Exit, Payload, RankClaim, SCHEMA};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use end::LAST_MOMENTS;

use crate::aws::Session;
use crate::aws::logs::Stream;
use crate::aws::s3::Bucket;
use crate::config::State;
use crate::ending::{Ending, Endings};
use crate::environment::{self, Facts};
use crate::exec::Job;
use crate::http::Http;
use crate::idle::Findings;
use crate::metadata::{Identity, Metadata};
use crate::output::{self, Progress};
use crate::peers::{self, Peer};
use crate::rank::{self, BucketClaims};
use crate::results::{self, Uploaded};
use crate::retry::{Patience, retry};
use crate::workload::{self, Account, Workload};
use crate::{Intervals, completion, config, idle, lease, payload, power, spot};

/// How long to try for what nothing can be done without.
const START_WITHIN: Duration = Duration::from_secs(180);
/// A command that was told to end by the system may be gone a moment before the agent is told.
const SHUTDOWN_FOLLOWS_WITHIN: Duration = Duration::from_millis(500);
/// How long output may stay open after the command has ended.
const OUTPUT_OPEN: Duration = Duration::from_secs(2);
/// How long the last output may take to reach Logs.
const OUTPUT_SENT: Duration = Duration::from_secs(60);
/// Where programs are found, if the agent is not told.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What becomes of the machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum After {
    PowerOff,
    /// It ends already, or somebody restarts the agent.
    Leave,
}

/// What is known before the command starts.
struct Ready {
    identity: Identity,
    payload: Payload,
    peers: Vec<Peer>,
    account: Option<Account>,
}

/// How a run of the command came to its end.
enum Ran {
    Ended(Exit, Uploaded),
    /// The system went down while it ran, with this to be recorded.
    Cut(Option<Exit>),
}

struct Agent {
    config: AgentConfig,
    state: State,
    keys: RunKeys,
    session: Rc<Session>,
    bucket: Rc<Bucket>,
    metadata: Rc<Metadata>,
    deadline: watch::Receiver<Timestamp>,
    idle: watch::Receiver<Option<IdleSpec>>,
    findings: Rc<Findings>,
    intervals: Intervals,
    endings: Endings,
    identity: OnceCell<Identity>,
    rank: OnceCell<u32>,
    started_at: OnceCell<Timestamp>,
}

/// Serves until there is nothing left to do, and ends the machine.
pub(crate) async fn run(config: &Path, intervals: Intervals) -> ExitCode {
    let after = match Agent::start(config, intervals) {
        Ok(agent) => agent.serve().await,
        Err(reason) => {
            eprintln!("spored: {reason}; the machine ends now");
            After::PowerOff
        }
    };
    if after == After::PowerOff {
        power::off().await;
    }
    ExitCode::SUCCESS
}

impl Agent {
    /// Reads the configuration and starts the second hand, before anything that takes time.
    fn start(path: &Path, intervals: Intervals) -> Result<Self, String> {
        let config = config::load(path)?;
        let state = State::beside(path);
        let (deadline_sender, deadline) = watch::channel(lease::known(&state, config.deadline));
        let (idle_sender, idle) = watch::channel(None);
        let endings = Endings::watch().map_err(|error| format!("signals cannot be received: {error}"))?;
        endings.when(lease::over(deadline.clone()), Ending::Lease);
        let http = Rc::new(Http::new());
        let metadata = Rc::new(Metadata::new(Rc::clone(&http)));
        let session = Rc::new(Session::new(http, Rc::clone(&metadata), &config.region));
        let bucket = Rc::new(Bucket::new(Rc::clone(&session), &config.bucket, &config.account));
        let keys = RunKeys::new(&config.fleet, &config.run);
        let told = lease::Told { deadline: deadline_sender, idle: idle_sender };
        tokio::task::spawn_local(lease::follow(Rc::clone(&bucket), keys.clone(), state.clone(), told, intervals.lease));
        let (findings, identity, rank, started_at) = (Rc::default(), OnceCell::new(), OnceCell::new(), OnceCell::new());
        Ok(Self {
            config,
            state,
            keys,
            session,
            bucket,
            metadata,
            deadline,
            idle,
            findings,
            intervals,
            endings,
            identity,
            rank,
            started_at,
        })
    }

    /// Has idleness end the machine from now on.
    fn watch_idleness(&self) {
        let (idle, findings, interval) = (self.idle.clone(), Rc::clone(&self.findings), self.intervals.look);
        self.endings.when(async move { idle::over(idle, &findings, interval).await }, Ending::Idle);
    }

    async fn serve(self) -> After {
        if let Some(done) = completion::kept(&self.state) {
            self.write(&done).await;
            if done.idle.is_some() {
                return After::PowerOff;
            }
            self.watch_idleness();
            return self.stay().await;
        }
        let ready = tokio::select! {
            biased;
            ending = self.endings.any() => return self.ended_early(ending).await,
            ready = self.prepare() => ready,
        };
        match ready {
            Ok(Some(ready)) => {
                if ready.identity.spot {
                    let metadata = Rc::clone(&self.metadata);
                    self.endings.when(async move { spot::notice(&metadata).await }, Ending::Spot);
                }
                self.watch_idleness();
                if ready.payload.command.is_empty() && !self.config.kind.ends_with_command() {
                    let ending = self.endings.any().await;
                    return self.ended_early(ending).await;
                }
                self.work(&ready).await
            }
            Ok(None) => {
                eprintln!("spored: every rank has its machine; this one is not needed and ends now");
                After::PowerOff
            }
            Err(reason) => self.unable(reason).await,
        }
    }

    /// Everything up to the command: who this is, what to run, which rank, and who the others are. Nothing if no rank is left.
    async fn prepare(&self) -> Result<Option<Ready>, String> {
        let patience = self.session.patience(START_WITHIN);
        let patience = Patience { missing: patience.trouble, ..patience };
        let payload_key = self.keys.payload();
        let (identity, content) = tokio::try_join!(
            async {
                let identity = retry(patience, async || self.metadata.identity().await).await?;
                Ok(self.identity.get_or_init(|| identity).clone())
            },
            retry(patience, async || self.bucket.get(&payload_key).await),
        )
        .map_err(|failure| failure.to_string())?;
        let mut payload = payload::read(&content)?;
        if payload.fewer_may_do {
            payload.size = payload::settled(&self.bucket, &self.keys).await;
        }
        let (account, recorded) = tokio::join!(self.make_place(&payload), async {
            match payload.size {
                1 => Some(peers::alone(&identity.private_ip, &payload.name)),
                size => peers::recorded(&self.bucket, &self.keys, size, &payload.name).await,
            }
        });
        let account = account?;
        let started_at = Timestamp::now();
        let claimed =
            RankClaim { schema: SCHEMA, instance_id: identity.instance_id.clone(), private_ip: identity.private_ip.clone(), started_at };
        let claims = BucketClaims { session: &self.session, bucket: &self.bucket, keys: &self.keys, claim: &claimed };
        let chosen = rank::choose(&claims, &identity.instance_id, self.wanted(&identity), payload.size).await;
        let Some(rank) = chosen.map_err(|failure| failure.to_string())? else { return Ok(None) };
        let (_, _) = (self.rank.set(rank), self.started_at.set(started_at));
        self.state.keep("rank.json", &rank).map_err(|error| format!("the rank cannot be kept: {error}"))?;
        let peers = match recorded {
            Some(peers) => peers,
            None => peers::claimed(&self.bucket, &self.keys, payload.size, &payload.name).await,
        };
        Ok(Some(Ready { identity, payload, peers, account }))
    }

    /// The rank of an earlier boot, or the one that the launch meant.
    fn wanted(&self, identity: &Identity) -> u32 {
        self.state.recall("rank.json").unwrap_or_else(|| self.config.rank_base.saturating_add(identity.launch_index))
    }

    /// Makes the workload's user and directories.
    async fn make_place(&self, payload: &Payload) -> Result<Option<Account>, String> {
        if payload.command.is_empty() {
            return Ok(None);
        }
        let account = workload::account().await;
        payload::unpack(payload, &self.state.path("work"), account.as_ref())?;
        payload::make_directory(&self.state.path("results"), account.as_ref())
            .map_err(|error| format!("the results directory cannot be made: {error}"))?;
        Ok(account)
    }

    /// Runs the command, keeps what it leaves, records how it ended.
    async fn work(&self, ready: &Ready) -> After {
        let attempt = self.state.recall("attempt.json").unwrap_or(0_u32) + 1;
        if let Err(error) = self.state.keep("attempt.json", &attempt) {
            return self.unable(format!("the attempt cannot be kept: {error}")).await;
        }
        let has_units = workload::has_units();
        if has_units && attempt > 1 {
            workload::clear().await;
        }
        let mut ran = self.run_once(ready, attempt, has_units).await;
        if let (true, Err(reason)) = (has_units, &ran) {
            eprintln!("spored: the workload runs without a unit: {reason}");
            if let (Some(account), false) = (&ready.account, ready.payload.uses_aws) {
                workload::deny_metadata(account).await;
            }
            ran = self.run_once(ready, attempt, false).await;
        }
        let (exit, uploaded) = match ran {
            Ok(Ran::Ended(exit, uploaded)) => (exit, uploaded),
            Ok(Ran::Cut(Some(exit))) => (exit, Uploaded::default()),
            Ok(Ran::Cut(None)) => return After::Leave,
            Err(reason) => (Exit::NotStarted { reason }, Uploaded::default()),
        };
        self.record(exit, uploaded).await;
        self.stay().await
    }

    /// Runs the command, in a unit or directly. An error if it could not be run in this way.
    async fn run_once(&self, ready: &Ready, attempt: u32, unit: bool) -> Result<Ran, String> {
        let job = self.job(ready, attempt, unit).map_err(|error| format!("the workload's files cannot be made: {error}"))?;
        let (mut workload, source) = Workload::start(&self.state, &job, ready.account.as_ref(), unit)
            .map_err(|error| format!("the workload cannot be started: {error}"))?;
        let path = self.state.path("output.log");
        let (sender, progress) = watch::channel(Progress::default());
        let (stop, stopped) = oneshot::channel();
        let collector = tokio::task::spawn_local(output::collect(source, path.clone(), sender, stopped));
        let name = log_stream(&self.config.fleet, &self.config.run, self.rank.get().copied().unwrap_or_default());
        let stream = Stream::new(Rc::clone(&self.session), &self.config.log_group, name);
        let session = Rc::clone(&self.session);
        let forwarder = tokio::task::spawn_local(async move { output::forward(&session, &stream, &path, progress).await });
        let exit = match self.ended(&mut workload).await? {
            Ok(exit) => exit,
            Err(cut) => return Ok(Ran::Cut(cut)),
        };
        let keep = async {
            if timeout(OUTPUT_OPEN, collector).await.is_err() {
                // The collector may have come to the end by itself at this moment.
                let _ = stop.send(());
            }
            let late = || vec!["the last output did not reach CloudWatch Logs in time".to_owned()];
            let sent = async { timeout(OUTPUT_SENT, forwarder).await.map_or_else(|_| late(), Result::unwrap_or_default) };
            let rank = self.rank.get().copied().unwrap_or_default();
            let results = self.state.path("results");
            let (notes, mut uploaded) = tokio::join!(sent, results::upload(&self.session, &self.bucket, &self.keys, rank, &results));
            uploaded.notes.splice(0..0, notes);
            uploaded
        };
        let uploaded = tokio::select! {
            uploaded = keep => uploaded,
            () = self.out_of_time(LAST_MOMENTS.0) => {
                Uploaded { files: vec![], notes: vec!["the machine ended before all output and results were kept".to_owned()] }
            }
        };
        Ok(Ran::Ended(exit, uploaded))
    }

    /// Waits for the command to end, or ends it when the machine does. The inner error is for a system that goes down meanwhile.
    async fn ended(&self, workload: &mut Workload) -> Result<Result<Exit, Option<Exit>>, String> {
        let (by_itself, ending) = tokio::select! {
            biased;
            exit = workload.ended() => {
                let exit = exit?;
                // A command that was killed may have been so because the machine ends.
                let ending = match exit {
                    Exit::Code { code: 0 } | Exit::NotStarted { .. } => None,
                    _ => self.endings.within(SHUTDOWN_FOLLOWS_WITHIN).await,
                };
                match ending {
                    None => return Ok(Ok(exit)),
                    Some(ending) => (true, ending),
                }
            }
            ending = self.endings.any() => (false, ending),
        };
        let exit = match ending {
            Ending::Idle => Exit::Idle,
            Ending::Lease => Exit::LeaseEnded,
            Ending::Spot => Exit::Interrupted,
            Ending::Shutdown => return Ok(Err(self.lease_over().then_some(Exit::LeaseEnded))),
        };
        if !by_itself {
            tokio::select! { () = workload.stop() => {}, () = self.endings.shutdown() => {} }
        }
        Ok(Ok(exit))
    }

    /// What to run, with everything it is told.
    fn job(&self, ready: &Ready, attempt: u32, unit: bool) -> std::io::Result<Job> {
        let (peers, hostfile) = (self.state.path("peers.jsonl"), self.state.path("hostfile"));
        std::fs::write(&peers, peers::peers_file(&ready.peers)?)?;
        std::fs::write(&hostfile, peers::host_file(&ready.peers))?;
        let directory = self.state.path("work");
        let home = ready.account.as_ref().map(|account| account.home.as_path()).filter(|home| home.is_dir());
        let own_user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let facts = Facts {
            config: &self.config,
            payload: &ready.payload,
            rank: self.rank.get().copied().unwrap_or_default(),
            attempt,
            deadline: *self.deadline.borrow(),
            peers: &peers,
            hostfile: &hostfile,
            results: &self.state.path("results"),
            home: home.unwrap_or(&directory),
            user: if unit || ready.account.is_some() { workload::USER } else { &own_user },
            path: &std::env::var("PATH").unwrap_or_else(|_| PATH.to_owned()),
            endpoints: &environment::endpoints(),
        };
        let env = environment::make(&facts);
        Ok(Job { argv: ready.payload.command.clone(), env, directory, uses_aws: ready.payload.uses_aws, grace: workload::GRACE })
    }
}
