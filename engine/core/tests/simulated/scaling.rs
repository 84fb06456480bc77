//! Auto Scaling, on `sandbox-cloud`, asked as `engine/aws` asks the real one.

use std::cmp::Reverse;

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_cloud::model::{MetadataOptionsRequest, ShutdownBehavior};
use sandbox_cloud::request::{
    CreateLaunchTemplate, CreateLaunchTemplateVersion, DescribeLaunchTemplates, LaunchTemplateData, NamedTemplate, NetworkInterface, Page,
    ProfileSpecification,
};
use sandbox_cloud::scaling::{
    Activity, ActivityStatus, AutoScalingGroup, CreateAutoScalingGroup, DeleteAutoScalingGroup, DescribeAutoScalingGroups,
    DescribeScalingActivities, DescribeScheduledActions, Distribution, GroupSettings, GroupTag, LaunchSource, OnDemandStrategy, Process,
    PutScheduledUpdateGroupAction, Reply, Request, ScalingProcesses, SpotStrategy, TemplateSpecification,
    TerminateInstanceInAutoScalingGroup, UpdateAutoScalingGroup,
};
use spawn_core::ports::{Group, GroupRequest, Launches, Refusal, Result, Scaling, SpotTerms, Tags, Template};
use spawn_model::error::{Class, Error};
use spawn_model::ids::InstanceId;
use spawn_model::tag;

use super::door::Door;
use super::instances::{block_device, filters, profile_not_ready, tags_for, told, translated};
use super::{REGION, State, tolerate};

/// The most groups, and the most activities, in a page.
const PAGE: i64 = 100;
/// The action that takes a group's instances away.
const DEADLINE: &str = "spawn-deadline";

impl Door {
    async fn scale(&self, name: &'static str, request: Request) -> Result<Reply> {
        self.call(name, |s, now| s.cloud.scale(now, REGION, request).map_err(translated).map_err(missing)).await
    }

    /// A call that ends instances, which a reaper may make only of those that are past their lease.
    async fn end(&self, name: &'static str, ids: impl FnOnce(&State) -> Vec<String>, request: Request) -> Result<Reply> {
        self.call(name, |s, now| {
            if let Some(past) = &self.0.reaps {
                let ids = ids(s);
                s.check_reaped(&ids, past, self.0.is_beset(), now);
            }
            s.cloud.scale(now, REGION, request).map_err(translated).map_err(missing)
        })
        .await
    }
}

/// Auto Scaling has no code of its own for what is not there.
fn missing(error: Error) -> Error {
    let missing = error.code == "ValidationError" && error.message.contains(" not found");
    if missing { Error { class: Class::NotFound, ..error } } else { error }
}

fn data(template: &Template) -> LaunchTemplateData {
    let groups = template.group_ids.clone();
    let network = match template.public_address {
        None => LaunchTemplateData { security_group_ids: groups, ..LaunchTemplateData::default() },
        public => {
            let interface = NetworkInterface {
                device_index: Some(0),
                groups,
                associate_public_ip_address: public,
                delete_on_termination: Some(true),
                ..NetworkInterface::default()
            };
            LaunchTemplateData { network_interfaces: vec![interface], ..LaunchTemplateData::default() }
        }
    };
    LaunchTemplateData {
        image_id: Some(template.image_id.clone()),
        key_name: template.key_name.clone(),
        user_data: Some(told(&template.user_data)),
        iam_instance_profile: Some(ProfileSpecification { arn: None, name: Some(template.profile.clone()) }),
        block_device_mappings: template.disks.iter().map(block_device).collect(),
        metadata_options: Some(MetadataOptionsRequest {
            http_tokens: Some("required".to_owned()),
            http_put_response_hop_limit: Some(1),
            http_endpoint: Some("enabled".to_owned()),
            http_protocol_ipv6: None,
            instance_metadata_tags: Some("disabled".to_owned()),
        }),
        instance_initiated_shutdown_behavior: Some(ShutdownBehavior::Terminate),
        tag_specifications: vec![tags_for("instance", &template.tags), tags_for("volume", &template.tags)],
        ..network
    }
}

fn source(name: &str, launches: &Launches) -> LaunchSource {
    let distribution = Distribution {
        on_demand_strategy: OnDemandStrategy::Prioritized,
        on_demand_base: launches.on_demand_base,
        on_demand_percentage: if launches.spot.is_some() { 0 } else { 100 },
        spot_strategy: SpotStrategy::PriceCapacityOptimized,
        spot_max_price: launches.spot.and_then(|terms| terms.max_usd_per_hour),
    };
    let version = Some(launches.template_version.to_string());
    let template = TemplateSpecification { version, ..TemplateSpecification::by_name(name) };
    LaunchSource::Mixed { template, overrides: launches.types.clone(), distribution }
}

