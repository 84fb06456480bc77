//! EC2: every resource that a call touches is asked about by itself.

mod launch;
mod table;

use std::collections::BTreeMap;

use sandbox_cloud::request::TagSpecification;
use sandbox_cloud::{Cloud, Request};

use sandbox_cloud::scaling::GroupSettings;

use crate::form::Form;
use crate::protocol::Failure;

use super::{Facts, Need, listed, listed_tags};

pub(super) fn needs(facts: &Facts<'_>) -> Result<Vec<Need>, Failure> {
    let operation = facts.request.operation.as_str();
    // A call that cannot be read does nothing, and is told so by EC2 itself.
    let Some(request) = sandbox_ec2::read(&facts.request.body) else { return Ok(Vec::new()) };
    facts.ec2.with(facts.request.now, |cloud, _| {
        let place = Place { facts, cloud };
        match request {
            Request::RunInstances(launch) => Ok(launch::needs(&place, &launch)),
            Request::CreateTags(call) => {
                let tags = call.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
                Ok(call.resources.iter().map(|id| place.on(operation, id).giving(&tags)).collect())
            }
            Request::DeleteTags(call) => {
                let keys: Vec<String> = call.tags.iter().map(|tag| tag.key.clone()).collect();
                let given = call.tags.into_iter().filter_map(|tag| Some((tag.key, tag.value?))).collect();
                let mut needs: Vec<Need> = call.resources.iter().map(|id| place.on(operation, id).giving(&given)).collect();
                if !keys.is_empty() {
                    needs.iter_mut().for_each(|need| drop(need.context.insert("aws:tagkeys".to_owned(), keys.clone())));
                }
                Ok(needs)
            }
            _ => table::needs(&place, &Form::parse(&facts.request.body)),
        }
    })
}

/// The rights to launch what a group with such settings would launch: on its template, and on all that a launch touches.
pub(super) fn needs_of_group(facts: &Facts<'_>, settings: &GroupSettings) -> Vec<Need> {
    facts.ec2.with(facts.request.now, |cloud, _| {
        let place = Place { facts, cloud };
        let Some((template, launches)) = cloud.group_launches(place.region(), settings) else { return Vec::new() };
        let mut needs = vec![place.on("RunInstances", &template)];
        for need in launches.iter().flat_map(|launch| launch::needs(&place, launch)) {
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        needs
    })
}

/// Where an operation looks its resources up.
struct Place<'a> {
    facts: &'a Facts<'a>,
    cloud: &'a Cloud,
}

impl Place<'_> {
    fn region(&self) -> &str {
        &self.facts.request.region
    }

    fn arn(&self, kind: &str, id: &str) -> String {
        format!("arn:aws:ec2:{}:{}:{kind}/{id}", self.region(), self.facts.account)
    }

    /// The right to an operation that is about no resource.
    fn on_nothing(&self, operation: &str) -> Need {
        Need::new(format!("ec2:{operation}"), "*").with("ec2:Region", self.region())
    }

    /// The right to an operation on a resource that is there.
    fn on(&self, operation: &str, id: &str) -> Need {
        let subject = self.cloud.subject(self.region(), id);
        let resource = match subject.kind.as_str() {
            "" => self.arn("*", id),
            // The ARNs of these name no account, whosever they are.
            kind @ ("image" | "snapshot") => format!("arn:aws:ec2:{}::{kind}/{id}", self.region()),
            // These two are named, not numbered.
            kind @ ("key-pair" | "placement-group") => {
                let name = subject.facts.iter().find(|(key, _)| key.ends_with("Name")).map_or(id, |(_, name)| name);
                self.arn(kind, name)
            }
            kind => self.arn(kind, id),
        };
        let need = Need { resource, ..self.on_nothing(operation) }.on_tagged("ec2", &subject.tags);
        subject.facts.into_iter().fold(need, |need, (key, value)| need.with(key, value))
    }

    /// The right to make a resource, with the tags it is given. EC2 has not numbered it yet.
    fn made(&self, operation: &str, kind: &str, tags: &BTreeMap<String, String>) -> Need {
        Need { resource: self.arn(kind, "*"), ..self.on_nothing(operation) }.giving(tags)
    }

    /// The right to tag what an operation makes.
    fn tagging(&self, operation: &str, kind: &str, tags: &BTreeMap<String, String>) -> Option<Need> {
        (!tags.is_empty()).then(|| self.made("CreateTags", kind, tags).with("ec2:CreateAction", operation))
    }
}

/// The tags that a call gives to one kind of what it makes.
fn tags_for(specifications: &[TagSpecification], kind: &str) -> BTreeMap<String, String> {
    let of_kind = specifications.iter().filter(|specification| specification.resource_type == kind);
    of_kind.flat_map(|specification| &specification.tags).map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

/// The same from a form, whatever kind it names: only one is made.
fn tags_in(form: &Form) -> BTreeMap<String, String> {
    listed_tags(form, "TagSpecification.1.Tag")
}

/// Ids under a parameter: one, or a list.
fn ids(form: &Form, parameter: &str) -> Vec<String> {
    form.peek(parameter).map_or_else(|| listed(form, parameter), |id| vec![id.to_owned()])
}
