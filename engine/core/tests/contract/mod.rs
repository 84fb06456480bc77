//! What every AWS must do for the ports to keep their word, one case each. Whoever claims to be AWS runs those it is faithful in:
//! the simulation that the engine is tested on, and `engine/aws` on the sandbox and on moto.
//!
//! Every case makes what it needs under names of its own and takes it away again, so that cases run side by side and twice.

mod scaling;
mod services;
mod trials;

use std::collections::BTreeSet;

use jiff::Timestamp;
use spawn_core::ports::{
    Attached, Aws, Condition, Disk, ImageQuery, LaunchRequest, Role, RoleRequest, SecurityGroup, SpotTerms, Tags, Volume, WaysOut, Written,
};
use spawn_model::error::Class;
use spawn_model::ids::InstanceId;
use spawn_model::image::Distribution;
use spawn_model::market::MarketType;
use spawn_model::network::DefaultRoute;
use spawn_model::placement::Placement;
use spawn_model::record::Launched;
use spawn_model::status::Seen;
use spawn_model::stopping::{Ends, OnEnd};
use spawn_model::volume::{VolumeSpec, VolumeType};
use tokio::task::JoinSet;

pub(crate) use scaling::*;
pub(crate) use services::*;
pub(crate) use trials::*;

/// Where every case plays.
pub(crate) const REGION: &str = "us-east-1";

const TYPE: &str = "t3.micro";
const NOT_AN_INSTANCE: &str = "i-0123456789abcdef0";

/// A name that nothing else has.
fn fresh(what: &str) -> String {
    format!("spawn-{what}-{}", uuid::Uuid::new_v4().simple())
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A bucket for a case.
async fn bucket(aws: &Aws) -> String {
    let name = fresh("contract");
    bucket_ensure(aws, &name).await;
    name
}

/// Makes a bucket with a policy that changes nothing: the account's own callers may read.
async fn bucket_ensure(aws: &Aws, name: &str) {
    let account = aws.identity.caller().await.expect("a caller").account;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{account}:root"}},
            "Action":"s3:GetObject","Resource":"arn:aws:s3:::{name}/*"}}]}}"#
    );
    aws.objects.bucket_ensure(name, &policy).await.expect("a bucket");
}

fn ec2_role(name: &str) -> RoleRequest {
    RoleRequest {
        name: name.to_owned(),
        service: "ec2.amazonaws.com".to_owned(),
        policy: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#.to_owned(),
        managed: Vec::new(),
        boundary: None,
        tags: tags(&[("spawn:fleet", name)]),
    }
}

