//! What happens by itself as time passes, and what the machines below must hear of it.

use jiff::{SignedDuration, Timestamp};

use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::instances;
use crate::model::{Instance, InstanceState, ShutdownBehavior, StateReason};
use crate::spot::requests;

/// Why a machine is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltReason {
    /// It stops, and may be started again.
    Stop,
    /// It stops as it is: when it is started again, what ran goes on.
    Hibernate,
    /// It ends.
    Terminate,
    /// It is switched on again at once: a [`Change::Boot`] follows, and [`Cloud::guest_off`] must not be called for it.
    Reboot,
    /// EC2 takes spot capacity back. It ends.
    SpotInterruption,
}

/// Something that whoever runs the machines must do or tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The instance has entered `running`: switch it on.
    Boot(String),
    /// Switch it off.
    Halt {
        /// The instance.
        id: String,
        /// Why.
        why: HaltReason,
    },
    /// Its metadata service now tells that it should expect to be taken back.
    RebalanceRecommendation {
        /// The instance.
        id: String,
        /// When it was said.
        at: Timestamp,
    },
    /// Its metadata service now tells of an interruption.
    SpotNotice {
        /// The instance.
        id: String,
        /// When it will be taken.
        at: Timestamp,
    },
}

/// Who ended or stopped an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A call.
    User,
    /// The machine itself.
    Guest,
    /// A call, which asked to keep what is in memory.
    Hibernation,
    /// A key of its disks is not there.
    KeyMissing,
    /// The host under it died.
    HostLost,
    /// Spot capacity was taken back.
    Spot,
    /// The spot price is above what the instance may cost.
    Outbid,
}

impl Cause {
    fn reason(self) -> StateReason {
        let (code, sentence) = match self {
            Cause::User => ("Client.UserInitiatedShutdown", "User initiated shutdown"),
            Cause::Guest => ("Client.InstanceInitiatedShutdown", "Instance initiated shutdown"),
            Cause::Hibernation => ("Client.UserInitiatedHibernate", "User initiated hibernate"),
            Cause::KeyMissing => ("Client.InvalidKMSKey.InvalidState", "The KMS key provided is in an incorrect state"),
            Cause::HostLost => ("Server.InternalError", "Internal error on launch"),
            Cause::Spot | Cause::Outbid => ("Server.SpotInstanceTermination", "Spot instance termination"),
        };
        StateReason { code: code.to_owned(), message: format!("{code}: {sentence}") }
    }

    fn transition(self, now: Timestamp) -> String {
        match self {
            Cause::User | Cause::Hibernation => format!("User initiated ({})", now.strftime("%Y-%m-%d %H:%M:%S GMT")),
            Cause::Guest => String::new(),
            Cause::HostLost | Cause::KeyMissing => "Server.InternalError".to_owned(),
            Cause::Spot | Cause::Outbid => "Server.SpotInstanceTermination".to_owned(),
        }
    }
}

/// How long EC2 remembers a client token after the instances it launched are no longer listed.
const TOKEN_MEMORY: SignedDuration = SignedDuration::from_hours(24);

