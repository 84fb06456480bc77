//! The instance types there are: families that scale evenly, and those that do not.

use super::types::{ARM, Gpu, InstanceType, X86};

/// A Linux instance with more memory than this does not hibernate.
const HIBERNATION_MIB: u64 = 150 * 1024;

struct Family {
    name: &'static str,
    architecture: &'static str,
    manufacturer: &'static str,
    clock_ghz: f64,
    /// What one vCPU's worth of memory is, GiB, for families that scale evenly.
    gib_per_vcpu: u64,
    /// US dollars an hour of `large`.
    large_usd: f64,
    current_generation: bool,
    hibernation: bool,
}

const fn family(
    name: &'static str,
    architecture: &'static str,
    manufacturer: &'static str,
    clock_ghz: f64,
    gib_per_vcpu: u64,
    large_usd: f64,
) -> Family {
    Family { name, architecture, manufacturer, clock_ghz, gib_per_vcpu, large_usd, current_generation: true, hibernation: true }
}

const FAMILIES: &[Family] = &[
    family("c6g", ARM, "AWS", 2.5, 2, 0.068),
    family("c6i", X86, "Intel", 3.5, 2, 0.085),
    family("c7a", X86, "AMD", 3.7, 2, 0.10264),
    family("c7g", ARM, "AWS", 2.6, 2, 0.0725),
    family("c7i", X86, "Intel", 3.2, 2, 0.08925),
    Family { current_generation: false, ..family("m5", X86, "Intel", 3.1, 4, 0.096) },
    family("m6g", ARM, "AWS", 2.5, 4, 0.077),
    Family { current_generation: false, ..family("m6i", X86, "Intel", 3.5, 4, 0.096) },
    family("m7a", X86, "AMD", 3.7, 4, 0.11592),
    family("m7g", ARM, "AWS", 2.6, 4, 0.0816),
    family("m7i", X86, "Intel", 3.2, 4, 0.1008),
    Family { current_generation: false, hibernation: false, ..family("r6i", X86, "Intel", 3.5, 8, 0.126) },
    family("r7g", ARM, "AWS", 2.6, 8, 0.1071),
    family("r7i", X86, "Intel", 3.2, 8, 0.1323),
];

/// Size, how many times `large` it is, and the most interfaces and addresses of each.
const SIZES: &[(&str, u32, u32, u32)] =
    &[("large", 1, 3, 10), ("xlarge", 2, 4, 15), ("2xlarge", 4, 4, 15), ("4xlarge", 8, 8, 30), ("8xlarge", 16, 8, 30)];

/// Size, vCPUs, GiB, how many times `micro` it costs, and the most interfaces and addresses of each.
const BURSTABLE_SIZES: &[(&str, u32, u64, f64, u32, u32)] = &[
    ("micro", 2, 1, 1.0, 2, 2),
    ("small", 2, 2, 2.0, 3, 4),
    ("medium", 2, 4, 4.0, 3, 6),
    ("large", 2, 8, 8.0, 3, 12),
    ("xlarge", 4, 16, 16.0, 4, 15),
    ("2xlarge", 8, 32, 32.0, 4, 15),
];

/// Every instance type, sorted by name.
pub(super) fn all() -> Vec<InstanceType> {
    let mut types: Vec<InstanceType> = FAMILIES.iter().flat_map(even_family).collect();
    types.extend(burstable_family("t3", X86, "Intel", 2.5, 0.0104));
    types.extend(burstable_family("t4g", ARM, "AWS", 2.5, 0.0084));
    types.extend(accelerated());
    types.extend(bare_metal());
    types.extend(tightly_coupled());
    types.push(old());
    types.sort_by(|a, b| a.name.cmp(&b.name));
    types
}

fn plain(name: &str, vcpus: u32, gib: u64, architecture: &'static str, usd: f64) -> InstanceType {
    InstanceType {
        name: name.to_owned(),
        vcpus,
        threads_per_core: if architecture == ARM { 1 } else { 2 },
        memory_mib: gib * 1024,
        architecture,
        manufacturer: if architecture == ARM { "AWS" } else { "Intel" },
        clock_ghz: 2.5,
        current_generation: true,
        bare_metal: false,
        nitro: true,
        burstable: false,
        free_tier: false,
        spot: true,
        hibernation: gib * 1024 <= HIBERNATION_MIB,
        efa: false,
        gpu: None,
        instance_storage_gb: 0,
        network_performance: "Up to 12.5 Gigabit",
        interfaces: 3,
        addresses_per_interface: 10,
        base_usd_per_hour: usd,
    }
}

