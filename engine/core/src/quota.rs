//! The account's quotas of vCPUs, and whether they have room for a fleet beside what runs already.
//!
//! Only what is certain is refused: of several types the smallest counts, of several markets each, and a quota that nobody knows
//! limits nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use spawn_model::error::{Class, Error};
use spawn_model::ids::FleetId;
use spawn_model::market::MarketType;
use spawn_model::problem::Path;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::Seen;
use spawn_model::tag;

use crate::plan::Plan;
use crate::pools::Pool;
use crate::ports::{Aws, Instance, Result};

/// `DescribeInstanceTypes` takes at most this many names.
const NAMES_MAX: usize = 100;

/// Instance types that share a quota, by the letters that their names begin with; its codes, on demand and as spot (EC2 user guide,
/// "Amazon EC2 instance type quotas").
struct Family {
    letters: &'static [&'static str],
    title: &'static str,
    on_demand: &'static str,
    spot: Option<&'static str>,
}

const fn family(letters: &'static [&'static str], title: &'static str, on_demand: &'static str, spot: Option<&'static str>) -> Family {
    Family { letters, title, on_demand, spot }
}

const FAMILIES: [Family; 10] = [
    family(
        &["a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"],
        "Standard (A, C, D, H, I, M, R, T, Z)",
        "L-1216C47A",
        Some("L-34B43A08"),
    ),
    family(&["dl"], "DL", "L-6E869C2A", Some("L-85EED4F7")),
    family(&["f"], "F", "L-74FC7D96", Some("L-88CF9481")),
    family(&["g", "gr", "vt"], "G and VT", "L-DB2E81BA", Some("L-3819A6DF")),
    family(&["hpc"], "HPC", "L-F7808C92", None),
    family(&["inf"], "Inf", "L-1945791B", Some("L-B5D1601B")),
    // As spot, its generations have quotas of their own.
    family(&["p"], "P", "L-417A185B", None),
    family(&["trn"], "Trn", "L-2C3B7624", Some("L-6B0D517C")),
    family(&["u"], "High Memory", "L-43DA4232", None),
    family(&["x"], "X", "L-7295265B", Some("L-E3A00192")),
];

/// Generations of P as spot: how their names begin, and their quota.
const P_AS_SPOT: [(&[&str], &str, &str); 2] = [(&["p2", "p3", "p4"], "P4, P3 and P2", "L-7212CCBC"), (&["p5"], "P5", "L-C4BD4855")];

/// A quota of vCPUs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Quota {
    code: &'static str,
    title: &'static str,
    market: MarketType,
}

/// The quota that instances of a type count against; nothing if none is known.
fn quota_of(instance_type: &str, market: MarketType) -> Option<Quota> {
    let letters: String = instance_type.chars().take_while(char::is_ascii_alphabetic).collect();
    if market == MarketType::Spot && letters == "p" {
        let is_of = |begins: &[&str]| begins.iter().any(|begin| instance_type.starts_with(*begin));
        return P_AS_SPOT.iter().find(|(begins, ..)| is_of(begins)).map(|&(_, title, code)| Quota { code, title, market });
    }
    let family = FAMILIES.iter().find(|family| family.letters.contains(&letters.as_str()))?;
    let code = match market {
        MarketType::OnDemand => family.on_demand,
        MarketType::Spot => family.spot?,
    };
    Some(Quota { code, title: family.title, market })
}

/// What a quota lets run, and what runs.
#[derive(Clone, Copy, Debug)]
struct Room {
    quota: Quota,
    limit: u32,
    used: u32,
}

impl Room {
    fn left(&self) -> u32 {
        self.limit.saturating_sub(self.used)
    }
}

/// What is known of the quotas that a plan's pools count against.
#[derive(Debug, Default)]
struct Known {
    /// By code.
    rooms: BTreeMap<&'static str, Room>,
    /// What an instance of each type takes.
    vcpus: BTreeMap<String, u32>,
}

