//! The whole world at once, to compare what is left with what should be.

use serde_json::{Map, Value, json};

use crate::cloud::{Cloud, Region};
use crate::model::{InstanceState, Tags};

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
    let network_tags: Map<String, Value> = region
        .subnets
        .values()
        .map(|s| (&s.id, &s.tags))
        .chain(region.images.iter().map(|i| (&i.id, &i.tags)))
        .chain([(&region.vpc.id, &region.vpc.tags)])
        .filter(|(_, tags): &(_, &Tags)| !tags.is_empty())
        .map(|(id, tags)| (id.clone(), json!(tags)))
        .collect();
    json!({ "instances": instances, "volumes": volumes, "security_groups": groups, "network_tags": network_tags })
}
