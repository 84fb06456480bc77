//! Hibernating instead of ending. The machine asks EC2 for it, since only EC2 can: a machine that powers off has lost its memory.
//!
//! Whoever starts the machine again finds everything as it was, this agent too: it goes on in the middle of what it waited for, with a clock that
//! has jumped and a lease that may be another one by now. So it reads the lease again before it ends anything by it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spawn_model::idle::{IdleSpec, Idleness};
use spawn_model::ids::InstanceId;
use spawn_model::layout::RunKeys;
use spawn_model::record::{SCHEMA, Stop};
use spawn_model::stopping::{Ends, OnEnd};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use crate::aws::Session;
use crate::aws::ec2;
use crate::aws::s3::Bucket;
use crate::failure::Failure;
use crate::idle::{self, Findings};
use crate::lease::{self, Reading};
use crate::metadata::Metadata;
use crate::retry::{Patience, retry};
use crate::{power, stop};

/// How long to ask EC2 for it: what has just booted cannot hibernate for about two minutes (EC2 user guide, "Troubleshoot Amazon EC2 instance
/// hibernation").
const ASK_FOR: Duration = Duration::from_secs(180);
/// How long to try to record why.
const RECORD_WITHIN: Duration = Duration::from_secs(10);
/// How long EC2 may take to hibernate what it said that it would: some minutes, where there is much memory.
const ASLEEP_WITHIN: Duration = Duration::from_secs(300);
/// How often the lease is asked for meanwhile: whoever starts a machine gives it one first.
const ASK_LEASE: Duration = Duration::from_secs(3);
/// The clock is looked at this often.
const PULSE: Duration = Duration::from_secs(1);
/// If so much has passed since it was looked at last, the machine slept.
const SLEPT: SignedDuration = SignedDuration::from_secs(15);

/// The only machine of its fleet has this rank; no other hibernates.
const RANK: u32 = 0;

/// What it takes to hibernate.
pub(crate) struct Hibernation {
    pub(crate) ends: Ends,
    pub(crate) session: Rc<Session>,
    pub(crate) metadata: Rc<Metadata>,
    pub(crate) bucket: Rc<Bucket>,
    pub(crate) keys: RunKeys,
    pub(crate) deadline: watch::Receiver<Timestamp>,
    pub(crate) reading: Rc<Reading>,
    /// Why it did not succeed last.
    pub(crate) failure: RefCell<Option<String>>,
    /// Whoever holds it decides what becomes of the machine.
    pub(crate) deciding: Mutex<()>,
    /// How often the machine has slept, whoever had it sleep.
    pub(crate) naps: watch::Sender<u32>,
}

/// Why a machine does not sleep any more that was to.
enum Woken {
    /// It has slept.
    Slept,
    /// Its lease was moved before it did.
    Leased,
}

impl Hibernation {
    /// Notices that the machine has slept, by a clock that has jumped, for as long as it lives. Its own timer has stood still meanwhile, and is
    /// moved to where the deadline is.
    pub(crate) async fn watch_naps(&self) {
        loop {
            let before = Timestamp::now();
            sleep(PULSE).await;
            if before.duration_until(Timestamp::now()) > SLEPT {
                eprintln!("spored: the machine has slept since {before}");
                self.naps.send_modify(|naps| *naps += 1);
                self.reading.ask();
                self.arm().await;
            }
        }
    }

    /// Waits until the machine has to end because no more than `lead` is left of its lease. It hibernates instead as often as it can, if that is
    /// what its lease says.
    pub(crate) async fn or_expired(&self, lead: SignedDuration) {
        loop {
            lease::nears(self.deadline.clone(), lead).await;
            if !self.ends.hibernates() {
                return;
            }
            let _deciding = self.deciding.lock().await;
            self.read_lease().await;
            if self.left() > lead {
                continue;
            }
            if self.ends.on_expiry != OnEnd::Hibernate || !self.sleeps(None, lead).await {
                return;
            }
        }
    }

