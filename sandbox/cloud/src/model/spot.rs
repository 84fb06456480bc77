//! Spot requests.

use jiff::Timestamp;
use serde::Serialize;

use super::{GroupIdentifier, ProfileIdentifier, Tags};

/// Where a spot request is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpotRequestState {
    /// It has its instance.
    Active,
    /// Its instance has ended, or is about to.
    Closed,
    /// Somebody cancelled it. Its instance may run on.
    Cancelled,
}

impl SpotRequestState {
    /// EC2's name for it.
    pub fn name(self) -> &'static str {
        match self {
            SpotRequestState::Active => "active",
            SpotRequestState::Closed => "closed",
            SpotRequestState::Cancelled => "cancelled",
        }
    }
}

/// A request for one spot instance: one-time, as every request here is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpotInstanceRequest {
    /// `sir-…`.
    pub id: String,
    /// Its instance.
    pub instance_id: String,
    /// Where it is in its life.
    pub state: SpotRequestState,
    /// The last thing that happened to it, such as `fulfilled`.
    pub status_code: &'static str,
    /// The same in a sentence.
    pub status_message: &'static str,
    /// When that was.
    pub status_update_time: Timestamp,
    /// When it was made.
    pub create_time: Timestamp,
    /// US dollars an hour at most.
    pub max_price: f64,
    /// The zone of its instance.
    pub availability_zone: String,
    /// That zone's id.
    pub availability_zone_id: String,
    /// What was asked for: the type.
    pub instance_type: String,
    /// The image.
    pub image_id: String,
    /// The security groups.
    pub groups: Vec<GroupIdentifier>,
    /// The subnet.
    pub subnet_id: String,
    /// The role.
    pub profile: Option<ProfileIdentifier>,
    /// Detailed monitoring.
    pub monitoring: bool,
    /// Its tags.
    pub tags: Tags,
    /// When it is no longer listed; unknown while its instance lives.
    #[serde(skip)]
    pub(crate) gone_at: Option<Timestamp>,
}