/// Fails if the account's quotas certainly have no room for a fleet. Why they could not be looked at, if that is so: whoever may launch need
/// not have the right to; or that there is room only if fleets of one's `own` end first, as the same apply may have them.
///
/// # Errors
/// `QuotaTooSmall`.
pub(crate) async fn checked(aws: &Aws, spec: &FleetSpec, plan: &Plan, own: &BTreeSet<FleetId>) -> Result<Option<String>> {
    let seen = match look(aws, spec, plan).await {
        Ok(seen) => seen,
        Err(error) => return Ok(Some(format!("the account's quotas of vCPUs could not be looked at: {}", error.message))),
    };
    let Err(error) = seen.known(|_| true).judge(spec, plan, &aws.region) else { return Ok(None) };
    let is_anothers = |instance: &Instance| instance.tags.get(tag::FLEET).is_none_or(|fleet| !own.iter().any(|own| own.as_str() == fleet));
    seen.known(is_anothers).judge(spec, plan, &aws.region)?;
    Ok(Some(format!("unless what runs of this configuration ends first, {}", error.message)))
}

/// What was seen of the quotas that a plan's pools count against.
#[derive(Default)]
struct Looked {
    limits: Vec<(Quota, u32)>,
    /// All that runs, but for what the fleet takes the place of.
    running: Vec<Instance>,
    /// What an instance of each type takes.
    vcpus: BTreeMap<String, u32>,
}

impl Looked {
    /// What is known if only these instances are there.
    fn known(&self, is_there: impl Fn(&Instance) -> bool) -> Known {
        let used = |quota: &Quota| -> u32 {
            let counts = |instance: &&Instance| {
                let is_on = matches!(instance.seen, Seen::Pending | Seen::Running);
                is_on && is_there(instance) && quota_of(&instance.launched.instance_type, instance.launched.market) == Some(*quota)
            };
            self.running.iter().filter(counts).filter_map(|instance| self.vcpus.get(&instance.launched.instance_type)).sum()
        };
        let room = |&(quota, limit): &(Quota, u32)| (quota.code, Room { quota, limit, used: used(&quota) });
        Known { rooms: self.limits.iter().map(room).collect(), vcpus: self.vcpus.clone() }
    }
}

async fn look(aws: &Aws, spec: &FleetSpec, plan: &Plan) -> Result<Looked> {
    let mut quotas: Vec<Quota> = Vec::new();
    for quota in plan.pools.all().iter().filter_map(|pool| quota_of(&pool.instance_type, pool.market)) {
        if !quotas.contains(&quota) {
            quotas.push(quota);
        }
    }
    let limits = try_join_all(quotas.iter().map(|quota| aws.quotas.vcpus(quota.code))).await?;
    if limits.iter().all(Option::is_none) {
        return Ok(Looked::default());
    }
    // What the fleet takes the place of is gone by then: a name is only one fleet's at a time.
    let is_former = |instance: &Instance| {
        instance.tags.contains_key(tag::MANAGED) && instance.tags.get(tag::NAME).is_some_and(|name| *name == spec.name)
    };
    let running: Vec<Instance> = aws.instances.running().await?.into_iter().filter(|instance| !is_former(instance)).collect();
    let of_plan = plan.pools.all().iter().map(|pool| &pool.instance_type);
    let names: BTreeSet<&String> = of_plan.chain(running.iter().map(|instance| &instance.launched.instance_type)).collect();
    let vcpus = vcpus(aws, names.into_iter().cloned().collect()).await?;
    let limits = quotas.into_iter().zip(limits).filter_map(|(quota, limit)| Some((quota, limit?))).collect();
    Ok(Looked { limits, running, vcpus })
}

async fn vcpus(aws: &Aws, names: Vec<String>) -> Result<BTreeMap<String, u32>> {
    let described = try_join_all(names.chunks(NAMES_MAX).map(|names| aws.instances.types(names))).await?;
    Ok(described.into_iter().flatten().map(|found| (found.name, found.vcpus)).collect())
}

impl Known {
    /// What is left where an instance of a pool counts, and what it takes; nothing if that is not known.
    fn of_pool(&self, pool: &Pool) -> Option<(&Room, u32)> {
        let room = self.rooms.get(quota_of(&pool.instance_type, pool.market)?.code)?;
        Some((room, *self.vcpus.get(&pool.instance_type)?))
    }

