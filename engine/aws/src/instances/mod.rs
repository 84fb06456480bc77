//! EC2.

mod catalogue;
mod groups;
mod launch;
mod network;
mod observe;
mod spot;
mod templates;
mod trials;

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::operation::create_placement_group::builders::CreatePlacementGroupFluentBuilder;
use aws_sdk_ec2::types::{Filter, PlacementStrategy, ResourceType, Tag, TagSpecification};
use jiff::Timestamp;
use spawn_core::ports::{Image, ImageQuery, Instance, InstanceType, Instances, LaunchRequest, Result, SpotPrice, Tags, Volume};
use spawn_model::ids::InstanceId;
use spawn_model::placement::Placement;
use spawn_model::record::Launched;
use spawn_model::requirements::Architecture;

pub(crate) use launch::{count, profile_not_ready};

use crate::endpoint::{Call, Endpoint};
use crate::error::Tolerate;
use crate::partition::partition;

const TAG: Call = Call::repeatable("ec2", "CreateTags");
const UNTAG: Call = Call::repeatable("ec2", "DeleteTags");
const KEY_PAIRS: Call = Call::repeatable("ec2", "DescribeKeyPairs");
const PLACEMENT_CREATE: Call = Call::repeatable("ec2", "CreatePlacementGroup");
/// What EC2 says of a placement group that is there already.
const PLACEMENT_THERE: &str = "InvalidPlacementGroup.Duplicate";
const PLACEMENT_DELETE: Call = Call::repeatable("ec2", "DeletePlacementGroup");

/// The most things that one call tags, terminates or describes.
const BATCH: usize = 1000;
/// The same, as the SDK counts a page.
const PAGE: i32 = 1000;

/// The instances of one region.
#[derive(Debug)]
pub(crate) struct Ec2 {
    client: Client,
    endpoint: Arc<Endpoint>,
    partition: &'static str,
}

impl Ec2 {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        let partition = partition(config.region().map_or("", |region| region.as_ref()));
        Self { client, endpoint, partition }
    }

    fn placement_request(&self, name: &str, placement: Placement, tags: &Tags) -> CreatePlacementGroupFluentBuilder {
        self.client
            .create_placement_group()
            .group_name(name)
            .strategy(match placement {
                Placement::Cluster => PlacementStrategy::Cluster,
                Placement::Spread => PlacementStrategy::Spread,
            })
            .tag_specifications(tags_for(ResourceType::PlacementGroup, tags))
    }
}

#[async_trait]
impl Instances for Ec2 {
    async fn launch(&self, request: &LaunchRequest) -> Result<Vec<Launched>> {
        self.run(request).await
    }

    async fn describe(&self, tags: &Tags) -> Result<Vec<Instance>> {
        self.instances_tagged(tags).await
    }

    async fn running(&self) -> Result<Vec<Instance>> {
        self.instances_running().await
    }

    async fn stop(&self, ids: &[InstanceId], hibernate: bool) -> Result<()> {
        self.stop_batch(ids, hibernate).await
    }

    async fn start(&self, ids: &[InstanceId]) -> Result<()> {
        self.start_batch(ids).await
    }

    async fn terminate(&self, ids: &[InstanceId]) -> Result<()> {
        for batch in ids.chunks(BATCH) {
            self.terminate_batch(batch).await?;
        }
        Ok(())
    }

    async fn types(&self, names: &[String]) -> Result<Vec<InstanceType>> {
        self.instance_types(names).await
    }

    async fn types_of(&self, architecture: Architecture) -> Result<Vec<InstanceType>> {
        self.instance_types_of(architecture).await
    }

    async fn image(&self, query: &ImageQuery) -> Result<Image> {
        match query {
            ImageQuery::Id(id) => self.image_by_id(id).await,
            ImageQuery::Newest { distribution, architecture } => self.image_newest(*distribution, architecture).await,
        }
    }

    async fn key_pair_exists(&self, name: &str) -> Result<bool> {
        let describe = self.client.describe_key_pairs().key_names(name);
        let found = self.endpoint.call(KEY_PAIRS, || describe.clone().send()).await.tolerate(&["InvalidKeyPair.NotFound"])?;
        Ok(found.is_some_and(|answer| !answer.key_pairs().is_empty()))
    }

    async fn placement_group_ensure(&self, name: &str, placement: Placement, tags: &Tags) -> Result<()> {
        let create = self.placement_request(name, placement, tags);
        let made = self.endpoint.call(PLACEMENT_CREATE, || create.clone().send()).await;
        made.tolerate(&[PLACEMENT_THERE]).map(drop)
    }

    async fn placement_group_delete(&self, name: &str) -> Result<()> {
        let delete = self.client.delete_placement_group().group_name(name);
        let deleted = self.endpoint.call(PLACEMENT_DELETE, || delete.clone().send()).await;
        deleted.tolerate(&["InvalidPlacementGroup.Unknown"]).map(drop)
    }

    async fn group_create(&self, name: &str, vpc_id: &str, description: &str, tags: &Tags) -> Result<String> {
        self.security_group_create(name, vpc_id, description, tags).await
    }

    async fn group_admit_itself(&self, group_id: &str) -> Result<()> {
        self.security_group_admit_itself(group_id).await
    }

    async fn groups(&self, tags: &Tags) -> Result<Vec<String>> {
        self.security_groups_tagged(tags).await
    }

    async fn group_delete(&self, group_id: &str) -> Result<()> {
        self.security_group_delete(group_id).await
    }

    async fn tag(&self, ids: &[String], tags: &Tags) -> Result<()> {
        for batch in ids.chunks(BATCH) {
            let create = self.client.create_tags().set_resources(Some(batch.to_vec())).set_tags(Some(ec2_tags(tags)));
            self.endpoint.call(TAG, || create.clone().send()).await?;
        }
        Ok(())
    }

    async fn untag(&self, ids: &[String], keys: &[String]) -> Result<()> {
        let tags: Vec<Tag> = keys.iter().map(|key| Tag::builder().key(key).build()).collect();
        if tags.is_empty() {
            // Without keys, EC2 takes all tags away.
            return Ok(());
        }
        for batch in ids.chunks(BATCH) {
            let delete = self.client.delete_tags().set_resources(Some(batch.to_vec())).set_tags(Some(tags.clone()));
            self.endpoint.call(UNTAG, || delete.clone().send()).await?;
        }
        Ok(())
    }

    async fn regions(&self) -> Result<Vec<String>> {
        self.regions_enabled().await
    }

    async fn spot_prices(&self, types: &[String], now: Timestamp) -> Result<Vec<SpotPrice>> {
        self.spot_prices_now(types, now).await
    }

    async fn volumes(&self, tags: &Tags) -> Result<Vec<Volume>> {
        self.volumes_tagged(tags).await
    }
}

/// Tags as EC2 takes them.
fn ec2_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Tags as EC2 tells them.
fn tags_of(tags: &[Tag]) -> Tags {
    tags.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
}

/// Tags for what a call makes.
fn tags_for(resource: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(resource).set_tags(Some(ec2_tags(tags))).build()
}

/// The filters that let through what has all of these tags.
fn tag_filters(tags: &Tags) -> Vec<Filter> {
    tags.iter().map(|(key, value)| filter(&format!("tag:{key}"), value)).collect()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}
