//! Sees every write to instances, whoever in the engine makes it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use spawn_model::ids::InstanceId;
use spawn_model::placement::Placement;
use spawn_model::record::Launched;
use spawn_model::requirements::Architecture;

use super::Snapshots;
use crate::ports::{Image, ImageQuery, Instance, InstanceType, Instances, LaunchRequest, Result, SpotPrice, Tags, Volume};

/// EC2 as it is, but that what writes to instances invalidates the process's snapshots.
pub(crate) struct WriteInvalidate {
    instances: Arc<dyn Instances>,
    snapshots: Arc<Snapshots>,
}

impl WriteInvalidate {
    pub(crate) fn new(instances: Arc<dyn Instances>, snapshots: Arc<Snapshots>) -> Self {
        Self { instances, snapshots }
    }

    fn write(&self) -> Write<'_> {
        Write(&self.snapshots)
    }
}

/// A write under way. It invalidates however it ends: one that failed, or was cancelled, may have been done all the same.
struct Write<'a>(&'a Snapshots);

impl Drop for Write<'_> {
    fn drop(&mut self) {
        self.0.invalidate();
    }
}

#[async_trait]
impl Instances for WriteInvalidate {
    async fn launch(&self, request: &LaunchRequest) -> Result<Vec<Launched>> {
        let _write = self.write();
        self.instances.launch(request).await
    }

    async fn terminate(&self, ids: &[InstanceId]) -> Result<()> {
        let _write = self.write();
        self.instances.terminate(ids).await
    }

    async fn stop(&self, ids: &[InstanceId], hibernate: bool) -> Result<()> {
        let _write = self.write();
        self.instances.stop(ids, hibernate).await
    }

    async fn start(&self, ids: &[InstanceId]) -> Result<()> {
        let _write = self.write();
        self.instances.start(ids).await
    }

    async fn tag(&self, ids: &[String], tags: &Tags) -> Result<()> {
        let _write = self.write();
        self.instances.tag(ids, tags).await
    }

    async fn untag(&self, ids: &[String], keys: &[String]) -> Result<()> {
        let _write = self.write();
        self.instances.untag(ids, keys).await
    }

    async fn describe(&self, tags: &Tags) -> Result<Vec<Instance>> {
        self.instances.describe(tags).await
    }

    async fn running(&self) -> Result<Vec<Instance>> {
        self.instances.running().await
    }

    async fn types(&self, names: &[String]) -> Result<Vec<InstanceType>> {
        self.instances.types(names).await
    }

    async fn types_of(&self, architecture: Architecture) -> Result<Vec<InstanceType>> {
        self.instances.types_of(architecture).await
    }

    async fn image(&self, query: &ImageQuery) -> Result<Image> {
        self.instances.image(query).await
    }

    async fn key_pair_exists(&self, name: &str) -> Result<bool> {
        self.instances.key_pair_exists(name).await
    }

    async fn placement_group_ensure(&self, name: &str, placement: Placement, tags: &Tags) -> Result<()> {
        self.instances.placement_group_ensure(name, placement, tags).await
    }

    async fn placement_group_delete(&self, name: &str) -> Result<()> {
        self.instances.placement_group_delete(name).await
    }

    async fn group_create(&self, name: &str, vpc_id: &str, description: &str, tags: &Tags) -> Result<String> {
        self.instances.group_create(name, vpc_id, description, tags).await
    }

    async fn group_admit_itself(&self, group_id: &str) -> Result<()> {
        self.instances.group_admit_itself(group_id).await
    }

    async fn groups(&self, tags: &Tags) -> Result<Vec<String>> {
        self.instances.groups(tags).await
    }

    async fn group_delete(&self, group_id: &str) -> Result<()> {
        self.instances.group_delete(group_id).await
    }

    async fn volumes(&self, tags: &Tags) -> Result<Vec<Volume>> {
        self.instances.volumes(tags).await
    }

    async fn regions(&self) -> Result<Vec<String>> {
        self.instances.regions().await
    }

    async fn spot_prices(&self, types: &[String], now: Timestamp) -> Result<Vec<SpotPrice>> {
        self.instances.spot_prices(types, now).await
    }
}
