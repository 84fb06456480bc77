//! What can be launched, and what it costs: instance types, images and list prices.
//!
//! The prices are samples that exercise every path. They are not for quoting to anyone.

use std::sync::LazyLock;

use serde::Serialize;

use crate::identity::stable_id;
use crate::model::Image;

/// A region of the simulation.
pub(crate) struct RegionSeed {
    pub(crate) name: &'static str,
    /// How zone ids begin.
    pub(crate) zone_prefix: &'static str,
    /// On-demand price, relative to us-east-1.
    price_factor: f64,
    /// The long name that price lists use.
    location: &'static str,
}

const fn region(name: &'static str, zone_prefix: &'static str, price_factor: f64, location: &'static str) -> RegionSeed {
    RegionSeed { name, zone_prefix, price_factor, location }
}

pub(crate) const REGIONS: &[RegionSeed] = &[
    region("ap-southeast-2", "apse2", 1.25, "Asia Pacific (Sydney)"),
    region("eu-central-1", "euc1", 1.20, "EU (Frankfurt)"),
    region("eu-west-1", "euw1", 1.12, "EU (Ireland)"),
    region("sa-east-1", "sae1", 1.60, "South America (Sao Paulo)"),
    region("us-east-1", "use1", 1.00, "US East (N. Virginia)"),
    region("us-west-2", "usw2", 1.00, "US West (Oregon)"),
];

/// The zones of each region, by the last letter of their names.
pub(crate) const ZONE_LETTERS: [char; 3] = ['a', 'b', 'c'];

/// The names of the simulated regions.
pub fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|r| r.name)
}

/// The name a price list has for a region, such as `US East (N. Virginia)`.
pub fn location(region: &str) -> Option<&'static str> {
    REGIONS.iter().find(|r| r.name == region).map(|r| r.location)
}

/// The accelerators of an instance type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// Such as `T4`.
    pub name: &'static str,
    /// Who makes it.
    pub manufacturer: &'static str,
    /// How many.
    pub count: u32,
    /// MiB of each.
    pub memory_mib: u32,
}

/// What an instance type is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstanceType {
    /// Such as `c7i.large`.
    pub name: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Threads of each core.
    pub threads_per_core: u32,
    /// MiB.
    pub memory_mib: u64,
    /// `x86_64` or `arm64`.
    pub architecture: &'static str,
    /// Who makes the processor.
    pub manufacturer: &'static str,
    /// GHz.
    pub clock_ghz: f64,
    /// Whether it earns CPU credits.
    pub burstable: bool,
    /// Whether a free account may use it.
    pub free_tier: bool,
    /// Whether it can be had as spot.
    pub spot: bool,
    /// Whether it can hibernate.
    pub hibernation: bool,
    /// Whether it has an Elastic Fabric Adapter.
    pub efa: bool,
    /// Accelerators.
    pub gpu: Option<Gpu>,
    /// GB of disks inside the host; 0 is none.
    pub instance_storage_gb: u64,
    /// Such as `Up to 12.5 Gigabit`.
    pub network_performance: &'static str,
    /// US dollars an hour in us-east-1.
    base_usd_per_hour: f64,
}

impl InstanceType {
    /// The part before the dot.
    pub fn family(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }

    /// The part after the dot.
    pub fn size(&self) -> &str {
        self.name.split('.').nth(1).unwrap_or_default()
    }
}

struct Family {
    name: &'static str,
    architecture: &'static str,
    manufacturer: &'static str,
    clock_ghz: f64,
    /// What one vCPU's worth of memory is, GiB, for families that scale evenly.
    gib_per_vcpu: u64,
    /// US dollars an hour of `large`.
    large_usd: f64,
}

const fn family(
    name: &'static str,
    architecture: &'static str,
    manufacturer: &'static str,
    clock_ghz: f64,
    gib_per_vcpu: u64,
    large_usd: f64,
) -> Family {
    Family { name, architecture, manufacturer, clock_ghz, gib_per_vcpu, large_usd }
}

const X86: &str = "x86_64";
const ARM: &str = "arm64";

