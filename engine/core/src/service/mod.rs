//! A service: a run that an Auto Scaling group keeps at its size until its lease ends.
//!
//! Group and launch template have the run's name, so that whoever repeats a step finds them. The group is made empty: the schedule that
//! deletes it, and its own action that takes every instance from it at the deadline, are there before the first instance. Of an instance's
//! own two hands neither ends the service, because the group replaces what ends; the third independent hand is the group's action.

mod fall_back;
mod look;
mod resize;

use jiff::{SignedDuration, Timestamp};
use spawn_model::error::{Class, Error};
use spawn_model::ids::{FleetId, RunId};
use spawn_model::layout;
use spawn_model::market::MarketType;
use spawn_model::record::FleetRecord;
use spawn_model::spec::FleetKind;
use spawn_model::tag;

use crate::end::PAUSE_MS_MAX;
use crate::launch::Launcher;
use crate::lease;
use crate::machine::Machine;
use crate::ports::{Aws, Group, GroupRequest, Launches, Result, SpotTerms, Tags, Template};
use crate::setup::Setup;
use crate::tags;

pub use fall_back::ServicesKept;
pub(crate) use fall_back::{check, is_base_of};
pub(crate) use look::seen;

/// Auto Scaling takes so many types into a group (mixed instances policy, overrides).
const TYPES_MAX: usize = 40;

/// Whether a group keeps the fleet at its size.
pub(crate) fn is_service(record: &FleetRecord) -> bool {
    record.kind == FleetKind::Service
}

impl Launcher<'_> {
    /// Makes the group, has it end with the lease, and then tells it its size.
    pub(crate) async fn maintain(&self, group_id: &str) -> Result<()> {
        let (scaling, name) = (&self.aws.scaling, layout::scaling_name(&self.record.run));
        let template = template(self.record, self.setup, group_id);
        self.operation.say("making launch template and Auto Scaling group");
        let made = self.patiently(|| async { scaling.template_put(&template).await.map_err(|e| e.context("making the launch template")) });
        let group = self.group_request(made.await?);
        self.patiently(|| async { scaling.group_ensure(&group).await.map_err(|e| e.context("making the Auto Scaling group")) }).await?;
        let deadline = lease::deadline_of(self.record);
        self.patiently(|| scaling.empty_at(&name, deadline)).await?;
        self.operation.go_on()?;
        self.in_time()?;
        self.operation.say(&format!("asking for {} instances", self.plan.size));
        self.patiently(|| scaling.resize(&name, self.plan.size)).await
    }

    fn group_request(&self, template_version: i64) -> GroupRequest {
        let mut types: Vec<String> = Vec::new();
        let mut subnet_ids: Vec<String> = Vec::new();
        for pool in self.plan.pools.all() {
            if !types.contains(&pool.instance_type) && types.len() < TYPES_MAX {
                types.push(pool.instance_type.clone());
            }
            if !subnet_ids.contains(&pool.subnet_id) {
                subnet_ids.push(pool.subnet_id.clone());
            }
        }
        GroupRequest {
            name: layout::scaling_name(&self.record.run),
            launches: launches(self.record, template_version, types, self.record.spec.market.on_demand_base),
            subnet_ids,
            tags: group_tags(self.record, template_version),
        }
    }
}

