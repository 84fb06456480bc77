//! What an instance type is.

use std::sync::LazyLock;

use serde::Serialize;

use super::families;

pub(super) const X86: &str = "x86_64";
pub(super) const ARM: &str = "arm64";

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
    /// Whether AWS counts it among its current types.
    pub current_generation: bool,
    /// Whether there is nothing between the instance and the machine.
    pub bare_metal: bool,
    /// Whether it is built on the Nitro system, as all but old types are.
    pub nitro: bool,
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
    /// The most network interfaces it can have.
    pub interfaces: u32,
    /// The most addresses of each of them.
    pub addresses_per_interface: u32,
    /// US dollars an hour in us-east-1.
    pub(super) base_usd_per_hour: f64,
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

    /// How it can be paid for.
    pub fn usage_classes(&self) -> Vec<&'static str> {
        std::iter::once("on-demand").chain(self.spot.then_some("spot")).collect()
    }

    /// The strategies of placement groups that it can be in.
    pub fn placement_strategies(&self) -> &'static [&'static str] {
        if self.burstable || !self.nitro { &["partition", "spread"] } else { &["cluster", "partition", "spread"] }
    }

    /// What runs it; nothing does with bare metal.
    pub fn hypervisor(&self) -> Option<&'static str> {
        (!self.bare_metal).then_some(if self.nitro { "nitro" } else { "xen" })
    }

    /// How it can be booted.
    pub fn boot_modes(&self) -> &'static [&'static str] {
        match self.architecture {
            ARM => &["uefi"],
            _ if self.bare_metal || !self.nitro => &["legacy-bios"],
            _ => &["legacy-bios", "uefi"],
        }
    }

    /// Where its root volume can be.
    pub fn root_device_types(&self) -> &'static [&'static str] {
        if self.nitro { &["ebs"] } else { &["ebs", "instance-store"] }
    }

    /// How it can be virtualised.
    pub fn virtualization_types(&self) -> &'static [&'static str] {
        if self.nitro { &["hvm"] } else { &["hvm", "paravirtual"] }
    }

    /// Whether the enhanced network adapter, NVMe for EBS and their like are there: they came with Nitro.
    pub fn nitro_support(&self) -> &'static str {
        if self.nitro { "required" } else { "unsupported" }
    }

    /// Whether it is moved to another host when its own fails.
    pub fn auto_recovery(&self) -> bool {
        self.instance_storage_gb == 0 || !self.nitro
    }

    /// Whether it runs on a host of its owner's.
    pub fn dedicated_hosts(&self) -> bool {
        self.family() != "t4g" && self.gpu.is_none() && !self.family().starts_with("hpc")
    }

    /// Whether its disks have bandwidth of their own.
    pub fn ebs_optimized_support(&self) -> &'static str {
        if self.nitro { "default" } else { "unsupported" }
    }

    /// The quota that its processors count against: each is limited for itself, on demand and for spot.
    pub(crate) fn quota(&self) -> &'static str {
        match self.family() {
            f if f.starts_with("hpc") => "HPC",
            f if f.starts_with('g') || f.starts_with("vt") => "G and VT",
            f if f.starts_with('p') => "P",
            _ => "Standard (A, C, D, H, I, M, R, T, Z)",
        }
    }
}

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
    static TYPES: LazyLock<Vec<InstanceType>> = LazyLock::new(families::all);
    &TYPES
}

pub(crate) fn known_type(name: &str) -> Option<&'static InstanceType> {
    types().binary_search_by(|t| t.name.as_str().cmp(name)).ok().map(|at| &types()[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_double() {
        let of = |name| instance_type(name).map(|t| (t.vcpus, t.memory_mib, t.architecture));
        assert_eq!(of("r7g.large"), Some((2, 16_384, ARM)));
        assert_eq!(of("r7g.8xlarge"), Some((32, 262_144, ARM)));
        assert_eq!(of("t3.micro"), Some((2, 1024, X86)));
        assert_eq!(of("c9z.large"), None);
    }

    /// As DescribeInstanceTypes of AWS told it in 2026.
    #[test]
    fn what_types_can() {
        let of = |name| {
            let t = instance_type(name).unwrap();
            (t.hibernation, t.current_generation, t.bare_metal, t.usage_classes().len(), t.placement_strategies().len())
        };
        let cases = [
            ("c7i.large", (true, true, false, 2, 3)),
            ("m5.large", (true, false, false, 2, 3)),
            ("r6i.large", (false, false, false, 2, 3)),
            ("r7i.4xlarge", (true, true, false, 2, 3)),
            ("r7i.8xlarge", (false, true, false, 2, 3)),
            ("t3.micro", (true, true, false, 2, 2)),
            ("m3.large", (true, false, false, 2, 2)),
            ("c7i.metal-24xl", (false, true, true, 2, 3)),
            ("hpc7a.96xlarge", (false, true, false, 1, 3)),
            ("p4d.24xlarge", (false, true, false, 2, 3)),
        ];
        for (name, expected) in cases {
            assert_eq!(of(name), expected, "{name}");
        }
    }
}