const FAMILIES: &[Family] = &[
    family("c6g", ARM, "AWS", 2.5, 2, 0.068),
    family("c6i", X86, "Intel", 3.5, 2, 0.085),
    family("c7a", X86, "AMD", 3.7, 2, 0.10264),
    family("c7g", ARM, "AWS", 2.6, 2, 0.0725),
    family("c7i", X86, "Intel", 3.2, 2, 0.08925),
    family("m5", X86, "Intel", 3.1, 4, 0.096),
    family("m6g", ARM, "AWS", 2.5, 4, 0.077),
    family("m6i", X86, "Intel", 3.5, 4, 0.096),
    family("m7a", X86, "AMD", 3.7, 4, 0.11592),
    family("m7g", ARM, "AWS", 2.6, 4, 0.0816),
    family("m7i", X86, "Intel", 3.2, 4, 0.1008),
    family("r6i", X86, "Intel", 3.5, 8, 0.126),
    family("r7g", ARM, "AWS", 2.6, 8, 0.1071),
    family("r7i", X86, "Intel", 3.2, 8, 0.1323),
];

/// Size, and how many times `large` it is.
const SIZES: &[(&str, u32)] = &[("large", 1), ("xlarge", 2), ("2xlarge", 4), ("4xlarge", 8), ("8xlarge", 16)];

/// Size, vCPUs, GiB and how many times `micro` it costs.
const BURSTABLE_SIZES: &[(&str, u32, u64, f64)] = &[
    ("micro", 2, 1, 1.0),
    ("small", 2, 2, 2.0),
    ("medium", 2, 4, 4.0),
    ("large", 2, 8, 8.0),
    ("xlarge", 4, 16, 16.0),
    ("2xlarge", 8, 32, 32.0),
];

/// Every instance type, by name.
pub fn instance_types() -> Vec<InstanceType> {
    types().to_vec()
}

/// One instance type.
pub fn instance_type(name: &str) -> Option<InstanceType> {
    known_type(name).cloned()
}

/// Every instance type: made once, because launches and prices ask for them all the time.
pub(crate) fn types() -> &'static [InstanceType] {
    static TYPES: LazyLock<Vec<InstanceType>> = LazyLock::new(|| {
        let mut types: Vec<InstanceType> = FAMILIES.iter().flat_map(even_family).collect();
        types.extend(burstable_family("t3", X86, "Intel", 2.5, 0.0104));
        types.extend(burstable_family("t4g", ARM, "AWS", 2.5, 0.0084));
        types.extend(accelerated());
        types.push(hpc());
        types.sort_by(|a, b| a.name.cmp(&b.name));
        types
    });
    &TYPES
}

pub(crate) fn known_type(name: &str) -> Option<&'static InstanceType> {
    types().iter().find(|t| t.name == name)
}

fn plain(name: String, vcpus: u32, gib: u64, architecture: &'static str, usd: f64) -> InstanceType {
    InstanceType {
        name,
        vcpus,
        threads_per_core: if architecture == ARM { 1 } else { 2 },
        memory_mib: gib * 1024,
        architecture,
        manufacturer: "Intel",
        clock_ghz: 2.5,
        burstable: false,
        free_tier: false,
        spot: true,
        hibernation: true,
        efa: false,
        gpu: None,
        instance_storage_gb: 0,
        network_performance: "Up to 12.5 Gigabit",
        base_usd_per_hour: usd,
    }
}

fn even_family(family: &'static Family) -> impl Iterator<Item = InstanceType> {
    SIZES.iter().map(move |(size, factor)| {
        let vcpus = 2 * factor;
        let gib = family.gib_per_vcpu * u64::from(vcpus);
        let usd = family.large_usd * f64::from(*factor);
        InstanceType {
            manufacturer: family.manufacturer,
            clock_ghz: family.clock_ghz,
            // The seventh generation of AMD has no hyperthreads.
            threads_per_core: if family.architecture == ARM || family.manufacturer == "AMD" { 1 } else { 2 },
            ..plain(format!("{}.{size}", family.name), vcpus, gib, family.architecture, usd)
        }
    })
}

