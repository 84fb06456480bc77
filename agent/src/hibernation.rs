//! Hibernating instead of ending. The machine asks EC2 for it, since only EC2 can: a machine that powers off has lost its memory.
//!
//! Whoever starts the machine again finds everything as it was, this agent too: it goes on in the middle of what it waited for, with a clock that
//! has jumped and a lease that may be another one by now. So it reads the lease again before it ends anything by it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spawn_model::idle::{IdleSpec, Idleness};
use spawn_model::layout::RunKeys;
use spawn_model::record::{SCHEMA, Stop};
use spawn_model::stopping::{Ends, OnEnd};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use crate::aws::Session;
use crate::aws::ec2;
use crate::aws::s3::Bucket;
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
/// How long the lease may take to be read before what is known of it counts.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks whether the machine has slept.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is looked before it is clear that the machine does not hibernate.
const LOOKS: u32 = 60;
/// What takes so much longer than it should was interrupted: the machine slept.
const SLEPT: SignedDuration = SignedDuration::from_secs(10);

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
}

impl Hibernation {
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
            if self.ends.on_expiry != OnEnd::Hibernate || !self.sleeps(None).await {
                return;
            }
        }
    }

    /// Waits until the machine has to end because it is idle, or hibernates instead.
    pub(crate) async fn or_idle(&self, rule: watch::Receiver<Option<IdleSpec>>, findings: &Findings, interval: Duration) {
        loop {
            idle::over(rule.clone(), findings, interval).await;
            if self.ends.on_idle != OnEnd::Hibernate {
                return;
            }
            let _deciding = self.deciding.lock().await;
            if !self.sleeps(findings.idleness()).await {
                return;
            }
        }
    }

    fn left(&self) -> SignedDuration {
        Timestamp::now().duration_until(*self.deadline.borrow())
    }

    /// Learns what the lease says by now. Who cannot goes by what was last known.
    async fn read_lease(&self) {
        if timeout(READ_WITHIN, self.reading.now()).await.is_err() {
            eprintln!("spored: the lease could not be read again; {} holds", *self.deadline.borrow());
        }
    }

    /// Hibernates, and comes back when the machine runs again: then it is true. Or when it cannot.
    async fn sleeps(&self, idle: Option<Idleness>) -> bool {
        match self.sleep(idle).await {
            Ok(()) => {
                self.read_lease().await;
                let (deadline, now) = (*self.deadline.borrow(), Timestamp::now());
                eprintln!("spored: the machine goes on; its lease ends at {deadline}");
                if deadline > now {
                    power::arm(deadline, now, self.ends).await;
                }
                true
            }
            Err(reason) => {
                eprintln!("spored: the machine cannot hibernate, and stops: {reason}");
                self.failure.replace(Some(reason));
                false
            }
        }
    }

    async fn sleep(&self, idle: Option<Idleness>) -> Result<(), String> {
        // Rights that a machine of some age does not have, it will not get.
        let patience = Patience { rights: self.session.patience(Duration::ZERO).rights, ..self.session.patience(ASK_FOR) };
        let identity = retry(patience, async || self.metadata.identity().await).await.map_err(|failure| failure.to_string())?;
        let at = Timestamp::now();
        let told = Stop { schema: SCHEMA, instance_id: identity.instance_id.clone(), at, idle, reason: None, not_hibernated: None };
        stop::write(&self.session, &self.bucket, &self.keys, RANK, &told, RECORD_WITHIN).await;
        eprintln!("spored: the machine hibernates");
        let mut deadline = self.deadline.clone();
        deadline.mark_unchanged();
        let asked = retry(patience, async || {
            let asked_at = Timestamp::now();
            let longest = SLEPT + SignedDuration::try_from(ec2::WITHIN).unwrap_or_default();
            match ec2::hibernate(&self.session, &identity.instance_id).await {
                // It slept before it had heard the answer.
                Err(_) if asked_at.duration_until(Timestamp::now()) > longest => Ok(()),
                asked => asked,
            }
        });
        asked.await.map_err(|failure| failure.to_string())?;
        for _ in 0..LOOKS {
            let before = Timestamp::now();
            sleep(LOOK).await;
            let slept = before.duration_until(Timestamp::now()) > SLEPT + SignedDuration::try_from(LOOK).unwrap_or_default();
            self.reading.ask();
            // Whoever starts a machine gives it a lease first.
            if slept || deadline.has_changed().unwrap_or_default() {
                return Ok(());
            }
        }
        Err("EC2 was asked to hibernate it, and it runs on".to_owned())
    }
}