fn launches(record: &FleetRecord, template_version: i64, types: Vec<String>, on_demand_base: u32) -> Launches {
    let market = &record.spec.market;
    let spot = (market.r#type == MarketType::Spot).then_some(SpotTerms { max_usd_per_hour: market.max_price });
    Launches { template_version, types, on_demand_base, spot, rebalances: market.rebalance }
}

/// What a group carries: the tags of its instances, and which version of its template it was told to launch.
fn group_tags(record: &FleetRecord, template_version: i64) -> Tags {
    let mut tags = Machine { record }.tags(0);
    tags.insert(tag::TEMPLATE_VERSION.to_owned(), template_version.to_string());
    tags
}

/// The group of a service that nobody ends.
pub(crate) async fn group(aws: &Aws, record: &FleetRecord) -> Result<Group> {
    let group = aws.scaling.group(&layout::scaling_name(&record.run)).await?;
    group.filter(|group| !group.is_going).ok_or_else(|| over(record, &format!("{} has no Auto Scaling group any more", record.spec.name)))
}

/// Fails for a service whose lease is over: its group has been emptied, or will be at any moment.
pub(crate) fn in_time(aws: &Aws, record: &FleetRecord, deadline: Timestamp) -> Result<()> {
    if aws.clock.now() < deadline {
        return Ok(());
    }
    Err(over(record, &format!("the lease of {} ended at {deadline}", record.spec.name)))
}

fn over(record: &FleetRecord, message: &str) -> Error {
    let help = format!("`spawn rerun {}` runs it again", record.spec.name);
    Error::new(Class::Conflict, "FleetOver", message, help)
}

fn template(record: &FleetRecord, setup: &Setup, group_id: &str) -> Template {
    let machine = Machine { record };
    Template { user_data: machine.user_data(setup, 0), ..machine.template(machine.security_groups(group_id)) }
}

/// Has what the group launches from now on be as the record says, its tags and its deadline included.
pub(crate) async fn renew(aws: &Aws, setup: &Setup, record: &FleetRecord) -> Result<()> {
    let groups = aws.instances.groups(&tags::of_fleet(&record.fleet)).await?;
    let Some(group_id) = groups.first() else {
        let name = &record.spec.name;
        let help = format!("`spawn rerun {name}` makes another one");
        return Err(Error::new(Class::Conflict, "SecurityGroupGone", format!("somebody has deleted the security group of {name}"), help));
    };
    group(aws, record).await?;
    let made = aws.scaling.template_renew(&template(record, setup, group_id)).await;
    let version = made.map_err(|e| e.context("changing the launch template"))?;
    // As late as can be: the watcher may have it buy otherwise.
    let group = group(aws, record).await?;
    let base = fall_back::kept_base(record, group.launches.on_demand_base);
    let launches = launches(record, version, group.launches.types, base);
    aws.scaling.group_launch(&group.name, &launches).await.map_err(|e| e.context("changing what the Auto Scaling group launches"))?;
    let tags = group_tags(record, version);
    aws.scaling.group_tag(&group.name, &tags).await.map_err(|e| e.context("tagging the Auto Scaling group"))
}

/// Takes tags from the group, and so from what it launches from now on.
pub(crate) async fn untag(aws: &Aws, record: &FleetRecord, old: &Tags, new: &Tags) -> Result<()> {
    let removed = tags::removed(old, new);
    if removed.is_empty() { Ok(()) } else { aws.scaling.group_untag(&layout::scaling_name(&record.run), &removed).await }
}

/// Moves the moment from which on the group has no instance.
pub(crate) async fn empty_at(aws: &Aws, record: &FleetRecord, deadline: Timestamp) -> Result<()> {
    let moved = aws.scaling.empty_at(&layout::scaling_name(&record.run), deadline).await;
    moved.map_err(|e| e.context("moving the end of the Auto Scaling group"))
}

/// Has the group of a run end all it has, and launch nothing any more. It is gone later: see [`gone`].
pub(crate) async fn dismiss(aws: &Aws, run: &RunId) -> Result<()> {
    aws.scaling.group_delete(&layout::scaling_name(run)).await.map_err(|e| e.context("deleting the Auto Scaling group"))
}

/// The same for every group of a fleet, whose runs nobody remembers, and for their templates.
pub(crate) async fn dismiss_all(aws: &Aws, fleet: &FleetId) -> Result<()> {
    for group in aws.scaling.groups(&tags::of_fleet(fleet)).await? {
        dismiss_unrecorded(aws, &group.name).await?;
    }
    Ok(())
}

/// The same for a group of which nothing may be recorded by which its template would be found.
pub(crate) async fn dismiss_unrecorded(aws: &Aws, group: &str) -> Result<()> {
    aws.scaling.group_delete(group).await?;
    aws.scaling.template_delete(group).await
}

/// Waits until the dismissed group of a run is gone, and takes its launch template away.
pub(crate) async fn gone(aws: &Aws, run: &RunId, timeout: SignedDuration) -> Result<()> {
    let name = layout::scaling_name(run);
    let give_up = aws.clock.now() + timeout;
    let mut pause_ms = 200;
    while let Some(group) = aws.scaling.group(&name).await? {
        if !group.is_going {
            // Somebody was making it when it was dismissed.
            dismiss(aws, run).await?;
        }
        if aws.clock.now() > give_up {
            let message = format!("the Auto Scaling group {name} did not go away within {} s", timeout.as_secs());
            return Err(Error::new(Class::Transient, "Timeout", message, "Run it again; a longer timeouts.delete gives AWS more time"));
        }
        aws.clock.sleep(pause_ms).await;
        pause_ms = (pause_ms * 3 / 2).min(PAUSE_MS_MAX);
    }
    aws.scaling.template_delete(&name).await.map_err(|e| e.context("deleting the launch template"))
}
