//! Groups that keep their size, and their templates.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use spawn_core::ports::{Aws, Group, GroupRequest, LaunchRequest, Launches, Refusal, SpotTerms, Tags, Template, ZONE_REBALANCE};
use spawn_model::error::Class;
use spawn_model::ids::InstanceId;
use spawn_model::market::MarketType;
use spawn_model::tag;

use super::{NOT_AN_INSTANCE, TYPE, clean, fresh, launch_request, tags, volumes_of};

/// The service that Auto Scaling's own role is of.
const SERVICE: &str = "autoscaling.amazonaws.com";

/// A group to be made, with what it launches.
struct Service {
    launch: LaunchRequest,
    template: Template,
    group: GroupRequest,
    size: u32,
}

/// A group of so many, on demand in every zone of the default network.
async fn service(aws: &Aws, size: u32) -> Service {
    let name = fresh("scaling");
    let launch = launch_request(aws, &name).await;
    aws.identity.service_role_ensure(SERVICE).await.expect("a role, or so already");
    let subnets = aws.networks.default_subnets().await.expect("subnets");
    let more = |key: &str| launch.tags.clone().into_iter().chain(tags(&[(key, "yes")])).collect::<Tags>();
    let template = Template {
        name: name.clone(),
        image_id: launch.image_id.clone(),
        disks: launch.disks.clone(),
        public_address: Some(true),
        group_ids: launch.group_ids.clone(),
        key_name: None,
        profile: launch.profile.clone().expect("a profile"),
        user_data: launch.user_data.clone(),
        tags: more("of-template"),
    };
    let group = GroupRequest {
        name,
        launches: Launches { template_version: 1, types: vec![TYPE.to_owned(), "t3.small".to_owned()], ..Launches::default() },
        subnet_ids: subnets.into_iter().map(|subnet| subnet.id).collect(),
        tags: more("of-group"),
    };
    Service { launch, template, group, size }
}

impl Service {
    /// Makes template and group, and tells it its size.
    async fn make(&self, aws: &Aws) {
        self.ensure(aws).await;
        aws.scaling.resize(&self.group.name, self.size).await.expect("a size");
    }

    /// Makes template and group, and asks again while the profile is too new.
    async fn ensure(&self, aws: &Aws) {
        let template_version = aws.scaling.template_put(&self.template).await.expect("a template");
        let launches = Launches { template_version, ..self.group.launches.clone() };
        let group = GroupRequest { launches: launches.clone(), ..self.group.clone() };
        for _ in 0..60 {
            match aws.scaling.group_ensure(&group).await {
                Err(error) if error.code == "ProfileNotReady" => aws.clock.sleep(500).await,
                answer => {
                    answer.expect("a group");
                    // One that was there before launches what it did.
                    return aws.scaling.group_launch(&group.name, &launches).await.expect("what it launches");
                }
            }
        }
        panic!("the instance profile never came");
    }

    async fn look(&self, aws: &Aws) -> Group {
        aws.scaling.group(&self.group.name).await.expect("a description").expect("a group")
    }

    /// The group's instances, once they are as they should be.
    async fn members(&self, aws: &Aws, as_they_should: impl Fn(&[InstanceId]) -> bool) -> Vec<InstanceId> {
        for _ in 0..300 {
            let group = self.look(aws).await;
            if as_they_should(&group.instances) {
                return group.instances;
            }
            aws.clock.sleep(200).await;
        }
        panic!("the group never came to its size: {:?}", self.look(aws).await);
    }

    /// Why the group could not launch, once it has tried.
    async fn refused(&self, aws: &Aws) -> Refusal {
        for _ in 0..300 {
            if let Some(refusal) = aws.scaling.refusals(&self.group.name).await.expect("an answer").into_iter().next() {
                return refusal;
            }
            aws.clock.sleep(200).await;
        }
        panic!("nobody said that the price is too low");
    }

