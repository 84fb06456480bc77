//! Service Quotas: how many processors an account may use at once, as far as the simulated EC2 keeps to it.

use std::sync::Arc;

use async_trait::async_trait;
use sandbox_cloud::model::Market;
use serde::Deserialize;
use serde_json::json;

use super::ec2::Ec2;
use crate::json::read;
use crate::protocol::{Answer, Failure, Request};
use crate::router::Backend;

/// What is answered where nothing is limited: AWS always has a number.
const UNLIMITED: f64 = 1_000_000.0;

/// The quotas of processors whose types there are: code, name, and how they are bought (EC2 user guide, "Amazon EC2 instance type quotas").
const PROCESSORS: [(&str, &str, Market); 8] = [
    ("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", Market::OnDemand),
    ("L-DB2E81BA", "Running On-Demand G and VT instances", Market::OnDemand),
    ("L-F7808C92", "Running On-Demand HPC instances", Market::OnDemand),
    ("L-417A185B", "Running On-Demand P instances", Market::OnDemand),
    ("L-3819A6DF", "All G and VT Spot Instance Requests", Market::Spot),
    ("L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests", Market::Spot),
    ("L-C4BD4855", "All P5 Spot Instance Requests", Market::Spot),
    ("L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", Market::Spot),
];

/// The quotas of one account.
pub(crate) struct Quotas {
    account: String,
    ec2: Arc<Ec2>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetServiceQuota {
    service_code: String,
    quota_code: String,
}

impl Quotas {
    /// The quotas that an EC2 keeps to.
    pub(crate) fn new(account: &str, ec2: Arc<Ec2>) -> Self {
        Self { account: account.to_owned(), ec2 }
    }

    fn get(&self, request: &Request, asked: &GetServiceQuota) -> Result<Answer, Failure> {
        let known = PROCESSORS.iter().find(|(code, ..)| asked.service_code == "ec2" && *code == asked.quota_code);
        let Some((code, name, market)) = known else {
            return Err(Failure::gap(format!("the quota {} of {}", asked.quota_code, asked.service_code)));
        };
        let limit = self.ec2.with(request.now, |cloud, _| match market {
            Market::OnDemand => cloud.config().on_demand_vcpu_limit,
            Market::Spot => cloud.config().spot_vcpu_limit,
        });
        Ok(Answer::json(&json!({"Quota": {
            "ServiceCode": "ec2",
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaArn": format!("arn:aws:servicequotas:{}:{}:ec2/{code}", request.region, self.account),
            "QuotaCode": code,
            "QuotaName": name,
            "Value": limit.map_or(UNLIMITED, f64::from),
            "Unit": "None",
            "Adjustable": true,
            "GlobalQuota": false,
            "QuotaAppliedAtLevel": "ACCOUNT",
        }})))
    }
}

#[async_trait]
impl Backend for Quotas {
    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        match request.operation.as_str() {
            "GetServiceQuota" => self.get(request, &read(request)?),
            other => Err(Failure::gap(format!("servicequotas {other}"))),
        }
    }
}
