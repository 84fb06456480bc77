//! What somebody has changed of a fleet's instances and of a service's group, which nobody changes back: it is told, and the user decides.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use spawn_model::ids::InstanceId;
use spawn_model::market::MarketType;
use spawn_model::record::{FleetRecord, Launched};
use spawn_model::tag;

use crate::disks::{self, Volumes};
use crate::ports::{Disk, Group, Instance, ZONE_REBALANCE};
use crate::service;
use crate::snapshot::SETTLE;

/// How many instances are told of.
const TOLD_MAX: usize = 8;

/// What a group that has a process suspended does not do, behind "it" (Auto Scaling user guide, "Suspend and resume processes").
const PROCESSES: [(&str, &str); 5] = [
    ("HealthCheck", "does not look whether its instances work"),
    ("Launch", "launches nothing, so that what is lost stays lost"),
    ("ReplaceUnhealthy", "keeps instances that do not work"),
    ("ScheduledActions", "does nothing by the clock, so that its own action does not empty it at the deadline"),
    ("Terminate", "ends nothing, so that its own action does not empty it at the deadline"),
];

/// What is known of a fleet's instances, beside what EC2 says whenever it is asked for them.
pub(crate) struct Known<'a> {
    pub(crate) record: &'a FleetRecord,
    /// Those that were recorded.
    pub(crate) launched: &'a BTreeMap<&'a InstanceId, &'a Launched>,
    /// Their volumes, if somebody has looked at them.
    pub(crate) volumes: Option<&'a Volumes>,
    pub(crate) now: Timestamp,
}

/// A sentence for each instance that lives and is not what it was launched as.
pub(crate) fn changed(known: &Known<'_>, instances: &[Instance]) -> Vec<String> {
    let disks = disks::asked(known.record);
    let living = instances.iter().filter(|instance| instance.alive);
    let differing: Vec<String> = living.filter_map(|instance| sentence(known, &disks, instance)).collect();
    let more = differing.len().saturating_sub(TOLD_MAX);
    let more = (more > 0).then(|| format!("{more} other instances are not what they were launched as either"));
    differing.into_iter().take(TOLD_MAX).chain(more).collect()
}

fn sentence(known: &Known<'_>, disks: &[Disk], instance: &Instance) -> Option<String> {
    let found = &instance.launched;
    let of_type = known.launched.get(&found.instance_id).filter(|then| then.instance_type != found.instance_type).map(|then| {
        let (was, is) = (&then.instance_type, &found.instance_type);
        format!("is a {is}, and was launched as a {was}: its price is another one")
    });
    let groups = groups(&known.record.spec.network.security_groups, &instance.group_ids);
    let volumes = disks.iter().flat_map(|disk| volume(known, disk, instance));
    let parts: Vec<String> = of_type.into_iter().chain(groups).chain(volumes).collect();
    (!parts.is_empty()).then(|| format!("{} {}", found.instance_id, parts.join("; it ")))
}

/// Whether an instance is in the groups that were asked for, and in one more, which is its fleet's own.
fn groups(asked: &[String], seen: &[String]) -> Option<String> {
    if seen.is_empty() {
        // Every instance of a network has one: EC2 has not told them.
        return None;
    }
    let (asked, seen): (BTreeSet<&str>, BTreeSet<&str>) =
        (asked.iter().map(String::as_str).collect(), seen.iter().map(String::as_str).collect());
    let missing: Vec<&str> = asked.difference(&seen).copied().collect();
    let others: Vec<&str> = seen.difference(&asked).copied().collect();
    match (missing.as_slice(), others.as_slice()) {
        ([], [_own]) => None,
        ([], []) => Some("is not in its fleet's own security group any more".to_owned()),
        ([], others) => Some(format!("is in the security groups {}, of which only one is its fleet's own", others.join(", "))),
        (missing, _) => Some(format!("is not in {} any more, which was asked for", missing.join(", "))),
    }
}

/// What has become of a volume that an instance was launched with. What somebody has attached to it is theirs.
fn volume(known: &Known<'_>, disk: &Disk, instance: &Instance) -> Vec<String> {
    let device = &disk.device;
    let Some(attached) = instance.volumes.iter().find(|volume| volume.device == *device) else {
        // Of one that has just started, EC2 may not have told all.
        let is_lost = known.now >= instance.launched_at + SETTLE;
        return is_lost.then(|| format!("has lost its volume {device}")).into_iter().collect();
    };
    let id = &attached.volume_id;
    let kept = (!attached.ends_with_it).then(|| format!("leaves its volume {id} ({device}) behind when it ends, which then costs on"));
    let described = known.volumes.and_then(|volumes| volumes.get(id));
    let unlike = described.map(|found| disks::unlike(&disk.volume, found)).unwrap_or_default();
    let other = (!unlike.is_empty()).then(|| format!("has a volume {id} ({device}) of {}: its price is another one", unlike.join(" and ")));
    kept.into_iter().chain(other).collect()
}

