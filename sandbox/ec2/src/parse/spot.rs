//! Calls about spot prices and spot requests, and the part of a launch that asks for spot.

use sandbox_cloud::request::{CancelSpotInstanceRequests, DescribeSpotPriceHistory, SpotOptions};
use sandbox_cloud::{ApiError, Request};

use super::lists::by_id;
use crate::form::Form;

pub(super) fn price_history(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DescribeSpotPriceHistory(DescribeSpotPriceHistory {
        instance_types: form.list("InstanceType"),
        product_descriptions: form.list("ProductDescription"),
        availability_zone: form.text("AvailabilityZone"),
        start_time: form.time("StartTime")?,
        end_time: form.time("EndTime")?,
        filters: form.filters()?,
        page: form.page()?,
    }))
}

pub(super) fn describe_requests(form: &Form) -> Result<Request, ApiError> {
    by_id(form, "SpotInstanceRequestId").map(Request::DescribeSpotInstanceRequests)
}

pub(super) fn cancel_requests(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::CancelSpotInstanceRequests(CancelSpotInstanceRequests { spot_instance_request_ids: form.list("SpotInstanceRequestId") }))
}

/// `InstanceMarketOptions` of a launch, after a prefix.
pub(super) fn options(form: &Form, prefix: &str) -> Result<Option<SpotOptions>, ApiError> {
    let name = |field: &str| format!("{prefix}InstanceMarketOptions{field}");
    form.only(&name(".MarketType"), &["spot"])?;
    form.only(&name(".SpotOptions.SpotInstanceType"), &["one-time"])?;
    match form.text(&name(".SpotOptions.InstanceInterruptionBehavior")).as_deref() {
        None | Some("terminate") => {}
        Some(behavior @ ("stop" | "hibernate")) => {
            let message =
                format!("The request with type 'one-time' is not supported when instanceInterruptionBehavior is set to '{behavior}'.");
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        Some(other) => {
            let message = format!("Value ({other}) for parameter instanceInterruptionBehavior is invalid.");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
    }
    if !form.has(&name("")) {
        return Ok(None);
    }
    form.required(&name(".MarketType"))?;
    Ok(Some(SpotOptions { max_price: form.decimal(&name(".SpotOptions.MaxPrice"))? }))
}
