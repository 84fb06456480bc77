//! The whole world at once, to compare what is left with what should be.

use serde_json::{Map, Value, json};

use crate::cloud::{Cloud, Region};
use crate::model::InstanceState;
use crate::network::Network;

impl Cloud {
    /// Everything that lives, by region and kind. What has terminated is not in it: comparing two of these shows leaks.
    pub fn snapshot(&self) -> Value {
        let regions: Map<String, Value> = self.regions.values().map(|r| (r.name.clone(), region(r))).collect();
        json!({ "account_id": self.config.account_id, "regions": regions })
    }
}

fn region(region: &Region) -> Value {
    let instances: Vec<_> = region.instances.values().filter(|i| i.state != InstanceState::Terminated).collect();
    let volumes: Vec<_> = region.volumes.values().collect();
    let groups: Vec<_> = region.groups.values().collect();
    let image_tags: Map<String, Value> =
        region.images.iter().filter(|i| !i.tags.is_empty()).map(|i| (i.id.clone(), json!(i.tags))).collect();
    json!({
        "instances": instances,
        "volumes": volumes,
        "snapshots": region.snapshots,
        "placement_groups": region.placement_groups,
        "key_pairs": region.key_pairs,
        "auto_scaling_groups": region.scaling.groups.values().collect::<Vec<_>>(),
        "launch_templates": region.templates.by_id.values().map(|kept| &kept.template).collect::<Vec<_>>(),
        "security_groups": groups,
        "image_tags": image_tags,
        "network": network(&region.network),
    })
}

fn network(network: &Network) -> Value {
    let nat_gateways: Vec<_> = network.nat_gateways.values().filter(|n| n.delete_time.is_none()).collect();
    let endpoints: Vec<_> = network.endpoints.values().filter(|e| e.delete_time.is_none()).collect();
    json!({
        "vpcs": network.vpcs,
        "subnets": network.subnets,
        "internet_gateways": network.internet_gateways,
        "route_tables": network.route_tables,
        "elastic_addresses": network.elastic_addresses,
        "nat_gateways": nat_gateways,
        "endpoints": endpoints,
    })
}
