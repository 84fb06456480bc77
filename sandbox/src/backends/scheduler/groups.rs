//! Schedule groups and their tags.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::json::{read, validation};
use crate::protocol::{Failure, Request};
use crate::times::epoch;

use super::{Group, Scheduler, check_name, no_group, paged};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(rename = "ClientToken")]
    _client_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Tag {
    key: String,
    value: String,
}

impl Scheduler {
    fn group_arn(&self, region: &str, name: &str) -> String {
        format!("arn:aws:scheduler:{region}:{}:schedule-group/{name}", self.account)
    }

    fn render_group(&self, region: &str, name: &str, group: &Group) -> Value {
        json!({
            "Arn": self.group_arn(region, name), "Name": name, "State": "ACTIVE",
            "CreationDate": epoch(group.created), "LastModificationDate": epoch(group.created),
        })
    }

    pub(super) fn create_group(&self, request: &Request, name: &str) -> Result<Value, Failure> {
        let asked: Create = read(request)?;
        check_name(name)?;
        let mut state = self.lock();
        if state.has_group(&request.region, name) {
            return Err(Failure::new(409, "ConflictException", format!("Schedule group {name} already exists.")));
        }
        let tags = asked.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
        state.groups.insert((request.region.clone(), name.to_owned()), Group { created: request.now, tags });
        Ok(json!({"ScheduleGroupArn": self.group_arn(&request.region, name)}))
    }

    pub(super) fn get_group(&self, request: &Request, name: &str) -> Result<Value, Failure> {
        let state = self.lock();
        let group = state.group(&request.region, name, request.now).ok_or_else(|| no_group(name))?;
        Ok(self.render_group(&request.region, name, &group))
    }

    pub(super) fn delete_group(&self, request: &Request, name: &str) -> Result<Value, Failure> {
        if name == "default" {
            return Err(validation("Schedule group default cannot be deleted."));
        }
        let mut state = self.lock();
        state.groups.remove(&(request.region.clone(), name.to_owned())).ok_or_else(|| no_group(name))?;
        state.schedules.retain(|key, _| key.region != request.region || key.group != name);
        state.retries.retain(|firing| firing.key.region != request.region || firing.key.group != name);
        Ok(json!({}))
    }

    pub(super) fn list_groups(&self, request: &Request) -> Result<Value, Failure> {
        let prefix = request.query("NamePrefix").unwrap_or_default();
        let state = self.lock();
        let mut names: Vec<String> =
            state.groups.keys().filter(|(region, _)| *region == request.region).map(|(_, name)| name.clone()).collect();
        names.push("default".to_owned());
        names.sort();
        let list: Vec<(String, Value)> = names
            .into_iter()
            .filter(|name| name.starts_with(prefix))
            .filter_map(|name| {
                let group = state.group(&request.region, &name, request.now)?;
                Some((name.clone(), self.render_group(&request.region, &name, &group)))
            })
            .collect();
        paged(request, "ScheduleGroups", &list)
    }

    pub(super) fn tags(&self, request: &Request, arn: &str) -> Result<Value, Failure> {
        let name = arn.rsplit('/').next().unwrap_or_default();
        let state = self.lock();
        let group = state.group(&request.region, name, request.now).filter(|_| arn.contains(":schedule-group/"));
        let group = group.ok_or_else(|| Failure::new(404, "ResourceNotFoundException", format!("{arn} does not exist.")))?;
        let tags: Vec<Value> = group.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        Ok(json!({"Tags": tags}))
    }
}
