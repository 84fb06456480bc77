//! What an account may have at most.

use async_trait::async_trait;

use super::Result;

/// Service Quotas.
#[async_trait]
pub trait Quotas: Send + Sync {
    /// `GetServiceQuota`: how many vCPUs a quota of EC2's lets run at once in the region; nothing if the region has no such quota.
    async fn vcpus(&self, code: &str) -> Result<Option<u32>>;
}