/// A volume of the usual kind.
fn volume(size_gib: Option<u32>) -> VolumeSpec {
    let r#type = VolumeType::Gp3;
    VolumeSpec { size_gib, r#type, iops: None, throughput_mib_s: None, snapshot: None, encrypted: true, kms_key: None }
}

/// A launch into the default network, with a role and a group of its own.
async fn launch_request(aws: &Aws, name: &str) -> LaunchRequest {
    let query = ImageQuery::Newest { distribution: Distribution::AmazonLinux2023, architecture: "x86_64".to_owned() };
    let image = aws.instances.image(&query).await.expect("an image");
    let subnet = aws.networks.default_subnets().await.expect("subnets").remove(0);
    let marks = tags(&[("spawn:fleet", name), ("Name", name)]);
    aws.identity.role_ensure(&ec2_role(name)).await.expect("a role");
    aws.identity.profile_ensure(name, &marks).await.expect("a profile");
    let group = aws.instances.group_create(name, &subnet.vpc_id, "of a contract case", &marks).await.expect("a group");
    LaunchRequest {
        client_token: name.to_owned(),
        min_count: 3,
        max_count: 3,
        instance_type: TYPE.to_owned(),
        image_id: image.id,
        disks: vec![Disk { device: image.root_device, volume: volume(None) }],
        subnet_id: subnet.id,
        public_address: None,
        group_ids: vec![group],
        placement_group: None,
        key_name: None,
        profile: Some(name.to_owned()),
        spot: None,
        user_data: b"#!/bin/sh\nexit 0\n".to_vec(),
        ends: Ends::default(),
        tags: marks,
    }
}

/// Launches, and asks again while the profile is too new.
async fn launch(aws: &Aws, request: &LaunchRequest) -> Vec<Launched> {
    for _ in 0..60 {
        match aws.instances.launch(request).await {
            Err(error) if error.code == "ProfileNotReady" => aws.clock.sleep(500).await,
            answer => return answer.expect("instances"),
        }
    }
    panic!("the instance profile never came");
}

/// Ends what a launch made, and takes its role and group away.
async fn clean(aws: &Aws, request: &LaunchRequest, launched: &[Launched]) {
    let ids: Vec<InstanceId> = launched.iter().map(|one| one.instance_id.clone()).collect();
    aws.instances.terminate(&ids).await.expect("an end");
    until_gone(aws, &request.tags).await;
    for group in &request.group_ids {
        aws.instances.group_delete(group).await.expect("the group's end");
    }
    aws.identity.role_delete(request.profile.as_deref().expect("a profile")).await.expect("the role's end");
}

async fn volumes_of(aws: &Aws, marks: &Tags) -> Vec<Volume> {
    aws.instances.volumes(marks).await.expect("volumes")
}

async fn until_gone(aws: &Aws, marks: &Tags) {
    for _ in 0..300 {
        if aws.instances.describe(marks).await.expect("a description").iter().all(|one| one.gone) {
            return;
        }
        aws.clock.sleep(200).await;
    }
    panic!("an instance never ended");
}

/// A launch of several: indexes, addresses, zone, type and tags are told at once and again; volumes carry the tags; ending works,
/// with an id among them that nobody knows, and twice.
pub(crate) async fn instances_launch_and_end(aws: &Aws) {
    let request = launch_request(aws, &fresh("launch")).await;
    let launched = launch(aws, &request).await;
    let indexes: Vec<u32> = launched.iter().map(|one| one.launch_index).collect();
    assert_eq!(indexes, [0, 1, 2]);
    let zone = &aws.networks.default_subnets().await.expect("subnets")[0].zone;
    assert!(launched.iter().all(|one| one.instance_type == TYPE && &one.zone == zone && !one.private_ip.is_empty()), "{launched:?}");
    let addresses: BTreeSet<&str> = launched.iter().map(|one| one.private_ip.as_str()).collect();
    assert_eq!(addresses.len(), 3);

    let mut seen = aws.instances.describe(&request.tags).await.expect("a description");
    seen.sort_by_key(|one| one.launched.launch_index);
    assert_eq!(seen.iter().map(|one| one.launched.clone()).collect::<Vec<_>>(), launched);
    assert!(seen.iter().all(|one| one.alive && !one.gone && matches!(one.seen, Seen::Pending | Seen::Running)), "{seen:?}");
    let of_any_fleet = Tags::from([("spawn:fleet".to_owned(), "*".to_owned()), ("Name".to_owned(), request.tags["Name"].clone())]);
    assert_eq!(aws.instances.describe(&of_any_fleet).await.expect("a description").len(), 3);
    // EC2 tells whole seconds.
    let just_now = |at: Timestamp| aws.clock.now().duration_since(at).as_secs().unsigned_abs() < 60;
    assert!(seen.iter().all(|one| just_now(one.launched_at)), "{seen:?}");
    for (key, value) in &request.tags {
        assert!(seen.iter().all(|one| one.tags.get(key) == Some(value)), "{key} on {seen:?}");
    }
    let volumes: BTreeSet<String> = volumes_of(aws, &request.tags).await.into_iter().map(|volume| volume.id).collect();
    let attached: Vec<_> = seen.iter().flat_map(|one| &one.volumes).collect();
    assert_eq!(attached.iter().map(|volume| volume.volume_id.clone()).collect::<BTreeSet<_>>(), volumes);
    let is_root = |volume: &&Attached| volume.device == request.disks[0].device && volume.ends_with_it;
    assert_eq!((volumes.len(), attached.iter().filter(|volume| is_root(volume)).count()), (3, 3), "{attached:?}");

    let mut ids: Vec<InstanceId> = launched.iter().map(|one| one.instance_id.clone()).collect();
    ids.push(InstanceId(NOT_AN_INSTANCE.to_owned()));
    aws.instances.terminate(&ids).await.expect("an end");
    let seen = aws.instances.describe(&request.tags).await.expect("a description");
    assert!(seen.iter().all(|one| !one.alive && one.seen == Seen::Gone), "{seen:?}");
    clean(aws, &request, &launched).await;
    assert_eq!(volumes_of(aws, &request.tags).await, []);
}

/// A launch that is asked for again with its token is the same launch; one with another token is not.
pub(crate) async fn instances_client_token(aws: &Aws) {
    let request = launch_request(aws, &fresh("token")).await;
    let launched = launch(aws, &request).await;
    assert_eq!(launch(aws, &request).await, launched);
    assert_eq!(aws.instances.describe(&request.tags).await.expect("a description").len(), 3);
    let other = LaunchRequest { instance_type: "t3.small".to_owned(), ..request.clone() };
    assert_eq!(aws.instances.launch(&other).await.expect_err("another request with the same token").class, Class::Bug);
    clean(aws, &request, &launched).await;
}

/// A launch takes what there is between its two counts.
pub(crate) async fn instances_as_many_as_asked(aws: &Aws) {
    let request = LaunchRequest { min_count: 1, max_count: 5, ..launch_request(aws, &fresh("counts")).await };
    let launched = launch(aws, &request).await;
    assert_eq!(launched.len(), 5);
    clean(aws, &request, &launched).await;
}

/// A launch into a subnet that does not exist says so, and leaves nothing.
pub(crate) async fn instances_no_such_subnet(aws: &Aws) {
    let request = launch_request(aws, &fresh("subnet")).await;
    let bad = LaunchRequest { subnet_id: "subnet-0123456789abcdef0".to_owned(), ..request.clone() };
    refused(aws, &bad, "InvalidSubnetID.NotFound").await;
    clean(aws, &request, &[]).await;
}

/// A launch of an image that does not exist says so, and leaves nothing.
pub(crate) async fn instances_no_such_image(aws: &Aws) {
    let request = launch_request(aws, &fresh("image")).await;
    let bad = LaunchRequest { image_id: "ami-0123456789abcdef0".to_owned(), ..request.clone() };
    refused(aws, &bad, "InvalidAMIID.NotFound").await;
    clean(aws, &request, &[]).await;
}

async fn refused(aws: &Aws, request: &LaunchRequest, code: &str) {
    let error = aws.instances.launch(request).await.expect_err(code);
    assert_eq!((error.class, error.code.as_str()), (Class::NotFound, code));
    assert_eq!(aws.instances.describe(&request.tags).await.expect("a description"), Vec::new());
}

/// Nothing has these tags: nothing is found, and that is no error.
pub(crate) async fn instances_none(aws: &Aws) {
    let nobody = tags(&[("spawn:fleet", &fresh("nobody"))]);
    assert_eq!(aws.instances.describe(&nobody).await.expect("a description"), Vec::new());
    assert_eq!(volumes_of(aws, &nobody).await, []);
    assert_eq!(aws.instances.groups(&nobody).await.expect("groups"), Vec::<String>::new());
    aws.instances.terminate(&[InstanceId(NOT_AN_INSTANCE.to_owned())]).await.expect("unknown is as good as ended");
    aws.instances.terminate(&[]).await.expect("nothing to end");
}

/// Types are told with what the planner needs, and unknown ones are named.
pub(crate) async fn instance_types(aws: &Aws) {
    let names = [TYPE.to_owned(), "c7g.large".to_owned()];
    let mut types = aws.instances.types(&names).await.expect("types");
    types.sort_by(|one, other| other.name.cmp(&one.name));
    let told: Vec<(&str, &str, u32, u64)> =
        types.iter().map(|one| (one.name.as_str(), one.architecture.as_str(), one.vcpus, one.memory_mib)).collect();
    assert_eq!(told, [(TYPE, "x86_64", 2, 1024), ("c7g.large", "arm64", 2, 4096)]);

    let error = aws.instances.types(&[TYPE.to_owned(), "c99z.enormous".to_owned()]).await.expect_err("an unknown type");
    assert_eq!(error.class, Class::Invalid);
    assert_eq!(error.message, "there is no instance type c99z.enormous");
}

/// What spot costs now: one price for each type and zone, below the price on demand.
pub(crate) async fn spot_prices(aws: &Aws) {
    let types = [TYPE.to_owned(), "c7a.large".to_owned()];
    let prices = aws.instances.spot_prices(&types, aws.clock.now()).await.expect("prices");
    let places: BTreeSet<(&str, &str)> = prices.iter().map(|price| (price.instance_type.as_str(), price.zone.as_str())).collect();
    assert_eq!(places.len(), prices.len(), "one price for each: {prices:?}");
    for name in &types {
        assert!(prices.iter().any(|price| price.instance_type == *name), "{name} in {prices:?}");
    }
    assert!(prices.iter().all(|price| price.usd_per_hour > 0.0 && price.since <= aws.clock.now()), "{prices:?}");
}

/// What is asked for as spot is spot, and says so when it is described; too low a price is refused as missing capacity.
pub(crate) async fn instances_as_spot(aws: &Aws) {
    let name = fresh("spot");
    let request = LaunchRequest { spot: Some(SpotTerms { max_usd_per_hour: None }), ..launch_request(aws, &name).await };
    let launched = launch(aws, &request).await;
    assert!(launched.iter().all(|instance| instance.market == MarketType::Spot), "{launched:?}");
    let described = aws.instances.describe(&tags(&[("spawn:fleet", name.as_str())])).await.expect("instances");
    assert!(described.iter().all(|instance| instance.launched.market == MarketType::Spot), "{described:?}");
    let dear = SpotTerms { max_usd_per_hour: Some(0.000_1) };
    let refused = LaunchRequest { client_token: format!("{name}-low"), spot: Some(dear), ..request.clone() };
    let error = aws.instances.launch(&refused).await.expect_err("nobody sells at that price");
    assert_eq!((error.class, error.code.as_str()), (Class::Capacity, "SpotMaxPriceTooLow"));
    clean(aws, &request, &launched).await;
}

/// Images are found by purpose and by id.
pub(crate) async fn images(aws: &Aws) {
    for architecture in ["x86_64", "arm64"] {
        let query = ImageQuery::Newest { distribution: Distribution::AmazonLinux2023, architecture: architecture.to_owned() };
        let newest = aws.instances.image(&query).await.expect("the newest");
        assert_eq!(newest.architecture, architecture);
        assert!(newest.id.starts_with("ami-") && newest.root_device.starts_with("/dev/"), "{newest:?}");
        assert_eq!(aws.instances.image(&ImageQuery::Id(newest.id.clone())).await.expect("the same"), newest);
    }
    let error = aws.instances.image(&ImageQuery::Id("ami-0123456789abcdef0".to_owned())).await.expect_err("no such image");
    assert_eq!((error.class, error.path.to_string().as_str()), (Class::Invalid, "ami"));
    assert!(error.message.contains("ami-0123456789abcdef0"), "{}", error.message);
}

/// The regions of an account are told without those that it has not enabled, and this one is among them.
pub(crate) async fn regions(aws: &Aws) {
    let regions = aws.instances.regions().await.expect("regions");
    let once: BTreeSet<&String> = regions.iter().collect();
    assert!(once.len() == regions.len() && once.contains(&aws.region) && regions.len() > 1, "{regions:?}");
}

/// The default network has one subnet in each of several zones.
pub(crate) async fn default_subnets(aws: &Aws) {
    let subnets = aws.networks.default_subnets().await.expect("subnets");
    let zones: Vec<&str> = subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
    let ordered: BTreeSet<&str> = zones.iter().copied().collect();
    assert!(zones.len() > 1 && zones == ordered.iter().copied().collect::<Vec<_>>(), "{zones:?}");
    assert!(zones.iter().all(|zone| zone.starts_with(&aws.region)), "{zones:?}");
    assert!(subnets.iter().all(|subnet| subnet.vpc_id == subnets[0].vpc_id && subnet.id.starts_with("subnet-")), "{subnets:?}");
    assert!(subnets.iter().all(|subnet| subnet.public_addresses), "{subnets:?}");
}

/// Subnets are found by id, in the order they are asked for, and an unknown one is told.
pub(crate) async fn subnets(aws: &Aws) {
    let mut expected = aws.networks.default_subnets().await.expect("subnets");
    expected.reverse();
    let ids: Vec<String> = expected.iter().map(|subnet| subnet.id.clone()).collect();
    assert_eq!(aws.networks.subnets(&ids).await.expect("the same"), expected);
    let error = aws.networks.subnets(&["subnet-0123456789abcdef0".to_owned()]).await.expect_err("there is none");
    assert_eq!((error.class, error.code.as_str()), (Class::NotFound, "InvalidSubnetID.NotFound"));
}

/// Groups of others are found by id, and an unknown one is told.
pub(crate) async fn security_groups_by_id(aws: &Aws) {
    let name = fresh("others");
    let vpc_id = aws.networks.default_subnets().await.expect("subnets").remove(0).vpc_id;
    let id = aws.instances.group_create(&name, &vpc_id, "of a contract case", &tags(&[("spawn:fleet", &name)])).await.expect("a group");
    let found = aws.networks.security_groups(std::slice::from_ref(&id)).await.expect("the group");
    assert_eq!(found, [SecurityGroup { id: id.clone(), vpc_id }]);
    aws.instances.group_delete(&id).await.expect("gone");
    let error = aws.networks.security_groups(&[id]).await.expect_err("there is none");
    assert_eq!((error.class, error.code.as_str()), (Class::NotFound, "InvalidGroup.NotFound"));
}

/// The default network leads to the internet, by its main table.
pub(crate) async fn ways_out(aws: &Aws) {
    let vpc_id = aws.networks.default_subnets().await.expect("subnets").remove(0).vpc_id;
    let ways = aws.networks.ways_out(&vpc_id).await.expect("ways");
    let main: Vec<DefaultRoute> = ways.route_tables.iter().filter(|table| table.is_main).map(|table| table.default_route).collect();
    assert_eq!((main, ways.endpoints), (vec![DefaultRoute::Internet], Vec::new()));
    assert_eq!(aws.networks.ways_out("vpc-0123456789abcdef0").await, Ok(WaysOut::default()));
}

/// There is no key pair of a name that nobody has given.
pub(crate) async fn key_pair_of_nobody(aws: &Aws) {
    assert_eq!(aws.instances.key_pair_exists(&fresh("key")).await, Ok(false));
}

/// A placement group is made, again, and goes; twice is no error.
pub(crate) async fn placement_groups(aws: &Aws) {
    for placement in [Placement::Cluster, Placement::Spread] {
        let name = fresh("placement");
        for _ in 0..2 {
            aws.instances.placement_group_ensure(&name, placement, &tags(&[("spawn:fleet", &name)])).await.expect("a group, or so already");
        }
        for _ in 0..2 {
            aws.instances.placement_group_delete(&name).await.expect("gone, or so already");
        }
    }
}

/// What is stopped is off and alive, and runs when it is started; what hibernates tells that too, and only what was launched for it may.
pub(crate) async fn instances_stop_and_hibernate(aws: &Aws) {
    for (name, on_expiry, expected) in [("stop", OnEnd::Stop, Seen::Stopped), ("sleep", OnEnd::Hibernate, Seen::Hibernated)] {
        let hibernates = on_expiry == OnEnd::Hibernate;
        let mut request = launch_request(aws, &fresh(name)).await;
        (request.min_count, request.max_count) = (1, 1);
        request.ends = Ends { on_expiry, ..Ends::default() };
        request.instance_type = "c7i.large".to_owned();
        request.disks[0].volume.size_gib = Some(20);
        let launched = launch(aws, &request).await;
        let ids: Vec<InstanceId> = launched.iter().map(|one| one.instance_id.clone()).collect();
        settled(aws, &request.tags, Seen::Running).await;
        if !hibernates {
            let error = aws.instances.stop(&ids, true).await.expect_err("it was not launched for that");
            assert_eq!(error.code, "UnsupportedHibernationConfiguration");
        }
        aws.instances.stop(&ids, hibernates).await.expect("a stop");
        let seen = settled(aws, &request.tags, expected).await;
        assert!(seen.alive && !seen.gone, "{seen:?}");
        aws.instances.stop(&ids, hibernates).await.expect("it has stopped already");
        // One that is still stopping cannot be started.
        while let Err(error) = aws.instances.start(&ids).await {
            assert_eq!(error.code, "IncorrectInstanceState", "{error}");
            aws.clock.sleep(500).await;
        }
        settled(aws, &request.tags, Seen::Running).await;
        clean(aws, &request, &launched).await;
    }
}

/// Waits until the only instance is seen so.
async fn settled(aws: &Aws, marks: &Tags, wanted: Seen) -> spawn_core::ports::Instance {
    for _ in 0..300 {
        let seen = aws.instances.describe(marks).await.expect("a description").remove(0);
        if seen.seen == wanted {
            return seen;
        }
        aws.clock.sleep(500).await;
    }
    panic!("it was never {wanted:?}");
}

/// Instances get the disks, the addresses and the placement that are asked for; their group stays while they are there.
pub(crate) async fn instances_with_disks_and_placement(aws: &Aws) {
    let name = fresh("disks");
    let mut request = launch_request(aws, &name).await;
    aws.instances.placement_group_ensure(&name, Placement::Spread, &request.tags).await.expect("a placement group");
    request.disks.push(Disk { device: "/dev/sdf".to_owned(), volume: VolumeSpec { iops: Some(4_000), ..volume(Some(10)) } });
    request.public_address = Some(false);
    request.placement_group = Some(name.clone());
    let launched = launch(aws, &request).await;
    assert_eq!(launched.len(), 3);
    let mut volumes = volumes_of(aws, &request.tags).await;
    volumes.sort_by_key(|volume| volume.iops);
    let shape = |volume: &Volume| (volume.kind.clone(), volume.iops, volume.throughput_mib_s);
    let (usual, quick) = (("gp3".to_owned(), Some(3_000), Some(125)), ("gp3".to_owned(), Some(4_000), Some(125)));
    let expected = [usual.clone(), usual.clone(), usual, quick.clone(), quick.clone(), quick];
    assert_eq!(volumes.iter().map(shape).collect::<Vec<_>>(), expected);
    assert_eq!(volumes.iter().map(|volume| volume.size_gib).collect::<Vec<_>>()[3..], [10, 10, 10]);
    let of_any_name = Tags::from([("spawn:fleet".to_owned(), "*".to_owned()), ("Name".to_owned(), request.tags["Name"].clone())]);
    assert_eq!(volumes_of(aws, &of_any_name).await.len(), 6);
    let error = aws.instances.placement_group_delete(&name).await.expect_err("instances are in it");
    assert_eq!(error.class, Class::Conflict);
    clean(aws, &request, &launched).await;
    aws.instances.placement_group_delete(&name).await.expect("gone");
}

/// A group is made once, is ours or somebody else's, lets its members in, and goes.
pub(crate) async fn security_groups(aws: &Aws) {
    let name = fresh("group");
    let vpc = aws.networks.default_subnets().await.expect("subnets").remove(0).vpc_id;
    let marks = tags(&[("spawn:fleet", &name)]);
    let id = aws.instances.group_create(&name, &vpc, "of a contract case", &marks).await.expect("a group");
    assert_eq!(aws.instances.group_create(&name, &vpc, "of a contract case", &marks).await.expect("the same"), id);
    let other = tags(&[("spawn:fleet", "another")]);
    let error = aws.instances.group_create(&name, &vpc, "of a contract case", &other).await.expect_err("not ours");
    assert_eq!(error.class, Class::Conflict);
    for _ in 0..2 {
        aws.instances.group_admit_itself(&id).await.expect("admitted, or so already");
    }
    assert_eq!(aws.instances.groups(&marks).await.expect("groups"), std::slice::from_ref(&id));
    for _ in 0..2 {
        aws.instances.group_delete(&id).await.expect("gone, or so already");
    }
    assert_eq!(aws.instances.groups(&marks).await.expect("groups"), Vec::<String>::new());
}

/// A group that an instance uses cannot be deleted.
pub(crate) async fn security_group_in_use(aws: &Aws) {
    let request = launch_request(aws, &fresh("used")).await;
    let launched = launch(aws, &request).await;
    let error = aws.instances.group_delete(&request.group_ids[0]).await.expect_err("in use");
    assert_eq!(error.class, Class::Conflict);
    clean(aws, &request, &launched).await;
}

/// Tags are added, changed and taken away.
pub(crate) async fn tags_change(aws: &Aws) {
    let request = launch_request(aws, &fresh("tags")).await;
    let launched = launch(aws, &request).await;
    let ids: Vec<String> = launched.iter().map(|one| one.instance_id.0.clone()).collect();
    aws.instances.tag(&ids, &tags(&[("spawn:ttl-deadline", "1"), ("team", "ops")])).await.expect("tagged");
    aws.instances.tag(&ids, &tags(&[("spawn:ttl-deadline", "2")])).await.expect("tagged again");
    aws.instances.untag(&ids, &["team".to_owned(), "never".to_owned()]).await.expect("untagged");
    aws.instances.untag(&ids, &[]).await.expect("nothing to take away");
    let mut expected = request.tags.clone();
    expected.insert("spawn:ttl-deadline".to_owned(), "2".to_owned());
    let seen = aws.instances.describe(&request.tags).await.expect("a description");
    assert!(seen.len() == 3 && seen.iter().all(|one| one.tags == expected), "{seen:?}");
    clean(aws, &request, &launched).await;
}

/// A bucket is made, again, and goes with what is in it.
pub(crate) async fn buckets(aws: &Aws) {
    let name = bucket(aws).await;
    bucket_ensure(aws, &name).await;
    aws.objects.put(&name, "left/behind", b"x".to_vec(), Condition::Always).await.expect("an object");
    for _ in 0..2 {
        aws.objects.bucket_delete(&name).await.expect("gone, or so already");
    }
    let error = aws.objects.get(&name, "left/behind").await.expect_err("no bucket");
    assert_eq!((error.class, error.code.as_str()), (Class::NotFound, "NoSuchBucket"));
}

/// Objects are written, read, found and deleted, whatever is in their keys and bodies.
pub(crate) async fn objects_read_back(aws: &Aws) {
    let name = bucket(aws).await;
    let bodies: [(&str, Vec<u8>); 4] =
        [("empty", vec![]), ("deep/er/key", b"text".to_vec()), ("odd key+with=signs&ü", (0..=255).collect()), ("large", vec![7; 300_000])];
    for (key, body) in &bodies {
        let written = aws.objects.put(&name, key, body.clone(), Condition::Always).await.expect(key);
        let (read, etag) = aws.objects.get(&name, key).await.expect(key).expect(key);
        assert_eq!((&read, Written::Done(etag)), (body, written), "{key}");
        assert!(aws.objects.exists(&name, key).await.expect(key));
    }
    assert_eq!(aws.objects.get(&name, "never").await, Ok(None));
    assert_eq!(aws.objects.exists(&name, "never").await, Ok(false));
    let mut keys: Vec<String> = bodies.iter().map(|(key, _)| (*key).to_owned()).collect();
    keys.sort();
    assert_eq!(aws.objects.list(&name, "").await.expect("keys"), keys);
    assert_eq!(aws.objects.list(&name, "deep/").await.expect("keys"), ["deep/er/key"]);
    assert_eq!(aws.objects.list(&name, "none/").await.expect("keys"), Vec::<String>::new());
    for _ in 0..2 {
        aws.objects.delete(&name, &["empty".to_owned()]).await.expect("gone, or so already");
    }
    aws.objects.delete(&name, &keys).await.expect("all of them");
    aws.objects.delete(&name, &[]).await.expect("nothing to delete");
    assert_eq!(aws.objects.list(&name, "").await.expect("keys"), Vec::<String>::new());
    aws.objects.bucket_delete(&name).await.expect("gone");
}

/// A write on condition happens once.
pub(crate) async fn objects_conditions(aws: &Aws) {
    let name = bucket(aws).await;
    let put = |body: &str, condition| aws.objects.put(&name, "claim", body.as_bytes().to_vec(), condition);
    let Written::Done(first) = put("1", Condition::Absent).await.expect("a write") else { panic!("it was absent") };
    assert_eq!(put("2", Condition::Absent).await, Ok(Written::Refused));
    let Written::Done(second) = put("3", Condition::Unchanged(first.clone())).await.expect("a write") else { panic!("it was unchanged") };
    assert_eq!(put("4", Condition::Unchanged(first)).await, Ok(Written::Refused));
    assert_eq!(aws.objects.get(&name, "claim").await, Ok(Some((b"3".to_vec(), second.clone()))));
    aws.objects.delete(&name, &["claim".to_owned()]).await.expect("gone");
    assert_eq!(put("5", Condition::Unchanged(second)).await, Ok(Written::Refused));
    assert_eq!(aws.objects.get(&name, "claim").await, Ok(None));
    aws.objects.bucket_delete(&name).await.expect("gone");
}

/// A deletion on condition takes nothing away that was written since.
pub(crate) async fn objects_delete_unchanged(aws: &Aws) {
    let name = bucket(aws).await;
    let put = |body: &str| aws.objects.put(&name, "claim", body.as_bytes().to_vec(), Condition::Always);
    let Written::Done(first) = put("1").await.expect("a write") else { panic!("it was written") };
    let Written::Done(second) = put("2").await.expect("a write") else { panic!("it was written") };
    assert_eq!(aws.objects.delete_unchanged(&name, "claim", &first).await, Ok(false));
    assert_eq!(aws.objects.get(&name, "claim").await, Ok(Some((b"2".to_vec(), second.clone()))));
    for _ in 0..2 {
        assert_eq!(aws.objects.delete_unchanged(&name, "claim", &second).await, Ok(true), "gone, or so already");
    }
    assert_eq!(aws.objects.get(&name, "claim").await, Ok(None));
    aws.objects.bucket_delete(&name).await.expect("gone");
}

/// Of many that write on condition at once, one wins.
pub(crate) async fn objects_one_winner(aws: &Aws) {
    let name = bucket(aws).await;
    let mut writers = JoinSet::new();
    for writer in 0..16_u8 {
        let (objects, name) = (aws.objects.clone(), name.clone());
        writers.spawn(async move { (writer, objects.put(&name, "rank", vec![writer], Condition::Absent).await.expect("an answer")) });
    }
    let winners: Vec<(u8, Written)> = writers.join_all().await.into_iter().filter(|(_, written)| *written != Written::Refused).collect();
    let [(winner, Written::Done(etag))] = winners.as_slice() else { panic!("{winners:?}") };
    assert_eq!(aws.objects.get(&name, "rank").await, Ok(Some((vec![*winner], etag.clone()))));
    aws.objects.bucket_delete(&name).await.expect("gone");
}

/// More than a page is listed, and more than a batch deleted.
pub(crate) async fn objects_many(aws: &Aws) {
    let name = bucket(aws).await;
    let keys: Vec<String> = (0..1100).map(|n| format!("many/{n:05}")).collect();
    for batch in keys.chunks(100) {
        let mut writers = JoinSet::new();
        for key in batch {
            let (objects, name, key) = (aws.objects.clone(), name.clone(), key.clone());
            writers.spawn(async move { objects.put(&name, &key, vec![], Condition::Always).await.map(|_| ()) });
        }
        writers.join_all().await.into_iter().collect::<Result<(), _>>().expect("written");
    }
    assert_eq!(aws.objects.list(&name, "many/").await.expect("keys"), keys);
    aws.objects.delete(&name, &keys).await.expect("deleted");
    assert_eq!(aws.objects.list(&name, "many/").await.expect("keys"), Vec::<String>::new());
    aws.objects.bucket_delete(&name).await.expect("gone");
}

/// The caller has an account and a name.
pub(crate) async fn caller(aws: &Aws) {
    let caller = aws.identity.caller().await.expect("a caller");
    assert!(caller.account.len() == 12 && caller.account.bytes().all(|digit| digit.is_ascii_digit()), "{caller:?}");
    assert!(caller.arn.starts_with("arn:") && caller.arn.contains(&caller.account), "{caller:?}");
}

/// A role and its profile are made, again, found, and go.
pub(crate) async fn roles(aws: &Aws) {
    let name = fresh("role");
    let account = aws.identity.caller().await.expect("a caller").account;
    let role = ec2_role(&name);
    let arn = aws.identity.role_ensure(&role).await.expect("a role");
    assert_eq!(arn, format!("arn:aws:iam::{account}:role/spawn/{name}"));
    assert_eq!(aws.identity.role_ensure(&role).await.expect("the same"), arn);
    assert_eq!(aws.identity.role_policy(&name).await, Ok(Some(role.policy.clone())));
    let made = Role { service: Some(role.service.clone()), ..Role::default() };
    assert_eq!(aws.identity.role(&name).await, Ok(Some(made)));
    let other = role.policy.replace("Allow", "Deny");
    aws.identity.role_policy_put(&name, &other).await.expect("another one");
    assert_eq!(aws.identity.role_policy(&name).await, Ok(Some(other)));
    for _ in 0..2 {
        aws.identity.profile_ensure(&name, &role.tags).await.expect("a profile, or so already");
    }
    assert_eq!(aws.identity.roles(&name).await.expect("roles"), std::slice::from_ref(&name));
    assert_eq!(aws.identity.roles(&name[..name.len() - 1]).await.expect("roles"), std::slice::from_ref(&name));
    for _ in 0..2 {
        aws.identity.role_delete(&name).await.expect("gone, or so already");
    }
    assert_eq!(aws.identity.roles(&name).await.expect("roles"), Vec::<String>::new());
    assert_eq!(aws.identity.role_policy(&name).await, Ok(None));
    assert_eq!(aws.identity.role(&name).await, Ok(None));
}

/// Roles of the services that say for whom they act are made too, with a boundary, which cannot go before them.
pub(crate) async fn roles_with_boundary(aws: &Aws) {
    let name = fresh("boundary");
    let account = aws.identity.caller().await.expect("a caller").account;
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let boundary = aws.identity.policy_ensure(&account, &name, document).await.expect("a policy");
    assert_eq!(boundary, format!("arn:aws:iam::{account}:policy/spawn/{name}"));
    let wider = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","sqs:*"],"Resource":"*"}]}"#;
    // IAM keeps five versions: more changes than that must be possible.
    for document in [document, wider, document, wider, document, wider, document, document] {
        assert_eq!(aws.identity.policy_ensure(&account, &name, document).await.expect("the same"), boundary);
    }
    assert_eq!(aws.identity.policy_document(&boundary).await, Ok(Some(document.to_owned())));
    for service in ["scheduler.amazonaws.com", "ssm.amazonaws.com"] {
        let managed = vec![boundary.clone()];
        let role = RoleRequest { service: service.to_owned(), managed, boundary: Some(boundary.clone()), ..ec2_role(&fresh("service")) };
        aws.identity.role_ensure(&role).await.expect(service);
        let limited = Role {
            service: Some(service.to_owned()),
            boundary: Some(boundary.clone()),
            managed: vec![boundary.clone()],
            others: Vec::new(),
        };
        assert_eq!(aws.identity.role(&role.name).await, Ok(Some(limited)));
        aws.identity.role_delete(&role.name).await.expect(service);
    }
    for _ in 0..2 {
        aws.identity.policy_delete(&boundary).await.expect("gone, or so already");
    }
    assert_eq!(aws.identity.policy_document(&boundary).await, Ok(None));
    let missing = aws.identity.role_policy_put(&name, document).await.expect_err("no role is made by that");
    assert_eq!((missing.code.as_str(), missing.class), ("NoSuchEntity", Class::NotFound));
}