    /// Deletes the group with its instances, each thing twice, and the rest.
    async fn end(&self, aws: &Aws) {
        let name = &self.group.name;
        for _ in 0..2 {
            aws.scaling.group_delete(name).await.expect("going, or so already");
            assert!(aws.scaling.group(name).await.expect("a description").is_none_or(|group| group.is_going));
        }
        for _ in 0..2 {
            aws.scaling.template_delete(name).await.expect("gone, or so already");
        }
        clean(aws, &self.launch, &[]).await;
        for _ in 0..300 {
            if aws.scaling.group(name).await.expect("a description").is_none() {
                return aws.scaling.group_delete(name).await.expect("gone already");
            }
            aws.clock.sleep(200).await;
        }
        panic!("the group never went");
    }
}

/// A group is made without an instance, and then launches its size of what the latest version of its template says, with both's tags; all
/// of it is made twice, and is one.
pub(crate) async fn scaling_groups(aws: &Aws) {
    let service = service(aws, 2).await;
    let first = Template { tags: service.launch.tags.clone(), ..service.template.clone() };
    aws.scaling.template_put(&first).await.expect("a template");
    for _ in 0..2 {
        service.ensure(aws).await;
    }
    let group = service.look(aws).await;
    assert_eq!((&group.name, group.size, group.is_going, &group.tags), (&service.group.name, 0, false, &service.group.tags));
    assert_eq!((group.least, group.most, &group.launches.types), (0, 0, &service.group.launches.types));
    assert_eq!((group.template.as_ref(), group.suspended), (Some(&service.group.name), [ZONE_REBALANCE.to_owned()].into()));
    let age = aws.clock.now().duration_since(group.created_at);
    assert!(age.as_secs().unsigned_abs() < 60, "{age:#}");
    service.make(aws).await;
    service.ensure(aws).await;
    assert_eq!((service.look(aws).await.size, service.look(aws).await.most), (2, 2));
    let named: Vec<String> = aws.scaling.groups(&service.group.tags).await.expect("groups").into_iter().map(|group| group.name).collect();
    assert_eq!(named, std::slice::from_ref(&service.group.name));

    let members = service.members(aws, |members| members.len() == 2).await;
    let seen = aws.instances.describe(&service.launch.tags).await.expect("a description");
    let ids: BTreeSet<&InstanceId> = seen.iter().map(|one| &one.launched.instance_id).collect();
    assert_eq!(ids, members.iter().collect());
    for (key, value) in service.group.tags.iter().chain(&service.template.tags) {
        assert!(seen.iter().all(|one| one.tags.get(key) == Some(value)), "{key} on {seen:?}");
    }
    assert!(seen.iter().all(|one| one.launched.instance_type == TYPE && one.launched.market == MarketType::OnDemand), "{seen:?}");
    assert_eq!(volumes_of(aws, &service.template.tags).await.len(), 2);
    assert_eq!(aws.scaling.refusals(&service.group.name).await, Ok(vec![]));
    service.end(aws).await;
}

/// A member that ends is replaced by another instance.
pub(crate) async fn scaling_replaces(aws: &Aws) {
    let service = service(aws, 2).await;
    service.make(aws).await;
    let before = service.members(aws, |members| members.len() == 2).await;
    aws.instances.terminate(&before[..1]).await.expect("an end");
    let after = service.members(aws, |members| members.len() == 2 && !members.contains(&before[0])).await;
    assert!(after.contains(&before[1]), "{before:?} {after:?}");
    assert_eq!(aws.scaling.refusals(&service.group.name).await, Ok(vec![]));
    service.end(aws).await;
}

/// A group grows and shrinks to what it is told.
pub(crate) async fn scaling_resizes(aws: &Aws) {
    let service = service(aws, 1).await;
    service.make(aws).await;
    for size in [3, 2] {
        aws.scaling.resize(&service.group.name, size).await.expect("another size");
        assert_eq!(service.look(aws).await.size, size);
        service.members(aws, |members| members.len() == size as usize).await;
    }
    service.end(aws).await;
}