/// What has become of a service's group, whose size and tags are changed back.
pub(crate) fn group(record: &FleetRecord, group: &Group) -> Option<String> {
    let (market, launches) = (&record.spec.market, &group.launches);
    let (is_spot, size) = (market.r#type == MarketType::Spot, record.spec.size.max(group.size));
    let strange: Vec<&str> = launches.types.iter().filter(|name| !record.instance_types.contains(name)).map(String::as_str).collect();
    let price = |price: Option<f64>| price.map_or("the on-demand price".to_owned(), |price| format!("${price}"));
    let bid = launches.spot.and_then(|terms| terms.max_usd_per_hour);
    let parts = [
        (group.most > size).then(|| format!("may have {} instances, and is to have {size}", group.most)),
        (group.least > 0).then(|| format!("keeps {} instances also when it is to be emptied", group.least)),
        launches.types.is_empty().then(|| "launches what somebody else has told it".to_owned()),
        (!strange.is_empty()).then(|| format!("launches {} too", strange.join(", "))),
        (launches.spot.is_some() != is_spot).then(|| format!("launches {}", if is_spot { "on demand" } else { "spot" })),
        (!service::is_base_of(record, launches.on_demand_base, size)).then(|| format!("has {} of them on demand", launches.on_demand_base)),
        (launches.rebalances != market.rebalance).then(|| {
            let what = if market.rebalance { "does not replace" } else { "replaces" };
            format!("{what} spot instances before EC2 takes them back")
        }),
        (is_spot && bid != market.max_price).then(|| format!("pays {} for spot", price(bid))),
        template(group),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().chain(processes(&group.suspended)).collect();
    (!parts.is_empty()).then(|| format!("its Auto Scaling group {} was changed: it {}", group.name, parts.join("; it ")))
}

/// What a group launches from, if that is not the version of its template that it was told to launch.
fn template(group: &Group) -> Option<String> {
    let template = group.template.as_ref()?;
    if *template != group.name {
        return Some(format!("launches what the template {template} says, which is not its own"));
    }
    // A group that was made before it was told so on a tag says nothing.
    let told: i64 = group.tags.get(tag::TEMPLATE_VERSION)?.parse().ok()?;
    match group.launches.template_version {
        version if version == told => None,
        0 => Some("launches the latest or the default version of its template, whoever made it".to_owned()),
        version => Some(format!("launches version {version} of its template, and was told to launch version {told}")),
    }
}

/// What a group does not do that it is to do, and what it does that none of ours does.
fn processes(suspended: &BTreeSet<String>) -> Vec<String> {
    let known = PROCESSES.iter().filter(|(name, _)| suspended.contains(*name));
    let known = known.map(|(name, without)| format!("{without} ({name} is suspended)"));
    let moves = (!suspended.contains(ZONE_REBALANCE))
        .then(|| format!("ends instances that work, to have as many in each zone ({ZONE_REBALANCE} is not suspended)"));
    let is_other = |name: &&str| *name != ZONE_REBALANCE && PROCESSES.iter().all(|(known, _)| known != name);
    let others: Vec<&str> = suspended.iter().map(String::as_str).filter(is_other).collect();
    let others = (!others.is_empty()).then(|| format!("has suspended {} as well", others.join(", ")));
    known.chain(moves).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Launches, Tags};

    #[test]
    fn an_instance_is_in_the_groups_that_were_asked_for_and_in_its_fleets_own() {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (asked, seen, expected) in [
            ("", "own", ""),
            ("a", "", ""),
            ("a b", "b own a", ""),
            ("", "own other", "is in the security groups other, own, of which only one is its fleet's own"),
            ("a", "a", "is not in its fleet's own security group any more"),
            ("a b", "own", "is not in a, b any more, which was asked for"),
            ("a", "own other", "is not in a any more, which was asked for"),
        ] {
            assert_eq!(groups(&list(asked), &list(seen)).unwrap_or_default(), expected, "asked for {asked}, in {seen}");
        }
    }

    #[test]
    fn a_group_launches_the_version_that_it_was_told_to_launch() {
        for (template, version, told, expected) in [
            (Some("run"), 2, Some("2"), ""),
            (Some("run"), 2, None, ""),
            (None, 0, Some("2"), ""),
            (Some("run"), 3, Some("2"), "launches version 3 of its template, and was told to launch version 2"),
            (Some("run"), 0, Some("2"), "launches the latest or the default version of its template, whoever made it"),
            (Some("other"), 2, Some("2"), "launches what the template other says, which is not its own"),
            (Some("other"), 2, None, "launches what the template other says, which is not its own"),
        ] {
            let group = Group {
                name: "run".to_owned(),
                size: 1,
                least: 0,
                most: 1,
                launches: Launches { template_version: version, ..Launches::default() },
                template: template.map(str::to_owned),
                suspended: BTreeSet::new(),
                instances: Vec::new(),
                is_going: false,
                created_at: Timestamp::UNIX_EPOCH,
                tags: told.map(|told| (tag::TEMPLATE_VERSION.to_owned(), told.to_owned())).into_iter().collect::<Tags>(),
            };
            assert_eq!(super::template(&group).unwrap_or_default(), expected, "{template:?} {version} {told:?}");
        }
    }

    #[test]
    fn a_group_does_all_but_move_instances_between_zones() {
        let all = "AZRebalance AddToLoadBalancer AlarmNotification HealthCheck Launch ReplaceUnhealthy ScheduledActions Terminate";
        for (suspended, expected) in [
            ("AZRebalance", 0),
            ("", 1),
            ("AZRebalance Launch", 1),
            ("Launch Terminate", 3),
            ("AZRebalance AlarmNotification", 1),
            (all, 6),
        ] {
            let told = processes(&suspended.split_whitespace().map(str::to_owned).collect());
            assert_eq!(told.len(), expected, "{suspended}: {told:?}");
        }
        let told = processes(&["AZRebalance", "InstanceRefresh", "Launch"].map(str::to_owned).into());
        assert_eq!(
            told,
            ["launches nothing, so that what is lost stays lost (Launch is suspended)", "has suspended InstanceRefresh as well"]
        );
    }
}