fn settings(group: &GroupRequest) -> GroupSettings {
    GroupSettings {
        source: Some(source(&group.name, &group.launches)),
        capacity_rebalance: Some(group.launches.rebalances),
        min_size: Some(0),
        max_size: Some(0),
        desired_capacity: Some(0),
        subnets: group.subnet_ids.clone(),
        ..GroupSettings::default()
    }
}

fn group_tags(name: &str, tags: &Tags) -> Vec<GroupTag> {
    let tag = |(key, value): (&String, &String)| GroupTag {
        group_name: name.to_owned(),
        key: key.clone(),
        value: value.clone(),
        propagate_at_launch: key != tag::TEMPLATE_VERSION,
    };
    tags.iter().map(tag).collect()
}

fn described(group: &AutoScalingGroup) -> Group {
    Group {
        name: group.name.clone(),
        size: group.desired_capacity,
        least: group.min_size,
        most: group.max_size,
        launches: Launches { rebalances: group.capacity_rebalance, ..launches(&group.source) },
        template: match &group.source {
            LaunchSource::Mixed { template, .. } => template.name.clone(),
            LaunchSource::Template(_) => None,
        },
        suspended: group.suspended.keys().map(|process| process.name()).collect(),
        instances: group.instances.iter().filter(|member| member.counts()).map(|member| InstanceId(member.id.clone())).collect(),
        is_going: group.deleting,
        created_at: group.created,
        tags: group.tags.iter().map(|(key, tag)| (key.clone(), tag.value.clone())).collect(),
    }
}

fn launches(source: &LaunchSource) -> Launches {
    let LaunchSource::Mixed { template, overrides, distribution } = source else { return Launches::default() };
    Launches {
        template_version: template.version.as_ref().and_then(|version| version.parse().ok()).unwrap_or_default(),
        types: overrides.clone(),
        on_demand_base: distribution.on_demand_base,
        spot: (distribution.on_demand_percentage < 100).then_some(SpotTerms { max_usd_per_hour: distribution.spot_max_price }),
        rebalances: false,
    }
}

/// The launches that have failed since one did not, the latest first.
fn refusals(activities: &[Activity]) -> Vec<Refusal> {
    let failed = |activity: &Activity| matches!(activity.status, ActivityStatus::Failed | ActivityStatus::Cancelled);
    let refusal = |activity: &Activity| Some(Refusal { at: activity.start, why: activity.status_message.clone()? });
    let mut launches: Vec<&Activity> = activities.iter().filter(|activity| activity.description.starts_with("Launching ")).collect();
    launches.sort_by_key(|activity| Reverse((activity.start, failed(activity))));
    launches.into_iter().take_while(|activity| failed(activity)).filter_map(refusal).collect()
}

#[async_trait]
impl Scaling for Door {
    async fn template_put(&self, template: &Template) -> Result<i64> {
        let request = CreateLaunchTemplate {
            name: template.name.clone(),
            data: data(template),
            tag_specifications: vec![tags_for("launch-template", &template.tags)],
            ..CreateLaunchTemplate::default()
        };
        let request = sandbox_cloud::Request::CreateLaunchTemplate(Box::new(request));
        let created = self.ec2("ec2:CreateLaunchTemplate", request).await;
        match tolerate(created, &["InvalidLaunchTemplateName.AlreadyExistsException"])? {
            Some(_) => Ok(1),
            None => self.template_renew(template).await,
        }
    }

    async fn template_renew(&self, template: &Template) -> Result<i64> {
        let request = CreateLaunchTemplateVersion {
            template: NamedTemplate::by_name(&template.name),
            data: data(template),
            ..CreateLaunchTemplateVersion::default()
        };
        let request = sandbox_cloud::Request::CreateLaunchTemplateVersion(Box::new(request));
        let made = self.ec2("ec2:CreateLaunchTemplateVersion", request).await?;
        let sandbox_cloud::Reply::LaunchTemplateVersion(version) = made else { panic!("the simulation answered {made:?}") };
        Ok(i64::try_from(version.number).unwrap())
    }

