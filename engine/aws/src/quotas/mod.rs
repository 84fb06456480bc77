//! Service Quotas.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_servicequotas::Client;
use aws_sdk_servicequotas::config::Builder;
use spawn_core::ports::{Quotas, Result};

use crate::endpoint::{Call, Endpoint};
use crate::error::Tolerate;

const GET: Call = Call::repeatable("servicequotas", "GetServiceQuota");

/// The quotas of one region.
#[derive(Debug)]
pub(crate) struct ServiceQuotas {
    client: Client,
    endpoint: Arc<Endpoint>,
}

impl ServiceQuotas {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint }
    }
}

#[async_trait]
impl Quotas for ServiceQuotas {
    async fn vcpus(&self, code: &str) -> Result<Option<u32>> {
        let get = self.client.get_service_quota().service_code("ec2").quota_code(code);
        let answer = self.endpoint.call(GET, || get.clone().send()).await.tolerate(&["NoSuchResourceException"])?;
        Ok(answer.and_then(|answer| answer.quota?.value).map(whole))
    }
}

/// Quotas of vCPUs are whole numbers, told as fractions. What is below 0 or above all is as good as that.
fn whole(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_whole_number() {
        for (told, expected) in [(0.0, 0), (16.0, 16), (1152.0, 1152), (-1.0, 0), (1e12, u32::MAX)] {
            assert_eq!(whole(told), expected, "{told}");
        }
    }
}