/// An instance is ended and not replaced; what ends already or is in no group is as good.
pub(crate) async fn scaling_sheds(aws: &Aws) {
    let service = service(aws, 3).await;
    service.make(aws).await;
    let members = service.members(aws, |members| members.len() == 3).await;
    for _ in 0..2 {
        aws.scaling.shed(&service.group.name, &members[1]).await.expect("ended, or so already");
        let group = service.look(aws).await;
        assert_eq!((group.size, group.instances.contains(&members[1])), (2, false));
    }
    aws.scaling.shed(&service.group.name, &InstanceId(NOT_AN_INSTANCE.to_owned())).await.expect("in no group");
    let seen = aws.instances.describe(&service.launch.tags).await.expect("a description");
    let alive: BTreeSet<&InstanceId> = seen.iter().filter(|one| one.alive).map(|one| &one.launched.instance_id).collect();
    assert_eq!(alive, [&members[0], &members[2]].into());
    service.end(aws).await;
}

/// Tags of a group are added, changed and taken away, and what it launches then has them.
pub(crate) async fn scaling_tags(aws: &Aws) {
    let service = service(aws, 1).await;
    service.make(aws).await;
    let name = &service.group.name;
    let first = service.members(aws, |members| members.len() == 1).await;
    aws.scaling.group_tag(name, &tags(&[("spawn:ttl-deadline", "1"), ("team", "ops")])).await.expect("tagged");
    aws.scaling.group_tag(name, &tags(&[("spawn:ttl-deadline", "2")])).await.expect("tagged again");
    aws.scaling.group_untag(name, &["team".to_owned(), "never".to_owned()]).await.expect("untagged");
    aws.scaling.group_untag(name, &[]).await.expect("nothing to take away");
    aws.scaling.group_tag(name, &Tags::new()).await.expect("nothing to add");
    aws.scaling.group_tag(name, &tags(&[(tag::TEMPLATE_VERSION, "7")])).await.expect("told");
    let mut expected = service.group.tags.clone();
    expected.extend(tags(&[("spawn:ttl-deadline", "2"), (tag::TEMPLATE_VERSION, "7")]));
    assert_eq!(service.look(aws).await.tags, expected);

    aws.scaling.resize(name, 2).await.expect("another size");
    service.members(aws, |members| members.len() == 2).await;
    let seen = aws.instances.describe(&service.launch.tags).await.expect("a description");
    for one in seen {
        let is_newer = !first.contains(&one.launched.instance_id);
        assert_eq!((one.tags.contains_key("spawn:ttl-deadline"), one.tags.contains_key("team")), (is_newer, false), "{:?}", one.tags);
        assert!(!one.tags.contains_key(tag::TEMPLATE_VERSION), "which version it is, is the group's own: {:?}", one.tags);
    }
    service.end(aws).await;
}

/// At the moment that was said last a group has no instances any more; a moment that was is none.
pub(crate) async fn scaling_empties(aws: &Aws) {
    let service = service(aws, 2).await;
    service.make(aws).await;
    let name = &service.group.name;
    service.members(aws, |members| members.len() == 2).await;
    let past = aws.scaling.empty_at(name, aws.clock.now() - SignedDuration::from_mins(1)).await.expect_err("it was");
    assert_eq!((past.class, past.code.as_str()), (Class::Invalid, "ValidationError"));
    assert_eq!(aws.scaling.emptied_at(name).await, Ok(None));
    for seconds in [3_600, 7_200, 3] {
        let at = aws.clock.now() + SignedDuration::from_secs(seconds);
        aws.scaling.empty_at(name, at).await.expect("a moment");
        let told = aws.scaling.emptied_at(name).await.expect("a description");
        assert_eq!((told.map(Timestamp::as_second), service.look(aws).await.size), (Some(at.as_second()), 2));
    }
    service.members(aws, <[InstanceId]>::is_empty).await;
    assert_eq!(aws.scaling.emptied_at(name).await, Ok(None));
    assert_eq!(service.look(aws).await.size, 0);
    service.end(aws).await;
}

