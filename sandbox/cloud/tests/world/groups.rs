//! Groups to test, and what every test of them needs.

use sandbox_cloud::request::{CreateLaunchTemplate, DescribeById, LaunchTemplateData};
use sandbox_cloud::scaling::{
    self, Activity, AutoScalingGroup, CreateAutoScalingGroup, DeleteAutoScalingGroup, DescribeAutoScalingGroups, DescribeScalingActivities,
    Distribution, GroupSettings, GroupTag, LaunchSource, Lifecycle, Process, ScalingProcesses, SetDesiredCapacity, TemplateSpecification,
    UpdateAutoScalingGroup,
};
use sandbox_cloud::{ApiError, Reply, Request};

use super::{World, image};

pub(crate) const GROUP: &str = "web";
pub(crate) const TEMPLATE: &str = "web-template";

pub(crate) fn template() -> LaunchTemplateData {
    LaunchTemplateData { image_id: Some(image()), instance_type: Some("c7i.large".to_owned()), ..Default::default() }
}

/// What a group of a size is told: it lies in all default subnets.
pub(crate) fn settings(world: &mut World, min: u32, desired: u32, max: u32) -> GroupSettings {
    GroupSettings {
        source: Some(LaunchSource::Template(TemplateSpecification::by_name(TEMPLATE))),
        min_size: Some(min),
        max_size: Some(max),
        desired_capacity: Some(desired),
        subnets: world.subnets(),
        ..GroupSettings::default()
    }
}

pub(crate) fn mixed(overrides: &[&str], distribution: Distribution) -> Option<LaunchSource> {
    let overrides = overrides.iter().map(|name| (*name).to_owned()).collect();
    Some(LaunchSource::Mixed { template: TemplateSpecification::by_name(TEMPLATE), overrides, distribution })
}

impl World {
    pub(crate) fn scale(&mut self, request: scaling::Request) -> Result<scaling::Reply, ApiError> {
        self.cloud.scale(self.now, super::REGION, request)
    }

    /// The default subnets of three zones.
    pub(crate) fn subnets(&mut self) -> Vec<String> {
        match self.call(Request::DescribeSubnets(DescribeById::default())).unwrap() {
            Reply::Subnets(found) => {
                let mut subnets = found.items;
                subnets.sort_by(|a, b| a.availability_zone.cmp(&b.availability_zone));
                subnets.into_iter().take(3).map(|subnet| subnet.id).collect()
            }
            other => panic!("subnets answer {other:?}"),
        }
    }

    pub(crate) fn make_template(&mut self, data: LaunchTemplateData) {
        let request = CreateLaunchTemplate { name: TEMPLATE.to_owned(), data, ..Default::default() };
        self.call(Request::CreateLaunchTemplate(Box::new(request))).unwrap();
    }

    pub(crate) fn try_group(&mut self, settings: GroupSettings, tags: &[(&str, &str, bool)]) -> Result<(), ApiError> {
        let tag = |(key, value, propagate): &(&str, &str, bool)| GroupTag {
            group_name: GROUP.to_owned(),
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            propagate_at_launch: *propagate,
        };
        let request = CreateAutoScalingGroup { name: GROUP.to_owned(), settings, tags: tags.iter().map(tag).collect() };
        self.scale(scaling::Request::CreateAutoScalingGroup(Box::new(request))).map(|_| ())
    }

    /// A group of the plain template, with all its instances running.
    pub(crate) fn group_of(&mut self, min: u32, desired: u32, max: u32) {
        self.make_template(template());
        let settings = settings(self, min, desired, max);
        self.try_group(settings, &[]).unwrap();
        self.wait(60_000);
        assert_eq!(self.in_service().len(), desired as usize, "{:?}", self.activities());
    }

    pub(crate) fn group(&mut self) -> Option<AutoScalingGroup> {
        let request = DescribeAutoScalingGroups { names: vec![GROUP.to_owned()], ..Default::default() };
        match self.scale(scaling::Request::DescribeAutoScalingGroups(request)).unwrap() {
            scaling::Reply::Groups(mut found) => found.items.pop(),
            other => panic!("groups answer {other:?}"),
        }
    }

    /// The ids of its instances that are in service.
    pub(crate) fn in_service(&mut self) -> Vec<String> {
        let instances = self.group().map(|group| group.instances).unwrap_or_default();
        instances.into_iter().filter(|i| i.lifecycle == Lifecycle::InService).map(|i| i.id).collect()
    }

    /// What it did, the newest first.
    pub(crate) fn activities(&mut self) -> Vec<Activity> {
        let request = DescribeScalingActivities { include_deleted_groups: true, ..Default::default() };
        match self.scale(scaling::Request::DescribeScalingActivities(request)).unwrap() {
            scaling::Reply::Activities(found) => found.items,
            other => panic!("activities answer {other:?}"),
        }
    }

    pub(crate) fn delete_group(&mut self, force: bool) -> Result<(), ApiError> {
        let request = DeleteAutoScalingGroup { name: GROUP.to_owned(), force };
        self.scale(scaling::Request::DeleteAutoScalingGroup(request)).map(|_| ())
    }

    pub(crate) fn set_desired(&mut self, desired_capacity: u32) -> Result<(), String> {
        let request = SetDesiredCapacity { name: GROUP.to_owned(), desired_capacity };
        self.scale(scaling::Request::SetDesiredCapacity(request)).map(|_| ()).map_err(|error| error.message)
    }

    pub(crate) fn update(&mut self, settings: GroupSettings) -> Result<(), String> {
        let request = UpdateAutoScalingGroup { name: GROUP.to_owned(), settings };
        self.scale(scaling::Request::UpdateAutoScalingGroup(Box::new(request))).map(|_| ()).map_err(|error| error.message)
    }

    pub(crate) fn suspend(&mut self, processes: &[Process]) {
        let request = ScalingProcesses { name: GROUP.to_owned(), processes: processes.to_vec() };
        self.scale(scaling::Request::SuspendProcesses(request)).unwrap();
    }

    pub(crate) fn resume(&mut self) {
        let request = ScalingProcesses { name: GROUP.to_owned(), processes: vec![] };
        self.scale(scaling::Request::ResumeProcesses(request)).unwrap();
    }
}
