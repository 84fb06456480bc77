//! What somebody has changed of a fleet's instances and of a service's group, which nobody changes back: it is told, and the user decides.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use jiff::Timestamp;
use spawn_model::ids::InstanceId;
use spawn_model::market::MarketType;
use spawn_model::record::{FleetRecord, Launched};

use crate::ports::{Group, Instance};
use crate::service;
use crate::snapshot::SETTLE;

/// How many instances are told of.
const TOLD_MAX: usize = 8;

/// A sentence for each instance that lives and is not what it was launched as, by what EC2 says anyway whenever it is asked for instances.
pub(crate) fn changed(
    record: &FleetRecord,
    launched: &BTreeMap<&InstanceId, &Launched>,
    instances: &[Instance],
    now: Timestamp,
) -> Vec<String> {
    let living = instances.iter().filter(|instance| instance.alive);
    let differing: Vec<String> = living.filter_map(|instance| sentence(record, launched, instance, now)).collect();
    let more = differing.len().saturating_sub(TOLD_MAX);
    let more = (more > 0).then(|| format!("{more} other instances are not what they were launched as either"));
    differing.into_iter().take(TOLD_MAX).chain(more).collect()
}

fn sentence(record: &FleetRecord, launched: &BTreeMap<&InstanceId, &Launched>, instance: &Instance, now: Timestamp) -> Option<String> {
    let found = &instance.launched;
    let of_type = launched.get(&found.instance_id).filter(|then| then.instance_type != found.instance_type).map(|then| {
        let (was, is) = (&then.instance_type, &found.instance_type);
        format!("is a {is}, and was launched as a {was}: its price is another one")
    });
    let groups = groups(&record.spec.network.security_groups, &instance.group_ids);
    let parts: Vec<String> = of_type.into_iter().chain(groups).chain(volumes(record, instance, now)).collect();
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

/// What has become of the volumes that an instance was launched with. What somebody has attached to it is theirs.
fn volumes<'a>(record: &'a FleetRecord, instance: &'a Instance, now: Timestamp) -> impl Iterator<Item = String> {
    let devices = iter::once(&record.image.root_device).chain(record.spec.volumes.keys());
    devices.filter_map(move |device| {
        let Some(found) = instance.volumes.iter().find(|volume| volume.device == *device) else {
            // Of one that has just started, EC2 may not have told all.
            return (now >= instance.launched_at + SETTLE).then(|| format!("has lost its volume {device}"));
        };
        let kept = format!("leaves its volume {} ({device}) behind when it ends, which then costs on", found.volume_id);
        (!found.ends_with_it).then_some(kept)
    })
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
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("its Auto Scaling group {} was changed: it {}", group.name, parts.join("; it ")))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
