//! Route 53.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_route53::Client;
use aws_sdk_route53::config::Builder;
use aws_sdk_route53::operation::get_hosted_zone::GetHostedZoneOutput;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
use spawn_core::ports::{Result, Zone, Zones};
use spawn_model::dns::{RecordChange, RecordKind, RecordSet, is_zone_id};
use spawn_model::error::{Class, Error};

use crate::endpoint::{Call, Endpoint};
use crate::error::Tolerate;

const GET: Call = Call::repeatable("route53", "GetHostedZone");
const LIST_ZONES: Call = Call::repeatable("route53", "ListHostedZonesByName");
const LIST: Call = Call::repeatable("route53", "ListResourceRecordSets");
const CHANGE: Call = Call::once("route53", "ChangeResourceRecordSets");

const GONE: &[&str] = &["NoSuchHostedZone"];

/// What the ids of zones begin with where Route 53 tells them.
const ID_PREFIX: &str = "/hostedzone/";

/// How many record sets a page may have (Route 53 API reference, `ListResourceRecordSets`).
const PAGE: i32 = 300;

/// The hosted zones of an account, in every region.
#[derive(Debug)]
pub(crate) struct Route53 {
    client: Client,
    endpoint: Arc<Endpoint>,
}

impl Route53 {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint }
    }

    async fn zone(&self, id: &str) -> Result<Option<Zone>> {
        let get = self.client.get_hosted_zone().id(id);
        let found = self.endpoint.call(GET, || get.clone().send()).await.tolerate(GONE)?;
        Ok(found.and_then(zone))
    }

    /// The ids of the zones with a name.
    async fn ids(&self, name: &str) -> Result<Vec<String>> {
        let wanted = undotted(name).to_ascii_lowercase();
        let list = self.client.list_hosted_zones_by_name().dns_name(&wanted);
        // Those of one name come first, and there are not more of them than a page has.
        let page = self.endpoint.call(LIST_ZONES, || list.clone().send()).await?;
        let named = page.hosted_zones.into_iter().filter(|zone| undotted(&zone.name) == wanted);
        Ok(named.map(|zone| bare(&zone.id).to_owned()).collect())
    }
}

#[async_trait]
impl Zones for Route53 {
    async fn find(&self, id_or_name: &str) -> Result<Vec<Zone>> {
        let ids = if is_zone_id(id_or_name) { vec![id_or_name.to_owned()] } else { self.ids(id_or_name).await? };
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.zone(&id).await?);
        }
        Ok(found)
    }

    async fn records(&self, zone_id: &str, name: &str) -> Result<Vec<RecordSet>> {
        let mut found = Vec::new();
        let mut from = Some((name.to_owned(), None));
        while let Some((start, kind)) = from {
            let list = self.client.list_resource_record_sets().hosted_zone_id(zone_id);
            let list = list.start_record_name(start).set_start_record_type(kind).max_items(PAGE);
            let page = self.endpoint.call(LIST, || list.clone().send()).await?;
            for set in page.resource_record_sets {
                // By their labels from the last to the first: what is below a name follows on it.
                let set = record_set(&set);
                if !set.is_within(name) {
                    return Ok(found);
                }
                found.push(set);
            }
            from = page.next_record_name.filter(|_| page.is_truncated).map(|next| (next, page.next_record_type));
        }
        Ok(found)
    }

    async fn change(&self, zone_id: &str, changes: &[RecordChange]) -> Result<()> {
        let changes: Result<Vec<Change>> = changes.iter().map(change).collect();
        let batch = ChangeBatch::builder().set_changes(Some(changes?)).build().map_err(incomplete)?;
        let change = self.client.change_resource_record_sets().hosted_zone_id(zone_id).change_batch(batch);
        self.endpoint.call(CHANGE, || change.clone().send()).await?;
        Ok(())
    }
}

fn undotted(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn bare(id: &str) -> &str {
    id.strip_prefix(ID_PREFIX).unwrap_or(id)
}

fn zone(found: GetHostedZoneOutput) -> Option<Zone> {
    let zone = found.hosted_zone?;
    let networks = found.vpcs.unwrap_or_default().into_iter();
    Some(Zone {
        id: bare(&zone.id).to_owned(),
        name: undotted(&zone.name).to_owned(),
        is_private: zone.config.is_some_and(|config| config.private_zone),
        networks: networks.filter_map(|vpc| vpc.vpc_id).collect(),
    })
}

fn record_set(set: &ResourceRecordSet) -> RecordSet {
    let is_plain = set.set_identifier.is_none() && set.alias_target.is_none();
    let kind = match set.r#type {
        RrType::A if is_plain => RecordKind::A,
        RrType::Txt if is_plain => RecordKind::Txt,
        _ => RecordKind::Other,
    };
    let values = set.resource_records().iter().map(|record| record.value.clone()).collect();
    RecordSet { name: undotted(&set.name).to_owned(), kind, ttl_s: set.ttl.unwrap_or_default(), values }
}

fn change(change: &RecordChange) -> Result<Change> {
    let (action, set) = match change {
        RecordChange::Create(set) => (ChangeAction::Create, set),
        RecordChange::Delete(set) => (ChangeAction::Delete, set),
        RecordChange::Put(set) => (ChangeAction::Upsert, set),
    };
    let kind = match set.kind {
        RecordKind::A => RrType::A,
        RecordKind::Txt => RrType::Txt,
        RecordKind::Other => return Err(incomplete("its type")),
    };
    let records: std::result::Result<Vec<_>, _> = set.values.iter().map(|value| ResourceRecord::builder().value(value).build()).collect();
    let built = ResourceRecordSet::builder().name(&set.name).r#type(kind).ttl(set.ttl_s);
    let built = built.set_resource_records(Some(records.map_err(incomplete)?)).build().map_err(incomplete)?;
    Change::builder().action(action).resource_record_set(built).build().map_err(incomplete)
}

fn incomplete(cause: impl std::fmt::Display) -> Error {
    Error::new(Class::Bug, "InvalidRequest", format!("a change of a zone lacks a part: {cause}"), "")
}