    async fn template_delete(&self, name: &str) -> Result<()> {
        let request = sandbox_cloud::Request::DeleteLaunchTemplate(NamedTemplate::by_name(name));
        let deleted = self.ec2("ec2:DeleteLaunchTemplate", request).await;
        match tolerate(deleted, &["InvalidLaunchTemplateName.NotFoundException"]) {
            Err(error) if error.class == Class::Denied => {
                let names = vec![name.to_owned()];
                let request = DescribeLaunchTemplates { names, ..DescribeLaunchTemplates::default() };
                let found = self.ec2("ec2:DescribeLaunchTemplates", sandbox_cloud::Request::DescribeLaunchTemplates(request)).await;
                match tolerate(found, &["InvalidLaunchTemplateName.NotFoundException"])? {
                    Some(_) => Err(error),
                    None => Ok(()),
                }
            }
            deleted => deleted.map(drop),
        }
    }

    async fn group_ensure(&self, group: &GroupRequest) -> Result<()> {
        let name = group.name.clone();
        let request = CreateAutoScalingGroup { name: name.clone(), settings: settings(group), tags: group_tags(&name, &group.tags) };
        let created = self.scale("autoscaling:CreateAutoScalingGroup", Request::CreateAutoScalingGroup(Box::new(request))).await;
        let profile = format!("the instance profile of {name}");
        tolerate(created, &["AlreadyExists"]).map_err(|error| profile_not_ready(error, &profile))?;
        let request = ScalingProcesses { name, processes: vec![Process::AZRebalance] };
        self.scale("autoscaling:SuspendProcesses", Request::SuspendProcesses(request)).await.map(drop)
    }

    async fn group(&self, name: &str) -> Result<Option<Group>> {
        let request = DescribeAutoScalingGroups { names: vec![name.to_owned()], ..DescribeAutoScalingGroups::default() };
        let answer = self.scale("autoscaling:DescribeAutoScalingGroups", Request::DescribeAutoScalingGroups(request)).await?;
        Ok(groups_in(answer).0.into_iter().next())
    }

    async fn groups(&self, tags: &Tags) -> Result<Vec<Group>> {
        let (mut found, mut next_token) = (Vec::new(), None);
        loop {
            let page = Page { max_results: Some(PAGE), next_token };
            let request = DescribeAutoScalingGroups { names: Vec::new(), filters: filters(tags), page };
            let answer = self.scale("autoscaling:DescribeAutoScalingGroups", Request::DescribeAutoScalingGroups(request)).await?;
            let (groups, next) = groups_in(answer);
            found.extend(groups);
            next_token = next;
            if next_token.is_none() {
                return Ok(found);
            }
        }
    }

    async fn resize(&self, name: &str, size: u32) -> Result<()> {
        let settings = GroupSettings { min_size: Some(0), max_size: Some(size), desired_capacity: Some(size), ..GroupSettings::default() };
        let request = Request::UpdateAutoScalingGroup(Box::new(UpdateAutoScalingGroup { name: name.to_owned(), settings }));
        let resized = self.call("autoscaling:UpdateAutoScalingGroup", |s, now| {
            s.will_shrink(name, size, now);
            s.cloud.scale(now, REGION, request).map_err(translated).map_err(missing)
        });
        resized.await.map(drop)
    }

    async fn group_launch(&self, name: &str, launches: &Launches) -> Result<()> {
        let settings = GroupSettings {
            source: Some(source(name, launches)),
            capacity_rebalance: Some(launches.rebalances),
            ..GroupSettings::default()
        };
        let request = Request::UpdateAutoScalingGroup(Box::new(UpdateAutoScalingGroup { name: name.to_owned(), settings }));
        self.scale("autoscaling:UpdateAutoScalingGroup", request).await.map(drop)
    }

    async fn buy_on_demand(&self, name: &str, base: u32) -> Result<()> {
        let request = DescribeAutoScalingGroups { names: vec![name.to_owned()], ..DescribeAutoScalingGroups::default() };
        let answer = self.scale("autoscaling:DescribeAutoScalingGroups", Request::DescribeAutoScalingGroups(request)).await?;
        let Reply::Groups(groups) = answer else { panic!("the simulation answered {answer:?}") };
        let known = groups.items.into_iter().next().and_then(|group| match group.source {
            LaunchSource::Mixed { distribution, .. } => Some(distribution),
            LaunchSource::Template(_) => None,
        });
        let distribution = Distribution { on_demand_base: base, ..known.unwrap_or_default() };
        let settings = GroupSettings { distribution: Some(distribution), ..GroupSettings::default() };
        let request = Request::UpdateAutoScalingGroup(Box::new(UpdateAutoScalingGroup { name: name.to_owned(), settings }));
        self.scale("autoscaling:UpdateAutoScalingGroup", request).await.map(drop)
    }

