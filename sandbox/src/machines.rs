//! The machines behind the instances: the hypervisor, told what the cloud decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use sandbox_cloud::{HaltReason, Machine};
use sandbox_hypervisor as hypervisor;
use sandbox_hypervisor::{Event, Halt, Hypervisor, SpotAction, SpotNotice};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::authority::trust;
use crate::backends::iam::{Iam, Role};
use crate::callers::{Caller, Callers, Credentials};
use crate::clock::Clock;
use crate::{Options, SandboxError};

/// How long a role's credentials are valid, as on EC2.
const SESSION: SignedDuration = SignedDuration::from_hours(6);
/// They are renewed when this little is left.
const RENEWAL: SignedDuration = SignedDuration::from_mins(10);

/// Runs machines, or none if the sandbox was started without.
pub(crate) struct Machines {
    hypervisor: Option<Hypervisor>,
    events: tokio::sync::Mutex<UnboundedReceiver<Event>>,
    /// The last thing each machine was told, so that what follows waits for it.
    tails: Mutex<HashMap<String, JoinHandle<()>>>,
    sessions: Arc<Sessions>,
}

/// Credentials of machines.
struct Sessions {
    iam: Arc<Iam>,
    callers: Arc<Callers>,
    clock: Arc<Clock>,
    /// By instance: unique id of the role, and its credentials.
    given: Mutex<HashMap<String, (String, Credentials)>>,
}

impl Sessions {
    /// The credentials of a machine's role, if the role has arrived.
    fn of(&self, instance: &str, profile_arn: &str) -> Option<Credentials> {
        let role = role_of_machines(&self.iam, profile_arn, self.clock.now())?;
        let mut given = self.given.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let real_now = self.clock.real_now();
        let fresh = |credentials: &Credentials| credentials.expires.is_some_and(|end| end.duration_since(real_now) > RENEWAL);
        if let Some((id, credentials)) = given.get(instance).filter(|(id, credentials)| *id == role.id && fresh(credentials)) {
            let _ = id;
            return Some(credentials.clone());
        }
        let caller = Caller::Instance { id: instance.to_owned(), role: role.name, role_id: role.id.clone() };
        let credentials = self.callers.mint(caller, real_now, SESSION);
        given.insert(instance.to_owned(), (role.id, credentials.clone()));
        Some(credentials)
    }

    fn forget(&self, instance: &str) {
        self.given.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(instance);
        self.callers.forget_instance(instance);
    }
}

impl Machines {
    /// A hypervisor below the sandbox's directory.
    pub(crate) async fn new(
        options: &Options,
        endpoint: &str,
        iam: Arc<Iam>,
        callers: Arc<Callers>,
        clock: Arc<Clock>,
    ) -> Result<Self, SandboxError> {
        let (sender, events) = unbounded_channel();
        let sessions = Arc::new(Sessions { iam, callers, clock, given: Mutex::default() });
        let hypervisor = if options.boot_machines {
            let environment = vec![("AWS_ENDPOINT_URL".to_owned(), endpoint.to_owned())];
            let source = Arc::clone(&sessions);
            let credentials = move |machine: &hypervisor::Machine| {
                let given = source.of(&machine.id, &machine.profile.as_ref()?.arn)?;
                Some(hypervisor::Credentials {
                    access_key_id: given.access_key_id,
                    secret_access_key: given.secret_access_key,
                    session_token: given.session_token?,
                    expiration: given.expires?,
                })
            };
            Some(Hypervisor::new(options.dir.join("machines"), environment, Arc::new(credentials), sender).await?)
        } else {
            None
        };
        Ok(Self { hypervisor, events: tokio::sync::Mutex::new(events), tails: Mutex::default(), sessions })
    }

    /// What runs machines, and other programs beside them.
    pub(crate) fn hypervisor(&self) -> Option<Hypervisor> {
        self.hypervisor.clone()
    }