fn burstable_family(
    name: &'static str,
    architecture: &'static str,
    manufacturer: &'static str,
    clock_ghz: f64,
    micro_usd: f64,
) -> impl Iterator<Item = InstanceType> {
    BURSTABLE_SIZES.iter().map(move |(size, vcpus, gib, factor)| InstanceType {
        manufacturer,
        clock_ghz,
        burstable: true,
        free_tier: *size == "micro",
        network_performance: "Up to 5 Gigabit",
        ..plain(format!("{name}.{size}"), *vcpus, *gib, architecture, micro_usd * factor)
    })
}

fn accelerated() -> Vec<InstanceType> {
    let gpu = |name, memory_mib| Some(Gpu { name, manufacturer: "NVIDIA", count: 1, memory_mib });
    [
        ("g4dn.xlarge", "Intel", gpu("T4", 16_384), 125, 0.526),
        ("g5.xlarge", "AMD", gpu("A10G", 24_576), 250, 1.006),
        ("g6.xlarge", "AMD", gpu("L4", 24_576), 250, 0.8048),
    ]
    .into_iter()
    .map(|(name, manufacturer, gpu, instance_storage_gb, usd)| InstanceType {
        manufacturer,
        gpu,
        instance_storage_gb,
        hibernation: false,
        ..plain(name.to_owned(), 4, 16, X86, usd)
    })
    .collect()
}

fn hpc() -> InstanceType {
    InstanceType {
        manufacturer: "AMD",
        clock_ghz: 3.7,
        threads_per_core: 1,
        spot: false,
        hibernation: false,
        efa: true,
        network_performance: "300 Gigabit",
        ..plain("hpc7a.96xlarge".to_owned(), 192, 768, X86, 7.20)
    }
}

/// Whether a type is offered in a zone. Almost all are everywhere; machines for tightly coupled work are in few places.
pub fn is_offered(region: &str, zone: &str, instance_type: &str) -> bool {
    if instance_type.starts_with("hpc") {
        return matches!(region, "us-east-1" | "eu-west-1") && zone.ends_with('b');
    }
    if instance_type.starts_with("g6.") {
        return !zone.ends_with('c');
    }
    true
}

/// US dollars an hour of a Linux instance on demand; none for an unknown type or region, or where it is not offered.
pub fn on_demand_usd_per_hour(region: &str, instance_type: &str) -> Option<f64> {
    let seed = REGIONS.iter().find(|r| r.name == region)?;
    let offered = ZONE_LETTERS.iter().any(|z| is_offered(region, &format!("{region}{z}"), instance_type));
    let found = known_type(instance_type).filter(|_| offered)?;
    Some(round_price(found.base_usd_per_hour * seed.price_factor))
}

/// US dollars of one GiB of gp3 storage for a month; none for an unknown region.
pub fn gp3_usd_per_gib_month(region: &str) -> Option<f64> {
    REGIONS.iter().find(|r| r.name == region).map(|r| round_price(0.08 * r.price_factor))
}

/// Prices have six decimals: without this the scaling would leave a trail of binary dust.
pub(crate) fn round_price(usd: f64) -> f64 {
    (usd * 1e6).round() / 1e6
}

struct ImageSeed {
    name: &'static str,
    description: &'static str,
    architecture: &'static str,
    owner_id: &'static str,
    owner_alias: Option<&'static str>,
    creation_date: &'static str,
    root_device_name: &'static str,
    boot_mode: &'static str,
    /// The public parameters that name it.
    parameters: &'static [&'static str],
}