    /// How many instances may come from these pools at most; nothing if one of them is not limited, as far as is known.
    fn most(&self, pools: &[&Pool], gang: bool) -> Option<u32> {
        let mut most: BTreeMap<&str, u32> = BTreeMap::new();
        for pool in pools {
            let (room, vcpus) = self.of_pool(pool)?;
            let fits = room.left() / vcpus.max(1);
            let known = most.entry(room.quota.code).or_default();
            *known = fits.max(*known);
        }
        // All of a gang come from one pool.
        Some(most.into_values().fold(0_u32, |all, fits| if gang { all.max(fits) } else { all.saturating_add(fits) }))
    }

    /// Ranks whose pools are others, and then all of them together.
    fn judge(&self, spec: &FleetSpec, plan: &Plan, region: &str) -> Result<()> {
        let needed = spec.min_size.unwrap_or(spec.size);
        let first = plan.pools.change_after(0, needed);
        let of_rank = |rank: u32| plan.pools.of_rank(rank).collect::<Vec<&Pool>>();
        for (count, pools) in [(first, of_rank(0)), (needed - first, of_rank(first)), (needed, plan.pools.all().iter().collect())] {
            if let Some(most) = self.most(&pools, plan.gang).filter(|most| *most < count) {
                return Err(self.too_small(count, most, &pools, plan.kind, region));
            }
        }
        Ok(())
    }

    fn too_small(&self, count: u32, most: u32, pools: &[&Pool], kind: FleetKind, region: &str) -> Error {
        let mut rooms: Vec<String> = Vec::new();
        for (room, _) in pools.iter().filter_map(|pool| self.of_pool(pool)) {
            let Quota { code, title, market } = room.quota;
            let bought = if market == MarketType::Spot { "as spot" } else { "on demand" };
            let told = format!("of the {} for {title} instances {bought} ({code}) {} are in use", room.limit, room.used);
            if !rooms.contains(&told) {
                rooms.push(told);
            }
        }
        let smallest = pools.iter().filter_map(|pool| Some((self.of_pool(pool)?.1, &pool.instance_type))).min();
        let takes = smallest.map(|(vcpus, name)| format!(", and {name} takes {vcpus}")).unwrap_or_default();
        let what = if count == 1 { "1 instance does".to_owned() } else { format!("{count} instances do") };
        let message = format!("{what} not fit into the vCPUs that the account may run in {region}: {}{takes}", rooms.join(", "));
        let help = "Ask for a higher limit in Service Quotas, for fewer or smaller instances, or use another region";
        let field = match kind {
            FleetKind::Queue if most > 0 => "workers",
            FleetKind::JobArray | FleetKind::Service if most > 0 => "size",
            _ => "instance_types",
        };
        Error::new(Class::Quota, "QuotaTooSmall", message, help).at(Path::field(field))
    }
}

#[cfg(test)]
mod tests {
    use spawn_model::market::MarketType::{OnDemand, Spot};

    use super::*;

    #[test]
    fn a_type_has_the_quota_of_its_family() {
        for (instance_type, on_demand, spot) in [
            ("c7i.large", Some("L-1216C47A"), Some("L-34B43A08")),
            ("t3.micro", Some("L-1216C47A"), Some("L-34B43A08")),
            ("im4gn.large", Some("L-1216C47A"), Some("L-34B43A08")),
            ("is4gen.large", Some("L-1216C47A"), Some("L-34B43A08")),
            ("d3en.xlarge", Some("L-1216C47A"), Some("L-34B43A08")),
            ("dl1.24xlarge", Some("L-6E869C2A"), Some("L-85EED4F7")),
            ("f2.6xlarge", Some("L-74FC7D96"), Some("L-88CF9481")),
            ("g5g.xlarge", Some("L-DB2E81BA"), Some("L-3819A6DF")),
            ("gr6.4xlarge", Some("L-DB2E81BA"), Some("L-3819A6DF")),
            ("vt1.3xlarge", Some("L-DB2E81BA"), Some("L-3819A6DF")),
            ("hpc7a.96xlarge", Some("L-F7808C92"), None),
            ("inf2.xlarge", Some("L-1945791B"), Some("L-B5D1601B")),
            ("p4d.24xlarge", Some("L-417A185B"), Some("L-7212CCBC")),
            ("p5en.48xlarge", Some("L-417A185B"), Some("L-C4BD4855")),
            ("p6-b200.48xlarge", Some("L-417A185B"), None),
            ("trn1.2xlarge", Some("L-2C3B7624"), Some("L-6B0D517C")),
            ("u-6tb1.56xlarge", Some("L-43DA4232"), None),
            ("u7i-12tb.224xlarge", Some("L-43DA4232"), None),
            ("x2gd.large", Some("L-7295265B"), Some("L-E3A00192")),
            // Macs have hosts of their own, and nobody knows what comes.
            ("mac2.metal", None, None),
            ("q1.large", None, None),
        ] {
            let code = |market| quota_of(instance_type, market).map(|quota| quota.code);
            assert_eq!((code(OnDemand), code(Spot)), (on_demand, spot), "{instance_type}");
        }
    }