    /// Waits until the machine has to end because it is idle, or hibernates instead.
    pub(crate) async fn or_idle(&self, rule: watch::Receiver<Option<IdleSpec>>, findings: &Findings, interval: Duration) {
        loop {
            idle::over(rule.clone(), findings, interval).await;
            if !self.ends.hibernates() {
                return;
            }
            let Ok(_deciding) = self.deciding.try_lock() else {
                // By the time that is decided, the verdict is an old one.
                drop(self.deciding.lock().await);
                continue;
            };
            if self.ends.on_idle != OnEnd::Hibernate || !self.sleeps(findings.idleness(), SignedDuration::MIN).await {
                return;
            }
        }
    }

    fn left(&self) -> SignedDuration {
        Timestamp::now().duration_until(*self.deadline.borrow())
    }

    /// Learns what the lease says by now; who cannot goes by what was last known. A machine that has just woken may have no network for a while.
    async fn read_lease(&self) {
        let read = async { while timeout(ASK_LEASE, self.reading.now()).await.is_err() {} };
        let within = Duration::try_from(lease::READ_WITHIN).unwrap_or_default();
        if timeout(within, read).await.is_err() {
            eprintln!("spored: the lease could not be read again; {} holds", *self.deadline.borrow());
        }
    }

    async fn arm(&self) {
        let (deadline, now) = (*self.deadline.borrow(), Timestamp::now());
        if deadline > now {
            power::arm(deadline, now, self.ends).await;
        }
    }

    /// Hibernates, and comes back when the machine runs again, or when more than `lead` is left of its lease: then it is true. Or when it cannot.
    async fn sleeps(&self, idle: Option<Idleness>, lead: SignedDuration) -> bool {
        let mut naps = self.naps.subscribe();
        let mut deadline = self.deadline.clone();
        let is_idle = idle.is_some();
        let leased = async {
            // Of an idle machine the lease is not over, and says nothing of that; that somebody gives it another one says that it is wanted.
            let known = *deadline.borrow_and_update();
            let is_moved = |new: &Timestamp| if is_idle { *new != known } else { Timestamp::now().duration_until(*new) > lead };
            if deadline.wait_for(is_moved).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let ended = tokio::select! {
            biased;
            _ = naps.changed() => Ok(Woken::Slept),
            () = leased => Ok(Woken::Leased),
            reason = self.sleep(idle) => Err(reason),
        };
        match ended {
            Ok(Woken::Slept) => {
                self.read_lease().await;
                eprintln!("spored: the machine goes on; its lease ends at {}", *self.deadline.borrow());
                true
            }
            Ok(Woken::Leased) => {
                eprintln!("spored: the machine has another lease and goes on; it ends at {}", *self.deadline.borrow());
                true
            }
            Err(reason) => {
                eprintln!("spored: the machine cannot hibernate, and stops: {reason}");
                self.failure.replace(Some(reason));
                false
            }
        }
    }

    /// Has EC2 hibernate the machine. If that succeeds this stands still in the middle; what it comes back with is why it did not.
    async fn sleep(&self, idle: Option<Idleness>) -> String {
        // Rights that a machine of some age does not have, it will not get.
        let patience = Patience { rights: self.session.patience(Duration::ZERO).rights, ..self.session.patience(ASK_FOR) };
        match self.ask(idle, patience).await {
            Err(failure) => failure.to_string(),
            Ok(()) => {
                let asking = async {
                    loop {
                        self.reading.ask();
                        sleep(ASK_LEASE).await;
                    }
                };
                let _: Result<(), _> = timeout(ASLEEP_WITHIN, asking).await;
                "EC2 was asked to hibernate it, and it runs on".to_owned()
            }
        }
    }

    async fn ask(&self, idle: Option<Idleness>, patience: Patience) -> Result<(), Failure> {
        let identity = retry(patience, async || self.metadata.identity().await).await?;
        self.record(&identity.instance_id, idle).await;
        eprintln!("spored: the machine hibernates");
        retry(patience, async || ec2::hibernate(&self.session, &identity.instance_id).await).await
    }

    async fn record(&self, instance_id: &InstanceId, idle: Option<Idleness>) {
        let (instance_id, at) = (instance_id.clone(), Timestamp::now());
        let told = Stop { schema: SCHEMA, instance_id, at, idle, reason: None, not_hibernated: None };
        stop::write(&self.session, &self.bucket, &self.keys, RANK, &told, RECORD_WITHIN).await;
    }
}
