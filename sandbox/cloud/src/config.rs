//! What can be chosen about a simulated cloud.

use serde::{Deserialize, Serialize};

/// The settings of a [`Cloud`](crate::Cloud). All durations are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Everything that looks random follows from this.
    pub seed: u64,
    /// The account that owns everything, twelve digits.
    pub account_id: String,
    /// From `pending` to `running`.
    pub boot_delay_ms: u64,
    /// From `stopping` to `stopped`, and from `shutting-down` to `terminated`.
    pub shutdown_delay_ms: u64,
    /// From `running` until the status checks say `ok`.
    pub status_checks_ms: u64,
    /// How long a terminated instance stays visible.
    pub terminated_visible_ms: u64,
    /// Whether EC2's published token buckets are enforced.
    pub throttle: bool,
    /// The most a describe call may lag behind the truth; 0 makes every read current.
    pub reads_lag_ms: u64,
    /// vCPUs that on-demand instances of a region may use together; none is no limit.
    pub on_demand_vcpu_limit: Option<u32>,
    /// vCPUs that spot instances of a region may use together; none is no limit.
    pub spot_vcpu_limit: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            seed: 0,
            account_id: "123456789012".to_owned(),
            boot_delay_ms: 2_000,
            shutdown_delay_ms: 1_000,
            status_checks_ms: 0,
            terminated_visible_ms: 3_600_000,
            throttle: true,
            reads_lag_ms: 0,
            on_demand_vcpu_limit: None,
            spot_vcpu_limit: None,
        }
    }
}
