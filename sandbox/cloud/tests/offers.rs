//! What a region offers: instance types and where they are, and images.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use sandbox_cloud::catalogue::InstanceType;
use sandbox_cloud::model::Image;
use sandbox_cloud::request::{DescribeImages, DescribeInstanceTypeOfferings, DescribeInstanceTypes, Filter, Page};
use sandbox_cloud::{ApiError, Reply, Request};
use world::World;

fn describe(world: &mut World, request: DescribeInstanceTypes) -> Result<Vec<InstanceType>, ApiError> {
    match world.call(Request::DescribeInstanceTypes(request))? {
        Reply::InstanceTypes(found) => Ok(found.items),
        other => panic!("{other:?}"),
    }
}

fn names(world: &mut World, filters: &[(&str, &[&str])]) -> Vec<String> {
    let filters = filters.iter().map(|(name, values)| Filter::new(*name, values.iter().copied())).collect();
    let found = describe(world, DescribeInstanceTypes { filters, ..Default::default() }).unwrap();
    found.into_iter().map(|t| t.name).collect()
}

fn offered(world: &mut World, location_type: &str, of: &str) -> Vec<String> {
    let request = DescribeInstanceTypeOfferings {
        location_type: Some(location_type.to_owned()),
        filters: vec![Filter::new("instance-type", [of])],
        ..Default::default()
    };
    match world.call(Request::DescribeInstanceTypeOfferings(request)).unwrap() {
        Reply::Offerings(found) => found.items.into_iter().map(|o| o.location).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn types_by_name() {
    let mut world = World::default();
    let mut ask = |names: &[&str]| {
        let instance_types = names.iter().map(|t| (*t).to_owned()).collect();
        let found = describe(&mut world, DescribeInstanceTypes { instance_types, ..Default::default() });
        found.map(|types| types.into_iter().map(|t| t.name).collect::<Vec<_>>()).map_err(|e| e.message)
    };
    assert_eq!(ask(&["c7i.large"]), Ok(vec!["c7i.large".to_owned()]));
    let unknown = "The following supplied instance types do not exist: [c9z.large]";
    assert_eq!(ask(&["c7i.large", "c9z.large"]), Err(unknown.to_owned()));
}

#[test]
fn filters_of_types() {
    type Filters<'a> = &'a [(&'a str, &'a [&'a str])];
    let cases: [(Filters, &[&str]); 10] = [
        (
            &[
                ("processor-info.supported-architecture", &["arm64"]),
                ("vcpu-info.default-vcpus", &["32"]),
                ("instance-type", &["c*", "m*"]),
            ],
            &["c6g.8xlarge", "c7g.8xlarge", "m6g.8xlarge", "m7g.8xlarge"],
        ),
        (&[("bare-metal", &["true"])], &["c7i.metal-24xl", "m7g.metal"]),
        (&[("hypervisor", &["xen"])], &["m3.large"]),
        (&[("current-generation", &["false"]), ("instance-type", &["*.large"])], &["m3.large", "m5.large", "m6i.large", "r6i.large"]),
        (&[("supported-usage-class", &["spot"]), ("instance-type", &["hpc*", "g6*"])], &["g6.xlarge"]),
        (&[("hibernation-supported", &["false"]), ("instance-type", &["r7?.*"])], &["r7g.8xlarge", "r7i.8xlarge"]),
        (&[("memory-info.size-in-mib", &["1024", "7680"])], &["m3.large", "t3.micro", "t4g.micro"]),
        (
            &[("network-info.efa-supported", &["true"]), ("instance-storage-supported", &["false"])],
            &["c5n.18xlarge", "hpc7a.96xlarge", "m7g.metal"],
        ),
        (&[("free-tier-eligible", &["true"])], &["t3.micro", "t3.small", "t4g.micro", "t4g.small"]),
        (&[("supported-boot-mode", &["legacy-bios"]), ("processor-info.supported-architecture", &["arm64"])], &[]),
    ];
    let mut world = World::default();
    for (filters, expected) in cases {
        assert_eq!(names(&mut world, filters), expected, "{filters:?}");
    }
}

/// EC2 cannot be asked for accelerators or placement: who wants those looks at what types have.
#[test]
fn what_ec2_has_no_filter_for() {
    let mut world = World::default();
    for name in ["gpu-info.gpus.count", "placement-group-info.supported-strategies"] {
        let filters = vec![Filter::new(name, ["1"])];
        let error = describe(&mut world, DescribeInstanceTypes { filters, ..Default::default() }).unwrap_err();
        assert_eq!((error.code.as_str(), error.gap), ("InvalidParameterValue", true), "{name}");
    }
}

#[test]
fn types_come_in_pages() {
    let mut world = World::default();
    let all: Vec<String> = sandbox_cloud::catalogue::instance_types().into_iter().map(|t| t.name).collect();
    let (mut seen, mut next_token, mut sizes) = (Vec::new(), None, Vec::new());
    loop {
        let request = DescribeInstanceTypes { page: Page { max_results: Some(30), next_token }, ..Default::default() };
        let Reply::InstanceTypes(part) = world.call(Request::DescribeInstanceTypes(request)).unwrap() else { panic!("no types") };
        sizes.push(part.items.len());
        seen.extend(part.items.into_iter().map(|t| t.name));
        next_token = part.next_token;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
    assert!(sizes.len() > 2 && sizes[..sizes.len() - 1].iter().all(|n| *n == 30), "{sizes:?}");
    let both = DescribeInstanceTypes {
        instance_types: vec!["c7i.large".into()],
        page: Page { max_results: Some(30), next_token: None },
        ..Default::default()
    };
    assert_eq!(describe(&mut world, both).unwrap_err().code, "InvalidParameterCombination");
}

#[test]
fn where_types_are_offered() {
    let mut world = World::default();
    let zones = |letters: &[&str]| letters.iter().map(|l| format!("us-east-1{l}")).collect::<Vec<_>>();
    let cases: [(&str, &[&str]); 4] =
        [("c7i.large", &["a", "b", "c"]), ("c6g.large", &["a", "b"]), ("hpc7a.96xlarge", &["b"]), ("p4d.24xlarge", &["a"])];
    for (of, expected) in cases {
        assert_eq!(offered(&mut world, "availability-zone", of), zones(expected), "{of}");
    }
    assert_eq!(offered(&mut world, "region", "hpc7a.96xlarge"), ["us-east-1"]);
    assert_eq!(offered(&mut world, "availability-zone-id", "hpc7a.96xlarge"), ["use1-az2"]);
}

fn images(world: &mut World, owner: Option<&str>, pattern: &str, include_deprecated: bool) -> Vec<Image> {
    let request = DescribeImages {
        owners: owner.into_iter().map(str::to_owned).collect(),
        filters: vec![Filter::new("name", [pattern])],
        include_deprecated,
        ..Default::default()
    };
    let Reply::Images(listing) = world.call(Request::DescribeImages(request)).unwrap() else { panic!("no images") };
    let mut found = listing.items;
    found.sort_by(|a, b| a.creation_date.cmp(&b.creation_date));
    found
}

#[test]
fn the_newest_image_is_not_always_the_right_one() {
    let mut world = World::default();
    let noble = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*";
    let anyone = images(&mut world, None, noble, false).pop().unwrap();
    let canonical = images(&mut world, Some("099720109477"), noble, false);
    assert_ne!(anyone.owner_id, "099720109477", "a stranger has published a newer one under that name");
    assert_eq!(canonical.iter().filter_map(|i| i.name.rsplit('-').next()).collect::<Vec<_>>(), ["20250821", "20251022"]);
    let amazon: Vec<String> = images(&mut world, Some("amazon"), "al2023-ami-*-x86_64", false).into_iter().map(|i| i.name).collect();
    assert!(amazon.last().unwrap().contains("minimal"), "a wide pattern finds what is not meant: {amazon:?}");
    let old = |deprecated| images(&mut World::default(), Some("137112412989"), "al2023-ami-2023.7.*", deprecated).len();
    assert_eq!((old(false), old(true)), (0, 1));
    let malformed = DescribeImages { owners: vec!["canonical".into()], ..Default::default() };
    assert_eq!(world.call(Request::DescribeImages(malformed)).unwrap_err().code, "InvalidUserID.Malformed");
}