const IMAGES: &[ImageSeed] = &[
    ImageSeed {
        name: "al2023-ami-2023.9.20251110.1-kernel-6.1-x86_64",
        description: "Amazon Linux 2023 AMI 2023.9.20251110.1 x86_64 HVM kernel-6.1",
        architecture: X86,
        owner_id: "137112412989",
        owner_alias: Some("amazon"),
        creation_date: "2025-11-10T21:08:31.000Z",
        root_device_name: "/dev/xvda",
        boot_mode: "uefi-preferred",
        parameters: &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
        ],
    },
    ImageSeed {
        name: "al2023-ami-2023.9.20251110.1-kernel-6.1-arm64",
        description: "Amazon Linux 2023 AMI 2023.9.20251110.1 arm64 HVM kernel-6.1",
        architecture: ARM,
        owner_id: "137112412989",
        owner_alias: Some("amazon"),
        creation_date: "2025-11-10T21:08:29.000Z",
        root_device_name: "/dev/xvda",
        boot_mode: "uefi",
        parameters: &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
        ],
    },
    ImageSeed {
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251022",
        description: "Canonical, Ubuntu, 24.04, amd64 noble image",
        architecture: X86,
        owner_id: "099720109477",
        owner_alias: None,
        creation_date: "2025-10-22T07:12:05.000Z",
        root_device_name: "/dev/sda1",
        boot_mode: "uefi-preferred",
        parameters: &["/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"],
    },
    ImageSeed {
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20251022",
        description: "Canonical, Ubuntu, 24.04, arm64 noble image",
        architecture: ARM,
        owner_id: "099720109477",
        owner_alias: None,
        creation_date: "2025-10-22T07:12:03.000Z",
        root_device_name: "/dev/sda1",
        boot_mode: "uefi",
        parameters: &["/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"],
    },
];

/// The images of a region. Their ids follow from their names, and differ between regions.
pub fn images(region: &str) -> Vec<Image> {
    IMAGES
        .iter()
        .map(|seed| Image {
            id: stable_id("ami", &[region, seed.name]),
            name: seed.name.to_owned(),
            description: seed.description.to_owned(),
            architecture: seed.architecture.to_owned(),
            owner_id: seed.owner_id.to_owned(),
            owner_alias: seed.owner_alias.map(str::to_owned),
            creation_date: seed.creation_date.to_owned(),
            root_device_name: seed.root_device_name.to_owned(),
            snapshot_id: stable_id("snap", &[region, seed.name]),
            volume_size: 8,
            boot_mode: seed.boot_mode.to_owned(),
            tags: Default::default(),
        })
        .collect()
}

/// The public parameters of a region that name images: parameter and image id.
pub fn public_parameters(region: &str) -> Vec<(String, String)> {
    IMAGES
        .iter()
        .flat_map(|seed| {
            let id = stable_id("ami", &[region, seed.name]);
            seed.parameters.iter().map(move |name| ((*name).to_owned(), id.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_follow_the_table() {
        let cases = [
            ("us-east-1", "c7i.large", Some(0.08925)),
            ("us-east-1", "c7i.xlarge", Some(0.1785)),
            ("eu-central-1", "c7i.large", Some(0.1071)),
            ("sa-east-1", "m7g.8xlarge", Some(2.08896)),
            ("us-west-2", "t3.medium", Some(0.0416)),
            ("us-east-1", "t4g.medium", Some(0.0336)),
            ("us-east-1", "g5.xlarge", Some(1.006)),
            ("us-east-1", "hpc7a.96xlarge", Some(7.2)),
            ("us-west-2", "hpc7a.96xlarge", None),
            ("us-east-1", "c9z.large", None),
            ("mars-north-1", "c7i.large", None),
        ];
        for (region, name, expected) in cases {
            assert_eq!(on_demand_usd_per_hour(region, name), expected, "{name} in {region}");
        }
    }

    #[test]
    fn sizes_double() {
        let of = |name| instance_type(name).map(|t| (t.vcpus, t.memory_mib, t.architecture));
        assert_eq!(of("r7g.large"), Some((2, 16_384, ARM)));
        assert_eq!(of("r7g.8xlarge"), Some((32, 262_144, ARM)));
        assert_eq!(of("t3.micro"), Some((2, 1024, X86)));
    }

    #[test]
    fn image_ids_are_stable_and_differ_between_regions() {
        let all: std::collections::BTreeSet<String> = regions().flat_map(images).map(|i| i.id).collect();
        assert_eq!(all.len(), REGIONS.len() * IMAGES.len());
        assert_eq!(images("us-east-1"), images("us-east-1"));
        let ids: Vec<String> = images("us-east-1").into_iter().map(|i| i.id).collect();
        for (name, id) in public_parameters("us-east-1") {
            assert!(ids.contains(&id), "{name} names an image");
        }
    }
}