fn even_family(family: &'static Family) -> impl Iterator<Item = InstanceType> {
    SIZES.iter().map(move |(size, factor, interfaces, addresses_per_interface)| {
        let vcpus = 2 * factor;
        let gib = family.gib_per_vcpu * u64::from(vcpus);
        let usd = family.large_usd * f64::from(*factor);
        let plain = plain(&format!("{}.{size}", family.name), vcpus, gib, family.architecture, usd);
        InstanceType {
            manufacturer: family.manufacturer,
            clock_ghz: family.clock_ghz,
            // The seventh generation of AMD has no hyperthreads.
            threads_per_core: if family.architecture == ARM || family.manufacturer == "AMD" { 1 } else { 2 },
            current_generation: family.current_generation,
            hibernation: family.hibernation && plain.hibernation,
            interfaces: *interfaces,
            addresses_per_interface: *addresses_per_interface,
            ..plain
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
    BURSTABLE_SIZES.iter().map(move |(size, vcpus, gib, factor, interfaces, addresses_per_interface)| InstanceType {
        manufacturer,
        clock_ghz,
        burstable: true,
        free_tier: matches!(*size, "micro" | "small"),
        network_performance: "Up to 5 Gigabit",
        interfaces: *interfaces,
        addresses_per_interface: *addresses_per_interface,
        ..plain(&format!("{name}.{size}"), *vcpus, *gib, architecture, micro_usd * factor)
    })
}

fn nvidia(name: &'static str, count: u32, memory_mib: u32) -> Option<Gpu> {
    Some(Gpu { name, manufacturer: "NVIDIA", count, memory_mib })
}

fn accelerated() -> Vec<InstanceType> {
    let small = |name, architecture, manufacturer, gib, gpu, instance_storage_gb, usd| InstanceType {
        manufacturer,
        gpu,
        instance_storage_gb,
        hibernation: false,
        interfaces: 4,
        addresses_per_interface: 15,
        ..plain(name, 4, gib, architecture, usd)
    };
    let large = |name, manufacturer, vcpus, gib, gpu, instance_storage_gb, network_performance, usd| InstanceType {
        manufacturer,
        gpu,
        instance_storage_gb,
        network_performance,
        hibernation: false,
        efa: true,
        interfaces: 15,
        addresses_per_interface: 50,
        ..plain(name, vcpus, gib, X86, usd)
    };
    vec![
        small("g4dn.xlarge", X86, "Intel", 16, nvidia("T4", 1, 16_384), 125, 0.526),
        small("g5.xlarge", X86, "AMD", 16, nvidia("A10G", 1, 22_888), 250, 1.006),
        small("g5g.xlarge", ARM, "AWS", 8, nvidia("T4g", 1, 16_384), 0, 0.42),
        small("g6.xlarge", X86, "AMD", 16, nvidia("L4", 1, 22_888), 250, 0.8048),
        large("g5.12xlarge", "AMD", 48, 192, nvidia("A10G", 4, 22_888), 3_800, "40 Gigabit", 5.672),
        large("p4d.24xlarge", "Intel", 96, 1_152, nvidia("A100", 8, 40_960), 8_000, "4x 100 Gigabit", 21.957_642),
    ]
}

fn bare_metal() -> Vec<InstanceType> {
    let metal = |network_performance, efa, plain| InstanceType {
        bare_metal: true,
        hibernation: false,
        efa,
        network_performance,
        interfaces: 15,
        addresses_per_interface: 50,
        ..plain
    };
    vec![
        metal("37.5 Gigabit", false, InstanceType { clock_ghz: 3.2, ..plain("c7i.metal-24xl", 96, 192, X86, 4.284) }),
        metal("30 Gigabit", true, InstanceType { clock_ghz: 2.6, ..plain("m7g.metal", 64, 256, ARM, 2.6112) }),
    ]
}

fn tightly_coupled() -> Vec<InstanceType> {
    let coupled = |network_performance, plain| InstanceType { hibernation: false, efa: true, network_performance, ..plain };
    let hpc7a = InstanceType {
        manufacturer: "AMD",
        clock_ghz: 3.7,
        threads_per_core: 1,
        spot: false,
        interfaces: 4,
        addresses_per_interface: 50,
        ..plain("hpc7a.96xlarge", 192, 768, X86, 7.20)
    };
    let c5n = InstanceType { clock_ghz: 3.4, interfaces: 15, addresses_per_interface: 50, ..plain("c5n.18xlarge", 72, 192, X86, 3.888) };
    vec![coupled("300 Gigabit", hpc7a), coupled("100 Gigabit", c5n)]
}

/// One from before Nitro: no NVMe, no enhanced network adapter, no cluster placement.
fn old() -> InstanceType {
    InstanceType {
        memory_mib: 7_680,
        current_generation: false,
        nitro: false,
        instance_storage_gb: 32,
        network_performance: "Moderate",
        ..plain("m3.large", 2, 7, X86, 0.133)
    }
}
