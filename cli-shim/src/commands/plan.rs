//! `spawn plan`.

use clap::Args;
use spawn_core::plan::Plan as FleetPlan;
use spawn_model::duration::Seconds;
use spawn_model::spec::FleetKind;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::input::{Asked, CheckArgs, FleetArgs};
use crate::output::table::{labelled, table};
use crate::output::{Output, money, time};
use crate::session::Session;

/// Show what `up` would do, what it would cost, and who would end it; create nothing
///
/// It takes the same input as `up`, and fails where `up` would fail, as far as that can be seen before; with `--check strict` also where AWS says, asked
/// to try the launch, that it would refuse it.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    check: CheckArgs,
    #[command(flatten)]
    fleet: FleetArgs,
}

impl Plan {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Asked { kind, spec, notes } = self.fleet.read(super::up::random())?;
        let Session { engine } = Session::connect(global).await?;
        let is_strict = self.check.is_strict();
        let mut plan = if is_strict { engine.plan_strictly(kind, &spec).await? } else { engine.plan(kind, &spec).await? };
        plan.notes.splice(0..0, notes);
        output.result(&plan, text)?;
        Ok(DONE)
    }
}

fn text(plan: &FleetPlan) -> String {
    let length = |seconds: u64| time::length(Seconds(seconds).into());
    let ttl = length(plan.ttl_s);
    let idle = plan.idle_after_s.map_or_else(String::new, |after| format!(", or when it has been idle for {}", length(after)));
    let price = plan.price_usd_per_hour.map_or_else(
        || money::UNKNOWN.to_owned(),
        |price| format!("{} per instance-hour, on demand by the Pricing API", money::price(price)),
    );
    let spot =
        plan.spot_usd_per_hour.map_or_else(String::new, |price| format!("; {} as spot now, by EC2's price history", money::price(price)));
    let at_most = match (plan.cost_usd_max, plan.rate) {
        (Some(cost), Some(rate)) => format!(
            "{}: all {} from the launch to the end of the lease, at {} an hour for instances and {} for disks",
            money::dollars(cost),
            plan.size,
            money::dollars(rate.instances_usd_per_hour),
            money::dollars(rate.disks_usd_per_hour)
        ),
        _ => "unknown".to_owned(),
    };
    let is_service = plan.kind == FleetKind::Service;
    let schedules = match plan.schedules {
        1 => "1 schedule".to_owned(),
        n => format!("{n} schedules"),
    };
    let mut rows = vec![
        ("fleet", format!("{} ({} of {})", plan.name, plan.kind.word(), plan.size)),
        ("image", plan.image.id.clone()),
        ("price", price + &spot),
        ("at most", at_most),
        ("ends", format!("{ttl} after it is asked for{idle}")),
        ("by", "1. the machine's own shutdown timer".to_owned()),
        ("", "2. the agent on it".to_owned()),
        ("", format!("3. {schedules} outside it, at that time and every 5 minutes for an hour")),
    ];
    if is_service {
        rows.push(("", "and its Auto Scaling group, which is to have no instance from that time on".to_owned()));
    }
    if let Some(place) = &plan.dns_name {
        rows.push(("dns", format!("{}, in the {} zone {}", place.name, if place.is_public { "public" } else { "private" }, place.zone_id)));
    }
    let mut text = labelled(&rows);
    // A group asks by itself: for what is on demand in this order, for spot where it is cheap and there is much of it.
    text.push_str(if is_service { "\nWhere Auto Scaling may ask:\n\n" } else { "\nWhere to ask, in this order:\n\n" });
    text.push_str(&table(
        &["TYPE", "ZONE", "MARKET", "SUBNET"],
        plan.pools
            .all()
            .iter()
            .map(|pool| vec![pool.instance_type.clone(), pool.zone.clone(), pool.market.word().to_owned(), pool.subnet_id.clone()]),
    ));
    for note in &plan.notes {
        text.push_str(&format!("\nnote: {note}"));
    }
    text.push_str(if plan.notes.is_empty() { "\n" } else { "\n\n" });
    text.push_str("Nothing was created.\n");
    text
}

#[cfg(test)]
mod tests {
    use spawn_core::cost::Rate;
    use spawn_core::pools::{Pool, Pools};
    use spawn_model::dns::DnsName;
    use spawn_model::market::{Fallback, MarketSpec, MarketType};
    use spawn_model::record::BootImage;

    use super::*;

    #[test]
    fn a_plan_says_what_where_how_much_and_until_when() {
        let pool = |instance_type: &str, zone: &str| Pool {
            instance_type: instance_type.into(),
            market: MarketType::OnDemand,
            zone: format!("us-east-1{zone}"),
            subnet_id: format!("subnet-0{zone}"),
        };
        let on_demand =
            MarketSpec { r#type: MarketType::OnDemand, fallback: Fallback::None, on_demand_base: 0, max_price: None, rebalance: false };
        let plan = FleetPlan {
            name: "mandelbrot".into(),
            kind: FleetKind::JobArray,
            size: 8,
            instance_types: vec!["c7i.large".into(), "c7a.large".into()],
            pools: Pools::new(vec![pool("c7i.large", "a"), pool("c7i.large", "b"), pool("c7a.large", "a")], on_demand),
            gang: false,
            image: BootImage { id: "ami-0123456789abcdef0".into(), root_device: "/dev/xvda".into(), root_gib: None },
            root_gib: Some(8),
            vpc_id: "vpc-0a".into(),
            ttl_s: 1200,
            idle_after_s: None,
            schedules: 1,
            price_usd_per_hour: Some(0.08925),
            spot_usd_per_hour: None,
            rate: Some(Rate { instances_usd_per_hour: 0.714, disks_usd_per_hour: 0.0071 }),
            cost_usd_max: Some(0.2404),
            notes: Vec::new(),
            dns_name: None,
        };
        let named =
            DnsName { zone_id: "Z0123456789ABCDEFGHIJ".into(), is_public: false, name: "mandelbrot.1kpqzg2c.hpc.example.com".into() };
        let unknown = FleetPlan {
            size: 2500,
            idle_after_s: Some(900),
            schedules: 3,
            price_usd_per_hour: None,
            rate: None,
            cost_usd_max: None,
            dns_name: Some(named),
            notes: vec!["c7g.large is left out: it is arm64, and the image ami-0123456789abcdef0 is x86_64".into()],
            ..plan.clone()
        };
        let service = FleetPlan { kind: FleetKind::Service, ..plan.clone() };
        insta::assert_snapshot!("plan-service", text(&service));
        insta::assert_snapshot!("plan", text(&plan));
        insta::assert_snapshot!("plan-unknown-price", text(&unknown));
        insta::assert_json_snapshot!("plan-json", plan);
    }
}
