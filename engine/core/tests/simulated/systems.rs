//! Systems Manager, CloudWatch Logs and the Pricing API.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_cloud::catalogue;
use spawn_core::ports::{LogPage, Logs, Prices, Result, Systems};
use spawn_model::volume::VolumeType;

use super::door::Door;
use super::refusal;

#[async_trait]
impl Systems for Door {
    async fn parameter(&self, name: &str) -> Result<Option<String>> {
        self.call("ssm:GetParameter", |s, _| Ok(s.parameters.get(name).cloned())).await
    }

    async fn parameter_put(&self, name: &str, value: &str) -> Result<()> {
        self.call("ssm:PutParameter", |s, _| {
            s.parameters.insert(name.to_owned(), value.to_owned());
            Ok(())
        })
        .await
    }

    async fn parameter_delete(&self, name: &str) -> Result<()> {
        self.call("ssm:DeleteParameter", |s, _| {
            s.parameters.remove(name);
            s.secrets.remove(name);
            Ok(())
        })
        .await
    }

    async fn secret_put(&self, name: &str, value: &str) -> Result<i64> {
        self.call("ssm:PutParameter", |s, _| {
            let known = s.secrets.entry(name.to_owned()).or_default();
            *known = (value.to_owned(), known.1 + 1);
            Ok(known.1)
        })
        .await
    }

    async fn secret(&self, name: &str) -> Result<Option<String>> {
        self.call("ssm:GetParameter", |s, _| Ok(s.secrets.get(name).map(|(value, _)| value.clone()))).await
    }

    async fn versions(&self, prefix: &str) -> Result<BTreeMap<String, i64>> {
        let of_prefix = |s: &mut super::State, _| {
            let found = s.secrets.iter().filter(|(name, _)| name.starts_with(prefix));
            Ok(found.map(|(name, (_, version))| (name.clone(), *version)).collect())
        };
        self.call("ssm:DescribeParameters", of_prefix).await
    }

    async fn document_ensure(&self, name: &str, content: &str) -> Result<()> {
        self.call("ssm:CreateDocument", |s, _| {
            s.documents.entry(name.to_owned()).or_insert_with(|| content.to_owned());
            Ok(())
        })
        .await
    }

    async fn document_delete(&self, name: &str) -> Result<()> {
        self.call("ssm:DeleteDocument", |s, _| {
            s.documents.remove(name);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Logs for Door {
    async fn page(&self, group: &str, stream_prefix: &str, from: Timestamp, _: Option<&str>) -> Result<LogPage> {
        self.call("logs:FilterLogEvents", |s, now| {
            if s.is_log_throttled {
                return Err(refusal("ThrottlingException", 400, "Rate exceeded"));
            }
            if !s.log_groups.contains_key(group) {
                return Err(refusal("ResourceNotFoundException", 400, "The specified log group does not exist."));
            }
            let events = s.log.iter().cloned().chain(s.shell_log(group, now));
            let events = events.filter(|event| event.stream.starts_with(stream_prefix) && event.at >= from).collect();
            Ok(LogPage { events, next: None })
        })
        .await
    }

    async fn group_ensure(&self, group: &str, days: u32) -> Result<()> {
        self.call("logs:CreateLogGroup", |s, _| {
            s.log_groups.entry(group.to_owned()).or_default();
            Ok(())
        })
        .await?;
        self.call("logs:PutRetentionPolicy", |s, _| {
            s.log_groups.insert(group.to_owned(), days);
            Ok(())
        })
        .await
    }

    async fn group_delete(&self, group: &str) -> Result<()> {
        self.call("logs:DeleteLogGroup", |s, _| {
            s.log_groups.remove(group);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Prices for Door {
    async fn on_demand_usd_per_hour(&self, region: &str, instance_type: &str) -> Result<Option<f64>> {
        self.call("pricing:GetProducts", |s, _| Ok(catalogue::on_demand_usd_per_hour(region, instance_type).filter(|_| s.priced))).await
    }

    async fn volume_usd_per_gib_month(&self, region: &str, kind: VolumeType) -> Result<Option<f64>> {
        self.call("pricing:GetProducts", |s, _| Ok(catalogue::volume_usd_per_gib_month(region, kind.word()).filter(|_| s.priced))).await
    }
}
