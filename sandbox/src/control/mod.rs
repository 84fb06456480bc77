//! The sandbox's own API, which AWS does not have: its clock, its log, its troubles, its end.

pub mod client;
pub(crate) mod server;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::calls::CallRecord;
use crate::faults::FaultRule;
use crate::gaps::Gap;
use crate::world::World;

/// A rule of trouble: one of the router's, or one of the simulated EC2's own (`kind`), which knows capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FaultScript {
    /// A rule at the router, for any service.
    Router(FaultRule),
    /// A rule inside the simulated EC2.
    Cloud(sandbox_cloud::Fault),
}

/// How a sandbox is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where it listens.
    pub endpoint: String,
    /// The process it lives in.
    pub pid: u32,
    /// Its account.
    pub account_id: String,
    /// Its default region.
    pub region: String,
    /// Its directory.
    pub dir: String,
    /// When it started.
    pub started: Timestamp,
    /// Its time.
    pub clock: ClockReading,
    /// Position of the last call in the log.
    pub calls: u64,
    /// How many different gaps were met.
    pub gaps: usize,
    /// Instances that have not terminated.
    pub instances: usize,
}

/// What the clock shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// The sandbox's time.
    pub now: Timestamp,
    /// Milliseconds it is ahead of real time.
    pub ahead_ms: i64,
}

/// The control API from within the process.
#[derive(Clone)]
pub struct Control {
    pub(crate) world: Arc<World>,
}

impl Control {
    /// How the sandbox is doing.
    pub fn status(&self) -> Status {
        let world = &self.world;
        Status {
            endpoint: world.endpoint.clone(),
            pid: std::process::id(),
            account_id: world.options.account_id.clone(),
            region: world.options.region.clone(),
            dir: world.options.dir.display().to_string(),
            started: world.started,
            clock: self.clock(),
            calls: world.router.calls().last(),
            gaps: self.gaps().len(),
            instances: world.ec2.with(world.clock.now(), |cloud, _| cloud.machine_ids().len()),
        }
    }

    /// What the clock shows.
    pub fn clock(&self) -> ClockReading {
        ClockReading { now: self.world.clock.now(), ahead_ms: i64::try_from(self.world.clock.offset().as_millis()).unwrap_or(i64::MAX) }
    }

    /// Puts the clock forward, and returns when everything that became due has happened.
    pub async fn clock_advance(&self, by: SignedDuration) -> ClockReading {
        let target = self.world.clock.advance(by);
        self.settle(target).await;
        self.clock()
    }

    /// Waits until everything that is due now has happened. Machines go their own way.
    pub async fn settled(&self) {
        self.settle(self.world.clock.now()).await;
    }

    async fn settle(&self, target: Timestamp) {
        let mut caught_up = self.world.caught_up.subscribe();
        self.world.wake.notify_one();
        tokio::select! {
            // An error means that the driver has ended: nothing will happen any more.
            _ = caught_up.wait_for(|at| *at >= target) => {}
            () = self.world.stop.cancelled() => {}
        }
    }

    /// The calls after position `since`.
    pub fn calls(&self, since: u64) -> Vec<CallRecord> {
        self.world.router.calls().since(since)
    }

    /// What was asked for and is not there, machines included.
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps = self.world.router.gaps().list();
        gaps.extend(self.world.machines.gaps().into_iter().map(|what| Gap { what: format!("machine: {what}"), count: 1 }));
        gaps
    }

    /// Adds a rule of trouble.
    pub fn add_fault(&self, script: FaultScript) {
        match script {
            FaultScript::Router(rule) => self.world.router.faults().add(rule),
            FaultScript::Cloud(fault) => self.world.ec2.with(self.world.clock.now(), |cloud, _| cloud.fault(fault)),
        }
    }

    /// The rules in force.
    pub fn faults(&self) -> Vec<FaultScript> {
        let cloud = self.world.ec2.with(self.world.clock.now(), |cloud, _| cloud.faults().to_vec());
        let router = self.world.router.faults().list().into_iter().map(FaultScript::Router);
        router.chain(cloud.into_iter().map(FaultScript::Cloud)).collect()
    }

    /// Ends all trouble.
    pub fn clear_faults(&self) {
        self.world.router.faults().clear();
        self.world.ec2.with(self.world.clock.now(), |cloud, _| cloud.clear_faults());
    }

    /// Everything the account holds.
    pub fn snapshot(&self) -> Value {
        self.world.snapshot()
    }

    /// The host under an instance dies: its processes are gone at once, and EC2 ends it.
    ///
    /// # Errors
    /// For an unknown instance.
    pub async fn kill_host(&self, instance: &str) -> Result<(), String> {
        let world = &self.world;
        world.machines.forget(instance.to_owned());
        let lost = world.ec2.with(world.clock.now(), |cloud, now| cloud.guest_lost(now, instance).map(|_| ()));
        self.settled().await;
        lost.map_err(|error| error.message)
    }

    /// EC2 takes a spot instance back after a notice.
    ///
    /// # Errors
    /// For what is not a running spot instance.
    pub async fn interrupt_spot(&self, instance: &str, notice: SignedDuration) -> Result<(), String> {
        let notice = u64::try_from(notice.as_millis()).unwrap_or(0);
        let world = &self.world;
        let done = world.ec2.with(world.clock.now(), |cloud, now| cloud.interrupt_spot(now, instance, notice));
        self.settled().await;
        done.map_err(|error| error.message)
    }

    /// EC2 recommends to move the work of a spot instance elsewhere.
    ///
    /// # Errors
    /// For what is not a running spot instance.
    pub async fn recommend_rebalance(&self, instance: &str) -> Result<(), String> {
        let world = &self.world;
        let done = world.ec2.with(world.clock.now(), |cloud, now| cloud.recommend_rebalance(now, instance));
        self.settled().await;
        done.map_err(|error| error.message)
    }

    /// Makes a bucket of another account.
    pub fn add_foreign_bucket(&self, name: &str, owner: &str) {
        self.world.s3.add_foreign_bucket(name, owner, &self.world.options.region, self.world.clock.now());
    }

    /// The file an instance's console is written to.
    pub fn console(&self, instance: &str) -> Option<std::path::PathBuf> {
        self.world.machines.console(instance)
    }

    /// Asks the sandbox to stop; whoever holds it does the rest.
    pub fn request_stop(&self) {
        self.world.stop.cancel();
    }
}