    /// What a machine did by itself; never comes if none can run.
    pub(crate) async fn next_event(&self) -> Event {
        match self.events.lock().await.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// Switches a machine on.
    pub(crate) fn boot(&self, machine: Machine) {
        let role = machine.iam_instance_profile_arn.as_deref().and_then(|arn| self.sessions.iam.role_name_of_profile(arn));
        let machine = described(machine, role);
        self.then(machine.id.clone(), move |hypervisor| async move {
            let id = machine.id.clone();
            if let Err(error) = hypervisor.boot(machine).await {
                tracing::warn!(%error, id, "machine did not boot");
            }
        });
    }

    /// Switches a machine off, and forgets it if it never comes back.
    pub(crate) fn halt(&self, id: String, why: HaltReason) {
        if why == HaltReason::Hibernate {
            return self.hibernate(id);
        }
        let for_good = matches!(why, HaltReason::Terminate | HaltReason::SpotInterruption);
        let sessions = Arc::clone(&self.sessions);
        self.then(id.clone(), move |hypervisor| async move {
            hypervisor.halt(&id, Halt::Graceful).await;
            if for_good {
                hypervisor.forget(&id).await;
                sessions.forget(&id);
            }
        });
    }

    /// Switches a machine off that keeps its memory; one that cannot is stopped, as EC2 does.
    fn hibernate(&self, id: String) {
        self.then(id.clone(), move |hypervisor| async move {
            if let Err(error) = hypervisor.hibernate(&id).await {
                tracing::warn!(%error, id, "machine did not hibernate");
                hypervisor.halt(&id, Halt::Graceful).await;
            }
        });
    }

    /// Forgets a machine that has ended, with its processes if its host died under it.
    pub(crate) fn forget(&self, id: String) {
        let sessions = Arc::clone(&self.sessions);
        self.then(id.clone(), move |hypervisor| async move {
            hypervisor.forget(&id).await;
            sessions.forget(&id);
        });
    }

    /// Tells a machine that it is more likely now to be reclaimed.
    pub(crate) fn rebalance(&self, id: String, time: jiff::Timestamp) {
        self.then(id.clone(), move |hypervisor| async move { hypervisor.rebalance(&id, time).await });
    }

    /// Tells a machine that it will be reclaimed.
    pub(crate) fn spot_notice(&self, id: String, time: jiff::Timestamp) {
        self.then(id.clone(), move |hypervisor| async move {
            hypervisor.spot_notice(&id, SpotNotice { action: SpotAction::Terminate, time }).await;
        });
    }

    /// The file a machine's console is written to.
    pub(crate) fn console(&self, id: &str) -> Option<std::path::PathBuf> {
        self.hypervisor.as_ref().and_then(|hypervisor| hypervisor.console(id))
    }

    /// What machines asked for in vain.
    pub(crate) fn gaps(&self) -> Vec<String> {
        self.hypervisor.as_ref().map(Hypervisor::gaps).unwrap_or_default()
    }

    /// Ends every machine.
    pub(crate) async fn shutdown(&self) {
        if let Some(hypervisor) = &self.hypervisor {
            hypervisor.shutdown().await;
        }
    }

    /// Does something with a machine after everything it was told before.
    fn then<F, W>(&self, id: String, work: F)
    where
        F: FnOnce(Hypervisor) -> W + Send + 'static,
        W: Future<Output = ()> + Send,
    {
        let Some(hypervisor) = self.hypervisor.clone() else { return };
        let mut tails = self.tails.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tails.retain(|_, tail| !tail.is_finished());
        let before = tails.remove(&id);
        let tail = tokio::spawn(async move {
            if let Some(before) = before {
                // A task that panicked is no reason for the next one not to run.
                before.await.ok();
            }
            work(hypervisor).await;
        });
        tails.insert(id, tail);
    }
}

/// The role that machines with a profile have, if it has arrived and lets EC2 assume it.
pub(crate) fn role_of_machines(iam: &Iam, profile_arn: &str, now: jiff::Timestamp) -> Option<Role> {
    let role = iam.role_of_profile(profile_arn, now)?;
    // A trust policy that is not understood is no trust.
    trust::lets(&role, "ec2.amazonaws.com", None).unwrap_or(false).then_some(role)
}

/// A machine as the hypervisor is told of it.
fn described(machine: Machine, role: Option<String>) -> hypervisor::Machine {
    let profile = machine.iam_instance_profile_arn.map(|arn| hypervisor::Profile {
        name: arn.rsplit('/').next().unwrap_or_default().to_owned(),
        id: machine.iam_instance_profile_id.unwrap_or_default(),
        role,
        arn,
    });
    hypervisor::Machine {
        id: machine.id,
        region: machine.region,
        zone: machine.availability_zone,
        zone_id: Some(machine.availability_zone_id),
        instance_type: machine.instance_type,
        architecture: machine.architecture,
        image_id: machine.image_id,
        account_id: machine.account_id,
        user_data: machine.user_data.unwrap_or_default(),
        launch_index: machine.ami_launch_index,
        private_ip: machine.private_ip,
        private_dns: machine.private_dns_name,
        public_ip: machine.public_ip,
        public_dns: machine.public_dns_name,
        public_key: machine.public_key,
        placement_group: machine.placement_group,
        mac: machine.mac,
        reservation_id: machine.reservation_id,
        profile,
        metadata: hypervisor::MetadataOptions {
            tokens_required: machine.metadata_options.tokens_required,
            hop_limit: u32::from(machine.metadata_options.hop_limit),
            tags_enabled: machine.metadata_options.tags_enabled,
        },
        tags: machine.tags,
        security_groups: machine.security_groups,
        lifecycle: if machine.spot { hypervisor::Lifecycle::Spot } else { hypervisor::Lifecycle::OnDemand },
        launch_time: machine.launch_time,
    }
}
