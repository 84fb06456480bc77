//! Calls about spot prices and spot requests.

use jiff::Timestamp;

use super::{Filter, Page};

/// Lists spot prices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeSpotPriceHistory {
    /// Only these.
    pub instance_types: Vec<String>,
    /// Only these; `Linux/UNIX` is what exists.
    pub product_descriptions: Vec<String>,
    /// Only this zone.
    pub availability_zone: Option<String>,
    /// From here, and what was in force then; none means the last 90 days.
    pub start_time: Option<Timestamp>,
    /// Up to here; none means now.
    pub end_time: Option<Timestamp>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Which part of the answer, 1,000 prices if unsaid.
    pub page: Page,
}

/// Cancels spot requests; their instances run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelSpotInstanceRequests {
    /// The requests. One unknown id fails the whole call.
    pub spot_instance_request_ids: Vec<String>,
}