/// So many are on demand, and the others spot.
pub(crate) async fn scaling_as_spot(aws: &Aws) {
    let mut service = service(aws, 3).await;
    service.group.launches.on_demand_base = 1;
    service.group.launches.spot = Some(SpotTerms { max_usd_per_hour: None });
    service.group.launches.rebalances = true;
    service.make(aws).await;
    let told = service.look(aws).await.launches;
    assert_eq!((told.on_demand_base, told.spot, told.rebalances), (1, service.group.launches.spot, true));
    let launches = Launches { rebalances: false, ..told };
    aws.scaling.group_launch(&service.group.name, &launches).await.expect("other launches");
    assert_eq!(service.look(aws).await.launches, launches);
    service.members(aws, |members| members.len() == 3).await;
    let seen = aws.instances.describe(&service.launch.tags).await.expect("a description");
    assert_eq!(seen.iter().filter(|one| one.launched.market == MarketType::Spot).count(), 2, "{seen:?}");
    service.end(aws).await;
}

/// A group that cannot launch says why.
pub(crate) async fn scaling_refused(aws: &Aws) {
    let mut service = service(aws, 1).await;
    service.group.launches.spot = Some(SpotTerms { max_usd_per_hour: Some(0.000_1) });
    service.make(aws).await;
    let refusal = service.refused(aws).await;
    assert!(refusal.why.contains("SpotMaxPriceTooLow"), "{}", refusal.why);
    let age = aws.clock.now().duration_since(refusal.at);
    assert!(age.as_secs().unsigned_abs() < 60, "{age:#}");
    assert_eq!(service.look(aws).await.instances, []);
    service.end(aws).await;
}

/// A group that is told to has so many on demand, where spot has no room; what else it launches stays as it was.
pub(crate) async fn scaling_buys_on_demand(aws: &Aws) {
    let mut service = service(aws, 2).await;
    service.group.launches.spot = Some(SpotTerms { max_usd_per_hour: Some(0.001) });
    service.make(aws).await;
    service.refused(aws).await;
    let before = service.look(aws).await;
    for _ in 0..2 {
        aws.scaling.buy_on_demand(&service.group.name, 2).await.expect("so many on demand");
    }
    service.members(aws, |members| members.len() == 2).await;
    let after = service.look(aws).await;
    assert_eq!(after.launches, Launches { on_demand_base: 2, ..before.launches });
    assert_eq!((after.size, after.least, after.most, after.tags), (before.size, before.least, before.most, before.tags));
    let seen = aws.instances.describe(&service.launch.tags).await.expect("a description");
    assert!(seen.iter().all(|one| one.launched.market == MarketType::OnDemand), "{seen:?}");
    let nobodys = aws.scaling.buy_on_demand(&fresh("nobody"), 2).await.expect_err("there is none");
    assert_eq!(nobodys.class, Class::NotFound);
    service.end(aws).await;
}

/// What is not there is not found, and as good as gone.
pub(crate) async fn scaling_none(aws: &Aws) {
    let name = fresh("nobody");
    assert_eq!(aws.scaling.group(&name).await, Ok(None));
    assert_eq!(aws.scaling.groups(&tags(&[("spawn:fleet", &name)])).await, Ok(vec![]));
    let error = aws.scaling.resize(&name, 1).await.expect_err("there is none");
    assert_eq!((error.class, error.code.as_str()), (Class::NotFound, "ValidationError"));
    let nobodys = service(aws, 1).await;
    assert_eq!(aws.scaling.template_renew(&nobodys.template).await.expect_err("there is none").class, Class::NotFound);
    clean(aws, &nobodys.launch, &[]).await;
    aws.scaling.group_delete(&name).await.expect("there is none");
    aws.scaling.template_delete(&name).await.expect("there is none");
}

/// The role of a service is made, and again.
pub(crate) async fn service_roles(aws: &Aws) {
    for _ in 0..2 {
        aws.identity.service_role_ensure(SERVICE).await.expect("a role, or so already");
    }
}
