//! The order of everything: from the configuration to the end of the machine.

mod drain;
mod end;
mod service;
mod work;

use std::cell::{Cell, OnceCell, RefCell};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spawn_model::idle::IdleSpec;
use spawn_model::layout::RunKeys;
use spawn_model::record::{AgentConfig, Notice, Payload, RankClaim, SCHEMA};
use spawn_model::spec::FleetKind;
use tokio::sync::{Mutex, watch};

use crate::aws::Session;
use crate::aws::s3::Bucket;
use crate::config::State;
use crate::ending::{Ending, Endings};
use crate::hibernation::Hibernation;
use crate::hook::{Hooks, Reason};
use crate::http::Http;
use crate::idle::Findings;
use crate::metadata::{Identity, Metadata};
use crate::peers::{self, Peer};
use crate::rank::{self, BucketClaims};
use crate::results::Uploaded;
use crate::retry::{Patience, retry};
use crate::tenure::Tenure;
use crate::workload::{self, Account};
use crate::{Intervals, completion, config, lease, notices, payload, power, spot};

/// How long to try for what nothing can be done without.
const START_WITHIN: Duration = Duration::from_secs(180);

/// Under this name the rank is kept.
const RANK: &str = "rank.json";
/// Under this name it is kept how often the command was begun.
const ATTEMPT: &str = "attempt.json";

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
    hibernation: Rc<Hibernation>,
    /// Whether the deadline that is known was over at the start: the machine was started again, and its lease has to be read first.
    is_renewed: bool,
    /// When EC2 takes the machine back, once it has said so.
    gone_at: Rc<watch::Sender<Option<Timestamp>>>,
    /// Why something is being saved beside the command, while it is.
    saving: Cell<Option<Reason>>,
    /// Whose turn it is to save something.
    turn: Mutex<()>,
    /// What went wrong with hooks.
    notes: RefCell<Vec<String>>,
    intervals: Intervals,
    endings: Endings,
    identity: OnceCell<Identity>,
    rank: OnceCell<u32>,
    /// The holding of the rank, in a service.
    tenure: OnceCell<Tenure>,
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
        let (known, now) = (lease::known(&state, &config), Timestamp::now());
        let is_renewed = config.ends.stops() && known <= now;
        let (deadline_sender, deadline) = watch::channel(if is_renewed { now + lease::READ_WITHIN } else { known });
        let (idle_sender, idle) = watch::channel(None);
        let endings = Endings::watch().map_err(|error| format!("signals cannot be received: {error}"))?;
        let http = Rc::new(Http::new());
        let metadata = Rc::new(Metadata::new(Rc::clone(&http)));
        let session = Rc::new(Session::new(http, Rc::clone(&metadata), &config.region));
        let bucket = Rc::new(Bucket::new(Rc::clone(&session), &config.bucket, &config.account));
        let keys = RunKeys::new(&config.fleet, &config.run);
        let told = lease::Told { deadline: deadline_sender, idle: idle_sender };
        let (reading, ends) = (Rc::new(lease::Reading::default()), config.ends);
        let followed =
            lease::Followed { bucket: Rc::clone(&bucket), keys: keys.clone(), state: state.clone(), ends, reading: Rc::clone(&reading) };
        tokio::task::spawn_local(lease::follow(followed, told, intervals.lease));
        if ends.stops() && !is_renewed {
            tokio::task::spawn_local(async move {
                if ends.hibernates() {
                    // After a reboot its timer would count the whole span once more.
                    power::arm(known, now, ends).await;
                }
                power::go_on().await;
            });
        }
        let hibernation = Rc::new(Hibernation {
            ends,
            session: Rc::clone(&session),
            metadata: Rc::clone(&metadata),
            bucket: Rc::clone(&bucket),
            keys: keys.clone(),
            deadline: deadline.clone(),
            reading,
            failure: RefCell::default(),
            deciding: Mutex::default(),
            naps: watch::Sender::new(0),
        });
        if ends.hibernates() {
            let hibernation = Rc::clone(&hibernation);
            tokio::task::spawn_local(async move { hibernation.watch_naps().await });
        }
        let expired = Rc::clone(&hibernation);
        endings.when(async move { expired.or_expired(SignedDuration::ZERO).await }, Ending::Lease);
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
            hibernation,
            is_renewed,
            gone_at: Rc::new(watch::Sender::new(None)),
            saving: Cell::new(None),
            turn: Mutex::default(),
            notes: RefCell::default(),
            intervals,
            endings,
            identity,
            rank,
            tenure: OnceCell::new(),
            started_at,
        })
    }

    /// Has idleness end the machine from now on.
    fn watch_idleness(&self) {
        let (idle, findings, interval) = (self.idle.clone(), Rc::clone(&self.findings), self.intervals.look);
        let hibernation = Rc::clone(&self.hibernation);
        self.endings.when(async move { hibernation.or_idle(idle, &findings, interval).await }, Ending::Idle);
    }

    /// Has the end of the lease begin early enough for what runs before it.
    fn watch_for(&self, hooks: &Hooks) {
        if let Some(lead) = hooks.lead() {
            let hibernation = Rc::clone(&self.hibernation);
            self.endings.when(async move { hibernation.or_expired(lead).await }, Ending::Lease);
        }
    }

    /// Has EC2's notice end the machine from now on.
    fn watch_spot(&self) {
        let (metadata, gone_at) = (Rc::clone(&self.metadata), Rc::clone(&self.gone_at));
        self.endings.when(async move { spot::notice(&metadata, &gone_at).await }, Ending::Spot);
    }

    /// Has the other ranks be told when EC2 takes this machine back, if they look for that.
    fn tell_peers(&self, ready: &Ready) {
        let is_asked_for = ready.payload.size > 1 && ready.payload.peer_notice.is_some();
        let Some(rank) = self.rank.get().copied().filter(|_| is_asked_for) else { return };
        let (session, bucket, keys) = (Rc::clone(&self.session), Rc::clone(&self.bucket), self.keys.clone());
        let (mut gone_at, instance_id) = (self.gone_at.subscribe(), ready.identity.instance_id.clone());
        tokio::task::spawn_local(async move {
            let Some(gone_at) = gone_at.wait_for(Option::is_some).await.ok().and_then(|at| *at) else { return };
            notices::tell(&session, &bucket, &keys, &Notice { schema: SCHEMA, rank, instance_id, gone_at }).await;
        });
    }

    async fn serve(self) -> After {
        let after = self.live().await;
        self.give_back().await;
        after
    }

    async fn live(&self) -> After {
        if self.is_renewed {
            let mut deadline = self.deadline.clone();
            deadline.mark_unchanged();
            let leased = async {
                // Nobody but who reads the lease moves it.
                while deadline.changed().await.is_ok() && *deadline.borrow_and_update() <= Timestamp::now() {}
            };
            tokio::select! {
                biased;
                ending = self.endings.any() => return self.ended_early(ending, Uploaded::default()).await,
                () = leased => {}
            }
        }
        if let Some(done) = completion::kept(&self.state) {
            self.write(&done).await;
            if done.idle.is_some() || self.is_service() {
                return After::PowerOff;
            }
            let hooks = Hooks::kept(&self.state);
            self.watch_for(&hooks);
            self.watch_spot();
            self.watch_idleness();
            return self.stay(&hooks).await;
        }
        if self.config.kind == FleetKind::Queue {
            self.end_earlier_job().await;
        }
        let ready = tokio::select! {
            biased;
            ending = self.endings.any() => return self.ended_early(ending, Uploaded::default()).await,
            ready = self.prepare() => ready,
        };
        match ready {
            Ok(Some(ready)) => {
                if ready.identity.spot {
                    self.watch_spot();
                    self.tell_peers(&ready);
                }
                self.watch_idleness();
                match self.config.kind {
                    FleetKind::Service => self.keep_running(ready).await,
                    FleetKind::Queue => self.drain(&ready).await,
                    FleetKind::Instance | FleetKind::JobArray => self.work(&ready).await,
                }
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
                // They are told whom there is at every start of the command; and those of a queue have nothing to do with each other.
                _ if self.is_service() || !payload.jobs.is_empty() => Some(vec![]),
                1 => Some(peers::alone(&identity.private_ip, &payload.name)),
                size => peers::recorded(&self.bucket, &self.keys, size, &payload.name).await,
            }
        });
        let account = account?;
        let rank = if self.is_service() {
            Some(self.take_rank(&identity, &mut payload).await)
        } else {
            self.claim_rank(&identity, &payload).await?
        };
        let Some(rank) = rank else { return Ok(None) };
        self.state.keep(RANK, &rank).map_err(|error| format!("the rank cannot be kept: {error}"))?;
        let peers = match recorded {
            Some(peers) => peers,
            None => peers::claimed(&self.bucket, &self.keys, payload.size, &payload.name).await,
        };
        Ok(Some(Ready { identity, payload, peers, account }))
    }

    /// Claims a rank for good. Nothing if none is left.
    async fn claim_rank(&self, identity: &Identity, payload: &Payload) -> Result<Option<u32>, String> {
        let claimed = Self::claim_of(identity);
        let claims = BucketClaims { session: &self.session, bucket: &self.bucket, keys: &self.keys, claim: &claimed };
        let chosen = rank::choose(&claims, &identity.instance_id, self.wanted(identity), payload.size).await;
        let Some(rank) = chosen.map_err(|failure| failure.to_string())? else { return Ok(None) };
        let (_, _) = (self.rank.set(rank), self.started_at.set(claimed.started_at));
        Ok(Some(rank))
    }

    /// What this machine claims a rank with, now.
    fn claim_of(identity: &Identity) -> RankClaim {
        let (instance_id, private_ip) = (identity.instance_id.clone(), identity.private_ip.clone());
        RankClaim { schema: SCHEMA, instance_id, private_ip, started_at: Timestamp::now(), service: None }
    }

    fn is_service(&self) -> bool {
        self.config.kind == FleetKind::Service
    }

    /// The rank of an earlier boot, or the one that the launch meant.
    fn wanted(&self, identity: &Identity) -> u32 {
        self.state.recall(RANK).unwrap_or_else(|| self.config.rank_base.saturating_add(identity.launch_index))
    }

    /// Makes the workload's user and directories.
    async fn make_place(&self, payload: &Payload) -> Result<Option<Account>, String> {
        if !payload.jobs.is_empty() {
            // Each attempt has a place of its own.
            return Ok(workload::account().await);
        }
        if payload.command.is_empty() && payload.pre_stop.is_none() && payload.checkpoint.is_none() {
            return Ok(None);
        }
        let account = workload::account().await;
        payload::unpack(payload, &self.state.path("work"), account.as_ref())?;
        payload::make_directory(&self.state.path("results"), account.as_ref())
            .map_err(|error| format!("the results directory cannot be made: {error}"))?;
        Ok(account)
    }
}