pub(crate) fn millis(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

pub(crate) fn after(now: Timestamp, delay: SignedDuration) -> Timestamp {
    now.checked_add(delay).unwrap_or(Timestamp::MAX)
}

impl Cloud {
    /// Does everything that is due, and tells what the machines must do about it and about the calls since last time,
    /// in order.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Change> {
        self.settle(now);
        std::mem::take(&mut self.outbox).into_iter().map(|(_, change)| change).collect()
    }

    /// When [`Cloud::advance`] will next have something to do.
    pub fn next_due(&self) -> Option<Timestamp> {
        let waiting = self.outbox.first().map(|(at, _)| *at);
        let groups = self.regions.values().filter_map(|r| r.scaling.next_due().map(|(at, _)| at));
        self.regions.values().filter_map(|r| r.due.first().map(|(at, _)| *at)).chain(groups).chain(waiting).min()
    }

    /// The machine has powered itself off: its shutdown behaviour decides whether it stops or ends. Says the state it
    /// is in now. A machine that was told to go off anyway goes on as it was told.
    ///
    /// # Errors
    /// For an unknown instance.
    pub fn guest_off(&mut self, now: Timestamp, id: &str) -> Result<InstanceState, ApiError> {
        self.settle(now);
        let (region, instance) = self.locate(id)?;
        let (state, behavior) = (instance.state, instance.shutdown_behavior);
        // It is off already: nobody needs to be told to switch it off.
        self.region_mut(&region).change_instance(now, id, |i| i.powered = false);
        if state == InstanceState::Running {
            match behavior {
                // A one-time spot instance cannot stop.
                ShutdownBehavior::Stop if !self.is_spot(&region, id) => self.begin_stop(now, &region, id, Cause::Guest),
                _ => self.begin_terminate(now, &region, id, Cause::Guest),
            }
        }
        self.locate(id).map(|(_, instance)| instance.state)
    }

    /// The host under a machine has died: EC2 ends the instance.
    ///
    /// # Errors
    /// For an unknown instance.
    pub fn guest_lost(&mut self, now: Timestamp, id: &str) -> Result<InstanceState, ApiError> {
        self.settle(now);
        let (region, _) = self.locate(id)?;
        self.region_mut(&region).change_instance(now, id, |i| i.powered = false);
        self.begin_terminate(now, &region, id, Cause::HostLost);
        self.locate(id).map(|(_, instance)| instance.state)
    }

    /// Where an instance is.
    pub(crate) fn locate(&self, id: &str) -> Result<(String, &Instance), ApiError> {
        self.regions
            .values()
            .find_map(|region| region.instances.get(id).map(|instance| (region.name.clone(), instance)))
            .ok_or_else(|| instances::check_ids([&id.to_owned()], |_| false).expect_err("an id that is nowhere is refused"))
    }

    fn is_spot(&self, region: &str, id: &str) -> bool {
        self.region(region).instances.get(id).is_some_and(|i| i.spot.is_some())
    }

    /// Does everything that is due, in the order in which it fell due.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        loop {
            let next = self.regions.values().filter_map(|r| r.due.first().map(|(at, id)| (*at, r.name.clone(), id.clone()))).min();
            let group =
                self.regions.values().filter_map(|r| r.scaling.next_due().map(|(at, name)| (at, r.name.clone(), name.clone()))).min();
            match (next, group) {
                // A group sees what has happened by then.
                (Some((at, region, id)), group) if at <= now && group.as_ref().is_none_or(|(awake, ..)| at <= *awake) => {
                    self.step(at, &region, &id);
                }
                (_, Some((at, region, name))) if at <= now => self.reconcile(at, &region, &name),
                _ => return,
            }
        }
    }

    /// The next thing that happens to an instance by itself.
    fn step(&mut self, at: Timestamp, region: &str, id: &str) {
        let Some(state) = self.region(region).instances.get(id).map(|i| i.state) else { return };
        match state {
            InstanceState::Pending if self.region(region).instances.get(id).is_some_and(|i| i.doomed) => {
                self.begin_terminate(at, region, id, Cause::KeyMissing);
            }
            InstanceState::Pending => self.enter_running(at, region, id),
            InstanceState::Running => {
                if let Some(outbid) = self.arrive(at, region, id) {
                    self.begin_terminate(at, region, id, if outbid { Cause::Outbid } else { Cause::Spot });
                }
            }
            InstanceState::Stopping => self.enter_stopped(at, region, id),
            InstanceState::ShuttingDown => self.enter_terminated(at, region, id),
            InstanceState::Terminated => self.forget(at, region, id),
            InstanceState::Stopped => self.region_mut(region).change_instance(at, id, |i| i.due = None),
        }
    }

    fn enter_running(&mut self, at: Timestamp, region: &str, id: &str) {
        let public = self.public_address(region);
        let named = self.has_public_names(region, id);
        self.region_mut(region).change_instance(at, id, |i| {
            i.state = InstanceState::Running;
            i.due = None;
            i.powered = true;
            i.running_since = Some(at);
            if let Some(interface) = i.interface.as_mut().filter(|n| n.public) {
                (interface.public_ip, interface.public_dns_name) = (Some(public.0), named.then_some(public.1));
            }
        });
        self.outbox.push((at, Change::Boot(id.to_owned())));
        self.look_ahead(at, region, id);
    }

    /// Whether public addresses in an instance's network have names.
    fn has_public_names(&self, region: &str, id: &str) -> bool {
        let here = self.region(region);
        let interface = here.instances.get(id).and_then(|i| i.interface.as_ref());
        interface.and_then(|n| here.network.vpcs.get(&n.vpc_id)).is_some_and(|v| v.dns_support && v.dns_hostnames)
    }

    /// An address of the block that is kept for tests of networks, and its name.
    pub(crate) fn public_address(&mut self, region: &str) -> (String, String) {
        let first = u32::from(std::net::Ipv4Addr::new(198, 18, 0, 1));
        let address = std::net::Ipv4Addr::from(first + self.next_public_ip % 131_000).to_string();
        self.next_public_ip += 1;
        let dashed = address.replace('.', "-");
        let name = match region {
            "us-east-1" => format!("ec2-{dashed}.compute-1.amazonaws.com"),
            region => format!("ec2-{dashed}.{region}.compute.amazonaws.com"),
        };
        (address, name)
    }

    fn enter_stopped(&mut self, at: Timestamp, region: &str, id: &str) {
        self.region_mut(region).change_instance(at, id, |i| {
            i.state = InstanceState::Stopped;
            i.due = None;
            if let Some(interface) = &mut i.interface {
                (interface.public_ip, interface.public_dns_name) = (None, None);
            }
        });
    }

    fn enter_terminated(&mut self, at: Timestamp, region: &str, id: &str) {
        let visible = millis(self.config.terminated_visible_ms);
        let here = self.region_mut(region);
        let Some(instance) = here.instances.get(id) else { return };
        let volumes = instance.volumes.clone();
        let interface = instance.interface.clone();
        for volume in volumes {
            if volume.delete_on_termination {
                here.volumes.remove(at, &volume.volume_id);
            } else {
                here.volumes.change(at, &volume.volume_id, |v| v.attachment = None);
            }
        }
        if let Some(interface) = interface {
            here.network.give_back_address(&interface.subnet_id, &interface.private_ip);
        }
        here.change_instance(at, id, |i| {
            i.state = InstanceState::Terminated;
            i.due = Some(after(at, visible));
            i.interface = None;
            i.groups.clear();
            i.volumes.clear();
        });
    }

    /// A terminated instance is no longer listed.
    fn forget(&mut self, at: Timestamp, region: &str, id: &str) {
        let here = self.region_mut(region);
        here.due.remove(&(at, id.to_owned()));
        let Some(instance) = here.instances.remove(at, id) else { return };
        let Some(record) = instance.client_token.as_ref().and_then(|token| here.tokens.get_mut(token)) else { return };
        record.gone.insert(id.to_owned(), instance);
        if record.gone.len() == record.instance_ids.len() {
            record.free_at = Some(after(at, TOKEN_MEMORY));
        }
    }

    /// Switches a machine off if it is on.
    fn halt(&mut self, now: Timestamp, region: &str, id: &str, why: HaltReason) {
        if self.region(region).instances.get(id).is_some_and(|i| i.powered) {
            self.region_mut(region).change_instance(now, id, |i| i.powered = false);
            self.outbox.push((now, Change::Halt { id: id.to_owned(), why }));
        }
    }

    pub(crate) fn begin_terminate(&mut self, now: Timestamp, region: &str, id: &str, cause: Cause) {
        let Some(state) = self.region(region).instances.get(id).map(|i| i.state) else { return };
        if state.is_ending() {
            return;
        }
        let due = after(now, millis(self.config.shutdown_delay_ms));
        self.region_mut(region).change_instance(now, id, |i| {
            i.state = InstanceState::ShuttingDown;
            i.due = Some(due);
            i.state_reason = Some(cause.reason());
            i.state_transition_reason = cause.transition(now);
        });
        let why = if matches!(cause, Cause::Spot | Cause::Outbid) { HaltReason::SpotInterruption } else { HaltReason::Terminate };
        requests::ended(self.region_mut(region), now, id, cause);
        self.halt(now, region, id, why);
        if state == InstanceState::Stopped {
            // There is no machine to wait for.
            self.enter_terminated(now, region, id);
        }
    }

    pub(crate) fn begin_stop(&mut self, now: Timestamp, region: &str, id: &str, cause: Cause) {
        if self.region(region).instances.get(id).is_none_or(|i| i.state != InstanceState::Running) {
            return;
        }
        let due = after(now, millis(self.config.shutdown_delay_ms));
        self.region_mut(region).change_instance(now, id, |i| {
            i.state = InstanceState::Stopping;
            i.due = Some(due);
            i.state_reason = Some(cause.reason());
            i.state_transition_reason = cause.transition(now);
        });
        let why = if cause == Cause::Hibernation { HaltReason::Hibernate } else { HaltReason::Stop };
        self.halt(now, region, id, why);
    }

    pub(crate) fn begin_start(&mut self, now: Timestamp, region: &str, id: &str) {
        if self.region(region).instances.get(id).is_none_or(|i| i.state != InstanceState::Stopped) {
            return;
        }
        let due = after(now, millis(self.config.boot_delay_ms));
        self.region_mut(region).change_instance(now, id, |i| {
            i.state = InstanceState::Pending;
            i.due = Some(due);
            i.launch_time = Timestamp::from_second(now.as_second()).unwrap_or(now);
            i.state_reason = None;
            i.state_transition_reason.clear();
        });
    }
}
