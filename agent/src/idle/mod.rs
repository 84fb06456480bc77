//! Idleness: the machine is looked at every so often, and ends when nothing has happened on it for as long as its lease allows.
//!
//! | what | file |
//! |---|---|
//! | looking, and what one look found | `look` |
//! | what two looks say about the time between them | `verdict` |
//! | each signal: how the kernel tells it, and what is work | `cpu`, `network`, `disk`, `gpu`, `terminals`, `processes`, `ports` |
//!
//! The signals alone decide. That a command runs is none of them: a command that waits for work, or hangs, is idle. What cannot be
//! read counts as busy, and is told on the console and in the machine's record.

mod counters;
mod cpu;
mod disk;
mod gpu;
mod look;
mod network;
mod ports;
mod processes;
mod terminals;
mod verdict;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use spawn_model::idle::{IdleSpec, Idleness};
use tokio::sync::watch;
use tokio::time::sleep;

use look::Eyes;
use verdict::{Course, Verdict};

/// How often the machine is looked at.
pub(crate) const INTERVAL: Duration = Duration::from_secs(20);

/// What watching has found, for the machine's record.
#[derive(Default)]
pub(crate) struct Findings {
    /// The last verdict.
    idleness: RefCell<Option<Idleness>>,
    /// By signal, why it could not be read.
    unread: RefCell<BTreeMap<String, String>>,
}

impl Findings {
    /// That the machine was idle for too long, the last time that it was.
    pub(crate) fn idleness(&self) -> Option<Idleness> {
        self.idleness.borrow().clone()
    }

    /// What could not be read, in a sentence for each signal.
    pub(crate) fn notes(&self) -> Vec<String> {
        let told = |(signal, reason): (&String, &String)| format!("{signal} could not be looked at, which counted as busy: {reason}");
        self.unread.borrow().iter().map(told).collect()
    }

    /// Tells what could not be read: on the console whenever the reason is another one, in the record by its last one.
    fn unread(&self, verdict: &Verdict) {
        for (signal, reason) in &verdict.unread {
            if self.unread.borrow_mut().insert(signal.clone(), reason.clone()).as_ref() != Some(reason) {
                eprintln!("spored: {signal} cannot be looked at, which counts as busy: {reason}");
            }
        }
    }
}

/// Waits until the machine has been idle for as long as the rule says, whatever rule there is, and notes what was found.
pub(crate) async fn over(mut rule: watch::Receiver<Option<IdleSpec>>, findings: &Findings, interval: Duration) {
    loop {
        let rule_now = rule.borrow_and_update().clone();
        let idleness = async {
            match &rule_now {
                Some(rule) => outlast(rule, findings, interval).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            idleness = idleness => {
                eprintln!("spored: {idleness}");
                findings.idleness.replace(Some(idleness));
                return;
            }
            () = changed(&mut rule) => {}
        }
    }
}

async fn changed(rule: &mut watch::Receiver<Option<IdleSpec>>) {
    if rule.changed().await.is_err() {
        // Nobody changes it any more; it still holds.
        std::future::pending::<()>().await;
    }
}

/// Watches by one rule until the machine has been idle for too long.
async fn outlast(rule: &IdleSpec, findings: &Findings, interval: Duration) -> Idleness {
    eprintln!("spored: the machine ends when it has been idle for {}", rule.after);
    let mut eyes = Eyes::open(rule);
    let mut course = Course::begin(eyes.look().await);
    let mut warned = false;
    loop {
        sleep(interval).await;
        let verdict = course.judge(rule, eyes.look().await);
        findings.unread(&verdict);
        if verdict.is_over(rule) {
            return verdict.idleness();
        }
        if warned && !verdict.is_idle {
            eprintln!("spored: the machine is busy again: {}", verdict.reason());
        } else if !warned && verdict.is_half_over(rule) {
            eprintln!("spored: {}; when that has been so for {}, the machine ends", verdict.idleness(), rule.after);
        }
        warned = verdict.is_half_over(rule);
    }
}