    fn pool(instance_type: &str, market: MarketType) -> Pool {
        let (instance_type, zone, subnet_id) = (instance_type.to_owned(), "a".to_owned(), "subnet-1".to_owned());
        Pool { instance_type, market, zone, subnet_id }
    }

    /// With these left on demand and as spot, of the usual types; and of accelerated ones on demand.
    fn known(on_demand: u32, spot: u32, accelerated: Option<u32>) -> Known {
        let limits = [("c7i.large", OnDemand, Some(on_demand)), ("c7i.large", Spot, Some(spot)), ("g5.xlarge", OnDemand, accelerated)];
        let room = |(name, market, limit): (&str, MarketType, Option<u32>)| {
            let quota = quota_of(name, market)?;
            Some((quota.code, Room { quota, limit: limit? + 6, used: 6 }))
        };
        let vcpus = [("c7i.large", 2), ("c7i.xlarge", 4), ("g5.xlarge", 4)].map(|(name, vcpus)| (name.to_owned(), vcpus));
        Known { rooms: limits.into_iter().filter_map(room).collect(), vcpus: vcpus.into() }
    }

    #[test]
    fn no_more_may_come_than_the_quotas_of_all_pools_leave() {
        let large = pool("c7i.large", OnDemand);
        let xlarge = pool("c7i.xlarge", OnDemand);
        let spot = pool("c7i.large", Spot);
        let accelerated = pool("g5.xlarge", OnDemand);
        let unknown = pool("q1.large", OnDemand);
        let all = known(9, 4, Some(8));
        for (pools, gang, expected) in [
            (vec![&large], false, Some(4)),
            (vec![&xlarge], false, Some(2)),
            // One quota, of which the smaller type makes the most.
            (vec![&xlarge, &large, &large], false, Some(4)),
            (vec![&large, &accelerated], false, Some(6)),
            (vec![&large, &accelerated], true, Some(4)),
            (vec![&spot], false, Some(2)),
            (vec![&spot, &large], false, Some(6)),
            (vec![&large, &unknown], false, None),
        ] {
            assert_eq!(all.most(&pools, gang), expected, "{pools:?}, gang {gang}");
        }
        assert_eq!(known(9, 4, None).most(&[&large, &accelerated], false), None, "a quota that the region does not have limits nothing");
        let full = Room { limit: 4, ..all.rooms["L-1216C47A"] };
        assert_eq!(full.left(), 0, "more may run than a quota that was lowered allows");
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_arithmetic() {
        let (large, spot, accelerated) = (pool("c7i.large", OnDemand), pool("c7i.large", Spot), pool("g5.xlarge", OnDemand));
        let told = |count: u32, most: u32, pools: &[&Pool], kind: FleetKind| {
            let error = known(9, 4, Some(0)).too_small(count, most, pools, kind, "us-east-1");
            assert_eq!((error.class, error.code.as_str()), (Class::Quota, "QuotaTooSmall"));
            error.to_string()
        };
        let texts = [
            told(5, 4, &[&large, &large], FleetKind::JobArray),
            told(9, 6, &[&spot, &large], FleetKind::Queue),
            told(1, 0, &[&accelerated], FleetKind::Instance),
        ];
        insta::assert_snapshot!("quota_too_small", texts.join("\n"));
    }
}
