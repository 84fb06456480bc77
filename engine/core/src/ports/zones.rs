//! Hosted zones of DNS.

use async_trait::async_trait;
use spawn_model::dns::{RecordChange, RecordSet};

use super::Result;

/// A hosted zone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Zone {
    /// Its id, such as `Z0123456789ABCDEFGHIJ`.
    pub id: String,
    /// Its name, without the dot at the end.
    pub name: String,
    /// Whether only the networks see it that it is associated with.
    pub is_private: bool,
    /// The ids of those networks, whichever region they are in.
    pub networks: Vec<String>,
}

/// Route 53.
#[async_trait]
pub trait Zones: Send + Sync {
    /// `GetHostedZone` of the zone with an id, or of each that `ListHostedZonesByName` says has a name: there may be several. None is none.
    async fn find(&self, id_or_name: &str) -> Result<Vec<Zone>>;
    /// `ListResourceRecordSets`: what a name has and what is below it, one call a page of 300. A zone that is not there is
    /// [`spawn_model::error::Class::NotFound`].
    async fn records(&self, zone_id: &str, name: &str) -> Result<Vec<RecordSet>>;
    /// `ChangeResourceRecordSets`: all of it or nothing. That what is there is not what was expected is
    /// [`spawn_model::error::Class::Conflict`].
    async fn change(&self, zone_id: &str, changes: &[RecordChange]) -> Result<()>;
}
