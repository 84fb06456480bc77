//! What a fleet hangs on beside its instances: the schedules that end it, its role, and its volumes. Somebody may have changed that.

use std::sync::Arc;

use futures::future::OptionFuture;
use futures::join;
use jiff::Timestamp;
use spawn_model::ids::InstanceId;
use spawn_model::layout;
use spawn_model::record::FleetRecord;

use crate::disks::{self, Volumes};
use crate::dns;
use crate::fleet::Look;
use crate::lease;
use crate::ports::{Aws, Result, Role, Scheduled};
use crate::rights;
use crate::service;
use crate::snapshot::{SETTLE, Snapshot};
use crate::tags;

/// What was seen of it; what was not looked at is nothing.
#[derive(Default)]
pub(crate) struct Around {
    /// Its schedules.
    schedules: Option<Vec<Scheduled>>,
    /// What its role's own policy says, if there is such a role.
    rights: Option<Option<String>>,
    /// What else its role is, if there is one.
    role: Option<Option<Role>>,
    /// The volumes of its run.
    pub(crate) volumes: Option<Arc<Volumes>>,
    /// When its group is emptied, if it is one that Auto Scaling keeps, and if it is emptied at all.
    emptied_at: Option<Option<Timestamp>>,
    /// What has become of its name in DNS, if it is to have one and has it no more.
    pub(crate) stranger: Option<String>,
    /// What could not be looked at, and why. A fleet is read, changed and ended all the same.
    pub(crate) unseen: Vec<String>,
}

impl Around {
    /// Looks at all of it, unless nobody would be told.
    pub(crate) async fn look(aws: &Aws, look: Look<'_>, record: &FleetRecord) -> Self {
        let mut around = Self::default();
        if is_for_members(look) || record.ended || record.next.is_some() {
            return around;
        }
        let (name, group, run) = (layout::role_name(&record.fleet), layout::scaling_name(&record.run), tags::of_run(&record.run));
        let emptied_at = OptionFuture::from(service::is_service(record).then(|| aws.scaling.emptied_at(&group)));
        let (schedules, rights, role, volumes, emptied_at, stranger) = join!(
            lease::schedules_of(&*aws.schedules, &record.run),
            aws.identity.role_policy(&name),
            aws.identity.role(&name),
            disks::look(&*aws.instances, &run),
            emptied_at,
            dns::stranger(aws, record)
        );
        around.stranger = around.unless_refused("its name in DNS", stranger).flatten();
        around.schedules = around.unless_refused("its schedules", schedules);
        around.rights = around.unless_refused("its role", rights);
        around.role = around.unless_refused("what its role has beside its own policy", role);
        around.volumes = around.unless_refused("its volumes", volumes);
        around.emptied_at = emptied_at.and_then(|at| around.unless_refused("what empties its Auto Scaling group", at));
        around
    }

    /// What a snapshot tells of it: roles are asked for one by one, at a rate that a thousand fleets would not get. Of volumes those who say
    /// what they are to be ask, and share the answer.
    pub(crate) async fn shared(snapshot: &Snapshot, look: Look<'_>, record: &FleetRecord) -> Self {
        let mut around = Self::default();
        if is_for_members(look) {
            return around;
        }
        around.schedules = around.unless_refused("its schedules", snapshot.schedules(&layout::schedule_prefix(&record.run)));
        if disks::are_chosen(record) {
            let volumes = snapshot.volumes().await;
            around.volumes = around.unless_refused("its volumes", volumes);
        }
        around
    }

    fn unless_refused<T>(&mut self, what: &str, looked: Result<T>) -> Option<T> {
        looked.map_err(|error| self.unseen.push(format!("{what} could not be looked at: {error}"))).ok()
    }

    /// Without a group there is nothing to be emptied.
    pub(crate) fn of_group(self, is_there: bool) -> Self {
        Self { emptied_at: self.emptied_at.filter(|_| is_there), ..self }
    }

    /// As far as it says something: nothing has to hold what is gone or is being ended, and what was just made may not be listed yet.
    pub(crate) fn of_what_lives(self, record: &FleetRecord, alive: &[InstanceId], now: Timestamp) -> Self {
        let says_something = !alive.is_empty() && !record.ended && now >= record.leased_from() + SETTLE;
        if says_something {
            return self;
        }
        // Route 53 shows at once what was changed.
        Self { stranger: self.stranger.filter(|_| !alive.is_empty()), ..Self::default() }
    }

    /// What is wrong with what ends the fleet from outside.
    pub(crate) fn lease_faults(&self, record: &FleetRecord, deadline: Timestamp, now: Timestamp) -> Vec<String> {
        let mut faults = self.schedules.as_ref().map(|there| lease::schedule_faults(record, deadline, now, there)).unwrap_or_default();
        match self.emptied_at {
            Some(None) if now < deadline => faults.push("nothing empties its Auto Scaling group at the deadline".to_owned()),
            Some(Some(at)) if at > deadline => faults.push(format!("its Auto Scaling group is not emptied before {at}")),
            _ => {}
        }
        faults
    }

    /// What somebody has changed that a change of the lease does not put right, a sentence each.
    pub(crate) fn changed(&self, record: &FleetRecord) -> impl Iterator<Item = String> {
        let role = layout::role_name(&record.fleet);
        let unlike = self.role.iter().flatten().flat_map(|role| rights::unlike(record, role)).collect::<Vec<_>>();
        let of_role = (!unlike.is_empty()).then(|| format!("its role {role} was changed: it {}", unlike.join("; it ")));
        let sentence = self.rights.as_ref().and_then(|now| match now {
            None => Some(format!("its role {role} may do nothing any more: agents cannot follow the lease")),
            Some(now) if record.rights_sha256.as_ref().is_some_and(|given| *given != rights::sha256(&record.fleet, now)) => {
                Some(format!("what its role {role} may do was changed"))
            }
            Some(_) => None,
        });
        sentence.into_iter().chain(of_role)
    }
}

/// Whether nobody would be told of anything but members.
fn is_for_members(look: Look<'_>) -> bool {
    matches!(look, Look::Members | Look::Glance(_))
}