    async fn shed(&self, name: &str, id: &InstanceId) -> Result<()> {
        let request = TerminateInstanceInAutoScalingGroup { instance_id: id.0.clone(), decrement: true };
        let request = Request::TerminateInstanceInAutoScalingGroup(request);
        let ended = self.end("autoscaling:TerminateInstanceInAutoScalingGroup", |_| vec![id.0.clone()], request).await;
        match ended {
            Err(error) if error.class == Class::NotFound => Ok(()),
            Err(error) if error.code == "ScalingActivityInProgress" => match self.group(name).await? {
                Some(group) if group.instances.contains(id) => Err(error),
                _ => Ok(()),
            },
            ended => ended.map(drop),
        }
    }

    async fn empty_at(&self, name: &str, at: Timestamp) -> Result<()> {
        let request = PutScheduledUpdateGroupAction {
            group_name: name.to_owned(),
            name: DEADLINE.to_owned(),
            start: Some(Timestamp::from_second(at.as_second()).unwrap()),
            end: None,
            min_size: Some(0),
            max_size: Some(0),
            desired_capacity: Some(0),
        };
        self.scale("autoscaling:PutScheduledUpdateGroupAction", Request::PutScheduledUpdateGroupAction(request)).await.map(drop)
    }

    async fn emptied_at(&self, name: &str) -> Result<Option<Timestamp>> {
        let request = DescribeScheduledActions {
            group_name: Some(name.to_owned()),
            names: vec![DEADLINE.to_owned()],
            ..DescribeScheduledActions::default()
        };
        let answer = self.scale("autoscaling:DescribeScheduledActions", Request::DescribeScheduledActions(request)).await;
        let Some(answer) = tolerate(answer, &["ValidationError"])? else { return Ok(None) };
        let Reply::ScheduledActions(actions) = answer else { panic!("the simulation answered {answer:?}") };
        Ok(actions.items.iter().find(|action| action.max_size == Some(0)).map(|action| action.start))
    }

    async fn group_tag(&self, name: &str, tags: &Tags) -> Result<()> {
        if tags.is_empty() {
            return Ok(());
        }
        self.scale("autoscaling:CreateOrUpdateTags", Request::CreateOrUpdateTags(group_tags(name, tags))).await.map(drop)
    }

    async fn group_untag(&self, name: &str, keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let tag = |key: &String| GroupTag { group_name: name.to_owned(), key: key.clone(), ..GroupTag::default() };
        self.scale("autoscaling:DeleteTags", Request::DeleteTags(keys.iter().map(tag).collect())).await.map(drop)
    }

    async fn group_delete(&self, name: &str) -> Result<()> {
        let request = Request::DeleteAutoScalingGroup(DeleteAutoScalingGroup { name: name.to_owned(), force: true });
        match self.end("autoscaling:DeleteAutoScalingGroup", |s| s.members(name), request).await {
            Err(error) if error.class == Class::NotFound => Ok(()),
            Err(error) if error.class == Class::Denied => match self.group(name).await? {
                Some(group) if !group.is_going => Err(error),
                _ => Ok(()),
            },
            deleted => deleted.map(drop),
        }
    }

    async fn refusals(&self, name: &str) -> Result<Vec<Refusal>> {
        let page = Page { max_results: Some(PAGE), next_token: None };
        let request = DescribeScalingActivities { group_name: Some(name.to_owned()), page, ..DescribeScalingActivities::default() };
        let answer = self.scale("autoscaling:DescribeScalingActivities", Request::DescribeScalingActivities(request)).await?;
        let Reply::Activities(activities) = answer else { panic!("the simulation answered {answer:?}") };
        Ok(refusals(&activities.items))
    }
}

/// The groups of a page, and where the next begins.
fn groups_in(answer: Reply) -> (Vec<Group>, Option<String>) {
    let Reply::Groups(listing) = answer else { panic!("the simulation answered {answer:?}") };
    (listing.items.iter().map(described).collect(), listing.next_token)
}

impl State {
    /// Remembers how many a group has that has yet to become smaller.
    fn will_shrink(&mut self, name: &str, size: u32, now: Timestamp) {
        let had = self.cloud.scaling_groups(REGION).find(|group| group.name == name).map(|group| group.capacity());
        if let Some(had) = had.filter(|had| *had > size) {
            self.shrunk.insert(name.to_owned(), (now, had));
        }
    }

    /// The instances of a group.
    fn members(&self, name: &str) -> Vec<String> {
        let group = self.cloud.scaling_groups(REGION).find(|group| group.name == name);
        group.into_iter().flat_map(|group| &group.instances).map(|member| member.id.clone()).collect()
    }
}
